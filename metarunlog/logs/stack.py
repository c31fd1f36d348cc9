"""A table that is read piece by piece. What comes of it is what reading all at once would give, or `Anew` is raised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metarunlog.logs.cells import Column


class Anew(Exception):
    """What is known of a log does not help to go on with it: it has to be read from its start, and as a whole."""


class Stack:
    """Columns by name; a column that a piece does not have is empty there."""

    def __init__(self) -> None:
        self.height = 0
        self.filled = 0  # cells
        self._parts: dict[Any, list[Column | int]] = {}  # pieces of a column, or how many rows have nothing
        self._heights: dict[Any, int] = {}

    def copy(self) -> Stack:
        """Another one, that may grow another way."""
        new = Stack()
        new.height, new.filled = self.height, self.filled
        new._parts = {name: list(parts) for name, parts in self._parts.items()}
        new._heights = dict(self._heights)
        return new

    def add(self, names: Sequence[Any], columns: Sequence[Column], height: int) -> None:
        """Put the rows of a piece, so many, below those that are there."""
        if not height:
            return
        for name, column in zip(names, columns, strict=True):
            parts = self._parts.setdefault(name, [])
            if gap := self.height - self._heights.get(name, 0):
                parts.append(gap)
            parts.append(column)
            self._heights[name] = self.height + height
        self.height += height
        self.filled += height * len(names)

    @property
    def names(self) -> list[Any]:
        return list(self._parts)

    def columns(self) -> list[Column]:
        """All of it. Raises Anew where a column is of another kind in one piece than in another."""
        columns = []
        for name, parts in self._parts.items():
            gap = self.height - self._heights[name]
            one = joined([*parts, gap] if gap else parts)
            self._parts[name], self._heights[name] = [one], self.height
            columns.append(one)
        return columns


def joined(parts: Sequence[Column | int]) -> Column:
    """One column of pieces; a number stands for as many rows that have nothing. Raises Anew."""
    import numpy as np

    if len(parts) == 1 and isinstance(parts[0], Column):
        return parts[0]
    columns = [Column(np.full(one, np.nan), -1) if isinstance(one, int) else one for one in parts]
    last, start = -1, 0
    for one in columns:
        length = len(one.values)
        own = length - 1 if one.last is None else one.last
        last = start + own if own >= 0 else last
        start += length
    sparse = None if all(one.last is None for one in columns) else last
    filled = [one for one in columns if one.last != -1]
    kinds = {"text" if isinstance(one.values, list) else str(one.values.dtype.kind) for one in filled}
    if kinds <= {"i", "f"}:
        return Column(np.concatenate([one.values for one in columns]), sparse, any(one.worded for one in columns))
    if kinds == {"b"} and sparse is None:
        return Column(np.concatenate([one.values for one in columns]))
    if kinds != {"text"} or any(one.worded for one in columns):
        raise Anew
    cells: list[Any] = []
    for one in columns:
        cells += one.values if isinstance(one.values, list) else [None] * len(one.values)
    return Column(cells, sparse)
