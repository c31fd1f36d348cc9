"""`mrl makebatch [EXP]`."""

from __future__ import annotations

import argparse
from contextlib import nullcontext

from metarunlog import batch, files
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.lock import locked
from metarunlog.experiment import Experiment

_EPILOG = """\
The config of a sub-experiment that has started, or that was edited by hand, is kept, and the exit code is 1:
  --keep    it is wanted as it is; from now on the exit code is 0
  --force   write the new one; the old file is kept in .mrl.d/replaced/
  -replace  archive all sub-experiments in .mrl.d/archive/ and start anew at 001"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    options.experiment(parser)
    parser.add_argument("-replace", action="store_true", help="archive all sub-experiments and start anew")
    parser.add_argument("--diff", action="store_true", help="show what changes in each config")
    parser.add_argument("--keep", action="store_true", help="record kept configs as wanted")
    parser.add_argument("--force", action="store_true", help="overwrite kept configs; the old files are kept aside")
    options.dry_run(parser)
    options.quiet(parser)
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    experiment = common.project().experiment(args.exp)
    with nullcontext() if args.dry_run else locked(experiment.memory, wait=True, say=common.say):
        plan = batch.plan(experiment, anew=args.replace)
        if args.diff and not args.json:
            _show_diff(plan)
        if not args.dry_run:
            _apply(args, plan)
    return _tell(args, plan)


def _apply(args: argparse.Namespace, plan: batch.Plan) -> None:
    if args.replace:
        folder = batch.archive_all(plan.experiment)
        if folder is not None:
            common.say(f"the sub-experiments so far are in {common.shown(folder)}")
    ran = {sub.id for sub in plan.experiment.subs if sub.state is not None}
    overwritten = [row.id for row in plan.of("keep") if args.force and row.id in ran]
    if overwritten:
        ids = common.ranges(overwritten, plan.experiment.sub_number)
        common.say(f"ran with the config that is now replaced: {ids}; delete their {files.RUN} to launch them again")
    plan.apply([row for row in plan.rows if row.verdict != "unchanged"], force=args.force)
    if args.keep:
        plan.keep(plan.of("keep"))


def _show_diff(plan: batch.Plan) -> None:
    for row in plan.rows:
        for line in plan.diff(row):
            print(line, end="" if line.endswith("\n") else "\n\\ No newline at end of file\n")


def _tell(args: argparse.Namespace, plan: batch.Plan) -> int:
    kept = [] if args.force or args.keep else plan.of("keep")
    for warning in plan.sources.warnings:
        common.warn(warning)
    rendered = [*plan.of("render"), *(plan.of("keep") if args.force else ())]
    if args.json:
        common.print_json(
            {
                "new": [row.id for row in plan.of("new")],
                "rendered": [row.id for row in rendered],
                "unchanged": [row.id for row in [*plan.of("unchanged"), *(plan.of("keep") if args.keep else ())]],
                "orphans": list(plan.orphans),
                "adopted": [row.id for row in plan.of("adopt")],
                "kept": [{"id": row.id, "why": row.why} for row in kept],
            }
        )
        return 1 if kept else 0
    for row in kept:
        common.say(f"kept {plan.experiment.path}/{row.id}: {row.why}")
    if kept:
        common.say(
            "use --keep if they are wanted as they are, --force to overwrite them (the old files are kept aside)"
        )
    if not args.quiet:
        unchanged = len(plan.of("unchanged")) + (len(plan.of("keep")) if args.keep else 0)
        print(_line(plan.experiment, plan, unchanged, rendered, kept))
    return 1 if kept else 0


def _line(
    experiment: Experiment, plan: batch.Plan, unchanged: int, rendered: list[batch.Row], kept: list[batch.Row]
) -> str:
    parts = [f"{unchanged} unchanged"] if unchanged else []
    for rows, word in (
        (plan.of("new"), "new"),
        (rendered, "rendered"),
        (plan.of("adopt"), "adopted"),
    ):
        if rows:
            parts.append(f"{len(rows)} {word} ({common.ranges([r.id for r in rows], experiment.sub_number)})")
    if plan.orphans:
        parts.append(f"{len(plan.orphans)} orphan{'s' if len(plan.orphans) > 1 else ''}")
    if kept:
        parts.append(f"{len(kept)} kept ({common.ranges([r.id for r in kept], experiment.sub_number)})")
    return ", ".join(parts) or "no sub-experiments: the grid is empty"
