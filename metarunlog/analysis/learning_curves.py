"""Learning curves: one plot a metric, one line a sub-experiment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarunlog.analysis import goals, sweep, thin

if TYPE_CHECKING:
    import pandas as pd

# Points a line, and points a plot: with many lines each gets fewer, so that the data of a plot stays small.
LINE_POINTS = 300
PLOT_POINTS = 120_000
FEWEST_POINTS = 60

Logs = dict[str, dict[str, "pd.DataFrame"]]


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

    loaded = {subExpId: logs.load(str(Path(expDir) / subExpId)) for subExpId in subExpIds}
    view = {"view": "curves", "params": sweep.varying(Dparams), **curves_data(loaded, metrics)}
    return [(view, "view", None)]


def curves_data(loaded: Logs, wanted: tuple[str, ...] = ()) -> dict[str, Any]:
    """The view's data from ``{subExpId: {table: DataFrame}}``: ``ids``, ``partial`` and, a metric each, ``metrics``."""
    from metarunlog.logs.metrics import metric_names

    partial = [id for id, frames in loaded.items() if any(frame.attrs.get("partial") for frame in frames.values())]
    runs = {id: {key: _table(frame) for key, frame in frames.items()} for id, frames in loaded.items()}
    keys = list(dict.fromkeys((key, name) for run in runs.values() for key in run for name in run[key].columns))
    chosen = sweep.chosen(dict(zip(metric_names(keys), keys)), wanted)
    names = list(chosen) if wanted else sorted(chosen, key=lambda name: goals.goal(name) is None)
    limit = max(FEWEST_POINTS, min(LINE_POINTS, PLOT_POINTS // max(1, len(loaded))))
    return {
        "ids": list(loaded),
        "metrics": [_plot(name, *chosen[name], runs, limit) for name in names],
        "partial": partial,
    }


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


def _plot(name: str, key: str, column: str, runs: dict[str, dict[str, Table]], limit: int) -> dict[str, Any]:
    """One metric: its lines over the x axis that all its tables have, else over the number of the row."""
    import numpy as np

    parts = [(id, run[key]) for id, run in runs.items() if key in run and column in run[key].columns]
    by_axis = all(table.x is not None for _, table in parts)
    series = []
    for id, table in parts:
        y = table.columns[column]
        x = table.x if by_axis else np.arange(1, len(y) + 1, dtype=float)
        known = np.isfinite(x)
        if column in table.sparse - table.last_nan:  # then nan stands for an empty cell only
            known &= ~np.isnan(y)
        series.append(thin.Series(id, x[known], y[known], column in table.sparse))
    label = parts[0][1].xlabel if by_axis else "row"
    return {"name": name, "goal": goals.goal(name), "xlabel": label, **thin.thin(series, limit)}
