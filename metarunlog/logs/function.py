"""Logs by a function of the user's: it gets a path and returns a DataFrame, or several by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from metarunlog.logs.cells import Column, Table, frame, text_column
from metarunlog.logs.find import LogFile

if TYPE_CHECKING:
    import pandas as pd


def read_by_function(function: Callable[[str], Any], path: str, log: LogFile) -> list[tuple[str | None, pd.DataFrame]]:
    """The tables, each with its part. TypeError for what is no table, and whatever the function raises.

    A list of records, or a dict of columns, is as good as a DataFrame of it. None is no table yet.
    """
    import pandas as pd

    returned = function(path)
    if returned is None:
        return []
    parts: Mapping[str | None, Any] = {None: returned}
    if isinstance(returned, Mapping) and all(isinstance(one, pd.DataFrame) for one in returned.values()):
        parts = {str(name): one for name, one in returned.items()}
    found = []
    for part, one in parts.items():
        if not isinstance(one, pd.DataFrame | Mapping | list):
            raise TypeError(f"{log.function} must return a DataFrame, or a dict of them, not {type(one).__name__}")
        found.append((part, frame(_table(pd.DataFrame(one)), log.path)))
    return found


def _table(made: pd.DataFrame) -> Table:
    """The same as a table of ours: whole and other numbers, booleans, and text. A named index is a column."""
    if any(name is not None for name in made.index.names):
        made = made.reset_index()
    names = [str(name) for name in made.columns]
    return Table(names, [_column(made.iloc[:, i]) for i in range(len(names))], False)


def _column(series: pd.Series[Any]) -> Column:
    import numpy as np

    empty = series.isna().to_numpy()
    filled = np.flatnonzero(~empty)
    last = (int(filled[-1]) if len(filled) else -1) if empty.any() else None
    kind = series.dtype.kind
    if kind == "b" and last is None:
        return Column(series.to_numpy(np.bool_))
    if kind in "iu" and last is None and not (kind == "u" and (series > np.iinfo(np.int64).max).any()):
        return Column(series.to_numpy(np.int64))
    if kind in "iuf":
        return Column(series.to_numpy(np.float64, na_value=np.nan), last)
    return text_column(["" if gone else str(cell) for cell, gone in zip(series, empty, strict=True)])
