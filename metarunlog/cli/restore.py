"""`mrl restore EXP/SUB`: bring an archived sub-experiment back."""

from __future__ import annotations

import argparse

from metarunlog import pruning
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.lock import locked


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sub", metavar="EXP/SUB", help="a sub-experiment that was archived, as in 3/12")
    options.dry_run(parser)
    options.quiet(parser)
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    experiment, word = common.project().experiment_and_sub(args.sub)
    found = pruning.find(experiment, word)
    if not args.dry_run:
        with locked(experiment.memory, wait=True, say=common.say):
            found = pruning.find(experiment, word)  # now that nobody else writes
            found.restore()
    if args.json:
        common.print_json({"expId": experiment.name, "id": found.id, "restored": not args.dry_run})
    elif not args.quiet:
        print(common.shown(experiment.dir / found.id))
    return 0
