"""Records, each a dict, to one table: nested objects become columns with a slash between the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metarunlog.logs.cells import Column, Table, json_column
from metarunlog.logs.source import NoTable

_MAX_CELLS = 10_000_000  # of a table most of which is empty: many different keys would fill the memory with nothing


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
    check_size(len(records), len(parts), sum(len(names) * len(rows) for names, (rows, _) in shapes.items()))
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


def check_size(height: int, width: int, filled: int) -> None:
    """Raise NoTable for a table that would be large, and next to empty."""
    if height * width > max(_MAX_CELLS, 10 * filled):
        raise NoTable(f"{height} records with {width} different keys are too many cells")
