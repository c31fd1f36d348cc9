"""`mrl new [DESCRIPTION]`."""

from __future__ import annotations

import argparse

from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.errors import NoSuchError

_LAST = "\0last"  # -cp without a word


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("description", nargs="?", default="", metavar="DESCRIPTION", help="what it is for")
    parser.add_argument(
        "-cp", metavar="EXP|no", help="copy template and files from this experiment (default last), `no` from none"
    )
    parser.add_argument("-nc", action="store_true", help="take uncommitted changes along as a patch")
    parser.add_argument("-gfut", choices=("yes", "no"), help="whether untracked files count as uncommitted changes")
    options.dry_run(parser)


def arrange(words: list[str]) -> list[str]:
    """`-cp` takes the next word only if it is a number, `last`, `no` or an experiment's path."""
    arranged = []
    for word, following in zip(words, [*words[1:], None]):
        arranged.append(word)
        if word == "-cp" and not (following is not None and (following == "no" or _names_experiment(following))):
            arranged.append(_LAST)
    return arranged


def run(args: argparse.Namespace) -> int:
    project = common.project()
    copy_from = {None: None, _LAST: "last"}.get(args.cp, args.cp)
    if args.cp == _LAST and not project.experiment_dirs():
        copy_from = None
    fail_untracked = (args.gfut or project.config.gitFailUntrackedDefault) == "yes"
    folder = project.create(
        args.description,
        copy_from=copy_from,
        uncommitted=args.nc,
        fail_untracked=fail_untracked,
        dry_run=args.dry_run,
    )
    if args.dry_run:
        common.say("would make:")
    print(common.shown(folder))
    return 0


def _names_experiment(word: str) -> bool:
    try:
        return common.project().names_experiment(word)
    except NoSuchError:
        return False
