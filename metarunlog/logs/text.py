"""Text logs: lines of the same shape are the rows of a table, and boxes and tagged JSON objects are too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from metarunlog.logs.bars import has_bars, has_rows, read_bars
from metarunlog.logs.boxes import read_boxes
from metarunlog.logs.cells import Table
from metarunlog.logs.gather import tables_of
from metarunlog.logs.lines import Again, Lines, block_end, read_rows
from metarunlog.logs.source import NoTable
from metarunlog.logs.tagged import read_tagged

_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def read_lines(data: bytes) -> tuple[list[tuple[str | None, Table]], str]:
    """The tables in a text log, each with its part (None where there is one), and how it was read. Raises NoTable."""
    return read_text_log(data)[1:]


def read_text_log(data: bytes) -> tuple[Text | None, list[tuple[str | None, Table]], str]:
    """The same with the reader, where the text is nothing but lines."""
    if has_bars(data) or b"{" in data:
        clean = _clean(data)
        end = clean.rfind(b"\n") + 1
        bars, left = read_bars(clean[:end])
        boxes, left = read_boxes(left)
        tagged, left = read_tagged(left)
        if bars or boxes or tagged:
            found = [*bars, ("", boxes)] if boxes else bars
            return None, *_named([*found, *tagged, *tables_of(read_rows(left))], bool(clean[end:].strip()))
    reader = Text()
    while True:
        end = reader.feed(data)
        try:
            return reader, *reader.result(data[end:])
        except Again as again:
            reader = reader.knowing(again.taught)


class Text:
    """Reads a text log of nothing but lines piece by piece."""

    def __init__(self, lines: Lines | None = None) -> None:
        self._lines = Lines() if lines is None else lines
        self.end = 0  # how many bytes were read

    def feed(self, data: bytes) -> int:
        """Read the blocks that are complete, and say how many bytes they are."""
        start = 0
        while end := block_end(data, start):
            self._lines.feed(_clean(data[start:end]))
            start = end
        self.end += start
        return start

    def result(self, rest: bytes) -> tuple[list[tuple[str | None, Table]], str]:
        """The tables and how they were read. `rest` is what was not read of the text. Raises NoTable, Again."""
        clean = _clean(rest)
        end = clean.rfind(b"\n") + 1
        lines = self._lines.copy()
        if end:
            lines.feed(clean[:end])
        elif not lines.place:
            raise NoTable("no complete line yet")
        return _named(tables_of(lines.rows()), bool(clean[end:].strip()))

    def knowing(self, taught: Lines) -> Text:
        """One that starts again, with what was learned."""
        return Text(self._lines.knowing(taught))

    def state(self) -> dict[str, Any] | None:
        """All that is to be known to go on later, after `result`; None where reading anew is as quick."""
        return {"lines": self._lines.state(), "end": self.end} if self.end else None

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> Text:
        """One that goes on from there."""
        made = cls(Lines.resume(state["lines"]))
        made.end = state["end"]
        return made


def is_plain(data: bytes) -> bool:
    """Whether there is nothing but lines in a text: no box, no JSON object behind a word."""
    clean = _clean(data)
    return not (has_rows(clean) or (b"{" in data and read_tagged(clean * 2)[0]))  # of which there must be two


def _clean(data: bytes) -> bytes:
    if b"\0" in data:
        data = data.replace(b"\0", b"")
    if b"\x1b" in data:
        data = _ANSI.sub(b"", data)
    if b"\r" in data:  # a bar that is drawn over and over is a line each time
        data = re.sub(rb"\r+\n?", b"\n", data)
    return data


def _named(found: list[tuple[str, Table]], partial: bool) -> tuple[list[tuple[str | None, Table]], str]:
    """Tables with their tags, the longest first, with the names of their parts."""
    if not found:
        raise NoTable("text, but neither columns, json lines nor lines with numbers that have names")
    found = sorted(found, key=lambda one: -len(one[1].columns[0].values))
    tables = [Table(table.names, table.columns, partial, table.x) for _, table in found]
    return list(zip(_part_names(found), tables, strict=True)), "text"


def _part_names(tables: Sequence[tuple[str, Table]]) -> list[str | None]:
    """What tells the tables of a file apart: [train], or the first name that no other has."""
    if len(tables) < 2:
        return [None] * len(tables)
    everywhere = Counter(name for _, table in tables for name in set(table.names))
    found: list[str | None] = []
    for tag, table in tables:
        others = [name for name in table.names if name != table.x] or list(table.names)
        own = [name for name in others if everywhere[name] == 1] or others
        name = tag or own[0]
        found.append(f"{name}.{len(found)}" if name in found else name)
    return found
