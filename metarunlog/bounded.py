"""Functions and operators of expressions whose results cannot grow beyond bounds; pure.

What would is an ``ExpressionError`` before it is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

MAX_ITEMS = 100_000  # elements of one list, characters of one string
MAX_BITS = 3_000  # of one whole number

TOO_LARGE = "would grow too large"


class ExpressionError(ValueError):
    """An expression that cannot be read, is not allowed or has no value. The message goes on a sentence: "uses ..."."""


# Functions: numpy's meaning of the arguments, plain numbers out. A TypeError stands for wrong arguments.


def _exact(*values: Any) -> list[Fraction]:
    """The decimals as they are written, so that linspace(-0.3, 0.3, 7) meets 0 and not 5e-17."""
    return [Fraction(str(value + 0)) for value in values]


def _steps(start: Any, stop: Any, num: Any = 50, endpoint: Any = True) -> list[Fraction]:
    first, last = _exact(start, stop)
    if not isinstance(num, int) or num < 0:
        raise TypeError
    if num > MAX_ITEMS // 10:  # exact numbers are slow, and an axis this long is a slip
        raise ExpressionError(TOO_LARGE)
    step = (last - first) / ((num - 1 if endpoint else num) or 1)
    return [first + step * i for i in range(num)]


def _rounded(value: float | Fraction) -> float:
    return float(f"{float(value):.12g}") + 0.0  # + 0.0 makes a plain 0.0 of -0.0


def _range(*args: Any) -> list[int]:
    if len(numbers := range(*args)) > MAX_ITEMS:
        raise ExpressionError(TOO_LARGE)
    return list(numbers)


def _logspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True, base: Any = 10.0) -> list[float]:
    if _exact(base)[0] <= 0:
        raise ExpressionError("calls logspace with a base that is not above 0")
    return [_rounded(float(base) ** float(value)) for value in _steps(start, stop, num, endpoint)]


def _geomspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True) -> list[float]:
    _exact(start, stop)
    if not start or not stop or (start > 0) != (stop > 0):
        raise ExpressionError("calls geomspace with numbers of different sign, or with 0")
    powers = _steps(math.log10(abs(start)), math.log10(abs(stop)), num, endpoint)
    return [_rounded(math.copysign(10.0 ** float(value), start)) for value in powers]


FUNCTIONS: Mapping[str, tuple[Callable[..., object], str]] = {
    "range": (_range, "range(start, stop, step) with whole numbers, the step not 0"),
    "linspace": (lambda *a, **k: [*map(_rounded, _steps(*a, **k))], "linspace(start, stop, num=50, endpoint=True)"),
    "logspace": (_logspace, "logspace(start, stop, num=50, endpoint=True, base=10)"),
    "geomspace": (_geomspace, "geomspace(start, stop, num=50, endpoint=True)"),
}

# Operators: what could grow beyond its operands is bounded before it is computed.


def multiply(a: Any, b: Any) -> Any:
    """``a * b``; repeating a string or list is bounded. Raises TypeError, ExpressionError."""
    many, times = (a, b) if isinstance(b, int) else (b, a)
    if isinstance(many, str | list | tuple) and len(many) * times > MAX_ITEMS:
        raise ExpressionError(TOO_LARGE)
    return a * b


def power(a: Any, b: Any) -> Any:
    """``a ** b``; the size of a whole number is bounded. Raises TypeError, ExpressionError."""
    if isinstance(a, int) and isinstance(b, int) and abs(a) > 1 and b > 0 and a.bit_length() * b > 2 * MAX_BITS:
        raise ExpressionError(TOO_LARGE)
    return a**b
