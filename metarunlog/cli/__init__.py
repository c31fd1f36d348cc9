"""The command line: argv -> one command -> exit code. A file a command; only this folder prints.

Each command's module has `configure(parser)` and `run(args) -> int`, and is imported when it is called.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from metarunlog.cli.parser import Parser, top_parser
from metarunlog.errors import Exit, InputError, MrlError, UsageError

#: command -> (module, one line for `mrl -h`)
COMMANDS = {
    "demo": ("demo", "make a small real project, train it and analyse it, in under a minute"),
    "init": ("init", "make this git repository a project"),
    "new": ("new", "new experiment at the current commit"),
    "makebatch": ("makebatch", "template to sub-experiments"),
    "run": ("run", "launch the sub-experiments that have not run"),
    "analyze": ("analyze", "logs to tables, sections, report: only what is stale"),
    "status": ("status", "what is stale, and why"),
    "why": ("why", "every reason for the state of a task or file"),
    "summary": ("summary", "params, state and metrics, a row a sub-experiment"),
    "ls": ("ls", "list experiments, newest first"),
    "info": ("info", "show one experiment"),
    "last": ("last", "print the folder of the newest experiment"),
    "prune": ("prune", "archive the sub-experiments whose params left the grid"),
    "restore": ("restore", "bring an archived sub-experiment back"),
    "clean": ("clean", "delete what analysis derived"),
    "doit": ("doit", "doit on the same tasks, without a dodo.py"),
    "completion": ("completion", "print what makes a shell complete `mrl`"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors are one line on stderr, never a traceback."""
    args = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that is no text is shown, not a reason to fail
    before = signal.signal(signal.SIGTERM, _terminated) if argv is None else None
    try:
        return _dispatch(args)
    except MrlError as error:
        print(f"mrl: error: {error}", file=sys.stderr)
        return error.exit
    except KeyboardInterrupt:
        print("mrl: interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has gone: nothing more to say to it
        return Exit.FAILED
    except OSError as error:
        print(f"mrl: error: {error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
        return Exit.FAILED
    except Exception as error:
        if os.environ.get("MRL_DEBUG"):
            raise
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        print(
            f"mrl: error: a fault of metarunlog's own: {what}; please report it (MRL_DEBUG=1 shows where)",
            file=sys.stderr,
        )
        return Exit.FAILED
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _dispatch(argv: list[str]) -> int:
    if "_ARGCOMPLETE" in os.environ:  # set by what `mrl completion` prints
        _complete()
    top = top_parser({name: text for name, (_, text) in COMMANDS.items()})
    args = top.parse_args(argv)
    for folder in filter(None, args.C or ()):
        try:
            seen = os.path.normpath(os.path.join(os.environ.get("PWD") or os.getcwd(), folder))
            os.chdir(folder)
            os.environ["PWD"] = seen  # as a shell's cd: the way through links is kept
        except OSError as error:
            raise InputError(f"cannot go to {folder}: {error.strerror}; give -C an existing folder") from None
    if args.command in (None, "help"):
        top.print_help()
        return Exit.OK if args.command else Exit.USAGE
    if args.command not in COMMANDS:
        raise UsageError(_unknown(args.command))
    name, text = COMMANDS[args.command]
    command = importlib.import_module(f"metarunlog.cli.{name}")
    parser = Parser(prog=f"mrl {args.command}", description=text[0].upper() + text[1:] + ".")
    command.configure(parser)
    code: int = command.run(parser.parse_args(_own_words(command, args.rest)))
    sys.stdout.flush()
    return code


def _complete() -> None:
    from metarunlog.cli import completion

    def configure(name: str, parser: argparse.ArgumentParser) -> None:
        importlib.import_module(f"metarunlog.cli.{COMMANDS[name][0]}").configure(parser)

    completion.answer({name: text for name, (_, text) in COMMANDS.items()}, configure)


def _own_words(command: object, words: list[str]) -> list[str]:
    """A command may put its words in order before they are parsed (`new`: -cp takes only an experiment's word)."""
    arrange = getattr(command, "arrange", None)
    return arrange(words) if arrange else words


def _unknown(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, COMMANDS, 1)
    return f"there is no command {word}; " + (f"did you mean {near[0]}?" if near else "`mrl -h` lists them")


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
