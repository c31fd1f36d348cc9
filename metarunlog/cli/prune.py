"""`mrl prune [EXP]`: archive the sub-experiments whose params left the grid."""

from __future__ import annotations

import argparse

from metarunlog import batch, pruning
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.lock import locked
from metarunlog.experiment import Experiment, SubExperiment
from metarunlog.ledger import Ledger
from metarunlog.tasks.graph import made_of_subs

_EPILOG = """\
Nothing is deleted: the folders move to .mrl.d/archive/, with what analysis made of them. `mrl restore EXP/SUB` brings
one back as it was, and so does `mrl makebatch` where its params are in the grid again."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    options.experiment(parser)
    parser.add_argument("--yes", action="store_true", help="archive without asking")
    options.dry_run(parser)
    options.quiet(parser)
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    experiment = common.project().experiment(args.exp)
    found = _orphans(experiment)
    if not args.json and not args.quiet:
        for sub in found:
            print(f"{sub.id}  {', '.join([sub.state or 'not run', *_params(sub)])}")
        if not found:
            print("no orphans")
    ask = f"archive {'this one' if len(found) == 1 else f'these {len(found)}'}? "
    agreed = bool(found) and not args.dry_run and (args.yes or (not args.json and common.confirm(ask)))
    pruned: list[str] = []
    kept: list[dict[str, str]] = []
    if args.dry_run:
        kept = [{"id": sub.id, "why": pruning.RUNNING.format(experiment.path, sub.id)} for sub in found if sub.running]
    if agreed:
        with locked(experiment.memory, wait=True, say=common.say):
            made = made_of_subs(experiment)
            ids = {sub.id for sub in found}
            still = [sub for sub in _orphans(experiment) if sub.id in ids]  # now that nobody else writes
            for sub, why in pruning.prune(experiment, still, made):
                if why is None:
                    pruned.append(sub.id)
                else:
                    kept.append({"id": sub.id, "why": why})
    elif found and not args.dry_run:
        common.say("nothing was archived; `mrl prune --yes` archives them without asking")
    if args.json:
        shown = pruned if agreed else [sub.id for sub in found]
        common.print_json({"expId": experiment.name, "orphans": shown, "archived": bool(pruned), "kept": kept})
    else:
        for item in kept:
            common.say(f"mrl: error: {item['why']}")
        if pruned and not args.quiet:
            print(
                f"{len(pruned)} archived ({common.ranges(pruned, experiment.sub_number)}); "
                f"`mrl restore {experiment.id}/{experiment.sub_number(pruned[0])}` brings one back"
            )
    return 1 if kept else 0


def _orphans(experiment: Experiment) -> list[SubExperiment]:
    """The orphans as the template stands now; not those that a new point of the grid will take over."""
    orphans = set(batch.plan(experiment).orphans)
    return [sub for sub in Ledger.read(experiment).existing() if sub.id in orphans]


def _params(sub: SubExperiment) -> list[str]:
    return [f"{name}={value}" for name, value in sub.params.items()]
