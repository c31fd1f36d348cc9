"""`mrl makebatch [EXP]`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from metarunlog import files
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.glance import Glance
from metarunlog.engine.watch import Watch

if TYPE_CHECKING:
    from metarunlog import batch
    from metarunlog.experiment import Experiment

_EPILOG = """\
The config of a sub-experiment that has started, or that was edited by hand, is kept, and the exit code is 1:
  --keep    it is wanted as it is; from now on the exit code is 0
  --force   write the new one; the old file is kept in .mrl.d/replaced/
  -replace  archive all sub-experiments in .mrl.d/archive/ and start anew at 001
Params that left the grid make orphans, which are left alone; `mrl prune` archives them. A new point whose config is
that of an orphan takes it over. Params that come back get their sub-experiment back, from the archive too."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    options.experiment(parser)
    parser.add_argument("-replace", action="store_true", help="archive all sub-experiments and start anew")
    parser.add_argument("--diff", action="store_true", help="show what changes in each config")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--keep", action="store_true", help="record kept configs as wanted")
    kept.add_argument("--force", action="store_true", help="overwrite kept configs; the old files are kept aside")
    options.dry_run(parser)
    options.quiet(parser)
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    watch = Watch()
    with watch.on():
        experiment = common.project().experiment(args.exp)
    plain = not (args.replace or args.diff or args.keep or args.force or args.json)
    if plain and (line := glance(experiment).recall()):
        if not args.quiet:
            print(line)
        return 0
    return _make(args, experiment, watch if plain else None)


def glance(experiment: Experiment) -> Glance:
    """Where it is kept what a makebatch with nothing to do says."""
    return Glance(experiment.memory / files.GLANCE / "makebatch", experiment.dir)


def _make(args: argparse.Namespace, experiment: Experiment, watch: Watch | None) -> int:
    """Plan, and do it. `watch`: has seen how the experiment was found; what is decided is to be kept."""
    from metarunlog import batch
    from metarunlog.engine.lock import locked

    with nullcontext() if args.dry_run else locked(experiment.memory, wait=True, say=common.say):
        with nullcontext() if watch is None else watch.on():
            plan = batch.plan(experiment, anew=args.replace, force=args.force)
        if args.replace and args.dry_run and (away := batch.to_archive(experiment)):
            common.say(f"would be archived: {common.ranges(away, experiment.sub_number)}")
        diff = "".join(_diff(plan)) if args.diff else ""
        if not args.dry_run:
            _apply(args, plan)
            idle = all(row.is_done for row in plan.rows) and plan.ledger.found == "whole" and not plan.sources.warnings
            if watch is not None and plan.rows and idle:
                glance(experiment).keep(watch, _line(plan, _found(args, plan)), (experiment.memory,))
    return _tell(args, plan, diff)


def _apply(args: argparse.Namespace, plan: batch.Plan) -> None:
    from metarunlog import batch

    if args.replace:
        folder = batch.archive_all(plan.experiment)
        if folder is not None:
            common.say(f"the sub-experiments so far are in {common.shown(folder)}")
    ran = {sub.id for sub in plan.experiment.subs if sub.state is not None}
    overwritten = [row.id for row in plan.of("keep") if args.force and row.id in ran and not row.running]
    if overwritten:
        ids = common.ranges(overwritten, plan.experiment.sub_number)
        common.say(f"ran with the config that is now replaced: {ids}; delete their {files.RUN} to launch them again")
    plan.apply([row for row in plan.rows if not row.is_done], force=args.force)
    plan.settle()
    if args.keep:
        plan.keep(plan.of("keep"))


def _diff(plan: batch.Plan) -> Iterator[str]:
    for row in plan.rows:
        for line in plan.diff(row):
            yield line if line.endswith(("\n", "\r")) else f"{line}\n\\ No newline at end of file\n"


def _tell(args: argparse.Namespace, plan: batch.Plan, diff: str) -> int:
    for warning in plan.sources.warnings:
        common.warn(warning)
    if plan.ledger.found != "whole" and plan.ledger.entries:
        ledger = f"{plan.experiment.path}/{files.LEDGER}"
        common.say(f"{ledger} was {plan.ledger.found}; it is rebuilt from its copy and the folders")
    found = _found(args, plan)
    kept = found["kept"]
    if args.json:
        ids = {word: [row.id for row in rows] for word, rows in found.items() if word != "kept"}
        why = [{"id": row.id, "why": row.why} for row in kept]
        restored = [row.id for rows in found.values() for row in rows if row.archived]
        more = {"diff": diff} if args.diff else {}
        common.print_json({**ids, "orphans": list(plan.orphans), "kept": why, "restored": sorted(restored), **more})
        return 1 if kept else 0
    print(diff, end="")
    for row in kept:
        common.say(f"kept {plan.experiment.path}/{row.id}: {row.why}")
    if kept:
        common.say(
            "use --keep if they are wanted as they are, --force to overwrite them (the old files are kept aside)"
        )
    if not args.quiet:
        print(_line(plan, found))
    return 1 if kept else 0


def _found(args: argparse.Namespace, plan: batch.Plan) -> dict[str, list[batch.Row]]:
    """The rows by what was done with them, in number order."""
    words = {"adopt": "adopted", "render": "rendered", "keep": "kept"}
    words |= {"keep": "rendered"} if args.force else {"keep": "unchanged"} if args.keep else {}
    found: dict[str, list[batch.Row]] = {word: [] for word in ("unchanged", "new", "rendered", "adopted", "kept")}
    for row in sorted(plan.rows, key=lambda row: plan.experiment.sub_number(row.id) or 0):
        found["kept" if row.running and args.force else words.get(row.verdict, row.verdict)].append(row)
    return found


def _line(plan: batch.Plan, found: dict[str, list[batch.Row]]) -> str:
    def part(rows: list[batch.Row], word: str) -> str:
        return f"{len(rows)} {word} ({common.ranges([row.id for row in rows], plan.experiment.sub_number)})"

    parts = [f"{len(found['unchanged'])} unchanged"] if found["unchanged"] else []
    parts += [part(found[word], word) for word in ("new", "rendered", "adopted") if found[word]]
    if plan.orphans:
        parts.append(f"{len(plan.orphans)} orphan{'s' if len(plan.orphans) > 1 else ''}")
    if found["kept"]:
        parts.append(part(found["kept"], "kept"))
    back = [row for row in plan.rows if row.archived]
    line = ", ".join(parts) or "no sub-experiments: the grid is empty"
    return line + (f"; {part(back, 'came back from the archive')}" if back else "")
