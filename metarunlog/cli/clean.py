"""`mrl clean [EXP]`: delete what analysis derived, and nothing else."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.journal import Journal
from metarunlog.engine.lock import locked
from metarunlog.tasks.graph import analysis

_SHOWN = 20  # files; all of them with -n


def configure(parser: argparse.ArgumentParser) -> None:
    options.experiment(parser)
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    options.dry_run(parser)
    options.quiet(parser)
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    from metarunlog.engine import sweep
    from metarunlog.engine.execute import remove_with_folders

    experiment = common.project().experiment(args.exp)
    graph = analysis(experiment)
    found = sorted(sweep.derived(graph, Journal(graph.journal_path)))
    if not args.json and not args.quiet:
        _list(found, len(found) if args.dry_run else _SHOWN)
    ask = f"delete these {len(found)} files? "
    agreed = bool(found) and not args.dry_run and (args.yes or (not args.json and common.confirm(ask)))
    if agreed:
        with locked(experiment.memory, wait=True, say=common.say):
            for path in found:
                remove_with_folders(path, graph.derived)
            if graph.derived.is_dir() and not os.listdir(graph.derived):
                graph.derived.rmdir()
    elif found and not args.dry_run:
        common.say("nothing was deleted; `mrl clean --yes` deletes them without asking")
    left = [str(p) for p in graph.derived.rglob("*") if p.is_file()] if agreed and graph.derived.is_dir() else []
    if args.json:
        shown = [os.path.relpath(path, experiment.root) for path in found]
        common.print_json({"expId": experiment.name, "files": shown, "deleted": agreed})
    elif left and not args.quiet:
        common.say(f"left {len(left)} that mrl did not make, such as {common.shown(Path(left[0]))}")
    return 0


def _list(found: list[Path], limit: int) -> None:
    for path in found[:limit]:
        print(common.shown(path))
    if len(found) > limit:
        print(f"... and {len(found) - limit} more (-n lists all)")
    if not found:
        print("nothing to clean")
