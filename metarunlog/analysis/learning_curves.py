"""Learning curves: one plot a metric, one line a sub-experiment.

What is drawn of a sub-experiment depends on nothing of the others, so it is kept from one analyze to the next, as the
text that goes into the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from metarunlog.analysis import goals, sweep, thin
from metarunlog.analysis.plots import plots, text

if TYPE_CHECKING:
    import pandas as pd

# Points a line, and points a plot: with many lines each gets fewer, so that the data of a plot stays small.
LINE_POINTS = 300
PLOT_POINTS = 120_000
FEWEST_POINTS = 60
# Positions on the axis that all lines of a plot share, as a multiple of the points of a line.
AXIS = 5
_KEPT = 2  # raise it when another thing is drawn of the same tables

Frames = Mapping[str, "pd.DataFrame"]


class Curve(NamedTuple):
    """What is drawn of one metric of one sub-experiment: plain data, as it is kept."""

    table: str
    column: str
    xlabel: str | None  # None where x is the number of the row
    x: str  # JSON: [1,2,3]
    y: str  # JSON: "y":[...], and "end":{...} where the run ended in nan or inf


class Run(NamedTuple):
    """What is drawn of one sub-experiment. `partial`: a log was being written when it was read."""

    partial: bool
    curves: Sequence[Curve]


@dataclass(frozen=True)
class Table:
    """What counts of one log: metric columns as floats, and the x axis (None where there is none that moves on)."""

    columns: dict[str, Any]
    x: Any
    xlabel: str
    sparse: frozenset[str]  # columns in which nan can stand for an empty cell
    last_nan: frozenset[str]  # those of them that end in a nan that was logged


def curves(expDir: str, subExpIds: list[str], Dparams: pd.DataFrame, *metrics: str) -> list[Any]:
    """One plot a metric (those given, else all), one line a sub-experiment, thinned for the screen."""
    from metarunlog import logs

    limit = points(len(subExpIds))

    def runs(ids: Sequence[str], by_row: bool) -> dict[str, Run]:
        kind, version = "curves by row" if by_row else "curves", (_KEPT, limit)
        found = logs.derived(expDir, ids, kind, version, partial(_plain, limit=limit, by_row=by_row))
        return {id: Run(was_partial, [Curve(*one) for one in made]) for id, (was_partial, made) in found.items()}

    view = plots_of(subExpIds, runs, limit, metrics, {"params": sweep.varying(Dparams)})
    return [(view, "view", None)]


def points(lines: int) -> int:
    """Of each line of a plot. Few steps, so that a line more seldom means that all are made anew."""
    limit = LINE_POINTS
    while limit > FEWEST_POINTS and limit * lines > PLOT_POINTS:
        limit = max(limit // 4 * 2, FEWEST_POINTS)
    return limit


def plots_of(
    ids: Sequence[str],
    runs_of: Callable[[Sequence[str], bool], Mapping[str, Run]],
    limit: int,
    wanted: tuple[str, ...] = (),
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The view of many sub-experiments; `runs_of` tells what is drawn of some, over their own axes or over the rows."""
    from metarunlog.logs.metrics import metric_names

    runs = runs_of(ids, False)
    lines: dict[tuple[str, str], list[tuple[str, Curve]]] = {}
    for id, one in runs.items():
        for curve in one.curves:
            lines.setdefault((curve.table, curve.column), []).append((id, curve))
    chosen = sweep.chosen(dict(zip(metric_names(lines), lines)), wanted)
    names = list(chosen) if wanted else sorted(chosen, key=lambda name: goals.goal(name) is None)
    drawn = []
    for name in names:
        parts = lines[chosen[name]]
        if len({curve.xlabel is None for _, curve in parts}) > 1:  # then all go by the number of the row
            again = runs_of([id for id, curve in parts if curve.xlabel is not None], True)
            parts = [(id, _by_row(curve, again[id]) if id in again else curve) for id, curve in parts]
        drawn.append(_plot(name, parts, limit))
    data = {"ids": text(list(ids)), "metrics": f"[{','.join(drawn)}]"}
    data |= {key: text(value) for key, value in (more or {"params": []}).items()}
    return plots("curves", names, data, [id for id, one in runs.items() if one.partial])


def run_of(frames: Frames, limit: int, *, by_row: bool = False) -> Run:
    """What is drawn of the tables of one sub-experiment."""
    being_written = any(bool(frame.attrs.get("partial")) for frame in frames.values())
    tables = {key: _table(frame) for key, frame in frames.items()}
    found = [(key, table, column) for key, table in tables.items() for column in table.columns]
    texts: dict[bytes, str] = {}
    return Run(being_written, [_curve(*one, limit, by_row or one[1].x is None, texts) for one in found])


def _plain(frames: Frames, limit: int, by_row: bool) -> tuple[bool, list[tuple[Any, ...]]]:
    run = run_of(frames, limit, by_row=by_row)
    return run.partial, [tuple(curve) for curve in run.curves]


def _by_row(curve: Curve, run: Run) -> Curve:
    return next(one for one in run.curves if one[:2] == curve[:2])


def _table(frame: pd.DataFrame) -> Table:
    attrs = frame.attrs
    bare = frame.copy(deep=False)
    bare.attrs = {}  # pandas copies them for every column that is taken out
    numbers = {str(name): column.to_numpy(dtype=float) for name, column in bare.items() if column.dtype.kind in "if"}
    name = str(attrs.get("x"))
    axis = numbers.pop(name, None)
    numbers.pop(str(attrs.get("segment")), None)  # it counts restarts
    x = axis if axis is not None and _moves(axis) else None
    return Table(numbers, x, name, frozenset(attrs.get("sparse", ())), frozenset(attrs.get("last_nan", ())))


def _moves(x: Any) -> bool:
    """Not the epoch of many rows. (A run that was resumed may count some steps twice.)"""
    import numpy as np

    known = x[np.isfinite(x)]
    return bool((np.diff(known) > 0).all()) or 2 * len(np.unique(known)) > len(x)


def _curve(key: str, table: Table, column: str, limit: int, by_row: bool, texts: dict[bytes, str]) -> Curve:
    """`texts` are those of axes, which columns share."""
    import numpy as np

    y = table.columns[column]
    x = np.arange(1, len(y) + 1, dtype=float) if by_row else table.x
    known = np.abs(x) < thin.FAR
    if column in table.sparse - table.last_nan:  # then nan stands for an empty cell only
        known &= ~np.isnan(y)
    line = thin.thin(thin.Series(x[known], y[known], column in table.sparse), limit)
    axis = line.x.tobytes()
    if axis not in texts:
        texts[axis] = text(thin.whole(line.x))
    return Curve(key, column, None if by_row else table.xlabel, texts[axis], _y_text(line.y, line.end))


def _y_text(y: Any, end: dict[str, Any] | None) -> str:
    return f'"y":{text(thin.short(y, 5))}' + (f',"end":{text(end)}' if end else "")


def _plot(name: str, parts: list[tuple[str, Curve]], limit: int) -> str:
    """One metric, as JSON: `grids` are the x of its lines; a line that names none has the first."""
    axes = {curve.x for _, curve in parts}
    if len(axes) > AXIS:  # fewer have not as many positions
        parts = _on_one_axis(parts, {x: json.loads(x) for x in axes}, limit)
    grids: dict[str, int] = {}
    lines = []
    for id, curve in parts:
        at = grids.setdefault(curve.x, len(grids))
        lines.append(f'{{"id":{text(id)},{curve.y}{f""","grid":{at}""" if at else ""}}}')
    head = text({"name": name, "goal": goals.goal(name), "xlabel": parts[0][1].xlabel or "row"})
    return f'{head[:-1]},"grids":[{",".join(grids)}],"lines":[{",".join(lines)}]}}'


def _on_one_axis(
    parts: list[tuple[str, Curve]], axes: Mapping[str, list[float]], limit: int
) -> list[tuple[str, Curve]]:
    """Lines whose axes have too many positions together, on fewer; others as they are."""
    positions = set[float]().union(*axes.values())
    if len(positions) <= AXIS * limit:
        return parts
    low, high = min(positions), max(positions)
    width = thin.width_of(low, high, limit)
    return [(id, _on_grid(curve, axes[curve.x], width, high)) for id, curve in parts]


def _on_grid(curve: Curve, x: list[float], width: float, end: float) -> Curve:
    """The same on positions that it shares with others: each run may have its own, as those of a clock."""
    import numpy as np

    drawn = json.loads(f"{{{curve.y}}}")
    y = np.array(drawn["y"], dtype=float)
    if not np.isfinite(y).any():
        return curve._replace(x="[]", y=_y_text(y[:0], drawn.get("end")))
    at, values = thin.bucketed(np.array(x, dtype=float), y, width, end)
    return curve._replace(x=text(thin.whole(at)), y=_y_text(values, drawn.get("end")))
