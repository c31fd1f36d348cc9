"""Text logs: lines of the same shape are the rows of a table, and boxes and tagged JSON objects are too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from metarunlog.logs.boxes import read_boxes
from metarunlog.logs.cells import Table
from metarunlog.logs.gather import tables_of
from metarunlog.logs.lines import read_rows
from metarunlog.logs.source import NoTable
from metarunlog.logs.tagged import read_tagged

_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def read_lines(data: bytes) -> tuple[list[tuple[str | None, Table]], str]:
    """The tables in a text log, each with its part (None where there is one), and how it was read. Raises NoTable."""
    if b"\x1b" in data:
        data = _ANSI.sub(b"", data)
    if b"\r" in data:  # a bar that is drawn over and over is a line each time
        data = re.sub(rb"\r+\n?", b"\n", data)
    end = data.rfind(b"\n") + 1
    partial = bool(data[end:].strip())
    if not end:
        raise NoTable("no complete line yet")
    boxes, left = read_boxes(data[:end])
    tagged, left = read_tagged(left)
    found = [("", boxes)] if boxes else []
    found += tagged + tables_of(read_rows(left))
    if not found:
        raise NoTable("text, but neither columns, json lines nor lines with numbers that have names")
    found.sort(key=lambda one: -len(one[1].columns[0].values))
    parts = _part_names(found)
    tables = [Table(table.names, table.columns, partial, table.x) for _, table in found]
    return list(zip(parts, tables, strict=True)), "text"


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
