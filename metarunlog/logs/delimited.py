"""csv, tsv and their kin: comment lines, padded names, empty cells, a half-written last record."""

from __future__ import annotations

import re

from metarunlog.logs.cells import Table
from metarunlog.logs.fastrows import read_rows_fast
from metarunlog.logs.rows import read_rows
from metarunlog.logs.sniff import BLANKS, sample, sniff
from metarunlog.logs.source import NoTable

SHORT = 16_000  # bytes; below, reading in Python is as quick as calling pandas


def read_delimited(
    data: bytes, *, named: bool, prefer: str | None = None, sep: str | None = None, short: int = SHORT
) -> tuple[Table, str]:
    """The table in a delimited text and how it was read. See `sniff` for the options. Raises NoTable."""
    end = data.rfind(b"\n") + 1
    if not end:  # line ends of old Macs
        end = data.rfind(b"\r") + 1
    partial = bool(data[end:].strip())
    if not end:
        raise NoTable("no complete line yet")
    body = data[:end]
    if b"\r" in body and (len(body) <= short or b'"' in body or body.count(b"\r") != body.count(b"\r\n")):
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # pandas takes plain CRLF as it is
    body, comment = _without_comments(body)
    lines = sample(body, 0)
    if not lines:
        raise NoTable("only comments")
    layout = sniff(lines, comment, named=named, prefer=prefer, sep=sep)
    repeats = 0
    if layout.header:
        body, repeats = _without_header(body)
    rows = (len(body) > short and read_rows_fast(body, layout)) or read_rows(body, layout)
    height = len(rows.columns[0].values)
    if rows.bad > height:
        raise NoTable(f"{rows.bad} of {rows.bad + height} lines do not have {layout.width} fields")
    if not named and not any(col.numeric for col in rows.columns):
        raise NoTable("text, but no column of numbers")
    how = f"{'blanks' if layout.sep == BLANKS else repr(layout.sep)} between columns"
    how += "" if layout.header else ", no header line"
    how += f", {rows.bad} lines left out that do not have {layout.width} fields" if rows.bad else ""
    how += f", a quote that is not closed left out the last {rows.swallowed} lines" if rows.swallowed > 1 else ""
    how += f", {repeats} repeated header lines left out" if repeats else ""
    return Table(layout.names, rows.columns, partial or rows.cut), how


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


def _without_header(body: bytes) -> tuple[bytes, int]:
    """The rows below the header, without the same header written again by a restarted run."""
    while body[:1] in b"\n\r" or not body[: body.find(b"\n")].strip():
        body = body[body.find(b"\n") + 1 :]
    end = body.find(b"\n") + 1
    header, repeats = body[:end], 0
    if body.find(header, end) < 0:
        return body[end:], 0
    rows = b"\n" + body[end:]
    # a replacement misses every other one of headers in a row: again, until there is none
    while found := rows.count(b"\n" + header):
        rows, repeats = rows.replace(b"\n" + header, b"\n"), repeats + found
    return rows[1:], repeats
