"""A long series made short for a screen, without losing what a reader looks for.

A series of more than `limit` rows is cut into buckets of x, of two positions each, and keeps the lowest and the highest
value of each bucket, in the order in which they came, so that a spike of one row and the moment a run diverges stay
visible. (Min/max decimation, as oscilloscopes do; a mean hides both.) A bucket is as wide as a power of two, and begins
at a multiple of it: so what is made of a series depends on no other, and series of about the same length nevertheless
share their positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

_EXACT = 22  # 10**22 is the highest power of ten that a float holds
_LEAST = 5e-324

#: No axis goes as far; nor are nan and inf below it.
FAR = 1e300

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Series:
    """One metric of one sub-experiment: `x` (floats below FAR) and `y` (floats) of equal length, in the order logged.

    In a `sparse` one a nan with values after it stands for a row without a value; else nan is what the run logged.
    """

    x: Array
    y: Array
    sparse: bool = False


@dataclass(frozen=True)
class Line:
    """What is drawn of a series: `x` ascending; nan in `y` is a gap (nan or inf in the log).

    `end` is there where a run ends in values that are not finite: where it turned, and into what.
    """

    x: Array
    y: Array
    end: dict[str, Any] | None = None


def thin(series: Series, limit: int = 300) -> Line:
    """A series as a line of at most `limit` points."""
    import numpy as np

    x, y, end = _tidy(series)
    if len(x) > limit:
        return Line(*bucketed(x, y, width_of(x[0], x[-1], limit), x[-1]), end)
    return Line(x, np.where(np.isfinite(y), y, np.nan), end)


def width_of(low: float, high: float, limit: int) -> float:
    """The width of buckets of which at most `limit` / 2 reach from `low` to `high`."""
    most = limit // 2
    span = high / most - low / most
    width = math.ldexp(1.0, math.frexp(span)[1] - 1) if span > 0 else _LEAST  # the highest power of two in it
    while math.floor(high / width) - math.floor(low / width) >= most:
        width *= 2
    return width


def bucketed(x: Array, y: Array, width: float, end: float) -> tuple[Array, Array]:
    """Positions (ascending, none far behind `end`) and values: the lowest and highest of each bucket, a gap where it
    holds no finite value."""
    import numpy as np

    bucket = np.floor(x / width)
    finite = np.flatnonzero(np.isfinite(y))
    order = finite[np.lexsort((y[finite], bucket[finite]))]  # by bucket, then by value
    turns = np.flatnonzero(np.diff(bucket[order])) + 1
    low, high = order[np.concatenate([[0], turns])], order[np.concatenate([turns, [len(order)]]) - 1]
    first, second = np.minimum(low, high), np.maximum(low, high)
    alone = first == second  # a single value in its bucket: once, at the nearer position
    late = x[first] / width - bucket[first] >= 0.5
    one, two = ~(alone & late), ~(alone & ~late)
    gaps = np.setdiff1d(bucket, bucket[finite])
    starts, ends = bucket[first][one] * width, bucket[second][two] * width + _last(x, width)
    eighths = max(1, math.ceil((end / width - math.floor(end / width)) * 8))
    ends = np.minimum(ends, (math.floor(end / width) + eighths / 8) * width)
    at = np.concatenate([starts, ends, gaps * width])
    values = np.concatenate([y[first][one], y[second][two], np.full(len(gaps), np.nan)])
    ascending = np.argsort(at, kind="stable")
    return at[ascending], values[ascending]


def _last(x: Array, width: float) -> float:
    """How far from the start of a bucket its last position is: at its last whole number, or near its end."""
    whole = width > 1 and bool((x == x.round()).all())
    far = float(max(abs(x[0]), abs(x[-1]))) + width
    steps = (*((1.0,) if whole else ()), width / 8, width / 2)
    return width - next((step for step in steps if far + step != far), width / 2)


def _tidy(series: Series) -> tuple[Array, Array, dict[str, Any] | None]:
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
    return (x[finite], y[finite], end) if series.sparse else (x[:stop], y[:stop], end)


def _kind(values: Array) -> str:
    """What a run ends in: inf where there is one, for it comes first and nan follows."""
    return "inf" if any(value in (float("inf"), float("-inf")) for value in values.tolist()) else "nan"


def short(values: Array, digits: int) -> list[float | int | None]:
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


def whole(values: Array) -> list[float | int]:
    """Numbers as they are, whole ones without a point."""
    import numpy as np

    if len(values) and bool((values == np.rint(values)).all()) and float(np.abs(values).max()) < 1e15:
        return list(values.astype(np.int64).tolist())
    return [int(value) if value.is_integer() and abs(value) < 1e15 else value for value in values.tolist()]


def _short(value: float, digits: int) -> float | int | None:
    """Rounded to so many significant digits, whole numbers without a point; null where not finite."""
    if value - value != 0:
        return None
    value = float(f"{value:.{digits}g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
