"""Rows of shapes become tables: those that belong together in one, with the clock of the lines before it.

Of the tables that come of it, those are kept that look like a log of something that goes on, and not like a dump of
settings: with a column that counts, or three rows or more with numbers that change and are not all whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from metarunlog.logs.cells import Column, Table, is_axis, x_axis
from metarunlog.logs.lines import Rows
from metarunlog.logs.naming import COUNT, STEP
from metarunlog.logs.shapes import LETTERS, Shape, common_unit, is_total

_UNIT = re.compile(r"(?:[^,;|)\]]*(?=[,;|)\]]))?")  # what is behind a number up to the next sign
_NOTHING = ("none", "null", "na", "n", "a")  # words for a number that is not there


def tables_of(rows: Sequence[Rows]) -> list[tuple[str, Table]]:
    """Tables with their tags: one of all rows whose lines differ in nothing but units, or have some numbers more."""
    groups: list[list[Rows]] = []
    for one in sorted(rows, key=lambda one: -len(one.places)):
        group = next((group for group in groups if _belongs(one.shape, group[0].shape)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    groups = [group for group in groups if sum(len(one.places) for one in group) > 1]
    clocks = _clocks(rows)
    made = [(group, table) for group in groups if (table := _table(group)) is not None]
    axes = {table.x for _, table in made if table.x is not None and _is_log(table)}
    found = []
    for group, table in made:
        if table.x is None and table.names[0] in axes and len(table.names) > 1:  # two rows of what others count too
            table = replace(table, x=table.names[0])
        if _is_log(table := _with_clock(table, group, clocks)):
            found.append((group[0].shape.tag, table))
    return found


def _belongs(a: Shape, b: Shape) -> bool:
    """Whether lines are of one table: alike in names and words, or with some more that name further numbers."""
    if a.names == b.names:
        return a.words == b.words
    more, less = (a, b) if len(set(a.names)) > len(set(b.names)) else (b, a)
    if not set(less.names) <= set(more.names) or len(set(less.names)) < 2:
        return False
    if a.names[0] != b.names[0] or a.opening != b.opening:
        return False
    rest = Counter(more.words.split())
    rest.subtract(less.words.split())
    if any(count < 0 and word.lower() not in _NOTHING for word, count in rest.items()):
        return False  # a word that tells them apart, as train and valid do
    further = [(slot, text) for slot, text in zip(more.slots, more.texts[1:]) if slot.name not in less.names]
    about = [f"{slot.name} {slot.unit} {_UNIT.match(text)[0]}" for slot, text in further]  # type: ignore[index]
    return not +rest - Counter(LETTERS.findall(" ".join(about)))


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
        if common is None or not _sure(having):
            continue
        unit, factors = common
        known = {id(one): _scaled(one.columns[i], factor) for (one, i), factor in zip(having, factors)}
        parts = [known.get(id(one), np.full(len(one.places), np.nan)) for one in group]
        last = None
        if len(having) < len(group):
            there = np.concatenate([np.full(len(one.places), id(one) in known) for one in group])[order]
            last = int(np.flatnonzero(there)[-1])
        unit = unit.partition("/")[0] if " per " in name else unit
        names.append(f"{name} ({unit})" if unit and unit != name and not name.startswith(f"{unit} per") else name)
        columns.append(Column(np.concatenate(parts)[order], last))
    if not names:
        return None
    return Table(names, columns, False, _x(names, columns))


def _x(names: Sequence[str], columns: Sequence[Column]) -> str | None:
    """The column that counts: one with the name of an x axis, or the first if it goes up and up."""
    moving = [name for name, column in zip(names, columns) if (column.values != column.values[0]).any()]
    if (x := x_axis(moving, ())) is not None:
        return x
    first = columns[0].values
    if names[0] in moving and is_axis(names[0].rpartition(" ")[2]) and " per " not in names[0]:  # `trainer epoch`
        return names[0]
    counts = first.dtype.kind == "i" and len(first) > 2 and bool((first[1:] > first[:-1]).all())
    return names[0] if counts and len(names) > 1 else None


def _sure(having: Sequence[tuple[Rows, int]]) -> bool:
    """Whether the commas in numbers are those of thousands: others are beyond doubt, or they go on as counters do."""
    import numpy as np

    if not any(one.shape.slots[i].grouped for one, i in having):
        return True
    large = np.concatenate([one.columns[i] for one, i in having if one.shape.slots[i].grouped])
    if (large >= 1e6).any() or (large % 1).any():
        return True
    places = np.concatenate([one.places for one, _ in having])
    values = np.concatenate([one.columns[i] for one, i in having])[np.argsort(places, kind="stable")]
    return len(values) > 2 and bool((values[1:] > values[:-1]).mean() > 0.9)


def _scaled(values: Any, factor: float) -> Any:
    """The values times a factor, rounded once: 950 ms are 0.95 s."""
    return values if factor == 1 else values * factor if factor > 1 else values / round(1 / factor)


def _names(rows: Rows) -> list[str]:
    """The names of its numbers, those without are left out; where none has one, the words in the line above."""
    names: Sequence[str] = rows.shape.names
    if not any(names):
        names = _header(rows) or [f"column{i + 1}" for i in range(len(names))]
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(f"{name}.{seen[name]}" if name and seen[name] else name)
        seen[name] += 1
    return found


def _header(rows: Rows) -> list[str] | None:
    """The names above the numbers; a time among them has one too."""
    line, _, rule = rows.above.partition("\n")
    signs = [[part.strip() for part in line.strip(f" {sign}").split(sign)] for sign in "|," if sign in line]
    split = [*signs, line.split(), re.split(r" {2,}|\t", line.strip())]
    spans = [found.span() for found in re.finditer(r"[-=]+", rule.partition("\n")[0])]
    if len(spans) > 1:
        ends = [start for start, _ in spans[1:]] + [None]
        split.append([line[start:end].strip() for (start, _), end in zip(spans, ends)])
    fitting = next((words for words in split if len(words) == rows.shape.width and all(words)), None)
    return [fitting[i] for i in rows.shape.places] if fitting else None


def _is_log(table: Table) -> bool:
    """Whether it is of something that goes on."""
    changing = {n: c.values for n, c in zip(table.names, table.columns, strict=True) if (c.values != c.values[0]).any()}
    if table.x is not None:
        others = [name for name in table.names if name != table.x and not is_total(name)]
        return table.x in changing and any(name in changing or _finite(table, name) for name in others)
    rows = len(table.columns[0].values)
    return rows > 2 and (COUNT in changing or any(one.dtype.kind == "f" for one in changing.values()))


def _finite(table: Table, name: str) -> bool:
    import numpy as np

    return bool(np.isfinite(table.columns[list(table.names).index(name)].values).any())


def _clocks(rows: Sequence[Rows]) -> list[tuple[str, Any, Any]]:
    """The x axes of all lines that have one, each with the places of its values in the text, and these."""
    import numpy as np

    having: dict[tuple[str, Any], list[Rows]] = {}
    for one in rows:
        names = [slot.name for slot in one.shape.slots if slot.name and slot.unit != "%"]
        while (name := x_axis(names, ())) is not None:
            # one that only begins its line may be another in lines of another kind
            having.setdefault((name, one.shape.kind if name == STEP and not one.shape.opening else None), []).append(
                one
            )
            names.remove(name)
    clocks = []
    for (name, _), some in having.items():
        places = np.concatenate([one.places for one in some])
        values = np.concatenate([one.columns[one.shape.names.index(name)] for one in some])
        order = np.argsort(places, kind="stable")
        values = values[order]
        if name != STEP or (values[1:] >= values[:-1]).sum() > len(values) / 2:
            clocks.append((name, places[order], values))
    return clocks


def _with_clock(table: Table, group: Sequence[Rows], clocks: Sequence[tuple[str, Any, Any]]) -> Table:
    """With the x axis of the lines before: `Iteration 100, Testing net` says of which iteration the results are.

    What is before all of them has none.
    """
    import numpy as np

    if table.x is not None:
        return table
    places = np.sort(np.concatenate([one.places for one in group]))
    best = None
    for name, known, values in clocks:
        if any(name in one.shape.names for one in group) or (at := _before(places, known)) is None:
            continue
        there = (at >= 0) & (at < len(known))
        if (values[at[there]] != values[at[there][0]]).any():
            distance = float(abs(places[there] - known[at[there]]).mean())
            if best is None or distance < best[0]:
                cells = values[at] if there.all() else np.where(there, values[at % len(values)], np.nan)
                best = distance, name, Column(cells, None if there.all() else int(np.flatnonzero(there)[-1]))
    if best is None:
        return table
    return Table([best[1], *table.names], [best[2], *table.columns], False, best[1])


def _before(places: Any, known: Any) -> Any:
    """For each place the index of the last that is known before it; None where that says nothing.

    Where as many are before the first as before each, those that follow: a block may end with its step.
    """
    import numpy as np

    at = np.searchsorted(known, places) - 1
    without = int((at < 0).sum())
    if 0 < without < len(at) - 1 and (at == np.arange(len(at)) // without - 1).all():
        return at + 1
    return at if without < len(at) and without <= max(1, len(at) // 20) else None
