"""What an analysis function returned, as blocks: small JSON-able dicts with a "type" that the templates can show.

Types: image, linkplot, video, table, text (safe HTML), frame (HTML or Bokeh, shown in a sandbox), view (of a built-in),
error, waiting, unseen (inputs). A section file holds the blocks of one function for one sub-experiment, or of one
overview function.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metarunlog.errors import MrlError
from metarunlog.report import bokehs, figures, markup, tables
from metarunlog.report.model import Block

SCHEMA = 1
RTYPES = ("plot", "table", "text", "html", "bokeh", "mp4", "plotlinkbokeh")
VIEWS = ("results", "curves", "effects", "parallel", "card")


class ReturnError(MrlError, ValueError):
    """An analysis function returned what cannot be shown."""


def to_blocks(returned: Any, outdir: Path, stem: str) -> tuple[list[Block], list[str]]:
    """Blocks of a function's return value, and the files written for it (relative to `outdir`).

    `returned` is a list of ``(data, rtype)`` or ``(data, rtype, header)``, one such tuple, or None. Figures are saved
    as ``sections/STEM.N.png``. Raises ReturnError where it is anything else, or names a file that is not in `outdir`.
    """
    written: list[str] = []
    blocks = []
    for number, item in enumerate(_items(returned)):
        where = f"item {number + 1} of what it returned"
        data, rtype, header = _item(item, where)
        try:
            block = _CONVERT[rtype](data, figures.Target(outdir, stem, number, written))
        except ReturnError as error:
            raise ReturnError(f"{where}: {error}") from error
        except figures.FigureError as error:
            raise ReturnError(f"{where} ({rtype}): {error}") from error
        blocks.append({**block, "header": header})
    return blocks, written


def files_of(blocks: list[Block]) -> list[str]:
    """The files in outdir that the blocks show, those of the user's own function too, in order, without repeats."""
    named = [block[key] for block in blocks for key in ("file", "page") if block.get(key)]
    return list(dict.fromkeys(named))


def error_block(function: str, error_line: str, traceback_text: str) -> Block:
    """A card in place of a function that failed. The paths in the traceback should be relative to the project."""
    return {"type": "error", "function": function, "error": error_line, "traceback": traceback_text, "header": None}


def waiting_block(text: str) -> Block:
    """A card in place of what cannot be made yet."""
    return {"type": "waiting", "text": text, "header": None}


def unseen_block(what: list[str]) -> Block:
    """A note below a function's part: what it did, in words, by which it may have read what was not seen."""
    return {"type": "unseen", "what": what, "header": None}


def dump_section(blocks: list[Block], function: str) -> bytes:
    """The section file: deterministic JSON."""
    section = {"schema": SCHEMA, "function": function, "blocks": blocks}
    text = json.dumps(section, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"  # a lone surrogate becomes its JSON escape


def load_section(content: bytes) -> tuple[str, list[Block]]:
    """Function name and blocks. Raises ReturnError where `content` is not a section that this version wrote."""
    try:
        section = json.loads(content)
        if section["schema"] == SCHEMA:
            return str(section["function"]), list(section["blocks"])
    except (ValueError, KeyError, TypeError):
        pass
    raise ReturnError("not a section of this version of mrl; `mrl analyze` makes it anew")


def _items(returned: Any) -> list[Any]:
    if returned is None:
        return []
    if isinstance(returned, tuple) and len(returned) in (2, 3) and isinstance(returned[1], str):
        return [returned]
    if isinstance(returned, (list, tuple)):
        return list(returned)
    raise ReturnError(
        f"it returned {_kind(returned)}; return [(data, rtype, header)], one such tuple, or nothing"
        f" (rtype one of {', '.join(RTYPES)})"
    )


def _item(item: Any, where: str) -> tuple[Any, str, str | None]:
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        raise ReturnError(f"{where} is {_kind(item)}, not (data, rtype) or (data, rtype, header)")
    data, rtype = item[0], item[1]
    header = item[2] if len(item) == 3 else None
    if not isinstance(rtype, str) or rtype not in _CONVERT:
        raise ReturnError(f"{where} has rtype {rtype!r}; known are {', '.join(RTYPES)}")
    if header is not None and not isinstance(header, str):
        raise ReturnError(f"{where} has {_kind(header)} as header; give text or None")
    return data, rtype, header or None


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{name} of {len(value)}" if isinstance(value, (tuple, list)) else name


def _string(data: Any, what: str) -> str:
    if not isinstance(data, str):
        raise ReturnError(f"{what} needs a str, not {_kind(data)}")
    return data


def _plot(data: Any, target: figures.Target) -> Block:
    if bokehs.is_bokeh(data):
        return bokehs.frame(data)
    return {"type": "image", **figures.image(data, target)}


def _table(data: Any, target: figures.Target) -> Block:
    try:
        return {"type": "table", **tables.table(data)}
    except TypeError as error:
        raise ReturnError(str(error)) from error


def _text(data: Any, target: figures.Target) -> Block:
    return {"type": "text", "html": markup.markdown_html(_string(data, "text"))}


def _html(data: Any, target: figures.Target) -> Block:
    return {"type": "frame", "html": figures.with_images(_string(data, "html"), target.outdir), "scripts": []}


def _bokeh(data: Any, target: figures.Target) -> Block:
    return bokehs.frame(data)


def _mp4(data: Any, target: figures.Target) -> Block:
    return {"type": "video", "file": figures.existing(data, target.outdir)}


def _plotlinkbokeh(data: Any, target: figures.Target) -> Block:
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise ReturnError(f"plotlinkbokeh needs (image, page or Bokeh figure), not {_kind(data)}")
    block: Block = {"type": "linkplot", **figures.image(data[0], target)}
    if isinstance(data[1], (str, Path)):
        return {**block, "page": figures.existing(data[1], target.outdir)}
    return {**block, "frame": bokehs.frame(data[1])}


def _view(data: Any, target: figures.Target) -> Block:
    if not isinstance(data, dict) or data.get("view") not in VIEWS:
        raise ReturnError("rtype view is for the built-in functions")
    return {"type": "view", "data": data}


_CONVERT: dict[str, Callable[[Any, figures.Target], Block]] = {
    "plot": _plot,
    "table": _table,
    "text": _text,
    "html": _html,
    "bokeh": _bokeh,
    "mp4": _mp4,
    "plotlinkbokeh": _plotlinkbokeh,
    "view": _view,
}
