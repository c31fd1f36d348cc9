"""The end of a log as a terminal would show it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

LOG_LINES = 40
LINE_CHARS = 300
TAIL_BYTES = 256 * 1024

# Terminal control: CSI (colours, cursor), OSC (titles, links), other two-character escapes.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def log_end(path: Path) -> dict[str, Any] | None:
    """The last lines as a terminal would show them: ``{"lines": [...], "cut": bool}``; None where there is no log."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = file.seek(max(0, size - TAIL_BYTES))
            content = file.read()
    except OSError:
        return None
    lines = content.decode("utf-8", errors="replace").split("\n")
    if start:
        lines = lines[1:] or lines  # the first one begins somewhere inside
    if lines and not lines[-1]:
        lines.pop()
    shown = [_line(line) for line in lines[-LOG_LINES:]]
    return {"lines": shown, "cut": bool(start) or len(lines) > LOG_LINES}


def _line(line: str) -> str:
    """What is left on the screen: after a carriage return a progress bar starts the line again."""
    drawn = [part for part in _ANSI.sub("", line).split("\r") if part.strip()]
    text = _CONTROL.sub("", drawn[-1]) if drawn else ""
    return text if len(text) <= LINE_CHARS else text[:LINE_CHARS] + "…"
