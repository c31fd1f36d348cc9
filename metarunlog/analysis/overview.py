"""The overview functions over params and metrics: results, effects, parallel. Curves have their own file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metarunlog.analysis import goals, sweep, values
from metarunlog.analysis.plots import plots, text

if TYPE_CHECKING:
    import pandas as pd

View = list[tuple[dict[str, Any], str, str | None]]


def results(expDir: str, subExpIds: list[str], Dparams: pd.DataFrame, *metrics: str) -> View:
    """A table, a row a sub-experiment: params (those that vary first), run state, last/min/max of each metric."""
    columns = sweep.params(Dparams)
    found = sweep.metrics(expDir, subExpIds, metrics)
    rows = []
    for row, subExpId in enumerate(subExpIds):
        rows.append(
            {
                "id": subExpId,
                "state": sweep.run_record(f"{expDir}/{subExpId}").get("state"),
                "params": [column.values[row] for column in columns],
                "metrics": [_stats(stats, row) for stats in found.values()],
            }
        )
    view = {
        "view": "results",
        "params": [column.name for column in columns],
        "varying": sum(column.varies for column in columns),
        "metrics": [{"name": name, "goal": goals.goal(name)} for name in found],
        "rows": rows,
    }
    return [(view, "view", None)]


def effects(expDir: str, subExpIds: list[str], Dparams: pd.DataFrame, *metrics: str) -> View:
    """For each param that varies, its values against a metric that the reader chooses."""
    return [(_points("effects", expDir, subExpIds, Dparams, metrics), "view", None)]


def parallel(expDir: str, subExpIds: list[str], Dparams: pd.DataFrame, *metrics: str) -> View:
    """Parallel coordinates: a line a sub-experiment over the params that vary and a metric."""
    return [(_points("parallel", expDir, subExpIds, Dparams, metrics), "view", None)]


def _stats(stats: dict[str, list[float]], row: int) -> list[Any]:
    """last, min and max of one metric in one row; None where that sub-experiment does not have the metric at all."""
    found = [stats[name][row] if name in stats else None for name in sweep.STATS]
    if all(value is None or math.isnan(value) for value in found):
        return [None] * len(found)
    return [values.number(value) for value in found]


def _points(
    view: str, expDir: str, subExpIds: list[str], Dparams: pd.DataFrame, wanted: tuple[str, ...]
) -> dict[str, Any]:
    """Params that vary, and of each metric the one statistic that sums up a run; the likeliest metric first."""
    found = sweep.metrics(expDir, subExpIds, wanted)
    names = list(found) if wanted else sorted(found, key=goals.rank)
    metrics: list[dict[str, Any]] = [
        {
            "name": name,
            "stat": goals.stat(name),
            "goal": goals.goal(name),
            "values": [value if math.isfinite(value) else None for value in found[name][goals.stat(name)]],
        }
        for name in names
        if goals.stat(name) in found[name]
    ]
    data = {"ids": list(subExpIds), "params": sweep.varying(Dparams), "metrics": metrics}
    return plots(view, [metric["name"] for metric in metrics], {key: text(value) for key, value in data.items()})
