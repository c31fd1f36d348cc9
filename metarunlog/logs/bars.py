"""Tables drawn with bars, a header above rows of as many cells: Markdown, PrettyTable, tabulate, rich, bayes_opt.

    | epoch | loss |        rows may go on below other lines; a header that is drawn again is no row
    |-------|------|
    | 1     | 0.5  |

Where the first cells are words, as in `| Metric | train | val |` above `| loss | 0.5 | 0.6 |`, each time that the table
is drawn is a row, and the columns are loss/train, loss/val. Drawn once only, it is settings, or a summary of classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from metarunlog.logs.cells import EMPTY, Column, Table, column, is_axis, number, x_axis
from metarunlog.logs.spans import without

_WIDE_BARS = (b"\xe2\x94\x82", b"\xe2\x94\x83", b"\xe2\x95\x91")  # │ ┃ ║
_WIDE_BAR = re.compile(b"|".join(_WIDE_BARS))
_WIDE = rb"\xe2[\x94\x95][\x80-\xbf]"  # anything that boxes are drawn with
# a line that begins with a bar, or may be a rule
_LINE = re.compile(rb"\n([ \t]*(?:\||[-=+:]{2}|%b)[^\n]*)" % _WIDE)
_RULE = re.compile(rb"[ \t]*(?:[-=+|:]|[ \t]|%b)+" % _WIDE)
_DASH = re.compile(rb"[-=]|\xe2\x94[\x80\x81]|\xe2\x95\x90")
_NONE = frozenset(("-", "--", "—", "–"))  # drawn where there is nothing
_MAY_BE_CUT = re.compile(rb"\d[eE][+-]?\d?[ \t]*(?:\||\xe2)|\.\.\.|\xe2\x80\xa6")
_EXPONENT = re.compile(r"[eE]([+-]?)(\d*)")
_LETTER = re.compile(r"[^\W\d_]|[#%]")
_COUNTER = re.compile(
    rb"(?<![A-Za-z])(epoch|step|iteration|iter|round|episode)s?[ \t:=#\[]{1,3}(\d{1,15})(?![\w.])", re.I
)
_GAP = 2000  # bytes above a table that may tell its epoch


@dataclass
class _Line:
    """A line of bars (its cells) or a rule (None)."""

    start: int
    end: int
    cells: list[str] | None


@dataclass
class _Block:
    """A header with the rows below it."""

    counter: tuple[str, int] | None  # what the lines above it count
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class _Drawn:
    """All that was drawn below the same header, and the lines that it takes."""

    names: list[str]
    blocks: list[_Block] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def rows(self) -> list[list[str]]:
        return [row for block in self.blocks for row in block.rows]


def read_bars(data: bytes) -> tuple[list[tuple[str, Table]], bytes]:
    """Tables with the names in their headers, each with an empty tag, and the text without their lines."""
    if not has_bars(data):
        return [], data
    data = b"\n" + data
    tables, taken = [], []
    for drawn in _drawn(data):
        table = _labelled(drawn) if _has_labels(drawn) else _plain(drawn)
        if table is not None:
            tables.append(("", table))
            taken += drawn.spans
    if not tables:
        return [], data[1:]
    return tables, without(data, taken)[1:]


def has_rows(data: bytes) -> bool:
    """Whether a line of a text has bars at both ends: it may be a row below a header that came before."""
    return has_bars(data) and any(_cells(match[1]) is not None for match in _LINE.finditer(b"\n" + data))


def has_bars(data: bytes) -> bool:
    """Whether there is a bar in a text."""
    return b"|" in data or any(bar in data for bar in _WIDE_BARS)


# --- lines to what was drawn below a header ------------------------------------------------------------------------


def _drawn(data: bytes) -> list[_Drawn]:
    """Headers and their rows, in the order in which the headers come first."""
    found: dict[tuple[str, ...], _Drawn] = {}
    last: _Drawn | None = None  # its rows may go on below lines of other kinds
    end = 0
    for run in _runs(data):
        start = 0
        for start, stop, header in _sections(run):
            rows = [line for line in run[start:stop] if line.cells is not None]
            if header is None:
                if last is not None and last.blocks[-1].rows:
                    _go_on(last, rows)
                continue
            names = run[header].cells or []
            last = found.setdefault(tuple(names), _Drawn(names))
            last.spans += [(line.start, line.end) for line in run[start:stop]]
            above = data[max(end, run[start].start - _GAP) : run[start].start]
            last.blocks.append(_Block(_counter(above)))
            for line in run[header + 1 : stop]:
                if line.cells is not None and line.cells != names:
                    last.blocks[-1].rows.append(line.cells)
            end = run[stop - 1].end
    return list(found.values())


def _runs(data: bytes) -> Iterator[list[_Line]]:
    """Lines of bars and rules that stand together."""
    run: list[_Line] = []
    at = 0
    while (match := _LINE.search(data, at)) is not None:
        line = match[1]
        at = match.end()
        if run and match.start() != run[-1].end:
            yield run
            run = []
        if _is_rule(line):
            run.append(_Line(match.start(), at, None))
        elif (cells := _cells(line)) is not None:
            run.append(_Line(match.start(), at, cells))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _is_rule(line: bytes) -> bool:
    return _RULE.fullmatch(line) is not None and len(_DASH.findall(line)) > 2


def _cells(line: bytes) -> list[str] | None:
    """The cells of a line with bars at both ends; None for any other."""
    line = line.strip()
    if line.startswith(b"|"):
        if len(line) < 2 or not line.endswith(b"|"):
            return None
        cells = line[1:-1].decode(errors="replace").split("|")
    elif line.startswith(_WIDE_BARS) and line.endswith(_WIDE_BARS) and len(line) > 3:
        cells = [cell.decode(errors="replace") for cell in _WIDE_BAR.split(line[3:-3])]
    else:
        return None
    return _whole(cells) if _MAY_BE_CUT.search(line) else [cell.strip() for cell in cells]


def _whole(cells: list[str]) -> list[str]:
    """Cells without the blanks around them; one whose number is cut is empty.

    bayes_opt cuts what is wider than its columns, which are all of one width: -4.361e-0 was -4.361e-05.
    """
    room = max(map(len, cells))
    even = len(cells) > 2 and all(len(cell) == room for cell in cells[1:])
    return [_uncut(cell.strip(), even and len(cell.strip()) >= room - 2) for cell in cells]


def _uncut(cell: str, full: bool) -> str:
    """A cell, or nothing where an exponent or an ellipsis tells that there was more of it."""
    if cell.endswith(("…", "...")) and cell[:1] in "+-.0123456789":
        return ""
    if cell[:1] not in "+-.0123456789" or not (found := _EXPONENT.search(cell)) or found.end() != len(cell):
        return cell
    digits = found[2]
    return "" if len(digits) < 2 and (digits in ("", "0") or (full and found[1])) else cell


def _sections(run: Sequence[_Line]) -> Iterator[tuple[int, int, int | None]]:
    """A run cut at its headers: (start, stop, place of the header; None where there is none)."""
    heads: list[int] = []
    for i, line in enumerate(run):
        if line.cells is None or not _is_header(run, i):
            continue
        names = run[heads[-1]].cells if heads else None
        # words below a header may be a row, but only of a table with words in its first cells, between two rules
        row = run[i - 1].cells or (run[i - 2].cells if i > 1 else None)
        fresh = row is None or run[i - 1].cells is not None or _is_value(row[0])
        if names is None or line.cells == names or len(line.cells) != len(names) or fresh:
            heads.append(i)
    tops = [i - 1 if i and run[i - 1].cells is None else i for i in heads]
    if not heads or tops[0]:
        yield 0, tops[0] if heads else len(run), None
    for head, top, stop in zip(heads, tops, [*tops[1:], len(run)]):
        width = len(run[head].cells or ())
        rows = [i for i in range(head + 1, stop) if (cells := run[i].cells) is not None and len(cells) != width]
        yield top, rows[0] if rows else stop, head


def _is_header(run: Sequence[_Line], place: int) -> bool:
    """Whether the cells of a line are names, and a rule or a row of numbers is below it."""
    cells = run[place].cells or []
    if len(cells) < 2 or len(set(cells)) < len(cells) or place + 1 == len(run):
        return False
    if not all(map(_is_name, cells[1:] if not cells[0] else cells)):
        return False
    below = run[place + 1].cells
    return below is None or (len(below) == len(cells) and all(map(_is_value, below)) and any(map(number, below)))


def _is_name(cell: str) -> bool:
    return _LETTER.search(cell) is not None and not number(cell)


def _is_value(cell: str) -> bool:
    return _is_nothing(cell) or number(cell.removesuffix("%"))


def _is_nothing(cell: str) -> bool:
    return cell in _NONE or cell.lower() in EMPTY


def _go_on(drawn: _Drawn, lines: Sequence[_Line]) -> None:
    """Rows below lines of other kinds: those that have numbers where the last row had some, and first of all."""
    for line in lines:
        before = drawn.blocks[-1].rows[-1]
        cells = line.cells or []
        if (
            len(cells) == len(before)
            and _is_value(cells[0])
            and all(_is_value(a) == _is_value(b) for a, b in zip(cells, before))
        ):
            drawn.blocks[-1].rows.append(cells)
            drawn.spans.append((line.start, line.end))


def _counter(above: bytes) -> tuple[str, int] | None:
    """What the lines above a table count: the last `Epoch 3`."""
    found = _COUNTER.findall(above)
    return (found[-1][0].decode().lower(), int(found[-1][1])) if found else None


# --- what was drawn to tables --------------------------------------------------------------------------------------


def _has_labels(drawn: _Drawn) -> bool:
    """Whether the first cells of the rows are words."""
    return bool(drawn.rows) and not any(cell[:1].isdecimal() or _is_value(cell) for cell, *_ in drawn.rows if cell)


def _plain(drawn: _Drawn) -> Table | None:
    """A row a row; one that begins with a word among numbers is a sum or a mean of them."""
    blocks = [block for block in drawn.blocks if block.rows]
    counted = sum(_is_value(row[0]) for row in drawn.rows) * 2 > len(drawn.rows)
    rows = [(block, row) for block in blocks for row in block.rows if not counted or _is_value(row[0])]
    if len(rows) < 2:
        return None
    columns = [_column([row[i] for _, row in rows]) for i in range(len(drawn.names))]
    if not any(col.numeric and col.last != -1 for col in columns):
        return None
    names = list(drawn.names)
    if not any(map(is_axis, names)) and (counts := _counts(blocks)) and len(rows) == len(blocks):
        names, columns = [counts[0], *names], [column([str(count) for count in counts[1]]), *columns]
    return _table(names, columns)


def _labelled(drawn: _Drawn) -> Table | None:
    """A row for each time that it was drawn, where a label came again."""
    blocks = [block for block in drawn.blocks if block.rows]
    seen: dict[str, int] = {}
    rows: list[dict[str, str]] = []
    for block in blocks:
        labels = [row[0] for row in block.rows]
        if len(set(labels)) < len(labels):
            return None
        for label in labels:
            seen[label] = seen.get(label, 0) + 1
        rows.append({name: cell for row in block.rows for name, cell in zip(_labels(row[0], drawn.names), row[1:])})
    if max(seen.values(), default=0) < 2:
        return None
    made = {
        name: _column([row.get(name, "") for row in rows]) for name in dict.fromkeys(n for row in rows for n in row)
    }
    made = {name: col for name, col in made.items() if col.numeric and col.last != -1}
    if not made:
        return None
    names, columns = list(made), list(made.values())
    if not any(map(is_axis, names)) and (counts := _counts(blocks)):
        names, columns = [counts[0], *names], [column([str(count) for count in counts[1]]), *columns]
    return _table(names, columns)


def _table(names: Sequence[str], columns: Sequence[Column]) -> Table:
    sparse = {name for name, col in zip(names, columns) if col.last is not None}
    x = x_axis([name for name, col in zip(names, columns) if col.numeric], sparse)
    return Table(names, columns, False, x)


def _labels(label: str, names: Sequence[str]) -> list[str]:
    """The columns of a row with a label: the label itself where the table has one column of values."""
    return [label] if len(names) == 2 else [f"{label}/{name}" for name in names[1:]]


def _counts(blocks: Sequence[_Block]) -> tuple[str, list[int]] | None:
    """What the lines above the blocks count, where they all tell it and it goes up."""
    found = [block.counter for block in blocks]
    names = {one[0] for one in found if one}
    counts = [one[1] for one in found if one]
    if len(counts) < len(blocks) or len(names) != 1 or any(b <= a for a, b in pairwise(counts)):
        return None
    return names.pop(), counts


def _column(cells: Sequence[str]) -> Column:
    """Cells as they are drawn: a dash is nothing, and a column of percents is one of numbers."""
    cells = ["" if cell in _NONE else cell for cell in cells]
    if all(not cell or cell.endswith("%") for cell in cells):
        cells = [cell.removesuffix("%") for cell in cells]
    return column(cells)
