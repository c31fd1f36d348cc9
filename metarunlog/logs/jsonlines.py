"""JSON lines, a JSON list of records, one JSON object; bare NaN and Infinity, nested objects, records that differ.

A nested object becomes columns with a slash between the keys: {"loss": {"train": 1}} is loss/train. A list stays one
cell with its JSON text. A record is complete when its closing brace is there, with or without a line end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metarunlog.logs.cells import Column, Table, json_column
from metarunlog.logs.source import NoTable

_MAX_CELLS = 100_000_000  # of a table; records with many different keys would fill the memory with nothing
_GIVE_UP = 1000  # lines that are no records
_between = re.compile(r"[\s,]*").match
_decode = json.JSONDecoder().raw_decode
# what C's printf makes of numbers that are none
_BARE = re.compile(r"(?<=[\s:,\[])([+-]?)(nan|NAN|inf|Inf|INF|infinity|INFINITY)(?=[\s,}\]])")
_HISTORY = "log_history"  # Hugging Face's trainer_state.json


@dataclass(frozen=True)
class Records:
    records: Sequence[dict[str, Any]]
    bad: int  # lines, or elements of the list, that are no objects
    partial: bool  # the last record is half-written
    stream: bool  # one record after the other, not a list


def looks_like_json(data: bytes) -> bool:
    """Whether it is worth trying: a brace or a bracket at the start, or at the start of a line."""
    return data.lstrip()[:1] in (b"{", b"[") or b"\n{" in data[: 1 << 16]


def read_json(data: bytes, *, single: bool = False) -> tuple[Table, str]:
    """The table in JSON text and how it was read. Raises NoTable where there is none.

    `single`: one object may be a document (a history, a summary) rather than the first record of a stream.
    """
    found = scan(data.decode())
    if found is None:
        raise NoTable("no json records")
    how = "json lines" if found.stream else "json list"
    records = found.records
    if single and found.stream and len(records) == 1 and not found.partial and not found.bad:
        document = records[0]
        if (table := _columns_of(document)) is not None:
            return table, "json object of lists"
        history = document.get(_HISTORY)
        if isinstance(history, list) and history and all(isinstance(item, dict) for item in history):
            records, how = history, f"json list in {_HISTORY}"
        else:
            how = "json object"
    if found.bad:
        how += f", {found.bad} lines left out that are no records"
    return table_of(records, found.partial), how


def scan(text: str) -> Records | None:
    """The records of a JSON list, or of lines of which at least half are records; None if there are none."""
    start = _between(text, 0).end()  # type: ignore[union-attr]  # it matches nothing too
    if start == len(text):
        return None
    found = _scan_list(text, start + 1) if text[start] == "[" else None
    if found is None or not found.records:  # a line of text may start with a bracket too
        found = _scan_stream(text, start)
    return found if found.records and len(found.records) >= found.bad else None


def _scan_list(text: str, pos: int) -> Records:
    records: list[dict[str, Any]] = []
    bad = 0
    while (pos := _between(text, pos).end()) < len(text):  # type: ignore[union-attr]
        if text[pos] == "]":
            return Records(records, bad, False, False)
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
    return Records(records, bad, True, False)


def _scan_stream(text: str, pos: int) -> Records:
    records: list[dict[str, Any]] = []
    bad, partial = 0, False
    while (pos := _between(text, pos).end()) < len(text):  # type: ignore[union-attr]
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
        if nxt < 0 or bad > _GIVE_UP + len(records):
            break
        pos = nxt + 1
    return Records(records, bad, partial, True)


def _record(text: str, pos: int) -> tuple[dict[str, Any] | None, int]:
    """The object at a position and where it ends; None if there is none, or something else follows on its line."""
    if text[pos] != "{":
        return None, pos
    try:
        value, end = _decode(text, pos)
    except (ValueError, RecursionError):
        end = text.find("\n", pos)
        end = len(text) if end < 0 else end
        try:
            value = json.loads(_BARE.sub(_standard, text[pos:end]))
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


def table_of(records: Sequence[dict[str, Any]], partial: bool) -> Table:
    """Records as one table; what a record does not have is empty. Raises NoTable where that would be too large."""
    # records with the same keys go together, so that their columns are cut out at C speed
    shapes: dict[tuple[str, ...], tuple[list[int], list[Any]]] = {}
    for row, record in enumerate(records):
        flat = flatten(record)
        shape = shapes.get(key := tuple(flat))
        if shape is None:
            shape = shapes[key] = ([], [])
        shape[0].append(row)
        shape[1].append(flat.values())
    parts: dict[str, list[tuple[list[int], tuple[Any, ...]]]] = {}
    for names, (rows, values) in shapes.items():
        for name, column in zip(names, zip(*values)):
            parts.setdefault(name, []).append((rows, column))
    if not parts:
        raise NoTable("records without values")
    if len(parts) * len(records) > _MAX_CELLS:
        raise NoTable(f"{len(records)} records with {len(parts)} different keys are too many cells")
    return Table(list(parts), [_column(part, len(records)) for part in parts.values()], partial)


def _column(parts: list[tuple[list[int], tuple[Any, ...]]], length: int) -> Column:
    """One column of the values that the records of each shape have for it."""
    if len(parts) == 1:
        rows, values = parts[0]
        return json_column(values, None if len(rows) == length else rows, length)
    pairs = sorted((row, i, j) for i, (rows, _) in enumerate(parts) for j, row in enumerate(rows))
    return json_column([parts[i][1][j] for _, i, j in pairs], [row for row, _, _ in pairs], length)


def flatten(record: dict[str, Any]) -> dict[str, Any]:
    """A record without nested objects; a name that would come twice is counted on: a/b.1."""
    if dict not in map(type, record.values()):
        return record
    flat: dict[str, Any] = {}
    _flatten_into(flat, record, "")
    return flat


def _flatten_into(flat: dict[str, Any], record: dict[str, Any], prefix: str) -> None:
    for key, value in record.items():
        name = prefix + key
        if type(value) is dict:
            _flatten_into(flat, value, name + "/")
            continue
        new, n = name, 0
        while new in flat:
            n += 1
            new = f"{name}.{n}"
        flat[new] = value


def _columns_of(document: dict[str, Any]) -> Table | None:
    """{"loss": [1, 2], "acc": [3, 4]} as columns, as Keras' history is saved; None if it is nothing of the kind."""
    lists = list(document.values())
    if not lists or not all(type(one) is list and len(one) == len(lists[0]) > 1 for one in lists):
        return None
    if not all(type(value) in (int, float, type(None)) for one in lists for value in one):
        return None
    return Table(list(document), [json_column(one, None, len(one)) for one in lists], False)
