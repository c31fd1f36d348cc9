"""A DataFrame as a table block: plain JSON cells, so that the section needs no pandas to be shown."""

from __future__ import annotations

import math
import numbers
from typing import Any

MAX_ROWS = 2000  # a report is read; what is longer belongs into a file
MAX_COLUMNS = 200


def table(data: Any) -> dict[str, Any]:
    """``{"index": [names], "columns": [...], "rows": [[[index cells], [cells]], ...], "total": n}``.

    Raises TypeError where `data` is neither DataFrame nor Series.
    """
    if hasattr(data, "to_frame") and hasattr(data, "items") and not hasattr(data, "columns"):
        data = data.to_frame(name="value" if data.name is None else data.name)
    if not (hasattr(data, "columns") and hasattr(data, "itertuples") and hasattr(data, "iloc")):
        raise TypeError(f"table needs a pandas DataFrame or Series, not {type(data).__name__}")
    shown = data.iloc[:MAX_ROWS, :MAX_COLUMNS]
    names = ["" if name is None else str(name) for name in shown.index.names]
    columns = [_column(shown.iloc[:, at]) for at in range(shown.shape[1])]
    index = [_label(label) for label in shown.index.tolist()]
    numeric = [_numeric(column) for column in columns]
    return {
        "index": names,
        "columns": [" / ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in shown.columns.tolist()],
        "numeric": numeric,
        "rows": [[label, [column[row] for column in columns]] for row, label in enumerate(index)],
        "total": int(data.shape[0]),
    }


def cell(value: Any) -> Any:
    """A value as JSON: numbers stay numbers (nan and inf are ``{"n": ...}``), missing is None, the rest text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"n": repr(float(value))}
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a numpy scalar
        item = value.item()
        return str(value) if type(item) is type(value) else cell(item)
    if isinstance(value, numbers.Real):
        return cell(int(value) if isinstance(value, numbers.Integral) else float(value))
    return str(value)


def _column(series: Any) -> list[Any]:
    """Missing text is None; nan among numbers is a value, and shown as such."""
    cells = [cell(value) for value in series.tolist()]
    is_text = any(isinstance(one, str) for one in cells)
    return [None if is_text and isinstance(one, dict) else one for one in cells]


def _label(label: Any) -> list[Any]:
    return [cell(part) for part in label] if isinstance(label, tuple) else [cell(label)]


def _numeric(column: list[Any]) -> bool:
    """Whether to align a column as numbers."""
    found = [one for one in column if one is not None]
    return bool(found) and all(isinstance(c, (int, float, dict)) and not isinstance(c, bool) for c in found)
