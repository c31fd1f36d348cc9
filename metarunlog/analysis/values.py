"""Values as plain JSON: what is neither a finite number nor text is spelt out, so that no reader has to guess.

A number that is not finite is ``{"n": "nan"}`` (or inf, -inf): JSON has none, and a report must not hide one.
"""

from __future__ import annotations

import json
import math
import numbers
from typing import Any

NOT_FINITE = "n"


def number(value: float | None) -> Any:
    """A float as JSON: finite as it is, nan and inf as ``{"n": ...}``, None as None."""
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else {NOT_FINITE: repr(value)}


def cell(value: Any) -> Any:
    """Any value of a table as JSON: numbers stay numbers, everything else becomes text, missing is None."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return number(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a numpy scalar
        item = value.item()
        return str(value) if item is value or type(item) is type(value) else cell(item)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return number(float(value))
    return str(value)


def param(value: Any) -> Any:
    """A param's value as JSON: a number, text, bool or None; lists and dicts as their JSON text."""
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    plain = cell(value)
    # pandas fills a hole with nan; params are never nan themselves (the template refuses it)
    return None if isinstance(plain, dict) and plain[NOT_FINITE] == "nan" else plain


def distinct(values: list[Any]) -> int:
    """How many different values, as JSON sees them."""
    return len({json.dumps(value, sort_keys=True) for value in values})
