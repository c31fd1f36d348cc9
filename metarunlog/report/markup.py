"""Markdown to harmless HTML, and numbers to text."""

from __future__ import annotations

import re
from typing import Any

_REMOTE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:|//|\\\\|/\\|\\/)", re.IGNORECASE)
_HEADING = re.compile(r"(</?h)([1-6])(?=>)")
TOP_HEADING = 3  # h1 and h2 are the page's own


def markdown_html(text: str) -> str:
    """Markdown (with tables and fenced code) as HTML without scripts, styles, ids and images from elsewhere."""
    import markdown
    import nh3

    raw = markdown.markdown(
        text, extensions=["tables", "fenced_code"], extension_configs={"tables": {"use_align_attribute": True}}
    )
    clean = nh3.clean(raw, attribute_filter=_attribute, url_schemes={"http", "https", "mailto"})
    return _lower_headings(clean)


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Opening a report must not tell anybody: an image from the network is left out."""
    return None if tag == "img" and name == "src" and _REMOTE.match(value) else value


def _lower_headings(html: str) -> str:
    """Shifts all headings so that the highest is h3."""
    levels = [int(level) for _, level in _HEADING.findall(html)]
    shift = TOP_HEADING - min(levels, default=TOP_HEADING)
    if shift <= 0:
        return html
    return _HEADING.sub(lambda match: f"{match[1]}{min(6, int(match[2]) + shift)}", html)


def format_number(value: float, digits: int = 6) -> str:
    """`digits` significant digits; whole numbers whole; 1e-05 as 1e-5."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else f"{value:.{digits}g}"
    if value.is_integer() and abs(value) < 1e9:
        return str(int(value))
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    return re.sub(r"e([+-])0*(\d)", lambda match: f"e{'-' if match[1] == '-' else ''}{match[2]}", text)


def format_value(value: Any, digits: int = 6) -> str:
    """A cell (see analysis.values) as text: missing is a dash."""
    if value is None:
        return "–"
    if isinstance(value, dict):
        return str(value.get("n", ""))
    return format_number(value, digits) if isinstance(value, (int, float)) else str(value)
