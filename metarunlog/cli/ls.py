"""`mrl ls`."""

from __future__ import annotations

import argparse

from metarunlog import files
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.experiment import Experiment

_COLUMNS = {"tm": "timestamp", "ghash": "gitHash", "gdesc": "gitDescription", "desc": "description"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"`** ` marks an experiment without a file {files.DONE} in its folder."
    parser.add_argument("-tm", action="store_true", help="show when it was made")
    parser.add_argument("-ghash", action="store_true", help="show the commit")
    parser.add_argument("-gdesc", action="store_true", help="show the commit's subject")
    parser.add_argument("-desc", action="store_true", help="show the description (default if no column is chosen)")
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    newest_first = common.project().experiments()[::-1]
    if args.json:
        common.print_json({"experiments": [about(e) for e in newest_first]})
        return 0
    chosen = [column for flag, column in _COLUMNS.items() if getattr(args, flag)] or ["description"]
    for experiment in newest_first:
        facts = about(experiment)
        mark = "   " if facts["done"] else "** "
        print("  ".join([mark + experiment.name, *(str(facts[column] or "") for column in chosen)]).rstrip())
    return 0


def about(experiment: Experiment) -> dict[str, object]:
    """What `.mrl` says, with the id as in the folder's name."""
    return {
        **experiment.meta,
        **{column: experiment.meta.get(column) for column in _COLUMNS.values()},
        "expId": experiment.name,
        "path": experiment.path,
        "done": (experiment.dir / files.DONE).exists(),
    }
