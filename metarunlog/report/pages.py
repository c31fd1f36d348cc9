"""A Report -> the files of the analysis folder, a page at a time. Pure: the same report gives the same bytes.

The pages are plain HTML by templates; scripts only add to them. A page and its data work from file:// with no network:
the Content-Security-Policy lets in the page's own script files alone. Data for plots is in script files that are loaded
when a plot comes into view. Users' HTML and Bokeh live in files of their own under frames/, shown in sandboxed iframes.
A sandboxed frame can load no file, so the page hands it BokehJS as text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarunlog.report import bokehs, prepare, shown
from metarunlog.report.model import Block, Report, Section, SubExp

if TYPE_CHECKING:
    import jinja2

ONE_PAGE = 200  # so many sub-experiments stand on one page;
PAGE_SUBEXPS = 100  # of more, each page has so many
CHUNK_SUBEXPS = 25  # sub-experiments whose plot data share a file; all are of one page

RUNS = "data/runs.js"
VERSION = "data/version.js"

_HERE = Path(__file__).parent
_UPLOT = "vendor/uplot/"
_JSDIFF = "vendor/jsdiff/"
_ASSETS = (
    "report.css",
    "print.css",
    "core.js",
    "colours.js",
    "filter.js",
    "address.js",
    "chosen.js",
    "narrow.js",
    "table.js",
    "results.js",
    "plot.js",
    "groups.js",
    "curves.js",
    "heatmap.js",
    "effects.js",
    "parallel.js",
    "frames.js",
    "configs.js",
    "gallery.js",
    "newer.js",
    f"{_UPLOT}uPlot.iife.min.js",
    f"{_UPLOT}uPlot.min.css",
    f"{_UPLOT}LICENSE",
    f"{_JSDIFF}diff.min.js",
    f"{_JSDIFF}LICENSE",
)
_LATE = (f"{_JSDIFF}diff.min.js",)  # scripts that others load when they need them
_SCRIPTS = [name for name in _ASSETS if name.endswith(".js") and name not in _LATE]


@dataclass(frozen=True)
class Page:
    """One page: the files that it is made of (named relative to the analysis folder), and parts of BokehJS that it
    needs."""

    files: dict[str, bytes]
    scripts: frozenset[str]


class Book:
    """The pages of a report, to be made one by one. Of the sub-experiments and overview functions that are on other
    pages, only what is asked for here is needed: no sections."""

    def __init__(self, report: Report) -> None:
        subs = report.subexps
        self.report = report
        self.each = ONE_PAGE if len(subs) <= ONE_PAGE else PAGE_SUBEXPS
        self.chunks = [subs[at : at + self.each] for at in range(0, len(subs), self.each)] or [()]
        self.names = [page_name(report, number) for number in range(len(self.chunks))]
        self.varying = shown.varying(subs)
        self.links = [_page_link(name, chunk) for name, chunk in zip(self.names, self.chunks)]
        self.states = {sub.id: sub.state for sub in subs}
        self.orphans = frozenset(sub.id for sub in subs if sub.orphan)
        #: What all pages show, beside their own sub-experiments; and what only the first does, beside its overview.
        bare = replace(report, subexps=(), overview=(), note="", since="", until="", stale=())
        self.shared = (bare, report.counts, self.varying, self.links)
        self.of_first = (report.note, report.since, report.until, report.stale, self.states, sorted(self.orphans))

    def page(self, number: int, overview: Sequence[Section], subexps: Sequence[SubExp]) -> Page:
        """A page with what it shows: `overview` on the first, and its own sub-experiments, with their sections."""
        extras = prepare.Extras()
        first, name = number == 0, self.names[number]
        runs = [RUNS] if first and self.states else []
        places = {sub.id: at // self.each for at, sub in enumerate(self.report.subexps)} if first else {}
        text = (
            _environment()
            .get_template("page.html")
            .render(
                report=self.report,
                varying=self.varying,
                states=self.states,
                orphans=self.orphans,
                pages=self.links,
                scripts=[f"assets/{name}" for name in _SCRIPTS] + [VERSION, *runs],
                here=name,
                first=first,
                overview=_overview(overview, self.report.stale, extras),
                subexps=[_subexp(sub, number * self.each + at, extras) for at, sub in enumerate(subexps)],
                anchor=lambda id: _anchor(id, self.names[places[id]] if id in places else None, name),
            )
        )
        files = {name: shown.page_bytes(text)}
        if runs:
            files[RUNS] = prepare.data_script({"runs": self._runs()})
        frame = _environment().get_template("frame.html")
        script = _asset("frame.js").decode()
        for file, block in extras.frames.items():
            files[file] = frame.render(_frame_context(block), script=script).encode("utf-8", "replace")
        files.update({file: prepare.data_script(entries) for file, entries in extras.data.items()})
        return Page(files, frozenset(extras.scripts))

    def _runs(self) -> str:
        """What scripts know of all sub-experiments: ids, states (as numbers of `names`), and on which page they are."""
        states = list(dict.fromkeys(self.states.values()))
        known = {
            "ids": list(self.states),
            "names": states,
            "states": [states.index(state) for state in self.states.values()],
            "orphans": sorted(self.orphans),
            "pages": self.names,
            "each": self.each,
        }
        return json.dumps(known, separators=(",", ":"))


def build(report: Report) -> list[Page]:
    """All pages of a report that is held as a whole."""
    book = Book(report)
    return [book.page(at, () if at else report.overview, chunk) for at, chunk in enumerate(book.chunks)]


def assets(scripts: Collection[str] = ()) -> dict[str, bytes]:
    """The files shared by all pages, named relative to the analysis folder; `scripts` are parts of BokehJS."""
    found = {f"assets/{name}": _asset(name) for name in _ASSETS}
    for name in sorted(scripts):
        text = json.dumps(bokehs.script_source(name))
        found[f"assets/bokeh/{name}"] = f"mrl.source({json.dumps(name)},{text});\n".encode()
    return found


def version(digests: Mapping[str, str]) -> bytes:
    """By which an open page finds that it was made anew: the names of the pages, and digests of what they show."""
    return f"mrl.version({json.dumps(dict(digests), separators=(',', ':'))});\n".encode()


def page_name(report: Report, number: int) -> str:
    """index.html, page-2.html, ..."""
    return report.outfn if number == 0 else f"page-{number + 1}.html"


def _overview(overview: Sequence[Section], stale: Collection[str], extras: prepare.Extras) -> list[dict[str, Any]]:
    return [
        _section(name, blocks, name, f"data/{prepare.file_name(name)}.js", name in stale, extras)
        for name, blocks in overview
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


def _anchor(id: str, page: str | None, here: str) -> str:
    """The address of a sub-experiment's section on a page, seen from another; empty where it has none."""
    return "" if page is None else f"#sub-{id}" if page == here else f"{page}#sub-{id}"


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
    environment.globals |= {"cell": shown.cell, "result_rows": shown.result_rows, "orphan_badge": shown.ORPHAN}
    return environment


def _asset(name: str) -> bytes:
    return (_HERE / "assets" / name).read_bytes()
