"""Views that a script draws: what the page itself shows of them, and the rest as text, which nobody decodes on its way
to the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def plots(view: str, metrics: Sequence[str], data: Mapping[str, str], partial: Sequence[str] = ()) -> dict[str, Any]:
    """The view: names of its metrics, ids of what was being written when it was read, and `json`, what its script gets:
    `view` and `data`, whose values are JSON text."""
    parts = [f"{text(key)}:{value}" for key, value in {"view": text(view), **data}.items()]
    return {"view": view, "metrics": list(metrics), "partial": list(partial), "json": f"{{{','.join(parts)}}}"}


def text(value: Any) -> str:
    """Plain data as JSON."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
