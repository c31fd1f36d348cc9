"""Values of a view as plain JSON. A number that is not finite is ``{"n": "nan"}`` (inf, -inf): JSON has none, and a
report must not hide one."""

from __future__ import annotations

import json
import math
from typing import Any


def number(value: float | None) -> Any:
    """A float as JSON: finite as it is, nan and inf as ``{"n": ...}``, None as None."""
    if value is None or math.isfinite(value):
        return value
    return {"n": repr(float(value))}


def param(value: Any) -> Any:
    """A param as JSON: a number, text, bool or None; lists and dicts as their JSON text."""
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # pandas fills a hole with nan; params are never nan themselves (the template refuses it)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def distinct(values: list[Any]) -> int:
    """How many different values (of `param`), as JSON sees them: 1 and true differ."""
    return len({(type(value), value) for value in values})
