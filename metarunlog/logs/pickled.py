"""The parsed logs as a file: a pickle of a dict from table name to DataFrame, also for `pandas.read_pickle`.

Equal tables give equal bytes, in whichever way and process they were made. A pickle can carry code: it is read with a
list of the few names that a DataFrame of numbers and text needs, and nothing else is looked up.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from metarunlog import sealed
from metarunlog.logs.cells import build

if TYPE_CHECKING:
    import pandas as pd

_NAMES = {  # of pandas 2.2 and 3, numpy 1 and 2
    "builtins": {"slice"},
    "numpy": {"dtype", "ndarray"},
    "numpy.core.multiarray": {"_reconstruct"},
    "numpy.core.numeric": {"_frombuffer"},
    "numpy._core.multiarray": {"_reconstruct"},
    "numpy._core.numeric": {"_frombuffer"},
    "pandas": {"DataFrame", "Index", "RangeIndex", "StringDtype"},
    "pandas.arrays": {"StringArray"},
    "pandas.core.arrays.string_": {"StringArray", "StringArrayNumpySemantics", "StringDtype"},
    "pandas.core.frame": {"DataFrame"},
    "pandas.core.indexes.base": {"Index", "_new_Index"},
    "pandas.core.indexes.range": {"RangeIndex"},
    "pandas.core.internals.managers": {"BlockManager"},
    "pandas._libs.arrays": {"__pyx_unpickle_NDArrayBacked"},
    "pandas._libs.internals": {"_unpickle_block"},
}


class UnreadablePickle(ValueError):
    """A pickle that is broken, of another version of pandas, or holds anything but our tables. It counts as stale."""


def dump(tables: Mapping[str, pd.DataFrame], *, fresh: bool = False) -> bytes:
    """The pickle of the tables of one sub-experiment. `fresh`: they are just as `cells.build` made them."""
    made = io.BytesIO()
    dump_to(made, tables, fresh=fresh)
    return made.getvalue()


def dump_to(file: IO[bytes], tables: Mapping[str, pd.DataFrame], *, fresh: bool = False) -> None:
    """The same to a file, without holding all of it twice."""
    sealed.dump_to(file, {sys.intern(name): one if fresh else _canonical(one) for name, one in tables.items()})


def read(data: bytes) -> dict[str, pd.DataFrame]:
    """The tables in a pickle. Raises UnreadablePickle."""
    return _tables(io.BytesIO(data))


def read_file(path: Path) -> dict[str, pd.DataFrame]:
    """The same from a file, without holding all of it twice. Raises OSError for one that is missing."""
    with open(path, "rb") as file:
        return _tables(file)


def _tables(file: IO[bytes]) -> dict[str, pd.DataFrame]:
    import pandas as pd

    try:
        tables = sealed.load_from(file, _NAMES)
    except sealed.Broken as e:
        raise UnreadablePickle(str(e)) from None
    if not isinstance(tables, dict):
        raise UnreadablePickle(f"not a dict of tables but {type(tables).__name__}")
    for name, table in tables.items():
        if not isinstance(name, str) or not isinstance(table, pd.DataFrame):
            raise UnreadablePickle(f"not a table: {name!r}")
    return tables


def dump_marks(marks: Mapping[str, Mapping[str, Any]], of: Sequence[int], version: int) -> bytes:
    """The marks of the logs whose tables are in a pickle: path to plain data. `of` tells which pickle that is."""
    return sealed.dump({"version": version, "of": list(of), "marks": dict(marks)})


def read_marks(data: bytes, of: Sequence[int], version: int) -> dict[str, dict[str, Any]]:
    """The marks; none where they are broken, of another version, or of another pickle."""
    try:
        found = sealed.load_from(io.BytesIO(data), _NAMES)
        if found["version"] == version and found["of"] == list(of):
            return dict(found["marks"])
    except (sealed.Broken, KeyError, TypeError, ValueError):
        return {}  # the logs are read from their start then
    return {}


def _canonical(table: pd.DataFrame) -> pd.DataFrame:
    """The same table made anew. A pickle shows which equal strings are one object: here all are."""
    import numpy as np

    columns: list[Any] = []
    bare = table.copy(deep=False)
    bare.attrs = {}  # pandas copies them for every column that is taken out
    for _, series in bare.items():
        values = series.to_numpy()
        if values.dtype in (np.float64, np.int64, np.bool_):
            fresh = np.empty(len(values), dtype=values.dtype.type)
            fresh[:] = values
            columns.append(fresh)
        else:
            columns.append([cell if isinstance(cell, str) else None for cell in values])
    return build([str(name) for name in table.columns], columns, table.attrs)
