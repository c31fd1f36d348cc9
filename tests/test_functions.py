"""The user's functions, section 5 of the contract: binding, what they return, what happens when they fail."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import ProjectDir, new_project

from metarunlog import hooks
from metarunlog.tasks.function import Functions

KNOWN = {
    "expDir": "/e",
    "subExpDir": "/e/001",
    "outdir": "/e/analysis",
    "subExpIds": ["001"],
    "subExpId": "001",
    "Dparams": "frame",
    "params": {"lr": 1},
}
OVERVIEW = {name: KNOWN[name] for name in ("expDir", "outdir", "subExpIds", "Dparams")}


def old(d, o, ids, df, first, second=5):  # type: ignore[no-untyped-def]
    return d, o, ids, df, first, second


def named(factor, subExpDir, params, *rest):  # type: ignore[no-untyped-def]
    return factor, subExpDir, params, rest


def keyword(expDir, *, Dparams, unknown=1):  # type: ignore[no-untyped-def]
    return expDir, Dparams, unknown


def nothing():  # type: ignore[no-untyped-def]
    return None


def two(a, b):  # type: ignore[no-untyped-def]
    return a, b


@pytest.mark.parametrize(
    ("function", "args", "got"),
    [
        (old, [1], ("/e", "/e/analysis", ["001"], "frame", 1, 5)),
        (old, [1, 2], ("/e", "/e/analysis", ["001"], "frame", 1, 2)),
        (named, [3], (3, "/e/001", {"lr": 1}, ())),
        (named, [3, 4, 5], (3, "/e/001", {"lr": 1}, (4, 5))),
        (keyword, [], ("/e", "frame", 1)),
        (nothing, [], None),
        (two, [], ("/e", "/e/analysis")),
        (lambda expDir, x=2, *, y=3: (expDir, x, y), [9], ("/e", 9, 3)),
    ],
)
def test_arguments_are_bound_left_to_right(function: Callable[..., Any], args: list[Any], got: Any) -> None:
    positional, keywords = hooks.bind(function, KNOWN, args)
    assert function(*positional, **keywords) == got


@pytest.mark.parametrize(
    ("function", "known", "args", "says"),
    [
        (named, KNOWN, [], "`factor`"),
        (nothing, KNOWN, [7], "no parameter for 7"),
        (named, OVERVIEW, [1], "subExpDir"),
    ],
)
def test_arguments_that_do_not_fit_are_told(
    function: Callable[..., Any], known: Mapping[str, Any], args: list[Any], says: str
) -> None:
    with pytest.raises(hooks.CallError, match=re.escape(says)):
        hooks.bind(function, known, args)


ANALYZE = """\
import os
import sys
import threading

import pandas as pd

import metarunlog


def table(expDir, subExpIds, Dparams):
    print("said by the function")
    assert os.getcwd() == os.path.dirname(os.path.dirname(expDir)) and os.path.isabs(expDir)
    assert list(Dparams.index) == subExpIds == list(Dparams["subExpId"]) and list(Dparams["lr"]) == [0.1, 0.01]
    return pd.DataFrame({"<b>col</b>": [1.5, float("nan")]}), "table", "A & B"


def texts(expDir, outdir):
    harmless = ("# big\\n**bold** <script>alert(1)</script>", "text")
    return [harmless, ("<i id='raw'>raw</i>", "html", "raw"), ("plain", "text", None)]


def figures(outdir):
    import matplotlib.pyplot as plt
    from bokeh.plotting import figure

    fig, ax = plt.subplots()
    ax.plot([1, 2])
    plt.figure().savefig(os.path.join(outdir, "saved.png"))
    bokeh = figure(width=200, height=100)
    bokeh.line([1, 2], [3, 4])
    return [(fig, "plot", "mpl"), ("saved.png", "plot"), (bokeh, "plot", "bokeh figure"), (bokeh, "bokeh")]


def one(subExpId, params, Dparams, subExpIds):
    assert subExpIds == [subExpId] == list(Dparams.index) and params["subExpId"] == subExpId
    return f"lr is {params['lr']}", "text"


def nothing(subExpDir):
    return None


def fails(subExpDir, subExpId):
    if subExpId == "002":
        raise ValueError(f"bad {subExpDir}")
    return "fine", "text"


def exits(expDir):
    sys.exit("enough")


def dies(expDir):
    os._exit(9)


def wrong(expDir):
    return 42


def loads(expDir, subExpIds):
    tables = {i: metarunlog.load(f"{expDir}/{i}") for i in subExpIds}
    assert list(tables["001"]["metrics"]["loss"]) == [3.0, 2.0, 1.0]
    summary = metarunlog.summary(expDir, params=True)
    assert list(summary.columns) == ["lr", "loss.last", "loss.min", "loss.max"], list(summary.columns)
    assert list(summary.index) == subExpIds
    return summary, "table"


def needs(expDir, subExpIds):
    return [open(f"{expDir}/{i}/weights.txt").read() for i in subExpIds] and ("all there", "text")


def seeded(expDir):
    import random

    import numpy as np

    return f"{random.random()} {np.random.rand()} {hash('x')}", "text"
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ProjectDir:
    project = new_project(
        tmp_path_factory.mktemp("functions") / "project",
        {"conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [0.1, 0.01]\n", "mrl_analyze.py": ANALYZE},
    )
    overview = ("table", "texts", "figures", "exits", "dies", "wrong", "loads", "seeded", "unknown")
    project.configure(
        analysis_overview={name: [] for name in overview},
        analysis_subexp={name: [] for name in ("one", "nothing", "fails")},
    )
    project.commit()
    project.mrl("new")
    project.mrl("makebatch")
    for sub in ("001", "002"):
        project.log(sub)
    return project


def test_each_return_type_is_shown_and_each_failure_is_a_card(finished: ProjectDir) -> None:
    done = finished.mrl("analyze", "--json", code=1)
    failed = {f["name"]: f["error"] for f in done.json["failed"]}
    assert set(failed) == {
        "overview:0001/exits",
        "overview:0001/dies",
        "overview:0001/wrong",
        "overview:0001/unknown",
        "section:0001/002/fails",
    }
    assert (
        failed["section:0001/002/fails"].startswith("mrl_analyze.py:")
        and "ValueError: bad exp/0001/002" in failed["section:0001/002/fails"]
    )
    assert "exit code 9" in failed["overview:0001/dies"]
    assert "no function unknown" in failed["overview:0001/unknown"]
    assert "said by the function" in done.err, "what functions print goes to stderr"
    page = finished.read("exp/0001/analysis/index.html")
    assert "&lt;b&gt;col&lt;/b&gt;" in page and "<b>col" not in page
    assert "<strong>bold</strong>" in page and "alert(1)" not in page and "A &amp; B" in page
    assert "lr is 0.1" in page and "lr is 0.01" in page and "ValueError: bad exp/0001/002" in page
    assert str(finished.root) not in page, "paths are relative to the project"
    assert (finished.root / "exp/0001/analysis/saved.png").exists()
    assert len(list((finished.root / "exp/0001/analysis/sections").glob("figures.*.png"))) == 1


def test_a_failure_is_not_tried_again_until_an_input_changes(finished: ProjectDir) -> None:
    finished.mrl("analyze", "--json", code=1)
    again = finished.mrl("analyze", "--json", code=1).json
    assert again["ran"] == [] and len(again["failed"]) == 5
    quiet = finished.mrl("analyze", "-q", code=1)
    assert (quiet.out, quiet.err) == ("", "")
    retried = finished.mrl("analyze", "--json", "--retry-failed", code=1).json
    assert "overview:0001/dies" in retried["ran"] and "section:0001/001/fails" not in retried["ran"]
    counts = finished.mrl("status", "--json", "--exit-code", code=1).json["experiments"][0]["counts"]
    assert (counts["failed"], counts["stale"]) == (5, 0)


def test_seeds_are_fixed(finished: ProjectDir) -> None:
    finished.mrl("analyze", code=1)
    first = finished.read("exp/0001/analysis/sections/seeded.json")
    (finished.root / "exp/0001/analysis/sections/seeded.json").unlink()
    assert "overview:0001/seeded" in finished.analyze(code=1)
    assert finished.read("exp/0001/analysis/sections/seeded.json") == first


def test_a_missing_file_in_a_waiting_sub_experiment_waits(make_project: Callable[..., ProjectDir]) -> None:
    project = make_project({"conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [0.1, 0.01]\n", "mrl_analyze.py": ANALYZE})
    project.configure(analysis_overview={"needs": []}, analysis_subexp={"one": []})
    project.commit()
    project.mrl("new")
    project.mrl("makebatch")
    project.log("001")
    project.write({"exp/0001/001/weights.txt": "1"})
    done = project.mrl("analyze", "--json").json
    assert done["failed"] == [] and "overview:0001/needs" in done["waiting"]
    assert project.analyze() == []
    project.log("002")
    project.write({"exp/0001/002/weights.txt": "2"})
    assert "overview:0001/needs" in project.analyze()
    assert "all there" in project.read("exp/0001/analysis/index.html")
    (project.root / "exp/0001/002/weights.txt").unlink()
    assert "overview:0001/needs" in project.analyze(code=1), "not waiting any more: missing is a failure"


def test_always_is_called_without_a_log(project: ProjectDir) -> None:
    project.write({"mrl_analyze.py": "def early(subExpId):\n    return f'early {subExpId}', 'text'\n"})
    project.configure(analysis_subexp={"early": {"always": True}, "card": []}, analysis_overview={})
    assert project.analyze() == [
        *(f"section:0001/00{n}/early" for n in ()),
        "report:0001",
        *(f"section:0001/00{n}/early" for n in range(1, 5)),
    ]
    assert "early 003" in project.read("exp/0001/analysis/index.html")


def test_inputs_name_files_that_tracing_cannot_see(logged: ProjectDir) -> None:
    logged.write({"mrl_analyze.py": "def hidden(subExpId):\n    return subExpId, 'text'\n", "exp/0001/001/a.h5": "1"})
    logged.configure(analysis_subexp={"hidden": {"inputs": ["*.h5"]}}, analysis_overview={})
    logged.analyze()
    logged.write({"exp/0001/001/a.h5": "2"})
    assert logged.analyze() == ["section:0001/001/hidden"]
    logged.write({"exp/0001/002/b.h5": "1"})
    assert logged.analyze() == ["section:0001/002/hidden"]


def test_two_functions_that_write_one_file_fail_with_both_names(logged: ProjectDir) -> None:
    same = "def {}(outdir):\n    open(outdir + '/same.txt', 'w').write('x')\n\n\n"
    logged.write({"mrl_analyze.py": same.format("first") + same.format("second")})
    logged.configure(analysis_subexp={}, analysis_overview={"first": [], "second": []})
    failed = logged.mrl("analyze", "--json", "-j", "1", code=1).json["failed"]
    assert len(failed) == 1 and all(
        name in failed[0]["error"] for name in ("same.txt", "overview:first", "overview:second")
    )


def test_a_function_may_read_what_an_earlier_one_made_but_not_a_later_one(logged: ProjectDir) -> None:
    makes = "def makes(outdir):\n    open(outdir + '/made.txt', 'w').write('x')\n\n\n"
    reads = "def reads(outdir):\n    return open(outdir + '/made.txt').read(), 'text'\n"
    logged.write({"mrl_analyze.py": makes + reads})
    logged.configure(analysis_subexp={}, analysis_overview={"makes": [], "reads": []})
    assert logged.mrl("analyze", "--json").json["failed"] == []
    assert logged.analyze() == []
    logged.write({"mrl_analyze.py": makes.replace("'x'", "'y'") + reads})
    assert logged.analyze() == ["overview:0001/makes", "overview:0001/reads", "report:0001"]
    logged.configure(analysis_overview={"reads": [], "makes": []})
    logged.write({"mrl_analyze.py": makes + reads.replace("read()", "read() + '!'")})
    failed = logged.mrl("analyze", "--json", code=1).json["failed"]
    assert len(failed) == 1 and all(name in failed[0]["error"] for name in ("overview:reads", "overview:makes"))


@pytest.mark.parametrize("text", ["def broken(:\n", "import nosuchmodule\n\ndef best(expDir):\n    pass\n"])
def test_a_module_that_cannot_be_imported_is_told_and_the_rest_is_built(logged: ProjectDir, text: str) -> None:
    logged.write({"mrl_analyze.py": text})
    logged.configure(analysis_overview={"best": [], "results": []})
    done = logged.mrl("analyze", code=1)
    lines = [line for line in done.err.splitlines() if "failed" in line]
    assert len(lines) == 1 and lines[0].startswith("overview:0001/best failed: mrl_analyze.py"), done.err
    assert "results" in logged.read("exp/0001/analysis/index.html").lower()
    logged.write({"mrl_analyze.py": "def best(expDir):\n    return 'mended', 'text'\n"})
    assert "overview:0001/best" in logged.analyze()


def test_what_a_function_reads_is_an_input(logged: ProjectDir) -> None:
    logged.write(
        {
            "mrl_analyze.py": """\
                import glob, json, os
                def reads(expDir):
                    lines = [open(f).read() for f in sorted(glob.glob(expDir + '/*/extra*.txt'))]
                    more = open('limits.json').read() if os.path.exists('limits.json') else ''
                    try:
                        later = open('later.txt').read()
                    except FileNotFoundError:
                        later = 'not yet'
                    return f'{lines} {more} {later}', 'text'
                """,
            "limits.json": "[1]",
            "exp/0001/001/extra1.txt": "one",
        }
    )
    logged.configure(analysis_subexp={}, analysis_overview={"reads": []})
    assert "overview:0001/reads" in logged.analyze()
    for change in (
        {"limits.json": "[2]"},
        {"exp/0001/001/extra1.txt": "two"},
        {"later.txt": "now"},
        {"exp/0001/002/extra2.txt": "new"},
    ):
        logged.write(change)
        assert "overview:0001/reads" in logged.analyze(), change
        assert logged.analyze() == []


def test_threads_that_ask_for_the_code_at_once_get_the_same(tmp_path: Path) -> None:
    """The analysis of code keeps what it finds on the way, which another thread must not take for the end of it."""
    text = "import glob, json, os\nfrom pathlib import Path\n\nLABELS = json.dumps(os.sep)\nSCALE = 2\n\n\n"
    names = ["best", "gallery", "fixed", "curve"]
    for name in names:
        text += f"def {name}(x):\n    return SCALE * helper(x), glob.glob('*'), Path('.')\n\n\n"
    (tmp_path / "mrl_analyze.py").write_text(text + "def helper(x):\n    return LABELS, x\n")
    expected = {name: Functions(tmp_path).digests(name, frozenset()) for name in names}
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    traced = threading.gettrace()
    threading.settrace(None)  # coverage's start in threads that start at once may fail
    try:
        for _ in range(60):
            digests = Functions(tmp_path).digests
            with ThreadPoolExecutor(len(names)) as pool:
                found = dict(zip(names, pool.map(digests, names, [frozenset()] * len(names)), strict=True))
            assert found == expected
    finally:
        sys.setswitchinterval(interval)
        threading.settrace(traced)
