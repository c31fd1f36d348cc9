"""The rows of a delimited text, cell by cell: splits and converts in Python.

Quick for short texts, and the only way that knows what to do with rows of a wrong length.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from metarunlog.logs.cells import Column, column
from metarunlog.logs.sniff import BLANKS, Layout, fits
from metarunlog.logs.source import NoTable

_END = "\x1f end of text"  # comes back as a row of its own unless a quoted cell is still open


@dataclass(frozen=True)
class Rows:
    columns: Sequence[Column]
    bad: int  # lines left out: not as many fields as names
    cut: bool  # the last one was such a line


def read_rows(body: bytes, layout: Layout) -> Rows:
    """The rows, cell by cell."""
    text = body.decode()
    if '"' in text and layout.sep != BLANKS:
        cells, bad, cut = _split_quoted(text, layout)
    else:
        cells, bad, cut = _split_plain(text, layout)
    return Rows([column(one, layout.decimal) for one in cells], bad, cut)


def _split_plain(text: str, layout: Layout) -> tuple[list[Any], int, bool]:
    """Cells by column, where no cell is quoted."""
    sep, width = layout.sep, layout.width
    blank = "\r \t".replace(sep, "") if sep != BLANKS else "\r \t"
    lines = [line for line in text.split("\n") if line.strip(blank)]
    if sep == BLANKS:
        rows = [line.split() for line in lines]
        good = [row for row in rows if len(row) == width]
        cells = [cell for row in good for cell in row]
        cut = bool(rows) and len(rows[-1]) != width
        return [cells[j::width] for j in range(width)], len(rows) - len(good), cut
    kept = [line for line in lines if line.count(sep) == width - 1]
    cut = False
    if len(kept) < len(lines):
        kept = [
            line[: line.rfind(sep)] if (n := line.count(sep)) == width else line
            for line in lines
            if (n := line.count(sep)) == width - 1 or (n == width and not line[line.rfind(sep) + 1 :].strip())
        ]
        cut = not fits(lines[-1].split(sep), width)
    cells = sep.join(kept).split(sep) if kept else []
    return [cells[j::width] for j in range(width)], len(lines) - len(kept), cut


def _split_quoted(text: str, layout: Layout) -> tuple[list[Any], int, bool]:
    """Cells by column, where quoted ones may hold separators and line ends."""
    lines = chain(io.StringIO(text, newline="\n"), [_END])
    try:
        rows = [row for row in csv.reader(lines, delimiter=layout.sep, skipinitialspace=True) if row]
    except csv.Error as e:
        raise NoTable(f"broken quoting ({e})") from None
    last = rows.pop()
    open_quote = last != [_END]
    if layout.width > 1:
        rows = [row for row in rows if len(row) > 1 or row[0].strip()]
    good = [row[: layout.width] for row in rows if fits(row, layout.width)]
    cut = open_quote or (bool(rows) and not fits(rows[-1], layout.width))
    bad = len(rows) - len(good)
    if open_quote:  # one line is the record being written; more are what a stray quote swallowed
        bad += max("".join(last).count("\n") - 1, 0)
    return list(zip(*good)) if good else [[] for _ in layout.names], bad, cut
