"""csv, tsv and their kin: comment lines, padded names, empty cells, a half-written last record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from metarunlog.logs.cells import Table, column
from metarunlog.logs.fastrows import read_numbers, read_rows_fast
from metarunlog.logs.rows import Rows, read_rows
from metarunlog.logs.sniff import BLANKS, SAMPLE, Layout, sample, sniff
from metarunlog.logs.source import NoTable
from metarunlog.logs.stack import Anew, Stack

SHORT = 16_000  # bytes; below, calling pandas takes longer than reading


def read_delimited(
    data: bytes, *, named: bool, prefer: str | None = None, sep: str | None = None, short: int = SHORT
) -> tuple[Table, str]:
    """The table in a delimited text and how it was read. See `sniff` for the options. Raises NoTable."""
    reader = Delimited(named=named, prefer=prefer, sep=sep, short=short)
    end = reader.feed(data)
    return reader.result(data[end:])


class Delimited:
    """Reads a delimited text piece by piece. See `sniff` for the options."""

    def __init__(
        self,
        *,
        named: bool,
        prefer: str | None = None,
        sep: str | None = None,
        called: str | None = None,
        short: int = SHORT,
    ) -> None:
        self._options: dict[str, Any] = {"named": named, "prefer": prefer, "sep": sep}
        self._called = called
        self._short = short
        self._layout: Layout | None = None
        self._header = b""  # the line, to know it again
        self._stack = Stack()
        self._bad = self._repeats = self._swallowed = 0
        self._cut = False  # the last line so far does not fit: bad, if another follows
        self._quoted = False

    def feed(self, data: bytes) -> int:
        """Read the complete lines of what follows, and say how many bytes they are. Raises NoTable, Anew."""
        end = data.rfind(b"\n") + 1
        if not end and self._layout is None:  # line ends of old Macs
            end = data.rfind(b"\r") + 1
            if not end:
                raise NoTable("no complete line yet")
            self._quoted = True
        body = data[:end] if end < len(data) else data
        if b"\r" in body and (end <= self._short or b'"' in body or body.count(b"\r") != body.count(b"\r\n")):
            body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # pandas takes plain CRLF as it is
        body, comment = _without_comments(body)
        start = 0
        if self._layout is None:
            layout, start = self._begin(body, comment)
        else:
            if self._quoted or b'"' in body:  # a quoted cell may go over the end of a piece
                raise Anew
            layout = self._layout
        if start == len(body) or body.isspace():
            return end
        self._quoted = self._quoted or body.find(b'"', start) >= 0
        rows = self._rows(body, start, layout)
        self._bad += rows.bad + self._cut
        self._cut, self._swallowed = rows.cut, rows.swallowed
        self._stack.add(range(layout.width), rows.columns, len(rows.columns[0].values))
        return end

    def result(self, rest: bytes) -> tuple[Table, str]:
        """The table and how it was read. `rest` is what was not read of the text. Raises NoTable, Anew."""
        layout, height = self._layout, self._stack.height
        assert layout is not None
        if self._bad > height:
            raise NoTable(f"{self._bad} of {self._bad + height} lines do not have {layout.width} fields")
        columns = self._stack.columns() or [column([])] * layout.width
        if not self._options["named"] and not any(col.numeric for col in columns):
            raise NoTable("text, but no column of numbers")
        how = self._called or ("tsv" if layout.sep == "\t" else "csv")
        how += f", {'blanks' if layout.sep == BLANKS else repr(layout.sep)} between columns"
        how += "" if layout.header else ", no header line"
        how += f", {self._bad} lines left out that do not have {layout.width} fields" if self._bad else ""
        if self._swallowed > 1:
            how += f", a quote that is not closed left out the last {self._swallowed} lines"
        how += f", {self._repeats} repeated header lines left out" if self._repeats else ""
        return Table(layout.names, columns, self._cut or bool(rest.strip())), how

    def state(self) -> dict[str, Any] | None:
        """What is to be known to go on later, beside the table; None where that cannot be."""
        if self._layout is None or self._quoted or self._stack.height < SAMPLE:
            return None
        known = {"bad": self._bad, "repeats": self._repeats, "cut": self._cut, "header": self._header}
        return {**known, "layout": asdict(self._layout), "options": {**self._options, "called": self._called}}

    @classmethod
    def resume(cls, state: Mapping[str, Any], table: Table) -> Delimited:
        """One that goes on from there."""
        made = cls(**state["options"])
        made._layout = Layout(**state["layout"])
        made._header = state["header"]
        made._bad, made._repeats, made._cut = state["bad"], state["repeats"], state["cut"]
        made._stack.add(range(len(table.columns)), table.columns, len(table.columns[0].values))
        return made

    def _rows(self, body: bytes, start: int, layout: Layout) -> Rows:
        """The rows of a text from `start` on."""
        if len(body) - start > self._short:
            rows = read_rows_fast(body, layout, start)
        else:
            rows = read_numbers(body[start:], layout)
        if self._header and (rows is None or any(not col.numeric for col in rows.columns)):
            # a header that a restarted run wrote again makes no column of numbers
            left, repeats = _without_header(body[start:], self._header)
            if repeats:
                self._repeats += repeats
                return self._rows(left, 0, layout)
        return rows or read_rows(body[start:], layout)

    def _begin(self, body: bytes, comment: str | None) -> tuple[Layout, int]:
        """The layout by the first piece, and where its rows start, below the header."""
        lines = sample(body, 0)
        if not lines:
            raise NoTable("only comments")
        self._layout = layout = sniff(lines, comment, **self._options)
        start = 0
        if layout.header:
            end = body.find(b"\n") + 1
            while not body[start:end].strip():
                start, end = end, body.find(b"\n", end) + 1
            self._header, start = body[start:end], end
        return layout, start


def _without_comments(body: bytes) -> tuple[bytes, str | None]:
    """The text without the lines that start with #, and the last of those above the first other line."""
    start, comment = 0, None
    while body[start : start + 1] in (b"#", b"\n", b"\r"):
        end = body.find(b"\n", start)
        if body[start] == ord("#"):
            comment = body[start : min(end, start + (1 << 20))].decode(errors="replace").strip()
        start = end + 1
    body = body[start:]
    if b"#" in body and b"\n#" in body:  # looking for one byte is ten times as fast
        body = re.sub(rb"(?<=\n)#[^\n]*\n", b"", body)
    return body, comment


def _without_header(rows: bytes, header: bytes) -> tuple[bytes, int]:
    """The rows without a header that a restarted run wrote again."""
    if header not in rows:
        return rows, 0
    rows, repeats = b"\n" + rows, 0
    # a replacement misses every other one of headers in a row: again, until there is none
    while found := rows.count(b"\n" + header):
        rows, repeats = rows.replace(b"\n" + header, b"\n"), repeats + found
    return rows[1:], repeats
