"""Cells of text, or values of JSON, to a column of numbers, booleans or text; and columns to a DataFrame."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SEGMENT = "segment"  # the column that counts restarts
EMPTY = frozenset({"", "none", "null", "na", "n/a", "<na>", "#n/a"})  # in lower case: no value was logged
_ODD = {  # what C libraries print beside the nan and inf that float() knows
    **dict.fromkeys(
        ("1.#qnan", "-1.#qnan", "1.#snan", "1.#ind", "-1.#ind", "nan(ind)", "-nan(ind)", "nan(snan)"), "nan"
    ),
    **dict.fromkeys(("1.#inf", "+1.#inf"), "inf"),
    "-1.#inf": "-inf",
}
_BOOLS = {word: word[0] in "tT" for word in ("True", "TRUE", "true", "False", "FALSE", "false")}
# names of x axes, the better ones first; compared without case, leading underscores and what stands before a slash
_X_AXES = (
    *("step", "global_step", "iter", "iteration", "epoch"),
    *("steps", "global_steps", "iters", "iterations", "itr", "it", "n_iter", "num_updates", "update", "updates"),
    *("training_iteration", "timestep", "timesteps", "timesteps_total", "total_timesteps", "num_timesteps"),
    *("epochs", "batch", "episode", "episodes", "round", "trial", "index"),
    *("train_epoch", "training_epoch", "generation", "gen"),
)


_APART = 50  # columns that each are an array of their own


@dataclass(frozen=True)
class Column:
    """One column: float64, int64 or bool, or text with None for an empty cell.

    `last` is None where no cell is empty, else the row of the last cell that is not (-1: there is none). An empty
    cell and a nan that was logged are both NaN in the values; this is what tells them apart at the end. `worded`: there
    is no cell that is not empty, but some hold a word for nothing, which would be text among text.
    """

    values: Any
    last: int | None = None
    worded: bool = False

    @property
    def ends_nan(self) -> bool:
        """Whether the last value that was logged is nan."""
        last = len(self.values) - 1 if self.last is None else self.last
        return self.numeric and last >= 0 and bool(self.values[last] != self.values[last])

    @property
    def numeric(self) -> bool:
        return not isinstance(self.values, list) and self.values.dtype.kind in "if"


@dataclass(frozen=True)
class Table:
    """Columns of one length under their names."""

    names: Sequence[str]
    columns: Sequence[Column]
    partial: bool  # a last record that was half-written is left out
    x: str | None = None  # the x axis, where its name does not tell


def column(cells: Sequence[str], decimal: str = ".") -> Column:
    """Cells of text as numbers if all that are not empty are numbers, booleans if none is empty, else text."""
    import numpy as np

    if not cells:
        return Column(np.empty(0))
    if decimal != ".":
        cells = [cell.replace(decimal, ".") for cell in cells]
    if plain(cells) and (values := _numbers(cells)) is not None:
        return Column(values)
    cells = [cell.strip() for cell in cells]
    rows = [i for i, cell in enumerate(cells) if cell.lower() not in EMPTY]
    filled = [cells[i] for i in rows]
    last = None if len(rows) == len(cells) else rows[-1] if rows else -1
    if not rows:
        return Column(np.full(len(cells), np.nan), last, any(cells))
    if plain(filled) and (values := _numbers([_ODD.get(cell.lower(), cell) for cell in filled])) is not None:
        return Column(values if last is None else _spread(values, rows, len(cells)), last)
    if last is None and all(cell in _BOOLS for cell in cells):
        return Column(np.array([_BOOLS[cell] for cell in cells], dtype=np.bool_))
    return text_column(cells)


def text_column(cells: Sequence[str]) -> Column:
    """Text as it is; only a cell with nothing in it is empty."""
    last = max((i for i, cell in enumerate(cells) if cell), default=-1) if "" in cells else None
    return Column([cell or None for cell in cells], last)


def number(cell: str) -> bool:
    """Whether a cell is a number, nan and inf included."""
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() in _ODD
    return plain((cell,))


def json_column(values: Sequence[Any], rows: Sequence[int] | None, length: int) -> Column:
    """Values of JSON in the given rows (None: in all) as a column of `length` rows. Lists become their JSON text."""
    import numpy as np

    types = set(map(type, values))
    if type(None) in types:
        rows = range(length) if rows is None else rows
        pairs = [(value, row) for value, row in zip(values, rows) if value is not None]
        values, rows = [value for value, _ in pairs], [row for _, row in pairs]
        types.discard(type(None))
    if rows is not None and len(rows) == length:
        rows = None
    last = None if rows is None else rows[-1] if rows else -1
    if not types:
        return Column(np.full(length, np.nan), last)
    if types <= {int, float} or types == {float, bool} or types == {int, float, bool}:
        array = _array(values, int if types == {int} else float)
        return Column(array if rows is None else _spread(array, rows, length), last)
    if types == {bool} and rows is None:
        return Column(np.array(values, dtype=np.bool_))
    cells = [""] * length
    for value, row in zip(values, range(length) if rows is None else rows):
        cells[row] = value.strip() if type(value) is str else json.dumps(value) if type(value) is list else str(value)
    return text_column(cells) if list in types else column(cells)


def frame(table: Table, source: str) -> pd.DataFrame:
    """A DataFrame with what is known of it in `attrs`, all plain JSON:

    x        the column that counts: step, epoch, iter, ...; absent where there is none
    segment  the name of a last column that counts restarts; absent where the run did not begin anew
    partial  true if a half-written last record was left out
    sparse   sorted names of the columns with empty cells
    last_nan those of them whose last cell that is not empty is nan (in the values both are NaN)
    source   the file, relative to the sub-experiment
    """
    names = unique(table.names)
    columns = list(table.columns)
    numeric = {name for name, col in zip(names, table.columns) if col.numeric}
    sparse = {name: col.last for name, col in zip(names, table.columns) if col.last is not None}
    last_nan = sorted(name for name, col in zip(names, table.columns) if col.last is not None and col.ends_nan)
    attrs: dict[Hashable | None, Any] = {
        "partial": table.partial,
        "source": source,
        "sparse": sorted(sparse),
        "last_nan": last_nan,
    }
    if (x := table.x or x_axis([name for name in names if name in numeric], sparse)) is not None:
        attrs["x"] = x
        counting = [name == x or (name in numeric and is_axis(name)) for name in names]
        segment = _segments([col.values for col, counts in zip(columns, counting) if counts])
        if segment is not None and SEGMENT not in names:
            names, columns = [*names, SEGMENT], [*columns, Column(segment)]
            attrs["segment"] = SEGMENT
    return build(names, [col.values for col in columns], attrs)


def _segments(counters: Sequence[Any]) -> Any:
    """For each row how often the run began anew before it; None where it never did.

    It did where a counter goes back and none goes on: `iter` goes back with each new `epoch`, which is no restart.
    """
    import numpy as np

    pairs = [(values[:-1], values[1:]) for values in map(_filled, counters)]
    back = [before > after for before, after in pairs]
    if not any(steps.any() for steps in back):
        return None
    again = np.any(back, axis=0) & ~np.any([before < after for before, after in pairs], axis=0)
    return np.concatenate([[0], np.cumsum(again)]).astype(np.int64) if again.any() else None


def _filled(values: Any) -> Any:
    """The values, the last one again in place of NaN."""
    import numpy as np

    if values.dtype.kind == "i":
        return values
    known = np.where(np.isfinite(values), np.arange(len(values)), 0)
    return values[np.maximum.accumulate(known)] if len(values) else values


def build(names: Sequence[str], columns: Sequence[Any], attrs: Mapping[Hashable | None, Any]) -> pd.DataFrame:
    """A DataFrame of float64, int64, bool and text columns, laid out the same way whatever made the columns."""
    import pandas as pd

    arrays = [text_array(values) if isinstance(values, list) else _own(values) for values in columns]
    index = pd.Index([sys.intern(name) for name in names], dtype=text_dtype())
    made = _of_arrays(arrays, index)
    made.attrs = _interned(attrs)
    return made


def _of_arrays(arrays: Sequence[Any], index: pd.Index[str]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    if 0 < len(arrays) <= _APART and (make := _of_blocks()) is not None:
        blocks = [(one.reshape(1, -1) if isinstance(one, np.ndarray) else one) for one in arrays]
        places = np.arange(len(arrays))
        rows = pd.RangeIndex(len(arrays[0]))
        made: pd.DataFrame = make([(one, places[i : i + 1]) for i, one in enumerate(blocks)], rows, index)
        return made
    # columns that are put together in one array cost a copy, columns that are not a warning where there are many
    made = pd.DataFrame(dict(enumerate(arrays)), copy=len(arrays) > _APART)
    made.columns = index
    return made


@lru_cache(1)
def _of_blocks() -> Any:
    """pandas' quicker way to make a DataFrame, which it has from 3.0 on; None before."""
    import pandas as pd

    return getattr(getattr(pd.api, "internals", None), "create_dataframe_from_blocks", None)


def _own(values: Any) -> Any:
    """An array as numpy makes them: a pickle shows whether types are one object, and what is not to be written."""
    values = values.view(values.dtype.type)
    try:
        values.flags.writeable = True
    except ValueError:
        return values.copy()
    return values


def _interned(value: Any) -> Any:
    """Plain data in which equal strings are one object, with the keys in order: a pickle shows both."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, Mapping):
        return {_interned(key): _interned(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_interned(item) for item in value]
    return value


@lru_cache(1)
def text_dtype() -> Any:
    """What pandas holds text in: objects before 3.0. Not pyarrow's, which would be other bytes where it is there."""
    import numpy as np
    import pandas as pd

    if int(pd.__version__.split(".")[0]) < 3:
        return np.dtype(object)
    return pd.StringDtype("python", na_value=np.nan)


def text_array(cells: Sequence[str | None]) -> Any:
    import numpy as np
    import pandas as pd

    values = np.empty(len(cells), dtype=object)
    values[:] = [np.nan if cell is None else sys.intern(cell) for cell in cells]
    dtype = text_dtype()
    return values if isinstance(dtype, np.dtype) else pd.array(values, dtype=dtype)


def unique(names: Iterable[str]) -> list[str]:
    """Names in their order, a repeated one as `name.1`, one without letters by its place."""
    names = [name or ("index" if i == 0 else f"column{i + 1}") for i, name in enumerate(names)]
    taken, seen, result = set(names), set[str](), []
    numbers: dict[str, int] = {}
    for name in names:
        new, n = name, 0
        while new in seen or (n and new in taken):
            n = numbers[name] = numbers.get(name, 0) + 1
            new = f"{name}.{n}"
        seen.add(new)
        result.append(new)
    return result


@lru_cache(1024)
def is_axis(name: str) -> bool:
    """Whether a name is one of a column that counts."""
    return any(_plain_name(part) in _X_AXES for part in (name, name.rpartition("/")[2]))


@lru_cache(1024)
def _plain_name(name: str) -> str:
    return re.sub(r"[\s-]", "_", name.lower()).lstrip("_")


def x_axis(names: Sequence[str], sparse: Collection[str]) -> str | None:
    """The column that counts steps; one without empty cells is better than one with."""
    for candidates in ([name for name in names if name not in sparse], names):
        for key in (str, lambda name: name.rpartition("/")[2]):
            known = {_plain_name(key(name)): name for name in reversed(candidates)}
            for axis in _X_AXES:
                if axis in known:
                    return known[axis]
    return None


def plain(cells: Sequence[str]) -> bool:
    """Whether no cell can be one of those that only Python takes for a number: 1_000, or digits of other scripts."""
    joined = cells[0] if len(cells) == 1 else "".join(cells)
    return "_" not in joined and joined.isascii()


def _numbers(cells: Sequence[str]) -> Any:
    """int64 or float64; None if a cell is no number."""
    for kind in (int, float):
        try:
            return _array(list(map(kind, cells)), kind)
        except ValueError:
            continue
    return None


def _array(values: Sequence[Any], kind: type) -> Any:
    import numpy as np

    try:
        return np.array(values, dtype=np.int64 if kind is int else np.float64)
    except OverflowError:  # an integer of more than 64 bits, or beyond the largest float
        return np.array([_float(value) for value in values])


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _spread(values: Any, rows: Sequence[int], length: int) -> Any:
    """The values in their rows, NaN in the others."""
    import numpy as np

    spread = np.full(length, np.nan)
    spread[np.asarray(rows, dtype=np.int64)] = values
    return spread
