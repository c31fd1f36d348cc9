"""Images: figures of matplotlib as deterministic PNG, and the files that a user's function names."""

from __future__ import annotations

import base64
import mimetypes
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

DPI = 100
MAX_INLINE_BYTES = 8_000_000
_SRC = re.compile(r"""(<(?:img|video|audio|source)\b[^>]*?\ssrc\s*=\s*)(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


class FigureError(ValueError):
    """A figure or file that cannot be shown."""


@dataclass(frozen=True)
class Target:
    """Where the figure of item `number` goes: ``outdir/sections/STEM.NUMBER.png``; `written` collects the names."""

    outdir: Path
    stem: str
    number: int
    written: list[str] = field(default_factory=list)


def existing(name: Any, outdir: Path) -> str:
    """A file that the function named, relative to outdir, with slashes. Raises FigureError where it is not there."""
    if not isinstance(name, (str, os.PathLike)):
        raise FigureError(f"needs a file name, not {type(name).__name__}")
    text = os.fspath(name)
    if not isinstance(text, str) or "\0" in text:
        raise FigureError("needs a file name as text")
    root = os.path.abspath(outdir)  # normalised, not resolved: a link inside outdir is the user's own affair
    path = os.path.normpath(os.path.join(root, text))
    if not path.startswith(root + os.sep):
        raise FigureError(f"{text} is outside outdir; write it into outdir and give its name relative to that")
    if not Path(path).is_file():
        raise FigureError(f"there is no file {text} in outdir")
    return os.path.relpath(path, root).replace(os.sep, "/")


def image(data: Any, target: Target) -> dict[str, Any]:
    """``{"file", "width", "height"}`` of a named file (size unknown: None) or of a figure, which is saved."""
    if isinstance(data, (str, os.PathLike)):
        return {"file": existing(data, target.outdir), "width": None, "height": None}
    figure = _matplotlib(data)
    if figure is None:
        raise FigureError(f"needs a file name or a matplotlib or Bokeh figure, not {type(data).__name__}")
    name = f"sections/{target.stem}.{target.number}.png"
    path = target.outdir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # No name of the software (it holds its version); PNG has no date of its own.
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)
    target.written.append(name)
    width, height = (round(inches * DPI) for inches in figure.get_size_inches())
    return {"file": name, "width": width, "height": height}


def _matplotlib(data: Any) -> Any:
    """The Figure of a figure, of axes (one or an array of them), of a seaborn grid or of pyplot itself; else None."""
    if "matplotlib" not in sys.modules:
        return None
    from matplotlib.figure import FigureBase

    if getattr(data, "__name__", None) == "matplotlib.pyplot":
        data = data.gcf()
    while hasattr(data, "flat") and hasattr(data, "shape") and data.size:  # an array of axes
        data = data.flat[0]
    for candidate in (data, getattr(data, "figure", None), getattr(data, "fig", None)):
        if isinstance(candidate, FigureBase):
            return candidate.get_figure(root=True)
    return None


def with_images(html: str, outdir: Path) -> str:
    """The user's HTML with the images and films it names in outdir put into it: a sandboxed frame cannot read files."""

    def inlined(match: re.Match[str]) -> str:
        source = match[2] if match[2] is not None else match[3]
        try:
            path = outdir / existing(unquote(source), outdir)
            if path.stat().st_size > MAX_INLINE_BYTES:
                return match[0]
            content = base64.b64encode(path.read_bytes()).decode()
        except (FigureError, OSError):
            return match[0]
        kind = mimetypes.types_map.get(path.suffix.lower(), "application/octet-stream")
        return f'{match[1]}"data:{kind};base64,{content}"'

    return _SRC.sub(inlined, html)
