"""The overview functions over params and metrics: results, effects, parallel. Curves have their own file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metarunlog.analysis import goals, sweep, values
from metarunlog.analysis.plots import plots, text

if TYPE_CHECKING:
    import pandas as pd

View = list[tuple[dict[str, Any], str, str | None]]

FIRST_ROWS = 200  # of the results, that stand in the page itself; a script shows the others
#: For which goals a statistic can be the best.
_MAY_BE_BEST = {"last": ("low", "high"), "min": ("low",), "max": ("high",)}


def results(expDir: str, subExpIds: list[str], Dparams: pd.DataFrame, *metrics: str) -> View:
    """A table, a row a sub-experiment: params (those that vary first), last/min/max of each metric."""
    columns = sweep.params(Dparams)
    shown = [column for column in columns if column.varies] if len(subExpIds) > 1 else columns
    found = sweep.metrics(expDir, subExpIds, metrics)
    stats = {name: _stats(of) for name, of in found.items()}
    heads = [
        {"name": name, "goal": goals.goal(name), "best": _best(goals.goal(name), of)} for name, of in stats.items()
    ]
    view = {
        "view": "results",
        "params": [column.name for column in shown],
        "same": [[column.name, column.values[0]] for column in columns[len(shown) :] if subExpIds],
        "metrics": heads,
        "rows": [
            [id, [column.values[row] for column in shown], [[one[row] for one in of] for of in stats.values()]]
            for row, id in enumerate(subExpIds[:FIRST_ROWS])
        ],
        "total": len(subExpIds),
    }
    data = {
        "view": "results",
        "ids": list(subExpIds),
        "params": [[column.name, column.values] for column in shown],
        "metrics": [{**head, "stats": of} for head, of in zip(heads, stats.values())],
    }
    return [({**view, "json": text(data)}, "view", None)]


def effects(expDir: str, subExpIds: list[str], Dparams: pd.DataFrame, *metrics: str) -> View:
    """For each param that varies, its values against a metric that the reader chooses."""
    return [(_points("effects", expDir, subExpIds, Dparams, metrics), "view", None)]


def parallel(expDir: str, subExpIds: list[str], Dparams: pd.DataFrame, *metrics: str) -> View:
    """Parallel coordinates: a line a sub-experiment over the params that vary and a metric."""
    return [(_points("parallel", expDir, subExpIds, Dparams, metrics), "view", None)]


def _stats(stats: dict[str, list[float]]) -> list[list[Any]]:
    """last, min and max of one metric, of each row; None where that sub-experiment does not have the metric at all."""
    columns = [stats[name] for name in sweep.STATS]
    lacks = [all(map(math.isnan, row)) for row in zip(*columns)]
    return [[None if none else values.number(value) for none, value in zip(lacks, column)] for column in columns]


def _best(goal: str | None, stats: list[list[Any]]) -> list[float | None]:
    """The best last, min and max of a metric: lowest loss, highest score; None for none, and where all are equal."""
    return [_best_of(goal, column) if goal in _MAY_BE_BEST[name] else None for name, column in zip(sweep.STATS, stats)]


def _best_of(goal: str | None, column: list[Any]) -> float | None:
    finite = {value for value in column if isinstance(value, (int, float))}
    return None if len(finite) < 2 else min(finite) if goal == "low" else max(finite)


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
