"""How values look on a page: titles, dates, durations, and the params that tell sub-experiments apart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from metarunlog.report.markup import format_value, markdown_html
from metarunlog.report.model import Block, Section, SubExp

_TITLES = {
    "results": "Results",
    "curves": "Learning curves",
    "effects": "Effect of each param",
    "parallel": "Parallel coordinates",
    "card": "",
}
# Not strftime's %B, which speaks the language of the machine.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_IDS = ("subExpId", "expId")
ORPHAN = Markup('<span class="badge st-interrupted" title="its params are no longer in the grid">orphan</span>')
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def title(function: str, blocks: Sequence[Block]) -> str:
    """What stands above a function's part: a name for the built-ins, else the function's own; empty for a card."""
    kinds = [block["data"]["view"] if block["type"] == "view" else None for block in blocks]
    waiting = all(block["type"] == "waiting" for block in blocks)  # a built-in that waits has no view yet
    return _TITLES.get(function if waiting else kinds[0] or "", function) if blocks else function


def waits_for(sections: Sequence[Section]) -> str:
    """What a sub-experiment waits for, where it has nothing else to show; else empty."""
    found = [block for _, blocks in sections for block in blocks]
    texts = [block["text"] for block in found if block["type"] == "waiting"]
    return "; ".join(dict.fromkeys(texts)) if len(texts) == len(found) else ""


def varying(subexps: Sequence[SubExp]) -> list[str]:
    """The params that tell the sub-experiments apart, in the order of their first appearance."""
    names = dict.fromkeys(name for sub in subexps for name in sub.params if name not in _IDS)
    return [name for name in names if len({_identity(sub.params.get(name)) for sub in subexps}) > 1]


def params_of(params: Mapping[str, Any], first: Sequence[str]) -> list[tuple[str, Any, bool]]:
    """(name, value, differs from other sub-experiments), those that differ first."""
    rows = [(name, _plain(value), name in first) for name, value in params.items() if name not in _IDS]
    return sorted(rows, key=lambda row: not row[2])


def _identity(value: Any) -> Any:
    """Equal of values that are the same as JSON."""
    return _canonical(value) if isinstance(value, (list, tuple, dict)) else (type(value), value)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A param as a cell: lists and dicts as their JSON text."""
    return _canonical(value) if isinstance(value, (list, tuple, dict)) else value


def date(text: str) -> str:
    """12 March 2026, 14:03; what is no ISO date is shown as it is."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{time.day} {_MONTHS[time.month - 1]} {time.year}, {time:%H:%M}"


def duration(seconds: float) -> str:
    """42 s, 3 min 05 s, 2 h 07 min, 4 d 3 h. Run records count whole seconds."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 60:
        return f"{format_value(round(seconds, 1))} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def state_class(state: str) -> str:
    """The CSS class of a run's state."""
    return "st-" + re.sub(r"[^a-z]+", "-", state.lower())


def is_number(value: Any) -> bool:
    """Whether a cell is to be aligned as a number."""
    return isinstance(value, (int, float, dict)) and not isinstance(value, bool)


def cell(value: Any, digits: int, numeric: bool) -> Markup:
    """A cell of a table. (No macro of a template: there are hundreds of thousands.)"""
    return Markup(_cell(value, digits, numeric))


def _cell(value: Any, digits: int, numeric: bool, best: bool = False, start: bool = False) -> str:
    marks = ("num" * numeric, "odd" * isinstance(value, dict), "best" * best, "start" * start)
    names = " ".join(filter(None, marks))
    text = format_value(value, digits)
    if not isinstance(value, (int, float)):
        text = escape(text)
    return f'<td class="{names}">{text}</td>' if names else f"<td>{text}</td>"


def result_rows(
    view: Mapping[str, Any], states: Mapping[str, str], orphans: Collection[str], anchor: Callable[[str], str]
) -> Markup:
    """The first rows of a results table."""
    best = [metric["best"] for metric in view["metrics"]]
    rows = []
    for id, params, metrics in view["rows"]:
        state, name, link = states.get(id) or "not run", str(escape(id)), anchor(id)
        if link:
            name = f'<a href="{escape(link)}">{name}</a>'
        cells = [_cell(one, 6, is_number(one)) for one in params]
        orphan = f" {ORPHAN}" if id in orphans else ""
        cells.append(f'<td><span class="badge {state_class(state)}">{escape(state)}</span>{orphan}</td>')
        for of, stats in zip(best, metrics):
            cells += [_cell(one, 5, True, one is not None and one == of[at], at == 0) for at, one in enumerate(stats)]
        rows.append(f'<tr data-id="{escape(id)}"><th scope="row">{name}</th>{"".join(cells)}</tr>')
    return Markup("\n".join(rows))


def page_bytes(text: str) -> bytes:
    """A page as UTF-8, without control characters that have no meaning in HTML."""
    return _CONTROL.sub("", text).encode("utf-8", "replace")


FILTERS: dict[str, Callable[..., Any]] = {
    "value": format_value,
    "markdown": markdown_html,
    "date": date,
    "duration": duration,
    "state_class": state_class,
    "is_number": is_number,
    "params_of": params_of,
}
