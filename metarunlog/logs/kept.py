"""What the built-in functions make of the tables of one sub-experiment, kept from one analyze to the next: that of
pickles that are as they were.

Only mrl's own functions are served from here. What a user's function reads is seen by the files that it opens.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from metarunlog import __version__, fileinfo, files, sealed

_on: list[Kept] = []


class Kept:
    """What is kept in the files of a folder: of each kind of thing, and each pickle, its numbers and what was made of
    it. Derived: what is broken counts as empty. Paths are relative to `base`."""

    def __init__(self, folder: Path, base: Path) -> None:
        self._folder = folder
        self._base = f"{base}/"
        self._since = time.time_ns()
        self._known: dict[str, dict[str, Any]] = {}
        self._new: set[str] = set()

    def get(self, kind: str, version: object, pickle: str, make: Callable[[str], Any]) -> Any:
        """What was made of a pickle: as it was, where it has not changed since, and was made by the same `version`,
        else what `make` makes. It is plain data."""
        numbers = fileinfo.numbers(pickle)
        path = pickle.removeprefix(self._base)
        entry = self._of(kind).get(path)
        if entry is not None and numbers is not None and entry[:2] == (numbers, version):
            return entry[2]
        made = make(pickle)
        if numbers is not None and fileinfo.settled(numbers, self._since):
            self._known[kind][path] = (numbers, version, made)
            self._new.add(kind)
        return made

    def write(self) -> None:
        for kind in self._new:
            there = {path: entry for path, entry in self._known[kind].items() if os.path.exists(self._base + path)}
            with contextlib.suppress(OSError):  # it would only have saved time
                files.write(self._folder / kind, sealed.dump({"version": __version__, "made": there}))
        self._new.clear()

    def _of(self, kind: str) -> dict[str, Any]:
        if kind not in self._known:
            try:
                value = sealed.load((self._folder / kind).read_bytes())
                same = value["version"] == __version__
                self._known[kind] = {path: entry for path, entry in value["made"].items() if len(entry) == 3 and same}
            except (OSError, sealed.Broken, KeyError, TypeError, AttributeError):
                self._known[kind] = {}
        return self._known[kind]


@contextlib.contextmanager
def using(experiment: Path) -> Iterator[None]:
    """Serve what is called meanwhile from what is kept of an experiment, and keep there what was not."""
    kept = Kept(experiment / files.MEMORY / files.KEPT, experiment)
    _on.append(kept)
    try:
        yield
    finally:
        _on.pop()
        kept.write()


def current() -> Kept | None:
    return _on[-1] if _on else None
