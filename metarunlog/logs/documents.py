"""One JSON document, an object or a list, whose numbers go on: histories, series, data frames, lists of rows.

tables_in   the tables of a document in one of the forms below, None where it is in none of them
read_parts  those of a file where they are several: lists of different lengths have no common rows
is_metadata whether the one row of an object tells of the run and not what came of it

What a form asks for is to keep settings out: they have lists of numbers too (betas, milestones, layer sizes), so where
the form alone does not tell, a name has to be one of what is measured, or the lists have to be long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metarunlog.logs.cells import Column, Table, is_axis, json_column
from metarunlog.logs.measured import CELLS, NO_STEPS, NUMBERS, SPLITS, are_numbers, is_measure, rises, words_of
from metarunlog.logs.records import check_size, flatten, table_of

_LONG = 10  # numbers that no setting has, in several lists
_WIDE = 20  # columns without names that may be more than the parts of a vector
_FEW = 16  # numbers in a list of a record that become columns
_WALL = (1e9, 1e10)  # seconds since 1970
#: keys under which frameworks keep a list of records
_RECORDS = frozenset(
    ("log_history", "iterations", "epochs", "history", "results", "log", "logs", "records", "rounds", "evaluations")
)
_STEPS = {"steps": "step", "step": "step", "iterations": "iteration", "iteration": "iteration", "epochs": "epoch"}
_VALUES = ("values", "value")
_COUNTED = re.compile(r"([a-z]*)[ _-]?(\d{1,15})", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """The tables of a document, the main one first, each with its part (None where there is one), and their form."""

    parts: Sequence[tuple[str | None, Table]]
    how: str
    left_out: Sequence[str] = ()  # what no table holds

    def all(self) -> tuple[list[tuple[str | None, Table]], str]:
        """Each of the tables and how they were read."""
        return list(self.parts), self.how + _told(self.left_out)

    def first(self) -> tuple[Table, str]:
        """The main one and how it was read."""
        others = [name for _, table in self.parts[1:] for name in table.names]
        return self.parts[0][1], self.how + _told([*others, *self.left_out])


def _told(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f", without {', '.join(names[:5])}{more}" if names else ""


def tables_in(document: Any) -> Found | None:
    """The tables of a document; None where it is in no form whose numbers go on. Raises NoTable."""
    forms: Sequence[Callable[[Any], Found | None]] = ()
    if type(document) is dict and document:
        forms = (_lists_only, _split, _points, _series, _records, _by_column, _by_count, _lists)
    elif type(document) is list and len(document) > 1:
        forms = (_rows, _plain)
    return next((found for form in forms if (found := form(document)) is not None), None)


def read_parts(data: bytes) -> tuple[list[tuple[str | None, Table]], str] | None:
    """The tables of a file of one document where they are several, and how it was read."""
    if not data[:1000].lstrip().startswith(b"{"):
        return None
    try:
        found = tables_in(json.loads(data))
    except (ValueError, RecursionError):
        return None
    return None if found is None or len(found.parts) < 2 else found.all()


def is_metadata(table: Table) -> bool:
    """Whether the one row of an object is next to no numbers: sacred's run.json, a package's description."""
    numbers = sum(column.numeric and column.last != -1 for column in table.columns)
    return len(table.names) >= 8 and numbers * 5 < len(table.names)


# --- objects of lists ----------------------------------------------------------------------------------------------


def _lists_only(document: dict[str, Any]) -> Found | None:
    """{"loss": [1, 2], "acc": [3, 4]}, as Keras' history is saved."""
    lists = list(document.values())
    if not all(type(one) is list and len(one) == len(lists[0]) > 1 and are_numbers(one) for one in lists):
        return None
    return Found([(None, _table(document))], "json object of lists")


def _lists(document: dict[str, Any]) -> Found | None:
    """{"train": {"loss": [1, 2]}, "val_loss": [2], "best": 1}: a table for each length, of lists that are measured.

    Which rows the shorter ones belong to is not told: validated every fifth epoch, or not yet in the last one?
    """
    flat = flatten(document)
    lists = {name: value for name, value in flat.items() if type(value) is list and are_numbers(value)}
    lists = {name: value for name, value in lists.items() if len(value) > 1 and set(map(type, value)) != {type(None)}}
    if not lists or not _are_histories(lists) or any(NO_STEPS & words_of(name) for name in flat):
        return None
    lengths: dict[int, dict[str, list[Any]]] = {}
    for name, value in lists.items():
        lengths.setdefault(len(value), {})[name] = value
    groups = sorted(lengths.values(), key=lambda group: (-len(group), -len(next(iter(group.values())))))
    results = {name: value for name, value in flat.items() if type(value) in NUMBERS and is_measure(name)}
    tables = [_table(group, results if group is groups[0] else {}) for group in groups]
    names = [None] if len(groups) == 1 else [_part_name(group) for group in groups]
    left = [name for name in flat if name not in lists and name not in results]
    return Found(list(zip(names, tables)), "json object of lists", left)


def _are_histories(lists: Mapping[str, list[Any]]) -> bool:
    """Whether a list of them is named as what is measured, or some are as long as no setting is."""
    if any(is_measure(name) for name in lists):
        return True
    if any(SPLITS & words_of(name) and float in map(type, value) for name, value in lists.items()):
        return True
    lengths = [len(value) for value in lists.values() if float in map(type, value)]
    return any(length >= _LONG and lengths.count(length) > 1 for length in lengths)


def _table(lists: Mapping[str, list[Any]], results: Mapping[str, float] | None = None) -> Table:
    """Lists of one length as columns; `results`, which came once and at the end, are in the last row."""
    length = len(next(iter(lists.values())))
    columns = [json_column(one, None, length) for one in lists.values()]
    ends = results or {}
    columns += [json_column([value], [length - 1], length) for value in ends.values()]
    return Table([*lists, *ends], columns, False)


def _part_name(names: Iterable[str]) -> str:
    """What a group of lists is called: its first name that does not count."""
    listed = list(names)
    return next((name for name in listed if not is_axis(name)), listed[0])


# --- series: steps and values --------------------------------------------------------------------------------------


def _points(document: dict[str, Any]) -> Found | None:
    """{"loss": [[wall time, step, value], ...]}, as tensorboardX exports all its scalars."""
    if not all(type(points) is list and points and all(map(_is_point, points)) for points in document.values()):
        return None
    series = {tag: [(step, value) for _, step, value in points] for tag, points in document.items()}
    return Found([(None, _joined("step", series))], "json object of series")


def _series(document: dict[str, Any]) -> Found | None:
    """{"loss": {"steps": [...], "values": [...], "timestamps": [...]}}, as sacred writes it."""
    series: dict[str, list[tuple[Any, Any]]] = {}
    counters: set[str] = set()
    left = []
    for name, one in document.items():
        if type(one) is not dict:
            return None
        counter = next((key for key in _STEPS if type(one.get(key)) is list), None)
        values = next((one[key] for key in _VALUES if type(one.get(key)) is list), None)
        if counter is None or values is None or len(one[counter]) != len(values):
            return None
        if values and are_numbers(values) and set(map(type, one[counter])) <= set(NUMBERS):
            series[name] = list(zip(one[counter], values))
            counters.add(_STEPS[counter])
        else:
            left.append(name)
    if len(counters) != 1:
        return None
    return Found([(None, _joined(counters.pop(), series))], "json object of series", left)


def _joined(counter: str, series: Mapping[str, Sequence[tuple[Any, Any]]]) -> Table:
    """Series as columns by their steps; a step that one has again is a row of its own, after a restart below all."""
    keys: dict[str, list[tuple[int, Any, int]]] = {}
    for name, points in series.items():
        again = restarts = 0
        found = keys[name] = []
        for i, (step, _) in enumerate(points):
            before = points[i - 1][0] if i else step
            restarts += step < before
            again = again + 1 if i and step == before else 0
            found.append((restarts, step, again))
    rows = {key: row for row, key in enumerate(sorted({key for found in keys.values() for key in found}))}
    check_size(len(rows), len(series), sum(map(len, series.values())))
    columns = [json_column([step for _, step, _ in rows], None, len(rows))]
    for name, points in series.items():
        columns.append(json_column([value for _, value in points], [rows[key] for key in keys[name]], len(rows)))
    return Table([counter, *series], columns, False)


def _is_point(point: Any) -> bool:
    return (
        type(point) is list
        and len(point) == 3
        and type(point[0]) in NUMBERS
        and _WALL[0] <= point[0] < _WALL[1]
        and type(point[1]) is int
        and type(point[2]) in CELLS
    )


# --- a list of records under a key ---------------------------------------------------------------------------------


def _records(document: dict[str, Any]) -> Found | None:
    """{"meta": ..., "iterations": [{...}, {...}]}: CatBoost's training, Hugging Face's trainer state, pandas' table."""
    found = {key: value for key, value in document.items() if _is_history(key, value, document)}
    if not found:
        return None
    parts = [(key, table_of(_named(records, document), False)) for key, records in found.items()]
    if len(parts) == 1:
        return Found([(None, parts[0][1])], f"json list in {parts[0][0]}")
    parts.sort(key=lambda part: -len(part[1].columns[0].values))
    return Found(parts, f"json lists in {', '.join(found)}")


def _is_history(key: str, records: Any, document: Mapping[str, Any]) -> bool:
    """Whether a list holds records that were measured one after the other.

    Under another key than those that are known a counter has to go up, and something to be named as what is measured:
    a schedule of learning rates counts epochs too.
    """
    if type(records) is not list or not records or not all(type(one) is dict for one in records):
        return False
    if key == "log_history":
        return True
    if len(records) < 2 or not _is_measured(records):
        return False
    if key.lower() in _RECORDS or (key == "data" and "schema" in document):
        return True
    counters = [name for name in records[0] if is_axis(name)]
    return any(rises([one.get(name) for one in records]) for name in counters) and any(
        is_measure(name) for name in flatten(records[-1])
    )


def _is_measured(records: Sequence[dict[str, Any]]) -> bool:
    """Whether half of the records have a number with a fraction, or one under the name of what is measured."""
    measured = 0
    for one in records:
        flat = flatten(one).items()
        measured += any(
            type(value) is float
            or (type(value) is int and is_measure(name))
            or (_is_vector(value) and float in map(type, value))
            for name, value in flat
        )
    return measured * 2 >= len(records)


def _named(records: Sequence[dict[str, Any]], document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Records whose lists of a few numbers are columns: by CatBoost's names, else by their place: learn.0."""
    names = _catboost_names(document.get("meta"))
    lengths: dict[str, set[int]] = {}
    for one in records:
        for key, value in one.items():
            lengths.setdefault(key, set()).add(len(value) if _is_vector(value) else 0)
    spread = {key for key, found in lengths.items() if len(found) == 1 and 0 not in found}
    result = []
    for one in records:
        new: dict[str, Any] = {}
        for key, value in one.items():
            if key not in spread:
                new[key] = value
            elif len(names.get(key, ())) == len(value):
                new[key] = dict(zip(names[key], value))
            else:
                new |= {f"{key}.{i}": number for i, number in enumerate(value)}
        result.append(new)
    return result


def _catboost_names(meta: Any) -> dict[str, list[str]]:
    """The names of the numbers of each set, as CatBoost tells them."""
    names: dict[str, list[str]] = {}
    if type(meta) is dict:
        for kind in ("learn", "test"):
            sets, metrics = meta.get(f"{kind}_sets"), meta.get(f"{kind}_metrics")
            if type(sets) is list and type(metrics) is list and all(type(one) is dict for one in metrics):
                found = [str(one.get("name")) for one in metrics]
                if len(set(found)) == len(found):
                    names |= {str(one): found for one in sets}
    return names


def _is_vector(value: Any) -> bool:
    return type(value) is list and 0 < len(value) <= _FEW and set(map(type, value)) <= set(NUMBERS)


# --- data frames, and keys that count ------------------------------------------------------------------------------


def _split(document: dict[str, Any]) -> Found | None:
    """{"columns": [...], "index": [...], "data": [[...], ...]}, as pandas writes it."""
    if set(document) != {"columns", "index", "data"} or not all(type(one) is list for one in document.values()):
        return None
    names, index, rows = document["columns"], document["index"], document["data"]
    if not rows or len(index) != len(rows) or not all(type(row) is list and len(row) == len(names) for row in rows):
        return None
    columns = [json_column(cells, None, len(rows)) for cells in zip(*rows)]
    titles = ["/".join(map(str, name)) if type(name) is list else str(name) for name in names]
    if index != list(range(len(rows))) and not any(type(one) in (list, dict) for one in index):
        titles, columns = ["index", *titles], [json_column(index, None, len(rows)), *columns]
    return _with_numbers(Table(titles, columns, False), "json object of columns")


def _by_column(document: dict[str, Any]) -> Found | None:
    """{"loss": {"0": 2.5, "1": 1.5}}: pandas' columns, or metrics by step."""
    if not all(type(one) is dict and one and all(map(str.isdecimal, one)) for one in document.values()):
        return None
    if any(type(cell) in (dict, list) for one in document.values() for cell in one.values()):
        return None
    if not any(type(cell) is float or is_measure(name) for name, one in document.items() for cell in one.values()):
        return None
    keys = sorted({int(key) for one in document.values() for key in one})
    if len(keys) < 2:
        return None
    check_size(len(keys), len(document), sum(map(len, document.values())))
    rows = {key: row for row, key in enumerate(keys)}
    columns = []
    for one in document.values():
        places = {rows[int(key)]: cell for key, cell in one.items()}
        order = sorted(places)
        columns.append(json_column([places[row] for row in order], order, len(keys)))
    table = Table(list(document), columns, False)
    return _with_numbers(_with_counter("step", keys, table), "json object of columns")


def _by_count(document: dict[str, Any]) -> Found | None:
    """{"1": {"loss": 2.5}, "2": {"loss": 1.5}}, or {"epoch_1": 2.5, "epoch_2": 1.5}: keys that count the rows."""
    matches = [_COUNTED.fullmatch(key) for key in document]
    if len(matches) < 2 or not all(matches):
        return None
    words = {match[1].lower() for match in matches if match}
    counts = [int(match[2]) for match in matches if match]
    word = words.pop()
    if words or (word and not is_axis(word)) or len(set(counts)) < len(counts):
        return None
    ordered = sorted(zip(counts, document.values()), key=lambda pair: pair[0])
    values = [value for _, value in ordered]
    if all(type(value) is dict for value in values) and _is_measured(values):
        table = table_of(values, False)
    elif are_numbers(values) and float in map(type, values) and (word or len(values) >= _LONG):  # no weights of classes
        table = _table({"value": values})
    else:
        return None
    return _with_numbers(_with_counter(word or "step", sorted(counts), table), "json object of rows")


def _with_counter(counter: str, counts: Sequence[int], table: Table) -> Table:
    """The table with the keys as a first column, unless they are just the rows and a column of its own counts."""
    own = any(is_axis(name) and column.last is None for name, column in zip(table.names, table.columns))
    if own and list(counts) == list(range(len(counts))):
        return table
    if counter in table.names:
        counter = "index"
    return Table([counter, *table.names], [json_column(counts, None, len(counts)), *table.columns], False)


def _with_numbers(table: Table, how: str) -> Found | None:
    return Found([(None, table)], how) if any(column.numeric for column in table.columns) else None


# --- lists without names -------------------------------------------------------------------------------------------


def _rows(document: list[Any]) -> Found | None:
    """[["epoch", "loss"], [1, 2.5]], [[1, 2.5], [2, 1.5]], or TensorBoard's export of a tag: [time, step, value]."""
    if not all(type(row) is list and row and len(row) == len(document[0]) for row in document):
        return None
    titles, rows = document[0], document[1:]
    if not all(type(name) is str and name and not name.isdecimal() for name in titles):
        titles, rows = [f"column{i + 1}" for i in range(len(document[0]))], document
        if not all(map(are_numbers, rows)):
            return None
        if all(map(_is_point, rows)):
            titles = ["wall_time", "step", "value"]
        elif not _may_be_steps(rows):
            return None
    elif len(set(titles)) < len(titles) or any(type(cell) in (list, dict) for row in rows for cell in row):
        return None
    columns: list[Column] = [json_column(cells, None, len(rows)) for cells in zip(*rows)]
    counter = "column1" if titles[0] == "column1" and rises([row[0] for row in rows]) else None
    return _with_numbers(Table(titles, columns, False, counter), "json list of lists")


def _may_be_steps(rows: Sequence[list[Any]]) -> bool:
    """Whether rows of numbers may have come one after the other: neither counts, as of a confusion, nor vectors."""
    if not any(type(cell) is float for row in rows for cell in row) or len(rows[0]) > _WIDE:
        return False
    return rises([row[0] for row in rows]) or len(rows) >= max(_LONG, len(rows[0]) + 1)


def _plain(document: list[Any]) -> Found | None:
    """[2.5, 1.5]; whole numbers may be classes or places."""
    if not are_numbers(document) or float not in map(type, document):
        return None
    return Found([(None, _table({"column1": document}))], "json list of numbers")
