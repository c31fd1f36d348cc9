"""The built-in analysis functions, called exactly as a user's are.

They return blocks of the internal rtype ``view``: a dict of plain data that the report shows with a template and a
script (see plots.py), so no figure is ever built in Python for them. The import is light: pandas comes with the first
call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metarunlog.analysis.cards import card
from metarunlog.analysis.learning_curves import curves
from metarunlog.analysis.overview import effects, parallel, results

OVERVIEW: dict[str, Callable[..., Any]] = {
    "results": results,
    "curves": curves,
    "effects": effects,
    "parallel": parallel,
}
SUBEXP: dict[str, Callable[..., Any]] = {"card": card}

# What of each sub-experiment they take from what is kept (logs.derived): the second of two finds it there.
KEPT: dict[str, str] = {"results": "metrics", "curves": "curves", "effects": "metrics", "parallel": "metrics"}

# Part of what decides staleness: raise a number when the output of that function changes for the same input.
VERSIONS: dict[str, int] = {"results": 2, "curves": 3, "effects": 2, "parallel": 2, "card": 3}

__all__ = ["KEPT", "OVERVIEW", "SUBEXP", "VERSIONS", "card", "curves", "effects", "parallel", "results"]
