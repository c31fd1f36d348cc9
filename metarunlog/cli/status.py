"""`mrl status [EXP]`: asks the traces; imports none of the user's code and writes nothing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metarunlog import files
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.glance import Glance, Kept
from metarunlog.experiment import Experiment

if TYPE_CHECKING:
    from metarunlog.cli.short import Short


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
            known = _known(experiment)
            print(*known["lines"], sep="\n")
            bad = bad or known["bad"]
    return 1 if args.exit_code and bad else 0


def glance(experiment: Experiment) -> Glance:
    """Where analyze keeps what `status` says of an experiment in short: see short.py."""
    return Glance(experiment.memory / files.GLANCE / "status", experiment.dir)


def after_changes(experiment: Experiment, kept: Kept) -> Short | None:
    """What is said after a decision that was kept, where only some sub-experiments have changed since; else None."""
    from metarunlog.cli.short import Short
    from metarunlog.tasks.changes import changes

    before = Short(**kept.answer["short"])
    waiting = [name for name, (state, _) in before.open.items() if state == "waiting"]
    found = changes(experiment, kept, waiting, also=before.running)
    if found is None or before.asks_batch(experiment, found.subs, kept.changed):
        return None
    judge = found.judge
    verdicts = {name: judge.verdict(name) for name in judge.graph.specs}
    return before.after(experiment, found.subs, verdicts, judge.graph.left_out)


def _known(experiment: Experiment) -> Mapping[str, Any]:
    """What is said, from the last decision if that still holds, or most of it."""
    kept = glance(experiment).look()
    if kept is not None and not kept.changed and not kept.answer["running"]:
        answer: dict[str, Any] = kept.answer
        return answer
    from metarunlog.cli.short import kept_as

    short = None if kept is None else after_changes(experiment, kept)
    if short is None:
        from metarunlog.cli.verdicts import Verdicts

        short = Verdicts.of(experiment).short
    return kept_as(short)


def _say_all(args: argparse.Namespace, experiments: Sequence[Experiment]) -> bool:
    """Each task that is not up to date, and why; whether anything is stale or failed."""
    from metarunlog.cli.verdicts import Verdicts

    found = [Verdicts.of(experiment) for experiment in experiments]
    if args.json:
        common.print_json({"experiments": [verdicts.to_json() for verdicts in found]})
    else:
        for verdicts in found:
            print(*verdicts.lines(), sep="\n")
    return any(verdicts.short.bad for verdicts in found)
