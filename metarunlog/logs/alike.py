"""Lines that differ in digits, signs and points only: told apart from others, and cut, at the speed of C.

Where the numbers stand in such lines is known from one of them, and that they stand there in all is seen to. What is no
number is left out, or made a separator: what is left are columns for pandas' reader. They are taken only where each is
numbers through and through.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, pairwise
from operator import itemgetter
from typing import Any

from metarunlog.logs.fastrows import exactly
from metarunlog.logs.naming import kept_words
from metarunlog.logs.passed import digit_runs, tokens
from metarunlog.logs.shapes import Shape, shape_of

MANY = 200  # lines; of fewer a regular expression is as quick
_NUMERALS = b"0123456789+-."
_IS_NUMERAL = bytes(byte in _NUMERALS for byte in range(256))
_RUN = re.compile(rb"[\d+.-]+")
_SEPARATOR = b"\x1f"
_MARK = b"\x02"
# 0-9 and 09 are alike without numerals, and so are two hashes
_DIFFERS = re.compile(r"[\d.]+-[\d.]+|[\da-f-]*[a-f][\da-f-]*")
# what may be a hash in a line with other numerals
_HEX = re.compile(r"(?<![\w.+-])[\da-f.+-]++(?!\w)")


class Block:
    """The lines of a piece of text, sorted by kind. `place` is the number of its first line in the whole text.

    For each kind: `keys` is what its lines share, `counts` how many they are, `firsts` the index of the first.
    """

    def __init__(self, data: bytes, place: int) -> None:
        import numpy as np

        self.place = place
        self.lines = _lines(data)
        keys = _lines(data.translate(None, _NUMERALS))
        numbers: defaultdict[bytes, int] = defaultdict(count().__next__)  # a new key gets the next number
        self.kinds = np.fromiter(map(numbers.__getitem__, keys), np.int32, len(keys))
        self.keys = list(numbers)
        self.counts = np.bincount(self.kinds, minlength=len(self.keys))

    @cached_property
    def firsts(self) -> Any:
        import numpy as np

        found = np.zeros(len(self.keys), np.int64)
        found[self.kinds[::-1]] = np.arange(len(self.lines))[::-1]  # of all that are written to a place the last stays
        return found

    def some(self, where: Any) -> Sequence[bytes]:
        """The lines with these indexes."""
        if len(where) == len(self.lines):
            return self.lines
        return itemgetter(*where.tolist())(self.lines) if len(where) > 1 else [self.lines[i] for i in where]


@dataclass(frozen=True)
class Cutter:
    """How the numbers are cut out of lines of one kind, which differ in their numerals only.

    A run is a piece of numerals. Where it is in a line is told by how many bytes that are none come before it.
    """

    shape: Shape
    places: Sequence[int]  # of the runs
    length: int  # bytes of a line that are no numerals
    shared: Mapping[int, bytes]  # runs that all such lines must have as they are
    passed: Sequence[int]  # runs that are no numbers
    table: bytes  # makes what is to part the numbers one separator
    drop: bytes  # what else is left out
    cells: list[int]  # which of what is left are the numbers
    width: int
    forms: set[int] = field(default_factory=set)  # of what is no number that are known to be right

    def cut(self, lines: Sequence[bytes]) -> list[Any] | None:
        """An array a number, int64 or float64; None where the lines are not as alike as they seemed."""
        import numpy as np
        import pandas as pd

        joined = b"\n".join([b"", *lines, b""])
        if not self._fits(joined, lines):
            return None
        try:
            made = pd.read_csv(
                io.BytesIO(joined.translate(self.table, self.drop)[1:]),
                sep=_SEPARATOR.decode(),
                header=None,
                names=range(self.width),
                usecols=self.cells,
                quoting=csv.QUOTE_NONE,
                na_filter=False,
                skip_blank_lines=False,
                **exactly(),
            )
        except ValueError:
            return None
        columns = [series.to_numpy() for _, series in made.items()]
        numbers = all(values.dtype in (np.int64, np.float64) for values in columns)
        return columns if numbers and len(made) == len(lines) else None

    def _fits(self, joined: bytes, lines: Sequence[bytes]) -> bool:
        """Whether the lines have their runs where they should; joined, a line end is before each, and at the end."""
        import numpy as np

        many = len(lines)
        numeral = np.frombuffer(joined.translate(_IS_NUMERAL), np.bool_)
        steps = np.flatnonzero(numeral[1:] != numeral[:-1]) + 1
        if len(steps) != 2 * many * len(self.places):
            return False
        starts, ends = steps.reshape(-1, 2).T
        sizes = ends - starts
        before = (starts - np.cumsum(sizes) + sizes).reshape(many, -1)
        firsts = 1 + np.arange(many) * (self.length + 1)
        if (before != firsts[:, None] + np.array(self.places)).any():
            return False
        content = np.frombuffer(joined, np.uint8)
        for i, text in self.shared.items():
            at, size = (one[i :: len(self.places)] for one in (starts, sizes))
            if (size != len(text)).any() or any((content[at + j] != byte).any() for j, byte in enumerate(text)):
                return False
        # 12:30 is a time, 12:345 is none: one of each form is looked at
        form = np.zeros(many, np.int64)
        for i in self.passed:
            at, size = (one[i :: len(self.places)] for one in (starts, sizes))
            form = form * 1_000_003 + size
            for j in range(int(size.max())):
                byte = content[np.minimum(at + j, len(content) - 1)].astype(np.int64)
                form = form * 7 + np.maximum(ord("0") - byte, 0) * (j < size)  # all digits are one
        forms, firsts = np.unique(form, return_index=True)
        if not all(one in self.forms or self._is_of(lines[i]) for one, i in zip(forms.tolist(), firsts.tolist())):
            return False
        self.forms.update(forms.tolist())
        return True

    def _is_of(self, line: bytes) -> bool:
        found = shape_of(line.decode().strip())
        return found is not None and found.key == self.shape.key


def cutter(line: bytes, shape: Shape) -> Cutter | None:
    """How to cut lines like this one, whose shape is known; None where that takes a regular expression."""
    text = line.decode()
    found = shape_of(text.strip())
    if found is None or found.key != shape.key or _SEPARATOR in line or _MARK in line:
        return None
    pieces = _pieces(text, shape)
    if pieces is None:
        return None
    borders = [one.text[:1] for one in pieces[1:] if one.shared] + [one.text[-1:] for one in pieces[:-1] if one.shared]
    if any(one in _NUMERALS for one in borders):
        return None  # which may be a number's in another line
    kept = {byte for one in pieces if one.number for byte in one.text if byte not in _NUMERALS}
    marked = b"".join(_MARK if one.number else one.text for one in pieces)
    parting = _parting(marked, kept)
    if parting is None:
        return None
    table = bytes.maketrans(parting, _SEPARATOR * len(parting))
    drop = bytes({*range(256)} - {*_NUMERALS, *_MARK, *b"\n", *parting, *kept})
    left = marked.translate(table, drop).split(_SEPARATOR)
    cells = [i for i, cell in enumerate(left) if cell == _MARK]
    if len(cells) != len(shape.slots):
        return None
    places, shared, passed, gone = list[int](), dict[int, bytes](), list[int](), 0
    of = [piece for piece in pieces for _ in piece.text]
    for i, run in enumerate(_RUN.finditer(line)):
        places.append(run.start() - gone)
        gone += len(run[0])
        piece = of[run.start()]
        if piece.shared:
            shared[i] = run[0]
        elif not piece.number:
            passed.append(i)
    return Cutter(shape, places, len(line) - gone, shared, passed, table, drop, cells, len(left))


def _parting(line: bytes, kept: Set[int]) -> bytes | None:
    """Bytes of a line, as few as need be, that stand between its marks and whatever else of it is kept: numerals, and
    these bytes. None where nothing does."""
    things = list(re.finditer(b"%b|[%b]+" % (_MARK, re.escape(_NUMERALS + bytes(kept))), line))
    gaps = [line[a.end() : b.start()] for a, b in pairwise(things) if _MARK in (a[0], b[0])]
    chosen = b""
    while gaps:
        if not all(gaps):
            return None
        shares = {byte: sum(byte in gap for gap in gaps) / line.count(byte) for gap in gaps for byte in gap}
        best = max(sorted(shares), key=shares.__getitem__)
        chosen += bytes([best])
        gaps = [gap for gap in gaps if best not in gap]
    return chosen


@dataclass(frozen=True)
class _Piece:
    text: bytes
    shared: bool  # by all lines of its kind
    number: bool = False


def _pieces(line: str, shape: Shape) -> list[_Piece] | None:
    """What lines like this one share, their numbers, and what is passed over.

    None where another line may have a number in place of what is passed over here.
    """
    pieces: list[_Piece] = []

    def add(text: str, shared: bool, number: bool = False) -> None:
        if text:
            pieces.append(_Piece(text.encode(), shared, number))

    kept = [kept_words(("", *shape.names, "")[i : i + 2]) for i in range(len(shape.slots) + 1)]
    start = len(line) - len(line.lstrip())
    add(line[:start], shared=True)
    inner = line.strip()
    number = at = 0
    for token in [*tokens(inner), None]:
        text = inner[at : token.start if token else len(inner)]
        hashes = [one[0] for one in _HEX.finditer(text) if re.search("[a-f]", one[0]) and re.search(r"\d", one[0])]
        if any(not any(one in word for word in kept[number]) for one in hashes):
            return None
        done = 0
        for first, end in digit_runs(text, kept[number]):
            if not (text[:first][-1:].isalnum() or text[:first][-1:] == "_"):
                return None
            add(text[done:first], shared=True)
            add(text[first:end], shared=False)
            done = end
        add(text[done:], shared=True)
        if token is None:
            break
        at = token.end
        if token.kind in ("counted", "grouped"):
            return None
        if token.kind == "over" and _DIFFERS.fullmatch(inner[token.start : at]):
            return None
        add(inner[token.start : at], shared=False, number=token.kind == "number")
        number += token.kind == "number"
    add(line[start + len(inner) :], shared=True)
    return pieces


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    return lines
