"""What this process looks at while it decides: each file and folder, with the numbers of the first look."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from metarunlog import fileinfo
from metarunlog.fileinfo import Numbers

_stat, _lstat = os.stat, os.lstat
_ABILITIES: Sequence[set[Callable[..., Any]]] = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks)


class Watch:
    """What this process looks at while it is on: files that it opens or asks for, folders that it lists.

    Numbers are those of the first look, taken before anything was read; None of what is not there.
    """

    def __init__(self) -> None:
        self.since = time.time_ns()
        self.seen: dict[str, Numbers | None] = {}
        self.links: dict[str, Numbers | None] = {}  # looked at themselves, not followed

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        if not _hooked:
            sys.addaudithook(_hook)
            _hooked.append(True)
        _on.append(self)
        os.stat, os.lstat = self._noting(_stat, self.seen), self._noting(_lstat, self.links)
        able = [functions for functions in _ABILITIES if _stat in functions]
        for functions in able:
            functions.add(os.stat)  # modules ask there, when they are imported, what the system can do
        try:
            yield
        finally:
            for functions in able:
                functions.discard(os.stat)
            _on.pop()
            os.stat, os.lstat = _stat, _lstat

    def leave(self, folder: Path) -> None:
        """Forget what was looked at in a folder: the next decision does without it."""
        for seen in (self.seen, self.links):
            for path in [path for path in seen if path.startswith(f"{folder}/")]:
                del seen[path]

    def look(self, path: str) -> None:
        """Note a file or folder, before it is read."""
        if path not in self.seen:
            self.seen[path] = fileinfo.numbers(path)

    def holds(self, folders: Sequence[Path]) -> bool:
        """Whether nothing of what was looked at in some folders, or these files, has changed since."""
        inside = tuple(f"{folder}/" for folder in folders)
        same = {str(folder) for folder in folders}
        return all(
            fileinfo.numbers(path) == numbers
            for path, numbers in self.seen.items()
            if path.startswith(inside) or path in same
        )

    def _noting(self, ask: Callable[..., os.stat_result], seen: dict[str, Numbers | None]) -> Any:
        def noted(path: Any, *args: Any, **options: Any) -> os.stat_result:
            if isinstance(path, int) or options.get("dir_fd") is not None:
                return ask(path, *args, **options)
            kind = seen if options.get("follow_symlinks", True) else self.links
            try:
                found = ask(path, *args, **options)
            except OSError:
                kind.setdefault(absolute(path), None)
                raise
            kind.setdefault(absolute(path), fileinfo.numbers_of(found))
            return found

        return noted


def absolute(path: Any) -> str:
    name = os.fsdecode(path)
    return (name if name.startswith("/") else os.path.join(os.getcwd(), name)).rstrip("/") or "/"


def _hook(event: str, args: tuple[Any, ...]) -> None:
    """The audit hook, which cannot be taken away, serves the watch that is on."""
    if _on and event in ("open", "os.listdir", "os.scandir"):
        path = "." if args[0] is None else args[0]
        if not isinstance(path, int) and not os.fsdecode(path).endswith(".pyc"):
            _on[-1].look(absolute(path))


_on: list[Watch] = []
_hooked: list[bool] = []
