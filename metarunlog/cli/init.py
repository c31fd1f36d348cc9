"""`mrl init OUTDIR`."""

from __future__ import annotations

import argparse

from metarunlog import git
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.project import commit_command, init


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("outdir", metavar="OUTDIR", help="folder for experiments, inside the project")
    options.dry_run(parser)


def run(args: argparse.Namespace) -> int:
    root = common.here()
    written = init(root, args.outdir, dry_run=args.dry_run)
    top = git.top_of(root)
    names = [common.shown(root / name) for name in written]
    if args.dry_run:
        print(f"would write {', '.join(names)}")
        return 0
    print(f"wrote {', '.join(names)}")
    print("next, commit this:")
    print(f"  {commit_command(top, names)}")
    print("then `mrl new` makes the first experiment")
    return 0
