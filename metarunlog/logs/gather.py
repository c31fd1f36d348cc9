"""Rows of shapes become tables: those that belong together in one, with the clock of the lines before it.

Of the tables that come of it, those are kept that look like a log of something that goes on, and not like a dump of
settings: with a column that counts, or three rows or more with numbers that change and are not all whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from metarunlog.logs.cells import Column, Table, x_axis
from metarunlog.logs.lines import Rows
from metarunlog.logs.shapes import COUNT, common_unit, is_total


def tables_of(rows: Sequence[Rows]) -> list[tuple[str, Table]]:
    """Tables with their tags: one of all rows whose lines differ in nothing but units, or have some numbers more."""
    groups: list[list[Rows]] = []
    for one in sorted(rows, key=lambda one: -len(one.places)):
        group = next((group for group in groups if _belongs(one, group[0])), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    groups = [group for group in groups if sum(len(one.places) for one in group) > 1]
    clocks = [clock for group in groups if (clock := _clock(group))]
    made = []
    for group in groups:
        table = _table(group)
        if table is not None and _is_log(table := _with_clock(table, group, clocks)):
            made.append((group[0].shape.tag, table))
    return made


def _belongs(one: Rows, other: Rows) -> bool:
    a, b = one.shape, other.shape
    if a.names == b.names:
        return a.words == b.words
    more, less = set(a.names), set(b.names)
    shared = more <= less or less <= more
    return shared and len(more & less) > 1 and a.names[0] == b.names[0] and a.opening == b.opening


def _table(group: Sequence[Rows]) -> Table | None:
    """The rows of all, in the order of the text; without what has units that do not go together. None if empty.

    The unit is part of the name: 900 of one run and 1.5 of another are told apart by ms and s.
    """
    import numpy as np

    places = np.concatenate([one.places for one in group])
    order = slice(None) if (places[1:] > places[:-1]).all() else np.argsort(places, kind="stable")
    named = [_names(one) for one in group]
    names, columns = [], []
    for name in dict.fromkeys(name for one in named for name in one if name):
        having = [(one, own.index(name)) for one, own in zip(group, named, strict=True) if name in own]
        common = common_unit([one.shape.slots[i].unit for one, i in having])
        if common is None:
            continue
        unit, factors = common
        known = {id(one): _scaled(one.columns[i], factor) for (one, i), factor in zip(having, factors)}
        parts = [known.get(id(one), np.full(len(one.places), np.nan)) for one in group]
        last = None
        if len(having) < len(group):
            there = np.concatenate([np.full(len(one.places), id(one) in known) for one in group])[order]
            last = int(np.flatnonzero(there)[-1])
        names.append(f"{name} ({unit})" if unit else name)
        columns.append(Column(np.concatenate(parts)[order], last))
    if not names:
        return None
    first = columns[0].values
    counts = first.dtype.kind == "i" and len(first) > 2 and bool((first[1:] > first[:-1]).all())
    x = x_axis(names, ()) or (names[0] if counts and len(names) > 1 else None)
    return Table(names, columns, False, x)


def _scaled(values: Any, factor: float) -> Any:
    """The values times a factor, rounded once: 950 ms are 0.95 s."""
    return values if factor == 1 else values * factor if factor > 1 else values / round(1 / factor)


def _names(rows: Rows) -> list[str]:
    """The names of its numbers, those without are left out; where none has one, the words in the line above."""
    names: Sequence[str] = rows.shape.names
    if not any(names):
        names = rows.above if len(rows.above) == len(names) else [f"column{i + 1}" for i in range(len(names))]
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(f"{name}.{seen[name]}" if name and seen[name] else name)
        seen[name] += 1
    return found


def _is_log(table: Table) -> bool:
    """Whether it is of something that goes on."""
    changing = {n: c.values for n, c in zip(table.names, table.columns, strict=True) if (c.values != c.values[0]).any()}
    if table.x is not None:
        return table.x in changing and any(name != table.x and not is_total(name) for name in table.names)
    rows = len(table.columns[0].values)
    return rows > 2 and (COUNT in changing or any(one.dtype.kind == "f" for one in changing.values()))


def _clock(group: Sequence[Rows]) -> tuple[str, Any, Any] | None:
    """The x axis of a kind of lines, with the places of its values in the text."""
    import numpy as np

    name = x_axis([name for name in group[0].shape.names if name], ())
    if name is None:
        return None
    having = [one for one in group if name in one.shape.names]
    places = np.concatenate([one.places for one in having])
    values = np.concatenate([one.columns[one.shape.names.index(name)] for one in having])
    order = np.argsort(places, kind="stable")
    return name, places[order], values[order]


def _with_clock(table: Table, group: Sequence[Rows], clocks: Sequence[tuple[str, Any, Any]]) -> Table:
    """With the x axis of the lines before: `Iteration 100, Testing net` says of which iteration the results are."""
    import numpy as np

    if table.x is not None:
        return table
    places = np.sort(np.concatenate([one.places for one in group]))
    best = None
    for name, known, values in clocks:
        before = np.searchsorted(known, places) - 1
        if (before >= 0).all() and (values[before] != values[before[0]]).any() and name not in table.names:
            distance = float((places - known[before]).mean())
            if best is None or distance < best[0]:
                best = distance, name, values[before]
    if best is None:
        return table
    return Table([best[1], *table.names], [Column(best[2]), *table.columns], False, best[1])
