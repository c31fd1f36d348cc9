"""The last, lowest and highest value of each metric: of one sub-experiment, and a row for each of many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd


class Metric(NamedTuple):
    """Of one column. nan where there is no such value; min and max are over the finite values."""

    last: float
    min: float
    max: float


def metrics_of(tables: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], Metric]:
    """(table, column) to its Metric, for every column of numbers but the x axis, in their order."""
    import numpy as np

    found: dict[tuple[str, str], Metric] = {}
    for name, table in tables.items():
        x, segment, sparse, last_nan = (table.attrs.get(key, ()) for key in ("x", "segment", "sparse", "last_nan"))
        sparse, last_nan = set(sparse), set(last_nan)
        bare = table.copy(deep=False)
        bare.attrs = {}  # pandas copies them for every column that is taken out
        for column, series in bare.items():
            values = series.to_numpy()
            if values.dtype.kind not in "if" or column in (x, segment):
                continue
            last = float(values[-1]) if len(values) else math.nan
            finite = values
            if values.dtype.kind == "f" and not (mask := np.isfinite(values)).all():
                finite = values[mask]
                if math.isnan(last) and column in sparse and column not in last_nan:
                    logged = values[~np.isnan(values)]
                    last = float(logged[-1]) if len(logged) else math.nan
            low, high = (float(finite.min()), float(finite.max())) if len(finite) else (math.nan, math.nan)
            found[name, str(column)] = Metric(last, low, high)
    return found


def summary_frame(
    metrics: Mapping[str, Mapping[tuple[str, str], Metric]],
    params: Mapping[str, Mapping[str, Any]] | None = None,
) -> pd.DataFrame:
    """A row a sub-experiment: params, where given, then METRIC.last, METRIC.min and METRIC.max.

    `metrics`: by sub-experiment, in the order of the rows; {} for one without logs. A METRIC is the name of its column,
    or table/column where columns of several tables have the name.
    """
    import numpy as np
    import pandas as pd

    ids = list(metrics)
    keys = list(dict.fromkeys(key for row in metrics.values() for key in row))
    columns: dict[str, Any] = {}
    if params is not None:
        names = dict.fromkeys(name for sub in ids for name in params.get(sub, {}))
        columns |= {name: [params.get(sub, {}).get(name) for sub in ids] for name in names}
    none = Metric(math.nan, math.nan, math.nan)
    for key, name in zip(keys, metric_names(keys)):
        cells = np.array([metrics[sub].get(key, none) for sub in ids], dtype=np.float64).reshape(len(ids), 3)
        for i, what in enumerate(Metric._fields):
            columns.setdefault(f"{name}.{what}", cells[:, i])
    return pd.DataFrame(columns, index=pd.Index(ids, dtype=object if not ids else None, name="subExpId"))


def metric_names(keys: Iterable[tuple[str, str]]) -> list[str]:
    """How (table, column) pairs are called: by the column, where only one table has it."""
    keys = list(keys)
    tables: dict[str, set[str]] = {}
    for table, column in keys:
        tables.setdefault(column, set()).add(table)
    return [column if len(tables[column]) == 1 else f"{table}/{column}" for table, column in keys]
