"""The report's pure parts: returns to blocks, blocks to pages."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sample_report import hostile_report, whole

from metarunlog import analysis
from metarunlog.report import blocks, bokehs, markup, pages, prepare, shown, tables
from metarunlog.report.model import Report, SubExp


class Tags(HTMLParser):
    """All tags and attributes of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def one(returned: Any, outdir: Path) -> dict[str, Any]:
    [block], _ = blocks.to_blocks(returned, outdir, "stem")
    return block


# Returns


def test_nothing_one_tuple_and_a_list_are_taken(tmp_path: Path) -> None:
    assert blocks.to_blocks(None, tmp_path, "s") == ([], [])
    assert blocks.to_blocks([], tmp_path, "s") == ([], [])
    assert one(("*a*", "text"), tmp_path) == {"type": "text", "html": "<p><em>a</em></p>", "header": None}
    assert one([("a", "text", "Header")], tmp_path)["header"] == "Header"
    assert len(blocks.to_blocks((("a", "text"), ("b", "text")), tmp_path, "s")[0]) == 2


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (7, "it returned int; return [(data, rtype, header)]"),
        ("text", "it returned str"),
        ([("a",)], "item 1 of what it returned is tuple of 1, not (data, rtype)"),
        ([("a", "text"), "b"], "item 2 of what it returned is str"),
        ([("a", "txt")], "item 1 of what it returned has rtype 'txt'; known are plot, table, text"),
        ([("a", "text", 3)], "has int as header; give text or None"),
        ([(3, "text")], "item 1 of what it returned: text needs a str, not int"),
        ([([1], "table")], "table needs a pandas DataFrame or Series, not list"),
        (
            [(3, "plot")],
            "item 1 of what it returned (plot): needs a file name or a matplotlib or Bokeh figure, not int",
        ),
        ([("no.png", "plot")], "there is no file no.png in outdir"),
        ([("../x.png", "plot")], "../x.png is outside outdir"),
        ([("/etc/passwd", "plot")], "/etc/passwd is outside outdir"),
        ([("no.mp4", "mp4")], "there is no file no.mp4"),
        ([("div", "bokeh")], "needs a Bokeh figure or the (script, div)"),
        ([("a.png", "plotlinkbokeh")], "plotlinkbokeh needs (image, page or Bokeh figure)"),
        ([({"view": "other"}, "view")], "rtype view is for the built-in functions"),
    ],
)
def test_wrong_returns_are_named(returned: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as caught:
        blocks.to_blocks(returned, tmp_path, "s")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_named_files(tmp_path: Path) -> None:
    (tmp_path / "001").mkdir()
    for name in ("001/a b#1.png", "film.mp4", "page.html"):
        (tmp_path / name).write_bytes(b"x")
    made, written = blocks.to_blocks(
        [
            (str(tmp_path / "001" / "a b#1.png"), "plot"),
            (Path("film.mp4"), "mp4"),
            (("001/../001/a b#1.png", "page.html"), "plotlinkbokeh"),
        ],
        tmp_path,
        "s",
    )
    assert written == []
    assert blocks.files_of(made) == ["001/a b#1.png", "film.mp4", "page.html"]
    page = whole(Report("p", 1, overview=(("f", tuple(made)),)))["index.html"].decode()
    assert 'src="001/a%20b%231.png"' in page and 'src="film.mp4"' in page and 'src="page.html"' in page


def test_table_keeps_numbers() -> None:
    frame = pd.DataFrame(
        {"x": [1.23456789, math.nan], "n": [10**12, 3], "s": ["a", None], "b": [True, False]}, index=["r", "q"]
    )
    made = tables.table(frame)
    assert made["columns"] == ["x", "n", "s", "b"] and made["index"] == [""]
    assert made["rows"] == [[["r"], [1.23456789, 10**12, "a", True]], [["q"], [{"n": "nan"}, 3, None, False]]]
    assert made["numeric"] == [True, True, False, False]


def test_cells_become_json() -> None:
    numbers = [np.float32(0.5), np.int64(3), np.bool_(True), math.inf, np.float64("nan")]
    assert [tables.cell(value) for value in numbers] == [0.5, 3, True, {"n": "inf"}, {"n": "nan"}]
    others = [pd.NaT, pd.NA, None, pd.Timestamp("2026-01-02"), 1 + 2j, Fraction(1, 4)]
    assert [tables.cell(value) for value in others] == [None, None, None, "2026-01-02 00:00:00", "(1+2j)", 0.25]


def test_table_of_series_and_multiindex() -> None:
    assert tables.table(pd.Series([1, 2], name="v"))["columns"] == ["v"]
    assert tables.table(pd.Series([1, 2]))["columns"] == ["value"]
    frame = pd.DataFrame(
        {("a", "x"): [1], ("a", "y"): [2]}, index=pd.MultiIndex.from_tuples([("p", 1)], names=["k", None])
    )
    made = tables.table(frame)
    assert (made["columns"], made["index"], made["rows"]) == (["a / x", "a / y"], ["k", ""], [[["p", 1], [1, 2]]])
    assert tables.table(pd.DataFrame())["rows"] == []
    long = tables.table(pd.DataFrame({"x": range(5000)}))
    assert len(long["rows"]) == tables.MAX_ROWS and long["total"] == 5000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(
            (1.23456789, "1.23457"),
            (1e-05, "1e-5"),
            (1.5e20, "1.5e20"),
            (3.0, "3"),
            (0.1, "0.1"),
            (-0.00012345678, "-0.000123457"),
        ),
        *((True, "True"), (12345678, "12345678"), (None, "–"), ({"n": "nan"}, "nan"), ("x", "x"), (0.0, "0")),
    ],
)
def test_values_as_text(value: Any, text: str) -> None:
    assert markup.format_value(value) == text


# Sections


def test_section_round_trip() -> None:
    made = [
        blocks.error_block("f", "E: x", "Trace"),
        blocks.waiting_block("waits for a log"),
        {"type": "text", "html": "\udc80"},
    ]
    content = blocks.dump_section(made, "f")
    assert blocks.load_section(content) == ("f", made)
    assert content == blocks.dump_section(json.loads(json.dumps(made)), "f") and content.endswith(b"}\n")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 0}', b'{"schema": 1}', b"\xff"])
def test_section_that_is_none(content: bytes) -> None:
    with pytest.raises(blocks.ReturnError, match="not a section"):
        blocks.load_section(content)


# Figures

FIGURES = """
import random, sys
from pathlib import Path
import matplotlib; matplotlib.use("agg")
import matplotlib.pyplot as plt
from bokeh.layouts import column
from bokeh.models import CustomJS, DataTable, ColumnDataSource, Slider, TableColumn
from bokeh.plotting import figure
from bokeh.embed import components
from metarunlog.report import blocks
for _ in range(int(sys.argv[1])): figure()  # ids already used up in this process
fig, ax = plt.subplots(); ax.plot([1, 3, 2])
p = figure(tools="pan,hover,tap", title="t"); p.line([1, 2], [3, 4], legend_label="a"); p.scatter([1], [2])
q = figure(); q.vbar(x=[1], top=[2]); s = Slider(start=0, end=1, value=0)
s.js_on_change("value", CustomJS(args=dict(p=p), code="p.title.text = 'x'"))
r = figure(); r.line([1, 2], [3, 4])
table = DataTable(source=ColumnDataSource(dict(a=[1])), columns=[TableColumn(field="a")])
made, written = blocks.to_blocks(
    [(fig, "plot"), (column(s, q, p), "bokeh"), ((ax, table), "plotlinkbokeh"), (plt, "plot")],
    Path(sys.argv[2]), "001.f")
sys.stdout.buffer.write(blocks.dump_section(made, "f") + repr(written).encode())
for name in written: sys.stdout.buffer.write((Path(sys.argv[2]) / name).read_bytes())
"""


def test_figures_are_the_same_in_two_processes(tmp_path: Path) -> None:
    def run(number: int) -> subprocess.Popen[bytes]:
        (tmp_path / str(number)).mkdir()
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", FIGURES, str(number), str(tmp_path / str(number))],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            env={"PYTHONHASHSEED": str(number), "MPLCONFIGDIR": str(tmp_path / str(number)), "HOME": str(tmp_path)},
        )

    first, second = (process.communicate()[0] for process in [run(1), run(3)])
    assert first == second
    assert b"['sections/001.f.0.png', 'sections/001.f.2.png', 'sections/001.f.3.png']" in first
    assert b"Software" not in first and first.count(b"\x89PNG") == 3
    section = json.loads(first.split(b"\n", 1)[0])
    assert section["blocks"][1]["scripts"] == ["bokeh.min.js", "bokeh-widgets.min.js"]
    assert section["blocks"][2]["frame"]["scripts"] == ["bokeh.min.js", "bokeh-widgets.min.js", "bokeh-tables.min.js"]


def test_bokeh_pair_is_the_same_twice(tmp_path: Path) -> None:
    from bokeh.embed import components
    from bokeh.plotting import figure

    plot = figure()
    plot.line([1, 2], [2, 1])
    pairs = [components(plot), components(plot)]
    assert pairs[0] != pairs[1]
    first, second = (one((pair, "bokeh"), tmp_path) for pair in pairs)
    assert first == second and first["scripts"][0] == "bokeh.min.js"


def test_math_in_bokeh_needs_mathjax() -> None:
    from bokeh.plotting import figure

    assert bokehs.frame(figure(title="$$x^2$$"))["scripts"] == ["bokeh.min.js", "bokeh-mathjax.min.js"]
    assert bokehs.frame(figure(title="costs $$"))["scripts"] == ["bokeh.min.js"]


def test_images_of_html_are_put_into_it(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(b"PNG")
    html = "<img alt=x src='a%20b.png'><img src=\"http://example.org/x.png\"><img src='../../etc/passwd'>"
    block = one((html, "html"), tmp_path)
    assert block["html"].startswith('<img alt=x src="data:image/png;base64,UE5H">')
    assert "http://example.org/x.png" in block["html"] and "etc/passwd" in block["html"]


# Markdown


def test_markdown_is_harmless() -> None:
    text = (
        "[x](javascript:pwned()) <script>pwned()</script> <b onclick=pwned()>b</b> <style>p{}</style>"
        "<p id=main style='x'>"
        "\n\n![i](http://tracker.example/i.png) ![l](plots/a.png)\n\n<iframe src=x></iframe>\n\n<svg onload=pwned()>"
    )
    html = markup.markdown_html(text)
    assert not re.search(r"pwned|script|onclick|style|iframe|tracker|svg|id=", html)
    assert "<b>b</b>" in html and 'src="plots/a.png"' in html


def test_markdown_tables_code_and_headings() -> None:
    html = markup.markdown_html("# A\n\n## B\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```python\nx < 1\n```\n")
    assert "<h3>A</h3>" in html and "<h4>B</h4>" in html
    assert '<td align="right">2</td>' in html and "x &lt; 1" in html
    assert "<h3>A</h3>" in markup.markdown_html("### A") and "<h4>A</h4>" in markup.markdown_html("#### A")


# Pages


def test_hostile_text_is_escaped_everywhere(tmp_path: Path) -> None:
    built = whole(hostile_report(tmp_path))
    tags = Tags(built["index.html"]).tags
    scripts = [attrs for tag, attrs in tags if tag == "script"]
    assert all(attrs["src"].startswith(("assets/", "data/")) for attrs in scripts if attrs["src"])
    assert len(scripts) == 1 + sum(name.endswith(".js") for name in pages.assets())
    assert not [tag for tag, attrs in tags if any(name.startswith("on") or name == "style" for name in attrs)]
    images = {attrs.get("src") for tag, attrs in tags if tag == "img"}
    assert images <= {"x"}  # the one that Markdown lets through, without its handler
    assert b"\x00" not in built["index.html"] and b"\x1b" not in built["index.html"]


def test_frames_keep_their_own_script_whole(tmp_path: Path) -> None:
    from bokeh.plotting import figure

    shown, _ = blocks.to_blocks((figure(title="</script><b>"), "bokeh"), tmp_path, "s")
    report = Report("p", 1, overview=(("f", tuple(shown)),))
    made = whole(report)
    frame = made["frames/f.0.html"]
    assert [tag for tag, _ in Tags(frame).tags if tag in ("script", "b")] == ["script", "script"]
    assert {name for name in made if name.startswith("assets/bokeh/")} == {"assets/bokeh/bokeh.min.js"}


def test_empty_report() -> None:
    [(name, page)] = pages.build(Report("p", 7))[0].files.items()
    assert name == "index.html" and b"mrl analyze 7" in page and b"Experiment 7" in page


def many(count: int) -> Report:
    subexps = tuple(SubExp(f"{n:03d}", {"lr": n}, "done") for n in range(1, count + 1))
    rows = [[sub.id, [sub.params["lr"]], []] for sub in subexps[:200]]
    data = {"view": "results", "params": ["lr"], "same": [], "metrics": [], "rows": rows, "total": count, "json": "{}"}
    return Report("p", 1, overview=(("results", ({"type": "view", "header": None, "data": data},)),), subexps=subexps)


def test_pages_of_a_hundred_past_two_hundred() -> None:
    assert [name for name in whole(many(200)) if "/" not in name] == ["index.html"]
    built = whole(many(201))
    names = ["index.html", "page-2.html", "page-3.html"]
    assert [name for name in built if "/" not in name] == names
    index, second = built["index.html"].decode(), built["page-2.html"].decode()
    assert 'id="sub-100"' in index and 'id="sub-101"' not in index and 'id="sub-101"' in second
    assert 'href="#sub-100"' in index and 'href="page-2.html#sub-200"' in index
    assert "sub-201" not in index  # a script shows that row
    known = json.loads(built["data/runs.js"].removeprefix(b'mrl.data({"runs":').removesuffix(b"});\n"))
    assert (len(known["ids"]), known["names"], set(known["states"])) == (201, ["done"], {0})
    assert (known["pages"], known["each"]) == (names, 100)
    assert "101–200" in index and "<table" not in second


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    assert whole(hostile_report(tmp_path)) == whole(hostile_report(tmp_path))
    assert pages.assets() == pages.assets()


def test_counts_and_marks() -> None:
    report = Report(
        "p",
        1,
        gitHash="a" * 40,
        subexps=(
            SubExp("001", {"lr": 1}, "failed", orphan=True),
            SubExp("002", {"lr": 2}, "done", stale=("card",), partial=True),
            SubExp("003", {"lr": 2}, "done"),
            SubExp("004", {"lr": 2}, "has logs"),
        ),
    )
    assert list(report.counts.items()) == [("done", 2), ("failed", 1), ("has logs", 1)]
    page = whole(report)["index.html"].decode()
    for text in ("2 done", "1 failed", "1 has logs", ">orphan<", ">partial<", ">out of date<", ">clean<"):
        assert text in page


def test_params_that_differ_come_first() -> None:
    subexps = [SubExp("001", {"a": 1, "b": 2, "subExpId": "001"}), SubExp("002", {"a": 1, "b": 3, "c": [1]})]
    assert shown.varying(subexps) == ["b", "c"]
    assert shown.params_of(subexps[1].params, ["b", "c"]) == [("b", 3, True), ("c", "[1]", True), ("a", 1, False)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "under 1 s"), (42, "42 s"), (185, "3 min 05 s"), (7620, "2 h 07 min"), (360000, "4 d 4 h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert shown.duration(seconds) == text


def test_dates_do_not_depend_on_the_machine() -> None:
    assert shown.date("2026-03-02T08:58:12+01:00") == "2 March 2026, 08:58"
    assert shown.date("yesterday") == "yesterday"


def test_file_names_of_any_function() -> None:
    assert prepare.file_name("001.fön/../x") == "001.f-f6-n-2f-..-2f-x"


def test_every_view_has_a_template() -> None:
    shown_views = {"results", "card"} | (set(blocks.VIEWS) - {"results", "card"})
    assert shown_views == {*analysis.OVERVIEW, *analysis.SUBEXP}


def test_what_waits_says_so_once() -> None:
    wait = (blocks.waiting_block("no log yet"),)
    subs = (SubExp("001", {}, "waiting", sections=(("card", wait), ("tsne", wait))),)
    report = Report("p", 1, overview=(("results", wait), ("mine", wait)), subexps=subs)
    page = whole(report)["index.html"].decode()
    assert page.count("Waiting: no log yet") == 1 and page.count("no log yet") == 3
    assert ">Results</h2>" in page and ">mine</h2>" in page and ">card<" not in page
