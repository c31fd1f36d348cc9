"""The rows of a delimited text by the C readers of pandas and of numpy, with the same result as `rows`.

Only the columns that pandas finds to be numbers through and through are taken from it as they are.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Sequence
from typing import Any

from metarunlog.logs.cells import EMPTY, Column, column, number
from metarunlog.logs.rows import Rows
from metarunlog.logs.sniff import BLANKS, Layout, sample, split

_NAN_WORDS = ("nan", "NaN", "NAN", "-nan", "-NaN", "NA", "N/A", "n/a", "None", "none", "null", "NULL", "<NA>", "#N/A")
_LOW_MEMORY = 2 << 20  # bytes of text from which on pandas is to go piece by piece
_NAN_PARTS = tuple(sorted({word.strip("-<>#").encode() for word in _NAN_WORDS}))


def read_rows_fast(body: bytes, layout: Layout, start: int = 0) -> Rows | None:
    """The rows of a text from `start` on, None where only `read_rows` is sure to be right."""
    import numpy as np
    import pandas as pd

    lines = sample(body, start, 1)
    if not lines or lines[0].count('"') % 2 or len(first := split(lines, layout.sep)[0]) != layout.width:
        return None  # pandas takes the first row's length for that of all
    quoted = body.find(b'"', start) >= 0 and layout.sep != BLANKS
    try:
        made = {} if _starts_with_gaps(body, start, layout) else _read(body, start, layout, quoted, na_filter=False)
        if not made or any(made[j].dtype.kind not in "ifb" and number(cell) for j, cell in enumerate(first)):
            made = _read(body, start, layout, quoted, na_values=["", *_NAN_WORDS])  # a tenth slower
        columns: dict[int, Column] = {}
        gaps: dict[int, Any] = {}
        for j, values in made.items():
            if values.dtype == np.float64 and (missing := np.isnan(values)).any():
                gaps[j] = np.flatnonzero(missing)
            elif values.dtype in (np.float64, np.int64, np.bool_):
                columns[j] = Column(values)
        # NaN can be an empty cell or a nan that was logged: the text tells, if it needs to be asked
        certain = bool(gaps) and not _may_hold_nan(body, start)
        again = [j for j in range(layout.width) if j not in columns and not (certain and j in gaps)]
        texts = _read(body, start, layout, quoted, dtype=str, na_filter=False, usecols=again) if again else made
    except (ValueError, pd.errors.ParserWarning):
        return None  # too many fields, or a quoted cell still open at the end
    for j, rows in gaps.items():
        values, worded = made[j], False
        if not certain:
            cells = texts[j]
            rows = [row for row in rows if cells[row].strip().lower() in EMPTY]
            worded = len(rows) == len(values) and any(cells[row].strip() for row in rows)
        columns[j] = Column(values, _last_other(rows, len(values)), worded)
    for j in again:
        if j not in columns:
            columns[j] = column(texts[j].tolist(), layout.decimal)
    if columns[layout.width - 1].last is not None and not _all_whole(body, start, layout, quoted, len(made[0])):
        return None  # a row with too few fields looks like one whose last cell is empty
    return Rows([columns[j] for j in range(layout.width)])


def read_numbers(body: bytes, layout: Layout) -> Rows | None:
    """The rows of a short text of nothing but numbers, where calling pandas would take longer than reading; None where
    it is not that plain."""
    import numpy as np

    if layout.decimal != "." or not body.isascii():
        return None
    sep = None if layout.sep == BLANKS else layout.sep
    lines = body.decode().split("\n")
    kinds = [_kind(cell) for cell in lines[0].split(sep)]
    if len(kinds) != layout.width or None in kinds:
        return None
    types = [(str(j), kind) for j, kind in enumerate(kinds)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a float in a column of integers
            made = np.loadtxt(lines, types, comments=None, delimiter=sep, ndmin=1)
    except (ValueError, Warning):
        return None
    return Rows([Column(np.ascontiguousarray(made[name])) for name, _ in types])


def _kind(cell: str) -> str | None:
    """What numpy calls the kind of number that a cell holds."""
    for kind, name in ((int, "i8"), (float, "f8")):
        try:
            kind(cell)
            return name
        except ValueError:
            continue
    return None


def _read(body: bytes, start: int, layout: Layout, quoted: bool, **options: Any) -> dict[int, Any]:
    """What pandas makes of the rows: arrays by the number of the column. Raises ValueError or ParserWarning."""
    import pandas as pd

    text = io.BytesIO(body)
    text.seek(start)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        made = pd.read_csv(
            text,
            sep=r"\s+" if layout.sep == BLANKS else layout.sep,
            header=None,
            names=range(layout.width),
            index_col=False,
            skipinitialspace=layout.sep != BLANKS and b" " in body,  # costs half as much again
            decimal=layout.decimal,
            low_memory=len(body) - start > _LOW_MEMORY,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            keep_default_na=False,
            encoding="utf-8",
            **exactly(),
            **options,
        )
    return {int(str(j)): series.to_numpy() for j, series in made.items()}


def exactly() -> dict[str, Any]:
    """What pandas' C reader has to be told so that its numbers are those of Python."""
    import pandas as pd

    exact = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)  # and warns when it is told
    return {} if exact else {"float_precision": "round_trip"}


def _starts_with_gaps(body: bytes, start: int, layout: Layout) -> bool:
    """Whether some cells of the first rows may be empty, or hold a word for nan."""
    head, sep = body[start : start + 4096], layout.sep.encode()
    return any(one in head for one in (b"n", b"N", sep + sep, sep + b"\n", b"\n" + sep))


def _last_other(rows: Sequence[int], length: int) -> int | None:
    """The last row that is not one of these, -1 if all are; None where there are none."""
    if not len(rows):
        return None
    last = length - 1
    for row in reversed(rows):
        if row != last:
            break
        last -= 1
    return last


def _may_hold_nan(body: bytes, start: int) -> bool:
    """Whether one of the words for nan or nothing may be in a text."""
    letters = body.find(b"n", start) >= 0 or body.find(b"N", start) >= 0
    return letters and any(body.find(part, start) >= 0 for part in _NAN_PARTS)


def _all_whole(body: bytes, start: int, layout: Layout, quoted: bool, height: int) -> bool:
    """Whether no row is too short, where none is too long; if that is not easy to say, no."""
    if quoted or layout.sep == BLANKS:
        return False
    return body.count(layout.sep.encode(), start) == height * (layout.width - 1)
