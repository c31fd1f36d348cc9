"""The metrics of sub-experiments, kept from one analyze to the next: those of pickles that are as they were.

Only mrl's own functions are served from here. What a user's function reads is seen by the files that it opens.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from metarunlog import __version__, fileinfo, files
from metarunlog.logs.metrics import Metric

_VERSION = f"{__version__} 1"  # the last part: raise it when the metrics of the same tables change
_on: list[Kept] = []

Metrics = Mapping[tuple[str, str], Metric]


class Kept:
    """What is kept in a file: the numbers of each pickle, and its metrics. Derived: what is broken counts as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._since = time.time_ns()
        self._known = _read(path)
        self._new = False

    def get(self, pickle: Path, read: Callable[[], Metrics]) -> Metrics:
        """The metrics of a pickle: as they were, where it has not changed since, else what `read` finds in it."""
        numbers = fileinfo.numbers(pickle)
        known = self._known.get(str(pickle))
        if known is not None and numbers is not None and known[0] == list(numbers):
            return {(table, column): Metric(*values) for table, column, *values in known[1]}
        metrics = read()
        if numbers is not None and fileinfo.settled(numbers, self._since):
            self._known[str(pickle)] = [numbers, [[*key, *values] for key, values in metrics.items()]]
            self._new = True
        return metrics

    def write(self) -> None:
        if self._new:
            there = {path: entry for path, entry in self._known.items() if os.path.exists(path)}
            with contextlib.suppress(OSError):  # it would only have saved time
                files.write(self._path, json.dumps({"version": _VERSION, "pickles": there}).encode())


@contextlib.contextmanager
def using(path: Path) -> Iterator[None]:
    """Serve what is called meanwhile from a file, and keep there what was not in it."""
    kept = Kept(path)
    _on.append(kept)
    try:
        yield
    finally:
        _on.pop()
        kept.write()


def current() -> Kept | None:
    return _on[-1] if _on else None


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    known = value.get("pickles") if isinstance(value, dict) and value.get("version") == _VERSION else None
    return known if isinstance(known, dict) else {}
