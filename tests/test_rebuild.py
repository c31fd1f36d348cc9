"""The heart: what changed -> exactly which tasks ran. Section 6 of the contract, a row a case."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import ProjectDir, new_project, tree

ANALYZE = """\
import helpers

SCALE = 2


def best(expDir, subExpIds, Dparams, digits=3):
    '''The lowest loss of all.'''
    import metarunlog
    found = {i: metarunlog.load(f"{expDir}/{i}") for i in subExpIds}
    lowest = min(helpers.lowest(t["metrics"]) for t in found.values() if "metrics" in t)
    return f"lowest: {SCALE * lowest:.{digits}f}", "text"


def fixed(expDir):
    return "always the same", "text"


def curve(subExpDir, params, factor):
    import metarunlog
    table = metarunlog.load(subExpDir)["metrics"]
    return [(table * factor, "table", f"lr {params['lr']}")]
"""

HELPERS = """\
def lowest(table):
    return float(table["loss"].min())


def unrelated():
    return 1
"""

FUNCTIONS = {
    "analysis_overview": {"best": [], "results": [], "fixed": []},
    "analysis_subexp": {"card": [], "curve": [1]},
}


@pytest.fixture(scope="module")
def template_project(tmp_path_factory: pytest.TempPathFactory) -> ProjectDir:
    """Two sub-experiments with logs, two overview functions of the user's and a built-in, all up to date."""
    project = new_project(
        tmp_path_factory.mktemp("built") / "project",
        {
            "conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [0.1, 0.01]\n",
            "mrl_analyze.py": ANALYZE,
            "helpers.py": HELPERS,
            "notes.txt": "not looked at",
        },
    )
    project.configure(**FUNCTIONS)
    project.commit("functions")
    project.mrl("new", "a sweep")
    project.mrl("makebatch")
    project.log("001", (3.0, 2.0, 1.0))
    project.log("002", (4.0, 3.0, 2.0))
    assert project.analyze() == sorted(ALL)
    assert project.analyze() == []
    return project


@pytest.fixture
def built(template_project: ProjectDir, tmp_path: Path) -> ProjectDir:
    """A copy of it; a copy is up to date."""
    shutil.copytree(template_project.root, tmp_path / "project", symlinks=True)
    return ProjectDir(tmp_path / "project", template_project.env)


def sub(id_: str) -> set[str]:
    return {f"parse:0001/{id_}", f"section:0001/{id_}/card", f"section:0001/{id_}/curve"}


OVERVIEW = {"overview:0001/best", "overview:0001/results"}
FIXED = {"overview:0001/fixed"}
REPORT = {"report:0001"}
ALL = sub("001") | sub("002") | OVERVIEW | FIXED | REPORT

EXP = "exp/0001"
LOG = f"{EXP}/001/metrics.csv"


def append(p: ProjectDir) -> None:
    p.write({LOG: p.read(LOG) + "3,0.5\n"})


def touch(p: ProjectDir) -> None:
    os.utime(p.root / LOG, (1, 1))


def same_size_and_time(p: ProjectDir) -> None:
    before = (p.root / LOG).stat()
    (p.root / LOG).write_text(p.read(LOG).replace("3.0", "9.0"))
    os.utime(p.root / LOG, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (p.root / LOG).stat().st_size == before.st_size


def same_table(p: ProjectDir) -> None:
    p.write({LOG: p.read(LOG).replace("3.0", "3.00")})


def edit(name: str, old: str, new: str) -> Callable[[ProjectDir], None]:
    def change(p: ProjectDir) -> None:
        assert old in p.read(name)
        p.write({name: p.read(name).replace(old, new)})

    return change


def configure(**keys: object) -> Callable[[ProjectDir], None]:
    return lambda p: p.configure(**keys)


def remove(name: str) -> Callable[[ProjectDir], None]:
    def change(p: ProjectDir) -> None:
        path = p.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    return change


def grid(values: str) -> Callable[[ProjectDir], None]:
    def change(p: ProjectDir) -> None:
        edit(f"{EXP}/conf.yaml", "[0.1, 0.01]", values)(p)
        p.mrl("makebatch")

    return change


CHANGES: dict[str, tuple[Callable[[ProjectDir], None], set[str]]] = {
    "log appended": (append, sub("001") | OVERVIEW | REPORT),
    "log touched": (touch, set()),
    "log rewritten with its size and time": (same_size_and_time, sub("001") | OVERVIEW | REPORT),
    "log rewritten, the table is the same": (same_table, {"parse:0001/001"}),
    "log deleted": (remove(LOG), {"overview:0001/best", "overview:0001/results", "report:0001"}),
    "another log appears": (lambda p: p.log("001", name="more.csv"), sub("001") | OVERVIEW | REPORT),
    "function": (edit("mrl_analyze.py", "always the same", "another text"), FIXED | REPORT),
    "function, the same result": (edit("mrl_analyze.py", '"always the same"', '"always" + " the same"'), FIXED),
    "comment": (edit("mrl_analyze.py", "SCALE = 2", "SCALE = 2  # a factor"), set()),
    "docstring": (edit("mrl_analyze.py", "The lowest loss of all.", "Of all, the lowest loss."), set()),
    "constant": (edit("mrl_analyze.py", "SCALE = 2", "SCALE = 3"), {"overview:0001/best"} | REPORT),
    "helper": (edit("helpers.py", 'table["loss"].min()', 'table["loss"].max()'), {"overview:0001/best"} | REPORT),
    "unrelated helper": (edit("helpers.py", "return 1", "return 2"), set()),
    "xtrargs of a section": (
        configure(analysis_subexp={"card": [], "curve": [2]}),
        {"section:0001/001/curve", "section:0001/002/curve"} | REPORT,
    ),
    "xtrargs of an overview": (
        configure(analysis_overview={"best": [0], "results": [], "fixed": []}),
        {"overview:0001/best"} | REPORT,
    ),
    "unrelated key": (configure(giturl="elsewhere"), set()),
    "unrelated file": (edit("notes.txt", "not", "never"), set()),
    "template, other bytes": (lambda p: (edit(f"{EXP}/conf.yaml", "lr:", "rate:")(p), None)[1], set()),
    "grid value added": (grid("[0.1, 0.01, 0.001]"), {"overview:0001/best", "overview:0001/results"} | FIXED | REPORT),
    "page deleted": (remove(f"{EXP}/analysis/index.html"), REPORT),
    "page edited": (edit(f"{EXP}/analysis/index.html", "<html", "<html data-edited"), REPORT),
    "pickle deleted": (remove(f"{EXP}/analysis/parsed/001.pkl"), {"parse:0001/001"}),
    "section deleted": (remove(f"{EXP}/analysis/sections/001.card.json"), {"section:0001/001/card"}),
    "analysis deleted": (remove(f"{EXP}/analysis"), ALL),
    "traces deleted": (remove(f"{EXP}/.mrl.d"), ALL),
    "note": (lambda p: p.write({f"{EXP}/.mrl.note": "### Seen\nIt **works**.\n"}), REPORT),
    "sub-experiment deleted": (remove(f"{EXP}/002"), {"overview:0001/best", "overview:0001/results"} | FIXED | REPORT),
    "run record": (
        lambda p: p.write({f"{EXP}/001/.mrl.run": '{"state": "done", "exitCode": 0}'}),
        {"section:0001/001/card"} | REPORT,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_only_what_is_stale_is_redone(built: ProjectDir, name: str) -> None:
    change, expected = CHANGES[name]
    change(built)
    ready = {t for t in stale(built) if not t.startswith("makebatch")}
    ran = set(built.analyze())
    assert ran == expected
    assert ran <= ready or not ran, "what ran was announced as stale"
    assert {t for t in stale(built) if not t.startswith("makebatch")} == set(), built.mrl("status", "-v").out
    assert built.analyze() == [], "and is up to date after it"
    assert built.mrl("analyze").out.startswith("nothing to do")


def stale(project: ProjectDir) -> set[str]:
    tasks = project.mrl("status", "--json").json["experiments"][0]["tasks"]
    assert all(task["reasons"] for task in tasks if task["state"] == "stale")
    return {task["name"] for task in tasks if task["state"] == "stale"}


def test_a_template_makes_stale_only_configs_whose_bytes_differ(built: ProjectDir) -> None:
    built.write(
        {f"{EXP}/conf.yaml": "lr: {{ lr }}{% if lr < 0.05 %} # low{% endif %}\n# MRL:grid['lr'] = [0.1, 0.01]\n"}
    )
    (built.root / f"{EXP}/002/metrics.csv").unlink()
    assert {t for t in stale(built) if t.startswith("makebatch")} == {"makebatch:0001/002"}
    done = built.mrl("makebatch", "--json").json
    assert (done["rendered"], done["unchanged"]) == (["002"], ["001"])
    assert built.mrl("makebatch", "--json").json["rendered"] == []


@pytest.mark.parametrize("how", ["moved", "copied", "renamed experiment"])
def test_a_moved_or_copied_project_is_up_to_date(built: ProjectDir, how: str, tmp_path: Path) -> None:
    there = tmp_path / "elsewhere" / "project"
    there.parent.mkdir()
    if how == "moved":
        built.root.rename(there)
    elif how == "copied":
        shutil.copytree(built.root, there, symlinks=True)
    else:
        (built.root / EXP).rename(built.root / "exp/0007")
        there = built.root
    assert ProjectDir(there, built.env).analyze() == []


def test_log_appended_while_being_parsed_is_seen_the_next_time(make_project: Callable[..., ProjectDir]) -> None:
    """The trace holds the state of before the parse, whatever the parse read."""
    project = make_project(
        {
            "conf.yaml": "lr: 1\n",
            "mrl_analyze.py": "def grow(expDir):\n    open(f'{expDir}/001/metrics.csv', 'a').write('9,9\\n')\n",
        }
    )
    project.configure(analysis_overview={"grow": []}, analysis_subexp={})
    project.commit()
    project.mrl("new")
    project.mrl("makebatch")
    project.log("001")
    assert project.analyze() == ["overview:0001/grow", "parse:0001/001", "report:0001"]
    assert "parse:0001/001" in project.analyze()


SHARED = """\
import os


def wr(outdir):
    open(outdir + "/shared.txt", "w").write("W")
    return "wr", "text"


def soft(outdir):
    try:
        return open(outdir + "/shared.txt").read(), "text"
    except OSError:
        return "none", "text"


def hard(outdir):
    return open(outdir + "/shared.txt").read(), "text"


def wr2(outdir):
    open(outdir + "/shared.txt", "w").write("2")
    return "wr2", "text"
"""

#: Lists of overview functions, one after the other: each must end as a build from nothing does.
ORDERS = {
    "a writer appears before one that looked in vain": [["soft"], ["wr", "soft"]],
    "a writer appears before one that failed": [["hard"], ["wr", "hard"]],
    "a writer appears after one that looked in vain": [["soft"], ["soft", "wr"]],
    "reordered": [["wr", "soft"], ["soft", "wr"], ["wr", "soft"]],
    "reordered, nothing shared": [["wr", "results"], ["results", "wr"]],
    "two writers, reordered": [["wr", "wr2"], ["wr2", "wr"], ["wr", "wr2"]],
    "a second writer at the end": [["hard", "wr", "soft"], ["hard", "wr", "soft", "wr2"], ["wr", "hard"]],
    "the writer goes": [["wr", "hard"], ["hard"], ["soft", "wr", "hard"]],
    "the first of two writers goes": [["wr", "wr2", "hard"], ["wr2", "hard"], ["wr2", "wr", "hard"]],
}


@pytest.mark.parametrize("name", ORDERS)
def test_functions_that_share_a_file_end_as_built_from_nothing(
    template_project: ProjectDir, tmp_path: Path, name: str
) -> None:
    shutil.copytree(template_project.root, tmp_path / "project", symlinks=True)
    project = ProjectDir(tmp_path / "project", template_project.env)
    project.write({"mrl_analyze.py": SHARED})
    for functions in ORDERS[name]:
        project.configure(analysis_subexp={}, analysis_overview={function: [] for function in functions})
        announced = stale(project)
        done = project.mrl("analyze", "--json", "-j", "1", code=None)
        assert set(done.json["ran"]) <= announced
        fresh = ProjectDir(tmp_path / "fresh", template_project.env)
        shutil.rmtree(fresh.root, ignore_errors=True)
        shutil.copytree(project.root, fresh.root, symlinks=True)
        for derived in ("analysis", ".mrl.d"):
            shutil.rmtree(fresh.root / EXP / derived)
        again = fresh.mrl("analyze", "--json", "-j", "1", code=None)
        assert (done.code, done.json["failed"]) == (again.code, again.json["failed"]), functions
        assert tree(project.root / EXP / "analysis") == tree(fresh.root / EXP / "analysis"), functions
        for built_project in (project, fresh):
            assert built_project.mrl("analyze", "--json", code=None).json["ran"] == [], functions


def test_a_partial_run_leaves_no_failure_behind(template_project: ProjectDir, tmp_path: Path) -> None:
    """An overview that failed for want of what a left out section makes is called again in the full run."""
    shutil.copytree(template_project.root, tmp_path / "project", symlinks=True)
    project = ProjectDir(tmp_path / "project", template_project.env)
    project.write(
        {
            "mrl_analyze.py": """\
                def sec(subExpId, outdir):
                    open(f"{outdir}/{subExpId}.txt", "w").write(subExpId)


                def ov(subExpIds, outdir):
                    return " ".join(open(f"{outdir}/{i}.txt").read() for i in subExpIds), "text"
                """
        }
    )
    project.configure(analysis_subexp={"sec": []}, analysis_overview={"ov": []})
    project.mrl("analyze", "--only", "1", code=1)
    assert project.mrl("analyze", "--json").json["failed"] == []
    assert "001 002" in project.read(f"{EXP}/analysis/index.html")
