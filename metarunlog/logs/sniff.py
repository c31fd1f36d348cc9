"""How a delimited text is laid out: separator, names, where the rows begin. Judged on its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from metarunlog.logs.cells import EMPTY, number, plain
from metarunlog.logs.source import NoTable

BLANKS = " "  # as a separator: any number of blanks and tabs
SEPARATORS = (",", "\t", ";", "|", BLANKS)
_MAX_LINE = 8 << 20  # bytes of a line of the sample; 10,000 long names are less than 1 MB
SAMPLE = 25  # lines
_HEAD = 1 << 13  # bytes that hold it as a rule
_SAMPLE_BYTES = 1 << 16  # three lines are enough where they are longer
_NAME = re.compile(r"[\w./ -]{1,60}")  # of the one column of a file that has no rows yet
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Layout:
    sep: str
    names: tuple[str, ...]
    header: bool  # the first line is the header
    decimal: str = "."
    share: float = 1.0  # of the sample's rows that have as many fields as there are names
    numeric: int = 0  # columns of the sample that hold numbers only
    rows: int = 0  # of the sample

    @property
    def width(self) -> int:
        return len(self.names)

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Of several ways to read a text the one with the highest rank is right."""
        return self.share >= 0.9, self.numeric / self.width, self.width


def sniff(lines: Sequence[str], comment: str | None, *, named: bool, prefer: str | None, sep: str | None) -> Layout:
    """The layout of a text with these first lines.

    `named`: it is called csv or tsv, so that columns without numbers, or a single column, are fine too.
    `comment`: the last comment line above, which may hold the names. `prefer`: the separator its name tells.
    `sep`: the one to use. Raises NoTable.
    """
    layouts = [found for one in _candidates(lines[0], prefer, sep) if (found := _layout(lines, one, comment))]
    if not named:
        layouts = [one for one in layouts if _certain(one)]
    if layouts:
        return max(layouts, key=lambda one: one.rank)  # the first of equals
    if not named:
        raise NoTable("text, but neither columns nor json lines")
    single = _layout(lines, sep or prefer or ",", comment, at_least=1)
    if single is None or not (single.numeric if single.rows else _NAME.fullmatch(single.names[0])):
        raise NoTable("no separator found: neither comma, tab, semicolon, bar nor blanks make columns")
    return single


def sample(data: bytes, start: int, most: int = SAMPLE) -> list[str]:
    """The first lines of whole records, without blank ones and line ends. Raises NoTable where one is too long."""
    head = data[start : data.rfind(b"\n", start, start + _HEAD) + 1].decode()
    lines = [line.strip(" \r") for line in head.split("\n", most)[:most] if not _blank(line)]
    if len(lines) >= most:  # the usual; what follows takes its time
        return lines[:most]
    first, lines = start, []
    while start < len(data) and len(lines) < (most if start - first < _SAMPLE_BYTES else min(most, 3)):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if end - start > _MAX_LINE:
            if lines:
                break
            raise NoTable(f"its first line is over {_MAX_LINE >> 20} MB long")
        if not _blank(line := data[start:end].decode()):
            lines.append(line.strip(" \r"))
        start = end + 1
    return lines


def _blank(line: str) -> bool:
    return not line or line.isspace()


def split(lines: Sequence[str], sep: str) -> list[list[str]]:
    """Lines to rows of cells."""
    if sep == BLANKS:
        return [line.split() for line in lines]
    try:
        return list(csv.reader((line + "\n" for line in lines), delimiter=sep, skipinitialspace=True))
    except csv.Error:  # a cell over csv's limit of 128 KB
        return [line.split(sep) for line in lines]


def _candidates(first: str, prefer: str | None, sep: str | None) -> list[str]:
    if sep is not None:
        return [BLANKS if sep.isspace() and sep != "\t" else sep]
    order = dict.fromkeys((*([prefer] if prefer else []), *SEPARATORS))
    return [one for one in order if one in first or (one == BLANKS and "\t" in first)]


def _layout(lines: Sequence[str], sep: str, comment: str | None, at_least: int = 2) -> Layout | None:
    """The layout with this separator, None if it cannot be the right one."""
    rows = split(lines, sep)
    first, rest = rows[0], rows[1:]
    lengths = [len(row) for row in rest]
    width = max(dict.fromkeys(lengths), key=lengths.count, default=len(first))  # the first of equals
    if all(number(cell) for cell in first):  # no header
        names = tuple(f"column{i + 1}" for i in range(len(first)))
        if comment is not None:
            noted = [name.strip() for name in split([comment.lstrip("# ")], sep)[0]]
            names = tuple(noted) if len(noted) == len(first) else names
        layout = Layout(sep, names, False)
        rest = rows
    else:
        # a separator at the end of the header, or of every line, makes no column
        if not first[-1].strip() and (len(first) == width + 1 or not any(row[-1].strip() for row in rest)):
            first = first[:-1]
        layout = Layout(sep, tuple(name.strip() for name in first), True)
    if layout.width < at_least:
        return None
    wanted = layout.width
    fitting = rest if set(lengths) == {wanted} else [row[:wanted] for row in rest if fits(row, wanted)]
    if sep == ";" and _decimal_comma(fitting):
        layout = replace(layout, decimal=",")
        fitting = [[cell.replace(",", ".") for cell in row] for row in fitting]
    numeric = [j for j, cells in enumerate(zip(*fitting)) if _numeric(cells)]
    if layout.header and any("." in first[j] and number(first[j]) for j in numeric):
        # 0.5 is no name: a text column beside the numbers made the first row look like a header
        names = tuple(f"column{i + 1}" for i in range(layout.width))
        layout = replace(layout, header=False, names=names)
    if sep == BLANKS and (len(fitting) < len(rest) or len(numeric) < layout.width or not rest):
        return None  # prose has blanks too
    share = len(fitting) / len(rest) if rest else 1.0
    return replace(layout, share=share, numeric=len(numeric), rows=len(fitting))


def fits(row: Sequence[str], width: int) -> bool:
    """A row with as many cells as there are columns; one more is fine where a separator ends the row."""
    return len(row) == width or (len(row) == width + 1 and not row[-1].strip())


def _certain(layout: Layout) -> bool:
    """Columns of numbers under names (or three rows of nothing but numbers): no text log looks like that."""
    if layout.share < 0.9 or not layout.numeric:
        return False
    if not layout.header:
        return layout.rows >= 3 and layout.numeric == layout.width
    return layout.rows > 0 and not any(number(name) or len(name) > 100 for name in layout.names if name)


def _numeric(cells: Sequence[str]) -> bool:
    """Whether a column of the sample holds numbers, and only numbers apart from empty cells."""
    try:
        list(map(float, cells))
    except ValueError:
        pass
    else:  # the usual, at C speed
        return bool(cells) and plain(cells)
    filled = [cell for cell in cells if cell.strip().lower() not in EMPTY]
    return bool(filled) and all(map(number, filled))


def _decimal_comma(rows: Sequence[Sequence[str]]) -> bool:
    cells = [cell.strip() for row in rows for cell in row]
    return any(map(_DECIMAL_COMMA.fullmatch, cells)) and not any("." in cell and number(cell) for cell in cells)
