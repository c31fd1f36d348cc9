"""`mrl status [EXP]`: asks the traces; imports none of the user's code and writes nothing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from metarunlog import files
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.glance import Glance
from metarunlog.experiment import Experiment


def configure(parser: argparse.ArgumentParser) -> None:
    options.experiment(parser)
    parser.add_argument("--all", action="store_true", help="all experiments")
    parser.add_argument("-v", "--verbose", action="store_true", help="say why, for each task")
    parser.add_argument("--exit-code", action="store_true", help="exit 1 if anything is stale or failed")
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    project = common.project()
    if args.all:
        experiments = project.experiments()
    elif args.exp is None and not project.experiment_dirs():
        experiments = []
        common.say("there is no experiment yet; `mrl new` makes one")
    else:
        experiments = [project.experiment(args.exp)]
    if args.json or args.verbose:
        bad = _say_all(args, experiments)
    else:
        bad = False
        for experiment in experiments:
            known = glance(experiment).recall() or _counted(experiment)
            print(*known["lines"], sep="\n")
            bad = bad or known["bad"]
    return 1 if args.exit_code and bad else 0


def glance(experiment: Experiment) -> Glance:
    """Where analyze keeps what `status` says of an experiment in short: `Verdicts.short`."""
    return Glance(experiment.memory / files.GLANCE / "status", experiment.dir)


def _counted(experiment: Experiment) -> dict[str, Any]:
    from metarunlog.cli.verdicts import Verdicts

    return Verdicts.of(experiment).short()


def _say_all(args: argparse.Namespace, experiments: Sequence[Experiment]) -> bool:
    """Each task that is not up to date, and why; whether anything is stale or failed."""
    from metarunlog.cli.verdicts import Verdicts

    found = [Verdicts.of(experiment) for experiment in experiments]
    if args.json:
        common.print_json({"experiments": [verdicts.to_json() for verdicts in found]})
    else:
        for verdicts in found:
            print(*verdicts.lines(verbose=True), sep="\n")
    return any(verdicts.bad for verdicts in found)
