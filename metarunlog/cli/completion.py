"""`mrl completion bash|zsh|fish`: what the shell is to do; and, when it asks, what may come next."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from metarunlog import archive, files
from metarunlog.cli import common
from metarunlog.engine.journal import Journal
from metarunlog.errors import MrlError

SHELLS = ("bash", "zsh", "fish")
_EPILOG = """\
in ~/.bashrc:                    eval "$(mrl completion bash)"
in ~/.zshrc, after compinit:     eval "$(mrl completion zsh)"
in ~/.config/fish/config.fish:   mrl completion fish | source"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.add_argument("shell", choices=SHELLS, help="the shell that is to complete `mrl`")


def run(args: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["mrl"], shell=args.shell))
    return 0


def answer(commands: Mapping[str, str], configure: Callable[[str, argparse.ArgumentParser], None]) -> None:
    """Tell the shell what may come next on the line that it has put into the environment, and end.

    `commands`: name -> what it does; `configure` adds the options of one of them to a parser.
    """
    import argcomplete

    parser = argparse.ArgumentParser("mrl", allow_abbrev=False)
    parser.add_argument("-C", metavar="DIR", action="append", help="do as if started in DIR")
    parser.add_argument("--version", action="store_true", help="print the version")
    inner = parser.add_subparsers()
    typed = os.environ.get("COMP_LINE", "").split()
    for name, text in commands.items():
        command = inner.add_parser(name, help=text, allow_abbrev=False)
        if name in typed:  # the options of others are not loaded
            configure(name, command)
            for action in command._actions:
                if action.dest in _WORDS:
                    action.completer = _completer(_WORDS[action.dest])  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, always_complete_options=False)


def _completer(words: Callable[[str | None], Iterable[str]]) -> Callable[..., list[str]]:
    def complete(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
        with contextlib.suppress(MrlError, OSError):
            return [word for word in words(getattr(parsed_args, "exp", None)) if word.startswith(prefix)]
        return []

    return complete


# Each is given the experiment that stands on the line already.


def _experiments(_: str | None) -> Iterator[str]:
    for number, _folder in reversed(common.project().experiment_dirs()):
        yield str(number)
    yield "last"


def _archived(_: str | None) -> Iterator[str]:
    for experiment in common.project().experiments():
        for id_ in archive.archived(experiment):
            yield f"{experiment.id}/{id_}"


def _tasks(_: str | None) -> Iterator[str]:
    experiment = common.project().experiment()
    for name in Journal(experiment.memory / files.TRACES).tasks():
        kind, _sign, rest = name.partition(":")
        yield f"{kind}:{experiment.name}/{rest}" if rest else f"{kind}:{experiment.name}"


def _params(word: str | None) -> Iterable[str]:
    subs = common.project().experiment(word).subs
    return dict.fromkeys(name for sub in subs for name in sub.params)


def _subs(word: str | None) -> Iterator[str]:
    return (sub.id for sub in common.project().experiment(word).subs)


_WORDS = {"exp": _experiments, "cp": _experiments, "sub": _archived, "what": _tasks, "where": _params, "only": _subs}
