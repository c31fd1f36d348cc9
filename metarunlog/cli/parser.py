"""argparse, with errors of one line, and the options that several commands share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from metarunlog import __version__
from metarunlog.errors import UsageError


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """One is made for each option, and asks for the width of the terminal by a module that loads much."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_width())


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; options are never guessed from their beginnings."""

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=_Formatter,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} -h`")


def _width() -> int:
    """As argparse has it: two columns less than the terminal's."""
    try:
        columns = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 0
        except (AttributeError, ValueError, OSError):
            columns = 0
    return (columns or 80) - 2


def top_parser(commands: Mapping[str, str]) -> Parser:
    """The parser of what stands before the command."""
    width = max(map(len, commands)) + 2
    lines = "\n".join(f"  {name:{width}}{text}" for name, text in commands.items())
    parser = Parser(
        "mrl", "A make for machine-learning experiments.", f"commands:\n{lines}\n\n`mrl COMMAND -h` says more."
    )
    parser.add_argument("-C", metavar="DIR", action="append", help="do as if started in DIR")
    parser.add_argument("--version", action="version", version=f"metarunlog {__version__}")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="one of those below")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="its options")
    return parser


def experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "exp",
        nargs="?",
        metavar="EXP",
        help="a number, `last`, or an experiment's folder (default: this one, or the last)",
    )


def json_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="print only failures")


def dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be done and change nothing")


def jobs(parser: argparse.ArgumentParser, default: int | None, default_text: str) -> None:
    parser.add_argument(
        "-j", "--jobs", type=_positive, default=default, metavar="N", help=f"how many at once ({default_text})"
    )


def selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", metavar="IDS", help="these sub-experiments, as in 1,3-5")
    parser.add_argument("--where", metavar="EXPR", help="those whose params fit, as in 'lr < 0.1 and opt == \"sgd\"'")


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not {text}")
    return value
