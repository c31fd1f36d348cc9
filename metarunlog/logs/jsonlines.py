"""JSON lines, a JSON list of records, one JSON object; bare NaN and Infinity, nested objects, records that differ.

A nested object becomes columns with a slash between the keys: {"loss": {"train": 1}} is loss/train. A list stays one
cell with its JSON text. A record is complete when its closing brace is there, with or without a line end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metarunlog.logs.cells import Table
from metarunlog.logs.documents import Found, tables_in
from metarunlog.logs.records import check_size, table_of
from metarunlog.logs.source import NoTable
from metarunlog.logs.stack import Anew, Stack

_GIVE_UP = 1000  # lines that are no records
_between = re.compile(r"[\s,]*").match
_decode = json.JSONDecoder().raw_decode
# what C's printf makes of numbers that are none
_BARE = re.compile(r"(?<=[\s:,\[])([+-]?)(nan|NAN|inf|Inf|INF|infinity|INFINITY)(?=[\s,}\]])")


@dataclass(frozen=True)
class Records:
    """What stands in a JSON text. `settled`: how many of the records and of the bad lines are followed by a line end,
    and where that is: what is appended later cannot change them."""

    records: Sequence[dict[str, Any]]
    bad: int  # lines, or elements of the list, that are no objects
    partial: bool  # the last record is half-written
    settled: tuple[int, int, int] = (0, 0, 0)


def looks_like_json(data: bytes) -> bool:
    """Whether it is worth trying: a brace or a bracket at the start, or at the start of a line."""
    if data.lstrip()[:1] in (b"{", b"["):
        return True
    return data.find(b"{", 0, 1 << 16) >= 0 and b"\n{" in data[: 1 << 16]  # looking for one byte is much faster


def read_json(data: bytes, *, single: bool = False) -> tuple[Table, str]:
    """The table in JSON text and how it was read. Raises NoTable where there is none.

    `single`: one object may be a document (a history, a summary) rather than the first record of a stream.
    """
    reader = Json(single=single)
    end = reader.feed(data)
    try:
        return reader.result(data[end:])
    except Anew:  # the last record, which has no line end, has values of another kind than those before it
        found = scan_stream(data.decode())
        return table_of(found.records, found.partial), "json lines" + _left_out(found.bad)


class Json:
    """Reads JSON lines piece by piece; a list, or one document, only as a whole."""

    def __init__(self, *, single: bool = False) -> None:
        self._single = single
        self._stack = Stack()
        self._bad = 0
        self._list: Records | None = None
        self._loose = False  # the last record of the table has no line end: it may turn out to be none
        self._document: Found | None = None  # a list that is no list of records

    def feed(self, data: bytes) -> int:
        """Read the complete records of what follows, and say how many bytes they are. Raises NoTable, Anew."""
        text = data.decode()
        if self._list is not None or self._document is not None:
            raise Anew
        if not self._stack.height:
            found = scan_list(text)
            if found is not None:  # a line of text may start with a bracket too
                self._list = found
                return len(data)
            if self._single and (document := _list_of_none(text)) is not None:
                self._document = document
                return len(data)
        found = scan_stream(text, self._bad - self._stack.height)
        records, bad, end = found.settled
        if self._single and not self._stack.height and records == 1 and not bad:
            return 0  # it may be a document: no record among others, but a table of its own
        self._add(self._stack, found.records[:records])
        self._bad += bad
        return end if len(data) == len(text) else len(text[:end].encode())

    def result(self, rest: bytes) -> tuple[Table, str]:
        """The table and how it was read. `rest` is what was not read of the text. Raises NoTable, Anew."""
        if self._list is not None:
            return table_of(self._list.records, self._list.partial), "json list" + _left_out(self._list.bad)
        if self._document is not None:
            return self._document.first()
        found = scan_stream(rest.decode(), self._bad - self._stack.height)
        height, bad = self._stack.height + len(found.records), self._bad + found.bad
        if not height or height < bad:
            raise NoTable("no json records")
        if self._single and height == 1 and not bad and not found.partial:
            return _document(found.records[0])
        stack = self._stack.copy()
        self._add(stack, found.records)
        self._loose = bool(found.records)
        names = stack.names
        if not names:
            raise NoTable("records without values")
        check_size(height, len(names), stack.filled)
        return Table(names, stack.columns(), found.partial), "json lines" + _left_out(bad)

    def state(self) -> dict[str, Any] | None:
        """What is to be known to go on later, beside the table; None where that cannot be."""
        if self._list is not None or self._document is not None or self._stack.height < 2 or self._loose:
            return None
        return {"bad": self._bad, "single": self._single, "names": self._stack.names}

    @classmethod
    def resume(cls, state: Mapping[str, Any], table: Table) -> Json:
        """One that goes on from there."""
        made = cls(single=state["single"])
        made._bad = state["bad"]
        made._stack.add(state["names"], table.columns[: len(state["names"])], len(table.columns[0].values))
        return made

    def _add(self, stack: Stack, records: Sequence[dict[str, Any]]) -> None:
        if any(records):
            table = table_of(records, False)
            stack.add(table.names, table.columns, len(records))
        else:
            stack.add((), (), len(records))


def _document(document: dict[str, Any]) -> tuple[Table, str]:
    """The table in a file of one JSON object."""
    found = tables_in(document)
    return (table_of([document], False), "json object") if found is None else found.first()


def _list_of_none(text: str) -> Found | None:
    """What is in a JSON list without records."""
    if not text.lstrip().startswith("["):
        return None
    try:
        return tables_in(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _left_out(bad: int) -> str:
    return f", {bad} lines left out that are no records" if bad else ""


def scan_list(text: str) -> Records | None:
    """The records of a JSON list, at least half of whose elements are records; None if it is nothing of the kind."""
    pos = _between(text, 0).end()  # type: ignore[union-attr]  # it matches nothing too
    if text[pos : pos + 1] != "[":
        return None
    records: list[dict[str, Any]] = []
    bad, partial = 0, True
    pos += 1
    while (pos := _between(text, pos).end()) < len(text):  # type: ignore[union-attr]
        if text[pos] == "]":
            partial = False
            break
        try:
            value, pos = _decode(text, pos)
        except (ValueError, RecursionError):
            break
        if type(value) is dict:
            records.append(value)
        else:
            bad += 1
            if bad > _GIVE_UP + len(records):
                break
    return Records(records, bad, partial) if records and len(records) >= bad else None


def scan_stream(text: str, badder: int = 0) -> Records:
    """The records that stand one after the other; `badder`: how many more bad lines than records came before."""
    pos = 0
    records: list[dict[str, Any]] = []
    bad, partial = 0, False
    settled = (0, 0, 0)
    while True:
        start, pos = pos, _between(text, pos).end()  # type: ignore[union-attr]
        if "\n" in text[start:pos]:
            settled = len(records), bad, pos
        if pos == len(text):
            break
        record, end = _record(text, pos)
        if record is not None:
            records.append(record)
            pos = end
            continue
        # no record here: go on at the next line that may start one
        nxt = text.find("\n{", pos)
        if nxt < 0 and text[pos] == "{":
            partial = True
            break
        skipped = text[pos : len(text) if nxt < 0 else nxt]
        bad += 1 + skipped.strip().count("\n")
        if nxt < 0 or badder + bad > _GIVE_UP + len(records):
            break
        pos = nxt
    return Records(records, bad, partial, settled)


def _record(text: str, pos: int) -> tuple[dict[str, Any] | None, int]:
    """The object at a position and where it ends; None if there is none, or something else follows on its line."""
    if text[pos] != "{":
        return None, pos
    # an error of the json library counts the lines before it: of one line that is nothing, of a long text it adds up
    line_end = text.find("\n", pos)
    line = text[pos : len(text) if line_end < 0 else line_end]
    try:
        value, end = _decode(line, 0)
        end += pos
    except (ValueError, RecursionError) as error:
        goes_on = isinstance(error, json.JSONDecodeError) and error.pos >= len(line.rstrip()) and line_end >= 0
        try:
            if goes_on:
                value, end = _decode(text, pos)
            else:
                value, end = json.loads(_BARE.sub(_standard, line)), pos + len(line)
        except (ValueError, RecursionError):
            return None, pos
    if text[end : end + 1] != "\n" and text[end : end + 100].lstrip(" \t\r,")[:1] not in ("", "\n", "{"):
        return None, pos
    return value, end


def _standard(match: re.Match[str]) -> str:
    """nan as NaN, inf as Infinity."""
    if match[2].lower() == "nan":
        return "NaN"
    return ("-" if match[1] == "-" else "") + "Infinity"
