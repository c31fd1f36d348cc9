"""The rows of a text: shapes of lines are learned, then their numbers are cut out at C speed.

One regular expression of all shapes splits the text. What it leaves over is looked at for further shapes. A text of
many megabytes goes block by block, so that few of its cells are objects at once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

from metarunlog.logs.shapes import IS_NUMBER, Shape, shape_of

_BLOCK = 8 << 20  # bytes
_LEARN = (300, 3_000, 20_000)  # lines of a block that are looked at one by one: of all, and of what is left over then
_MAX_LINE = 2_000  # characters of a line that may be a row
_MAX_SHAPES = 100
_MAX_KINDS = 100_000

Kind = tuple[tuple[str, ...], str]


@dataclass
class Rows:
    """The rows of one shape. `columns`: an array a number; `places`: of each row among all rows of the text."""

    shape: Shape
    above: Sequence[str]  # the words in the line before its first
    columns: list[Any] = field(default_factory=list)
    places: Any = None


def read_rows(data: bytes) -> list[Rows]:
    """The rows of all kinds of shapes that come twice or more; `data` is whole lines."""
    reader = _Reader()
    reader.read(data)
    return reader.rows()


class _Reader:
    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}
        self._above: dict[str, list[str]] = {}
        self._kinds: Counter[Kind] = Counter()  # lines that were looked at; a kind that comes again is a table
        self._found: dict[str, list[list[Any]]] = {}  # by shape, for each block: its columns, and the places
        self._place = 0

    def read(self, data: bytes) -> None:
        late = False
        for number, block in enumerate(_blocks(data)):
            start = self._place
            left = self._cut(block) if self._shapes else block
            for lines in _LEARN:
                if self._learn(left, lines):
                    late = late or number > 0
                    self._take_back(start)
                    left = self._cut(block)
        if late:  # what a later block taught may be in an earlier one too
            self._found.clear()
            self._place = 0
            for block in _blocks(data):
                self._cut(block)

    def rows(self) -> list[Rows]:
        import numpy as np

        made = []
        for key, parts in self._found.items():
            *columns, places = (np.concatenate(one) for one in zip(*parts))
            if len(places):
                made.append(Rows(self._shapes[key], self._above.get(key, []), columns, places))
        return made

    def _take_back(self, start: int) -> None:
        """Forget the rows of a block that is cut again."""
        for parts in self._found.values():
            while parts and parts[-1][-1][0] >= start:
                parts.pop()
        self._found = {key: parts for key, parts in self._found.items() if parts}
        self._place = start

    def _cut(self, block: bytes) -> bytes:
        """Take the rows of all known shapes out of a block; returns what is left."""

        shapes = list(self._shapes.values())
        either = b"|".join(b"(?:%b)" % shape.pattern for shape in shapes)
        expression = re.compile(rb"\n[ \t]*(?:%b)[ \t]*(?=\n)" % either)
        parts = expression.split(b"\n" + block)
        width = expression.groups + 1
        length = len(parts) // width
        first = 1
        for shape in shapes:
            cells: list[list[bytes]] = [parts[first + i :: width] for i in range(len(shape.slots))]
            first += len(shape.slots)
            places = list(compress(range(self._place, self._place + length), cells[0]))
            if places:
                columns = [list(filter(None, one)) for one in cells]
                self._found.setdefault(shape.key, []).append(_arrays([*columns, places]))
        self._place += length
        return b"".join(parts[::width])

    def _learn(self, left: bytes, lines: int) -> bool:
        """Look for shapes in the first lines that have none yet; whether there are new ones."""
        found: dict[str, Shape] = {}
        counts: Counter[Kind] = Counter()
        counted: list[str] = []
        above = ""
        for raw in left.split(b"\n", lines)[:lines]:
            if len(raw) > _MAX_LINE or not raw.strip():
                continue
            line = raw.decode(errors="replace").strip()
            shape = shape_of(line)
            if shape is None:
                above = line
                continue
            counts[shape.kind] += 1
            if shape.key not in found:
                found[shape.key] = shape
                self._above.setdefault(shape.key, above.split())
                if "#" in line:
                    counted.append(line)
        if len(self._kinds) < _MAX_KINDS:
            self._kinds.update(counts)
        new = [shape for shape in found.values() if max(self._kinds[shape.kind], counts[shape.kind]) > 1]
        again = [shape for line in counted if (shape := shape_of(line, counted=True))]  # that only `#3` told apart
        often = Counter(shape.key for shape in again)
        new += [shape for shape in again if often[shape.key] > 2]
        before = len(self._shapes)
        for shape in new:
            if shape.may_be_row and len(self._shapes) < _MAX_SHAPES:
                self._shapes.setdefault(shape.key, shape)
        return len(self._shapes) > before


def _blocks(data: bytes) -> Iterator[bytes]:
    """The text in pieces of whole lines."""
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + _BLOCK) + 1
        if end <= start:
            end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end


def _arrays(columns: list[list[Any]]) -> list[Any]:
    """Columns of cells, the last of them whole numbers, as arrays; without rows that hold what is no number."""
    try:
        return [_array(cells) for cells in columns]
    except ValueError:
        rows = [row for row in zip(*columns, strict=True) if all(map(IS_NUMBER, row[:-1]))]
        return [_array(cells) for cells in zip(*rows, strict=True)] if rows else [_array([]) for _ in columns]


def _array(cells: Sequence[Any]) -> Any:
    """int64 where all are whole numbers, else float64. ValueError where one is no number."""
    import numpy as np

    try:
        return np.array(list(map(int, cells)), dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array(list(map(float, cells)), dtype=np.float64)
