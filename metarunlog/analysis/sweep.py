"""What the overview functions share: the params and the metrics of all sub-experiments, as columns."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from metarunlog import files
from metarunlog.analysis import values
from metarunlog.errors import MrlError

if TYPE_CHECKING:
    import pandas as pd

STATS = ("last", "min", "max")  # as a Metric has them
_IDS = ("subExpId", "expId")

T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """One param, its values in the order of the sub-experiments."""

    name: str
    values: tuple[Any, ...]

    @property
    def varies(self) -> bool:
        return values.distinct(list(self.values)) > 1


def params(Dparams: pd.DataFrame) -> list[Column]:
    """The params as columns, those that vary first."""
    columns = [
        Column(str(name), tuple(values.param(value) for value in Dparams[name].tolist()))
        for name in Dparams.columns
        if name not in _IDS
    ]
    return sorted(columns, key=lambda column: not column.varies)  # sorted() is stable: otherwise the template's order


def varying(Dparams: pd.DataFrame) -> list[list[Any]]:
    """The params that vary as ``[[name, [value, ...]], ...]``, the form that the views share."""
    return [[column.name, list(column.values)] for column in params(Dparams) if column.varies]


def metrics(expDir: str, subExpIds: list[str], wanted: tuple[str, ...] = ()) -> dict[str, dict[str, list[float]]]:
    """``{metric: {"last": [...], "min": [...], "max": [...]}}``, nan where a sub-experiment has no value.

    ``wanted`` restricts them to these names, in this order. Raises MrlError for a name that no log has.
    """
    from metarunlog import logs
    from metarunlog.logs.metrics import metric_names

    rows = logs.metrics_by_sub(expDir, subExpIds)
    keys = list(dict.fromkeys(key for row in rows.values() for key in row))
    none = (math.nan,) * len(STATS)
    found = {
        name: dict(zip(STATS, map(list, zip(*(row.get(key, none) for row in rows.values())))))
        for key, name in zip(keys, metric_names(keys))
    }
    return chosen(found, wanted)


def chosen(found: dict[str, T], wanted: tuple[str, ...]) -> dict[str, T]:
    """Those of ``found`` that are wanted, in that order; all where nothing is wanted or nothing is there yet."""
    if not wanted or not found:
        return found
    missing = [name for name in wanted if name not in found]
    if missing:
        raise MrlError(f"no log has a metric {missing[0]!r}; there are: {', '.join(found)}")
    return {name: found[name] for name in wanted}


def run_record(subExpDir: str | Path) -> dict[str, Any]:
    """The newest launch as `mrl run` wrote it; empty where there was none, or where it cannot be read."""
    path = f"{subExpDir}/{files.RUN}"
    record = files.read_json(Path(path)) if os.path.exists(path) else None
    return record if isinstance(record, dict) else {}
