"""Lines that differ in digits, signs and points only: told apart from others, and cut, at the speed of C.

What such lines share is known from one of them. It is replaced by a separator, and what is left are columns for pandas'
reader. They are taken only where each is numbers through and through, and every line has as many as it should.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

from metarunlog.logs.fastrows import exactly
from metarunlog.logs.naming import kept_words
from metarunlog.logs.passed import ANY_DIGITS, digit_runs, tokens
from metarunlog.logs.shapes import Shape, shape_of

MANY = 200  # lines; of fewer a regular expression is as quick
_NUMERALS = b"0123456789+-."
_SEPARATOR = b"\x1f"
# 0-9 and 09 are alike without numerals, and so are two hashes
_DIFFERS = re.compile(r"[\d.]+-[\d.]+|[\da-f-]*[a-f][\da-f-]*")
# what may be a hash in a line with other numerals
_HEX = re.compile(r"(?<![\w.+-])[\da-f.+-]++(?!\w)")
_EMPTY = (_SEPARATOR * 2, _SEPARATOR + b"\n", b"\n" + _SEPARATOR)


class Block:
    """The lines of a piece of text, sorted by kind. `place` is the number of its first line in the whole text.

    For each kind: `keys` is what its lines share, `counts` how many they are, `firsts` the index of the first.
    """

    def __init__(self, data: bytes, place: int) -> None:
        import numpy as np

        self.place = place
        self.lines = _lines(data)
        keys = _lines(data.translate(None, _NUMERALS))
        self.keys = list(dict.fromkeys(keys))
        numbers = {key: i for i, key in enumerate(self.keys)}
        self.kinds = np.fromiter(map(numbers.__getitem__, keys), np.int32, len(keys))
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
class Literal:
    """What stands before, between or behind numbers, and how often in a line."""

    text: bytes  # with the line end where it begins or ends the line
    often: int

    @property
    def instead(self) -> bytes:
        return b"\n" if b"\n" in self.text else _SEPARATOR

    def replaced(self, text: bytes) -> bytes:
        return text.replace(self.text, self.instead)


@dataclass(frozen=True)
class Cutter:
    """How the numbers are cut out of lines of one kind."""

    shape: Shape
    literals: Sequence[Literal]  # in the order in which they are replaced
    cells: tuple[int, ...]  # which of what is left are the numbers
    width: int
    full: bool  # there must be something in place of all that is not shared

    def cut(self, lines: Sequence[bytes]) -> list[Any] | None:
        """An array a number, int64 or float64; None where the lines are not as alike as they seemed."""
        import numpy as np
        import pandas as pd

        joined = b"\n".join([b"", *lines, b""])
        for literal in self.literals:
            before, joined = len(joined), literal.replaced(joined)
            if before - len(joined) != len(lines) * literal.often * (len(literal.text) - 1):
                return None
        if self.full and any(empty in joined for empty in _EMPTY):
            return None
        if joined.count(_SEPARATOR) != len(lines) * (self.width - 1):
            return None
        try:
            made = pd.read_csv(
                io.BytesIO(joined[1:]),
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


def cutter(line: bytes, shape: Shape) -> Cutter | None:
    """How to cut lines like this one, whose shape is known; None where that takes a regular expression."""
    text = line.decode().strip()
    found = shape_of(text)
    if found is None or found.key != shape.key or _SEPARATOR in line:
        return None
    pieces = _pieces(text, shape)
    if pieces is None:
        return None
    literals, cells = pieces
    literals[0] = line[: len(line) - len(line.lstrip())].decode() + literals[0]
    literals[-1] += line[len(line.rstrip()) :].decode()
    marks = ["7" * (i + 1) for i in range(len(shape.slots))]  # each like no other number here
    left_marks = iter(marks)
    filled = [next(left_marks) if cell is None else cell for cell in cells]
    sample = "\n" + "".join(a + b for a, b in zip(literals, [*filled, ""], strict=True)) + "\n"
    first, *between, last = literals
    if any(one.endswith(("-", "+", ".")) for one in literals[:-1]):
        return None  # which may be a number's in another line
    ends = [one for one in (f"\n{first}", f"{last}\n") if len(one) > 1]
    known: list[Literal] = []
    left, kind = sample.encode(), b"\n%b\n" % line.translate(None, _NUMERALS)
    for text in (*ends, *sorted({one for one in between if one}, key=lambda one: (-len(one), one))):
        literal = Literal(text.encode(), left.count(text.encode()))
        bare = Literal(literal.text.translate(None, _NUMERALS), literal.often)
        # nowhere else can a line of this kind have it: as often as in all of them together it must be in each
        places = len(re.findall(b"(?=%b)" % re.escape(bare.text), kind))  # overlapping ones too
        if not bare.text.strip(b"\n") or places != bare.often or text == ",":  # 1,234 is not 1 and 234
            return None
        known.append(literal)
        left, kind = literal.replaced(left), bare.replaced(kind)
    found_cells = left[1:-1].split(_SEPARATOR)
    if b"" in found_cells or any(found_cells.count(mark.encode()) != 1 for mark in marks):
        return None  # what is between some numbers is a part of others
    numbers = tuple(found_cells.index(mark.encode()) for mark in marks)
    full = any(ANY_DIGITS in text for text in shape.texts)
    return Cutter(shape, known, numbers, len(found_cells), full)


def _pieces(line: str, shape: Shape) -> tuple[list[str], list[str | None]] | None:
    """What lines like this one share, and what stands in between: None for a number, else what is passed over.

    None where another line may have a number in place of what is passed over here.
    """
    literals, cells = [""], list[str | None]()
    kept = [kept_words(("", *shape.names, "")[i : i + 2]) for i in range(len(shape.slots) + 1)]
    number = at = 0
    for token in [*tokens(line), None]:
        text = line[at : token.start if token else len(line)]
        hashes = [one[0] for one in _HEX.finditer(text) if re.search("[a-f]", one[0]) and re.search(r"\d", one[0])]
        if any(not any(one in word for word in kept[number]) for one in hashes):
            return None
        done = 0
        for start, end in digit_runs(text, kept[number]):
            if not (text[:start][-1:].isalnum() or text[:start][-1:] == "_"):
                return None
            literals[-1] += text[done:start]
            literals.append("")
            cells.append(text[start:end])
            done = end
        literals[-1] += text[done:]
        if token is None:
            break
        at = token.end
        if token.kind in ("counted", "grouped"):
            return None
        if token.kind == "over" and _DIFFERS.fullmatch(line[token.start : at]):
            return None
        cells.append(None if token.kind == "number" else line[token.start : at])
        number += token.kind == "number"
        literals.append("")
    return literals, cells


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    return lines
