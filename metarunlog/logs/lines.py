"""The rows of a text: shapes of lines are learned, then their numbers are cut out at C speed.

A text goes block by block, so that few of its cells are objects at once. In a block, lines of the same kind are cut
together; one regular expression of all shapes cuts the others. What it leaves over is looked at for further shapes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from itertools import accumulate
from typing import Any

from metarunlog.logs.alike import MANY, Block, Cutter, cutter
from metarunlog.logs.passed import ANY_DIGITS
from metarunlog.logs.shapes import Shape, Slot, shape_of

BLOCK = 2 << 20  # bytes; what it takes while it is cut fits the processor's cache
_KINDS = 3_000  # kinds of lines of a block of which the first is looked at
_LEARN = (300, 3_000)  # lines of a block that are looked at one by one: of what is left over then
_MAX_LINE = 2_000  # characters of a line that may be a row
_MAX_SHAPES = 100
_MAX_KINDS = 100_000

_LETTER = re.compile(r"[^\W\d_]")
Kind = tuple[tuple[str, ...], str]


@dataclass
class Rows:
    """The rows of one shape. `columns`: an array a number; `places`: of each row among all lines of the text."""

    shape: Shape
    above: str  # the lines before its first: names of columns, and a rule below them
    columns: list[Any] = field(default_factory=list)
    places: Any = None


class Again(Exception):
    """A reader has learned what may be in what it read before: it has to be read again, by one that knows."""

    def __init__(self, taught: Lines) -> None:
        super().__init__()
        self.taught = taught


def read_rows(data: bytes) -> list[Rows]:
    """The rows of all kinds of shapes that come twice or more; `data` is whole lines."""
    reader = Lines()
    try:
        return reader.read(data)
    except Again as again:
        return reader.knowing(again.taught).read(data)


def block_end(data: bytes, start: int) -> int:
    """Where the block that starts there ends: it is whole lines. 0 where that depends on what may be appended."""
    if len(data) - start < BLOCK:
        return 0
    last = data.rfind(b"\n", start, start + BLOCK)
    return (last if last >= 0 else data.find(b"\n", start + BLOCK)) + 1


class Lines:
    """Reads the rows of a text block by block."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}
        self._above: dict[str, str] = {}
        self._kinds: Counter[Kind] = Counter()  # lines that were looked at; a kind that comes again is a table
        self._found: dict[str, list[list[Any]]] = {}  # by shape, for each block: its columns, and the places
        self._cutters: dict[bytes, Cutter | None] = {}  # by what lines of a kind share
        self._often: set[bytes] = set()  # kinds of many lines that were looked at
        self._place = 0
        self._learned = 0  # up to which place was looked for shapes
        self._late = False  # something was learned that may be above, too

    @property
    def place(self) -> int:
        """How many lines were read."""
        return self._place

    def read(self, data: bytes) -> list[Rows]:
        """The rows of a whole text. Raises Again."""
        start = 0
        while end := block_end(data, start):
            self.feed(data[start:end])
            start = end
        if start < len(data):
            self.feed(data[start:])
        return self.rows()

    def feed(self, text: bytes) -> None:
        """Read a block."""
        block = Block(text, self._place)
        if block.place < self._learned:
            self._cut(block)
            return
        new = self._learn_kinds(block)
        left = self._cut(block)
        for lines in _LEARN:
            if self._learn((line, 1) for line in left[:lines]):
                new = True
                self._take_back(block.place)
                left = self._cut(block)
        self._late = self._late or (new and block.place > 0)
        self._learned = self._place

    def rows(self) -> list[Rows]:
        """All of them. Raises Again."""
        import numpy as np

        if self._late:
            raise Again(self)
        made = []
        for key, parts in self._found.items():
            *columns, places = (np.concatenate(one) if len(one) > 1 else one[0] for one in zip(*parts))
            if len(places):
                made.append(Rows(self._shapes[key], self._above.get(key, ""), columns, places))
            self._found[key] = [[*columns, places]]
        return made

    def copy(self) -> Lines:
        """Another one, that may go on another way."""
        return Lines.resume(self.state())

    def knowing(self, taught: Lines) -> Lines:
        """One that starts again, with the shapes that another has learned: of what else it saw, this one will count."""
        known = {key: value for key, value in taught.state().items() if key in ("shapes", "above")}
        return Lines.resume({**self.state(), **known, "found": {}, "place": 0})

    def state(self) -> dict[str, Any]:
        """All of it as plain data and arrays."""
        slots = {key: [astuple(slot) for slot in shape.slots] for key, shape in self._shapes.items()}
        return {
            "shapes": [(key, shape.texts, slots[key]) for key, shape in self._shapes.items()],
            "above": dict(self._above),
            "kinds": dict(self._kinds),
            "often": list(self._often),
            "found": {key: list(parts) for key, parts in self._found.items()},
            "place": self._place,
            "learned": self._learned,
        }

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> Lines:
        """One that goes on from there."""
        made = cls()
        for key, texts, slots in state["shapes"]:
            made._shapes[key] = Shape(key, tuple(texts), tuple(Slot(*slot) for slot in slots))
        made._above, made._kinds, made._often = dict(state["above"]), Counter(state["kinds"]), set(state["often"])
        made._found = {key: list(parts) for key, parts in state["found"].items()}
        made._place, made._learned = state["place"], state["learned"]
        return made

    def _take_back(self, start: int) -> None:
        """Forget the rows of a block that is cut again."""
        for parts in self._found.values():
            while parts and len(parts[-1][-1]) and parts[-1][-1][0] >= start:
                parts.pop()
        self._found = {key: parts for key, parts in self._found.items() if parts}
        self._place = start

    def _cut(self, block: Block) -> list[bytes]:
        """Take the rows of all known shapes out of a block; returns the lines that are left."""
        import numpy as np

        self._place = block.place + len(block.lines)
        if not self._shapes:
            return block.lines
        expression = _Expression(list(self._shapes.values()))
        left = np.ones(len(block.lines), dtype=np.bool_)
        for kind in np.flatnonzero(block.counts >= MANY).tolist():
            one = self._cutter(block, kind, expression)
            where = np.flatnonzero(block.kinds == kind)
            if one and (columns := one.cut(block.some(where))):
                left[where] = False
                self._add(one.shape, [*columns, where + block.place])
            else:
                self._cutters[block.keys[kind]] = None
        where = np.flatnonzero(left)
        return expression.cut(block.some(where), where + block.place, self._add)

    def _add(self, shape: Shape, columns: list[Any]) -> None:
        self._found.setdefault(shape.key, []).append(columns)

    def _cutter(self, block: Block, kind: int, expression: _Expression) -> Cutter | None:
        key = block.keys[kind]
        if key not in self._cutters:
            line = block.lines[block.firsts[kind]]
            shape = expression.shape_of(line)
            self._cutters[key] = cutter(line, shape) if shape and not self._has_closer(shape) else None
        return self._cutters[key]

    def _has_closer(self, shape: Shape) -> bool:
        """Whether some lines of a shape with any digits in its words may be of one with these very digits."""
        return ANY_DIGITS in shape.key and sum(one.bare == shape.bare for one in self._shapes.values()) > 1

    def _learn_kinds(self, block: Block) -> bool:
        """Look for shapes in the first line of each kind; whether there are new ones."""
        import numpy as np

        lines: list[tuple[bytes, int]] = []
        for kind in [i for i, key in enumerate(block.keys) if key not in self._often][:_KINDS]:
            if block.counts[kind] >= MANY:
                self._often.add(block.keys[kind])
            first = int(block.firsts[kind])
            lines += [(before, 0) for before in block.lines[max(first - 2, 0) : first]]
            if b"#" in block.keys[kind]:  # `#3` is one word, `#4` is another
                where = np.flatnonzero(block.kinds == kind)
                looked = dict.fromkeys(where[[0, len(where) // 2, -1]].tolist())
                lines += [(block.lines[i], 1) for i in looked]
            else:
                lines.append((block.lines[first], int(block.counts[kind])))
        return self._learn(lines)

    def _learn(self, lines: Iterable[tuple[bytes, int]]) -> bool:
        """Look for shapes in lines, each with how often such a line comes; whether there are new ones."""
        found: dict[str, Shape] = {}
        counts: Counter[Kind] = Counter()
        counted: list[str] = []
        above = ""
        for raw, count in lines:
            if len(raw) > _MAX_LINE or not raw.strip():
                continue
            line = raw.decode(errors="replace").strip()
            shape = shape_of(line)
            if shape is None:
                above = line if _LETTER.search(line) else f"{above}\n{line}"[-_MAX_LINE:]
                continue
            counts[shape.kind] += count
            if count and shape.key not in found:
                found[shape.key] = shape
                self._above.setdefault(shape.key, above)
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
        if len(self._shapes) > before:
            self._cutters = {}
        return len(self._shapes) > before


class _Expression:
    """One regular expression of shapes, in their order."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._shapes = shapes
        either = b"|".join(b"(?:%b)" % shape.pattern for shape in shapes)
        self._match = re.compile(rb"\n[ \t]*(?:%b)[ \t]*(?=\n)" % either)
        self._firsts = list(accumulate((len(shape.slots) for shape in shapes), initial=1))  # groups

    def shape_of(self, line: bytes) -> Shape | None:
        """The shape of a line among these."""
        found = self._match.match(b"\n%b\n" % line)
        first = next((i for i, one in enumerate(found.groups(), 1) if one is not None), 0) if found else 0
        return self._shapes[bisect_right(self._firsts, first) - 1] if first else None

    def cut(self, lines: Sequence[bytes], places: Any, add: Any) -> list[bytes]:
        """Call `add` with each shape that is in the lines, its columns and the places; returns lines without a shape.

        `places` are those of the lines.
        """
        import numpy as np

        parts = self._match.split(b"\n%b\n" % b"\n".join(lines))
        width = self._match.groups + 1
        between = parts[::width]
        skipped = np.fromiter((text.count(b"\n") if text else 0 for text in between), np.int64, len(between))[:-1]
        places = places[np.cumsum(skipped) + np.arange(len(skipped))]
        for first, shape in zip(self._firsts, self._shapes):
            cells: list[list[bytes]] = [parts[first + i :: width] for i in range(len(shape.slots))]
            having = np.fromiter(map(bool, cells[0]), np.bool_, len(cells[0]))
            if having.any():
                add(shape, [*(_array(list(filter(None, one))) for one in cells), places[having]])
        return [line for line in b"".join(between).split(b"\n") if line]


def _array(cells: Sequence[Any]) -> Any:
    """int64 where all are whole numbers, else float64."""
    import numpy as np

    if b"," in cells[0]:  # 1,234
        cells = [cell.replace(b",", b"") for cell in cells]
    try:
        return np.array(list(map(int, cells)), dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array(list(map(float, cells)), dtype=np.float64)
