"""Long series made short for a screen, without losing what a reader looks for.

All lines of one plot share one x axis of at most `limit` positions. A long axis is cut into buckets of two positions
each; a line keeps the lowest and the highest value of each bucket, in the order in which they came, so that a spike
of one row and the moment a run diverges stay visible. (Min/max decimation, as oscilloscopes do; a mean hides both.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

_EXACT = 22  # 10**22 is the highest power of ten that a float holds

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Series:
    """One metric of one sub-experiment: `x` (floats, finite) and `y` (floats) of equal length, in the order logged.

    In a `sparse` one a nan with values after it stands for a row without a value; else nan is what the run logged.
    """

    id: str
    x: Array
    y: Array
    sparse: bool = False


def thin(series: list[Series], limit: int = 300) -> dict[str, Any]:
    """``{"x": [...], "lines": [{"id", "y": [...], "i": [...], "end": {"x", "kind"}}, ...]}``, plain JSON.

    ``y[k]`` stands at ``x[i[k]]``, or at ``x[k]`` where ``i`` is left out; null is a gap (nan or inf in the log).
    ``end`` is there where a run ends in values that are not finite: where it turned, and into what.
    """
    import numpy as np

    limit -= limit % 2
    tidied = [_tidy(one) for one in series]
    axis = np.unique(np.concatenate([one.x for one, _ in tidied])) if tidied else np.array([])
    if len(axis) <= limit:
        positions = [(np.searchsorted(axis, one.x), one.y) for one, _ in tidied]
    else:
        edges = np.linspace(0, len(axis), limit // 2 + 1).astype(int)
        positions = [_bucketed(one, axis, edges) for one, _ in tidied]
        axis = np.column_stack([axis[edges[:-1]], axis[edges[1:] - 1]]).ravel()
    lines = []
    for (one, end), (at, y) in zip(tidied, positions):
        line: dict[str, Any] = {"id": one.id, "y": _all_short(y, 5)}
        if not np.array_equal(at, np.arange(len(at))):
            line["i"] = at.tolist()
        if end:
            line["end"] = end
        lines.append(line)
    return {"x": _all_short(axis, 10), "lines": lines}


def _tidy(series: Series) -> tuple[Series, dict[str, Any] | None]:
    """In the order of x, the newest of equal x (a resumed run logs again), holes left out; and how the run ended."""
    import numpy as np

    x, y = series.x, series.y
    if len(x) > 1 and not bool((np.diff(x) > 0).all()):
        newest_first = np.unique(x[::-1], return_index=True)[1]
        keep = len(x) - 1 - newest_first
        x, y = x[keep], y[keep]
    finite = np.flatnonzero(np.isfinite(y))
    stop = int(finite[-1]) + 1 if len(finite) else 0
    end = {"x": _short(float(x[stop]), 10), "kind": _kind(y[stop:])} if stop < len(y) else None
    if series.sparse:
        return Series(series.id, x[finite], y[finite], True), end
    return Series(series.id, x[:stop], y[:stop]), end


def _bucketed(series: Series, axis: Array, edges: Array) -> tuple[Array, Array]:
    """Positions (ascending) and values: the lowest and highest of each bucket, a gap where it holds no finite value."""
    import numpy as np

    bucket = np.searchsorted(edges, np.searchsorted(axis, series.x), side="right") - 1
    finite = np.flatnonzero(np.isfinite(series.y))
    order = finite[np.lexsort((series.y[finite], bucket[finite]))]  # by bucket, then by value
    turns = np.flatnonzero(np.diff(bucket[order])) + 1
    low, high = order[np.concatenate([[0], turns])], order[np.concatenate([turns, [len(order)]]) - 1]
    first, second = np.minimum(low, high), np.maximum(low, high)
    at = np.concatenate([2 * bucket[first], 2 * bucket[second] + 1])
    rows = np.concatenate([first, second])
    alone = first == second
    if alone.any():  # a single value in its bucket: once, at the nearer end
        starts, ends = axis[edges[bucket[first]]], axis[edges[bucket[first] + 1] - 1]
        late = series.x[first] > (starts + ends) / 2
        at = at[np.concatenate([~(alone & late), ~(alone & ~late)])]
        rows = rows[np.concatenate([~(alone & late), ~(alone & ~late)])]
    gaps = np.setdiff1d(bucket, bucket[finite])
    at = np.concatenate([at, 2 * gaps])
    y = np.concatenate([series.y[rows], np.full(len(gaps), np.nan)])
    ascending = np.argsort(at, kind="stable")
    return at[ascending], y[ascending]


def _kind(values: Array) -> str:
    """What a run ends in: inf where there is one, for it comes first and nan follows."""
    return "inf" if any(value in (float("inf"), float("-inf")) for value in values.tolist()) else "nan"


def _all_short(values: Array, digits: int) -> list[float | int | None]:
    """`_short` of each, but that a value halfway between two may go to either; many times as quick."""
    import numpy as np

    values = np.asarray(values, dtype=float)
    size = np.abs(values)
    usual = (size >= 10.0 ** (digits - _EXACT)) & (size < 1e15)
    if not usual.all():
        usual |= size == 0
        if not usual.all():
            return [_short(value, digits) for value in values.tolist()]
    power = digits - 1 - np.floor(np.log10(np.where(size == 0, 1.0, size)))
    up, down = 10.0 ** np.maximum(power, 0), 10.0 ** np.maximum(-power, 0)  # exact: so is what is shown of the quotient
    rounded = np.rint(values * up / down) * down / up
    whole = rounded == np.floor(rounded)
    if whole.all():
        return list(rounded.astype(np.int64).tolist())
    numbers = rounded.tolist()
    return [int(number) if one else number for number, one in zip(numbers, whole.tolist())] if whole.any() else numbers


def _short(value: float, digits: int) -> float | int | None:
    """Rounded to so many significant digits, whole numbers without a point; null where not finite."""
    if value - value != 0:
        return None
    value = float(f"{value:.{digits}g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
