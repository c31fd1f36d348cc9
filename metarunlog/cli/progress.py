"""A progress bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


class Progress:
    """Counts what is done. Lines are written above the bar."""

    def __init__(self, total: int, what: str, *, quiet: bool) -> None:
        self._bar: Any = None
        if sys.stderr.isatty() and not quiet and total:
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=what, file=sys.stderr, leave=False, dynamic_ncols=True, unit="")

    def step(self, now: str = "") -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(now, refresh=False)
            self._bar.update()

    def say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(text, file=sys.stderr, flush=True)
        if self._bar is not None:
            self._bar.refresh()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
