"""A Report -> the files of the analysis folder. Pure: the same report gives the same bytes.

The pages are plain HTML by templates; scripts only add to them. A page and its data work from file:// with no network:
the Content-Security-Policy lets in the page's own script files alone. Data for plots is in script files that are loaded
when a plot comes into view. Users' HTML and Bokeh live in files of their own under frames/, shown in sandboxed iframes.
A sandboxed frame can load no file, so the page hands it BokehJS as text.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarunlog.report import bokehs, prepare, shown
from metarunlog.report.model import Block, Report, Section, SubExp

if TYPE_CHECKING:
    import jinja2

PAGE_SUBEXPS = 200
CHUNK_SUBEXPS = 25  # sub-experiments whose plot data share a file

_HERE = Path(__file__).parent
_UPLOT = "vendor/uplot/"
_ASSETS = (
    "report.css",
    "print.css",
    "core.js",
    "colours.js",
    "table.js",
    "plot.js",
    "curves.js",
    "effects.js",
    "parallel.js",
    "frames.js",
    f"{_UPLOT}uPlot.iife.min.js",
    f"{_UPLOT}uPlot.min.css",
    f"{_UPLOT}LICENSE",
)


def build(report: Report) -> dict[str, bytes]:
    """Pages, frames and data of a report: name (relative to the analysis folder) -> content."""
    extras = prepare.Extras()
    chunks = [report.subexps[at : at + PAGE_SUBEXPS] for at in range(0, len(report.subexps), PAGE_SUBEXPS)] or [()]
    names = [page_name(report, number) for number in range(len(chunks))]
    links = {sub.id: name for name, chunk in zip(names, chunks) for sub in chunk}
    context = {
        "report": report,
        "varying": shown.varying(report.subexps),
        "states": {sub.id: sub.state for sub in report.subexps},
        "pages": [_page_link(name, chunk) for name, chunk in zip(names, chunks)],
        "scripts": [name for name in _ASSETS if name.endswith(".js")],
    }
    template = _environment().get_template("page.html")
    files = {}
    for number, (name, chunk) in enumerate(zip(names, chunks)):
        first = number == 0
        text = template.render(
            **context,
            here=name,
            first=first,
            overview=_overview(report, extras) if first else [],
            subexps=[_subexp(sub, number * PAGE_SUBEXPS + at, extras) for at, sub in enumerate(chunk)],
            anchor=lambda id, name=name: _anchor(id, links, name),
        )
        files[name] = shown.page_bytes(text)
    frame = _environment().get_template("frame.html")
    script = _asset("frame.js").decode()
    for name, block in extras.frames.items():
        files[name] = frame.render(_frame_context(block), script=script).encode("utf-8", "replace")
    files.update({name: prepare.data_script(entries) for name, entries in extras.data.items()})
    return files


def assets(report: Report | None = None) -> dict[str, bytes]:
    """The files shared by all pages, named relative to the analysis folder; BokehJS only where `report` shows Bokeh."""
    found = {f"assets/{name}": _asset(name) for name in _ASSETS}
    blocks = [block for _, part in _sections(report) for block in part] if report else []
    frames = [block.get("frame", block) for block in blocks]
    for name in sorted({name for block in frames for name in block.get("scripts", ())}):
        text = json.dumps(bokehs.script_source(name))
        found[f"assets/bokeh/{name}"] = f"mrl.source({json.dumps(name)},{text});\n".encode()
    return found


def page_name(report: Report, number: int) -> str:
    """index.html, page-2.html, ..."""
    return report.outfn if number == 0 else f"page-{number + 1}.html"


def _sections(report: Report) -> list[Section]:
    return [*report.overview, *(section for sub in report.subexps for section in sub.sections)]


def _overview(report: Report, extras: prepare.Extras) -> list[dict[str, Any]]:
    return [
        _section(name, blocks, name, f"data/{prepare.file_name(name)}.js", name in report.stale, extras)
        for name, blocks in report.overview
    ]


def _subexp(sub: SubExp, place: int, extras: prepare.Extras) -> dict[str, Any]:
    data_file = f"data/subs-{place // CHUNK_SUBEXPS + 1}.js"
    sections = [
        _section(name, blocks, f"{sub.id}.{name}", data_file, name in sub.stale, extras)
        for name, blocks in sub.sections
    ]
    return {"sub": sub, "sections": sections, "waits_for": shown.waits_for(sub.sections)}


def _section(
    function: str, blocks: tuple[Block, ...], stem: str, data_file: str, stale: bool, extras: prepare.Extras
) -> dict[str, Any]:
    return {
        "function": function,
        "title": shown.title(function, blocks),
        "anchor": f"fn-{prepare.file_name(function)}",
        "stale": stale,
        "blocks": [prepare.prepare(block, stem, number, data_file, extras) for number, block in enumerate(blocks)],
    }


def _frame_context(block: Block) -> dict[str, Any]:
    """Plain HTML stands in the frame as it is; what needs BokehJS waits in a JSON element until that has come."""
    if not block["scripts"]:
        return {"html": block["html"], "late": None}
    late = {"scripts": block["scripts"], "html": block.get("html"), "item": block.get("item")}
    return {"html": "", "late": prepare.json_in_html(late)}


def _page_link(name: str, chunk: tuple[SubExp, ...]) -> dict[str, str]:
    text = "" if not chunk else chunk[0].id if len(chunk) == 1 else f"{chunk[0].id}–{chunk[-1].id}"
    return {"href": name, "text": text}


def _anchor(id: str, links: dict[str, str], here: str) -> str:
    """The address of a sub-experiment's section, seen from one page; empty where it has none."""
    if id not in links:
        return ""
    return f"#sub-{id}" if links[id] == here else f"{links[id]}#sub-{id}"


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(shown.FILTERS)
    return environment


def _asset(name: str) -> bytes:
    return (_HERE / "assets" / name).read_bytes()
