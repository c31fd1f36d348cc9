"""Blocks made ready for the templates: what goes into the page, what into a frame's file, what into a data file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from metarunlog.report.model import Block


@dataclass
class Extras:
    """What the blocks of a page put beside it; filled while one `build` runs.

    `frames`: file name -> block, `data`: file name -> key -> JSON that the scripts draw, `scripts`: parts of BokehJS
    needed.
    """

    frames: dict[str, Block] = field(default_factory=dict)
    data: dict[str, dict[str, str]] = field(default_factory=dict)
    scripts: set[str] = field(default_factory=set)


def prepare(block: Block, stem: str, number: int, data_file: str, extras: Extras) -> dict[str, Any]:
    """The block for its template (``blocks/TYPE.html``); frames and plot data go to `extras`, links to them stay."""
    kind = block["type"]
    shown: dict[str, Any] = {"kind": kind, "header": block.get("header"), "block": block}
    name = f"{file_name(stem)}.{number}"
    for key in ("file", "page"):
        if block.get(key):
            shown[key] = quote(block[key])
    if kind == "frame":
        shown["frame"] = _frame(block, name, extras)
    if kind == "linkplot":
        shown["frame"] = _frame(block["frame"], name, extras) if "frame" in block else shown["page"]
    if kind == "view":
        data = block["data"]
        shown["kind"] = data["view"] if data["view"] in ("results", "card") else "plots"
        shown["data"] = data
        plots = data["curves"] if data["view"] == "card" else data
        extras.data.setdefault(data_file, {})[name] = plots["json"]
        shown["plots"] = {"view": plots["view"], "key": name, "src": data_file, "data": plots}
    return shown


def file_name(stem: str) -> str:
    """A name for a file and a URL: function names may hold any letter."""
    return re.sub(r"[^A-Za-z0-9_.-]", lambda match: f"-{ord(match[0]):x}-", stem)


def data_script(entries: dict[str, str]) -> bytes:
    """A classic script that hands data to the page: fetch does not work from file://. `entries`: key -> JSON."""
    text = ",".join(f"{json.dumps(key)}:{entries[key]}" for key in sorted(entries))
    return f"mrl.data({{{text}}});\n".encode("utf-8", "backslashreplace")


def json_in_html(value: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, ensure_ascii=True).replace("<", "\\u003c")


def _frame(block: Block, name: str, extras: Extras) -> str:
    file = f"frames/{name}.html"
    extras.frames[file] = block
    extras.scripts.update(block["scripts"])
    return file
