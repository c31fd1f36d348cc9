"""What functions read: each case is a function, a change, and whether the function has to be called again.

All functions stand in one project. The changes are made one after the other, and each must make stale just those
functions that it is for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import ProjectDir, new_project

HEAD = """\
import functools, glob, gzip, importlib, json, os, pathlib, pickle, pkgutil, runpy, sqlite3, subprocess, sys
import tempfile, threading, time

DATA = os.path.abspath("data")


@functools.lru_cache
def cached(name):
    return open(f"{DATA}/{name}").read()


"""


@dataclass(frozen=True)
class Case:
    """`body` is that of a function of (expDir, outdir). `seen` makes it stale, `unseen` does not."""

    name: str
    body: str
    seen: Callable[[Path], object] | None = None
    unseen: Callable[[Path], object] | None = None


def put(name: str, text: str = "changed") -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    return change


def database(root: Path) -> None:
    with sqlite3.connect(root / "data/base.db") as connection:
        connection.execute("insert into t values (2)")
    connection.close()


CASES = [
    Case("lru_cache", "return cached('lru.txt'), 'text'", put("data/lru.txt")),
    Case(
        "thread_that_outlives",
        "def late():\n    time.sleep(0.3)\n    open(DATA + '/thread.txt').read()\n"
        "    open(outdir + '/late.txt', 'w').write('x')\n"
        "threading.Thread(target=late).start()",
        put("data/thread.txt"),
    ),
    Case("chdir", "os.chdir(DATA)\nreturn open('chdir.txt').read(), 'text'", put("data/chdir.txt")),
    Case(
        "own_write",
        "open(DATA + '/own.txt', 'w').write('x')\nreturn open(DATA + '/own.txt').read(), 'text'",
        None,
        put("data/own.txt"),
    ),
    Case(
        "glob_beside_checkpoints",
        "return str(sorted(map(os.path.basename, glob.glob(DATA + '/ck/*.csv')))), 'text'",
        put("data/ck/b.csv"),
        put("data/ck/m1.ckpt"),
    ),
    Case(
        "iglob_with_folders",
        "return str(len(list(glob.iglob('data/deep/*/*.csv')))), 'text'",
        put("data/deep/c/x.csv"),
        put("data/deep/b/x.ckpt"),
    ),
    Case(
        "glob_recursive",
        "return str(len(glob.glob('**/*.json', root_dir=DATA, recursive=True))), 'text'",
        put("data/rec/r/new.json"),
        put("data/rec/r/new.bin"),
    ),
    Case(
        "glob_hidden",
        "return str(len(glob.glob(DATA + '/hid/*', include_hidden=True))), 'text'",
        put("data/hid/.hidden"),
    ),
    Case(
        "path_glob",
        "return str(len(list(pathlib.Path(DATA, 'pg').glob('*.tsv')))), 'text'",
        put("data/pg/new.tsv"),
        put("data/pg/new.bin"),
    ),
    Case(
        "path_rglob",
        "return str(len(list(pathlib.Path(DATA, 'prg').rglob('*.tsv')))), 'text'",
        put("data/prg/x/new.tsv"),
        put("data/prg/x/new.bin"),
    ),
    Case("iterdir", "return str(len(list(pathlib.Path(DATA, 'it').iterdir()))), 'text'", put("data/it/new.bin")),
    Case("listdir", "return str(os.listdir(DATA + '/ls')), 'text'", put("data/ls/new.bin")),
    Case("walk", "return str(len(list(os.walk(DATA + '/walk')))), 'text'", put("data/walk/x/new.bin")),
    Case(
        "no_such_folder",
        "try:\n    return str(os.listdir(DATA + '/none')), 'text'\nexcept OSError:\n    return 'none', 'text'",
        put("data/none/new.bin"),
    ),
    Case(
        "missing",
        "try:\n    return open(DATA + '/missing.txt').read(), 'text'\nexcept OSError:\n    return 'none', 'text'",
        put("data/missing.txt"),
    ),
    Case("gzipped", "return gzip.open(DATA + '/g.txt.gz').read().decode(), 'text'", put("data/g.txt.gz")),
    Case("numpy", "import numpy\nreturn str(numpy.loadtxt(DATA + '/n.txt')), 'text'", put("data/n.txt", "2")),
    Case("pandas", "import pandas\nreturn pandas.read_csv('data/p.csv'), 'table'", put("data/p.csv", "a\n2\n")),
    Case(
        "descriptor",
        "f = os.open(DATA + '/fd.txt', os.O_RDONLY)\nreturn os.read(f, 9).decode(), 'text'",
        put("data/fd.txt"),
    ),
    Case(
        "sqlite",
        "c = sqlite3.connect(DATA + '/base.db')\nreturn str(list(c.execute('select * from t'))), 'text'",
        database,
    ),
    Case("run_path", "return runpy.run_path(DATA + '/run.py')['X'], 'text'", put("data/run.py", "X = 'b'")),
    Case(
        "exec_of_a_file",
        "d = {}\nexec(open(DATA + '/ex.py').read(), d)\nreturn d['X'], 'text'",
        put("data/ex.py", "X = 'b'"),
    ),
    Case(
        "import_by_a_computed_name",
        "name = open(DATA + '/which.txt').read()\nreturn str(getattr(importlib.import_module(name), 'X')), 'text'",
        put("plugin_a.py", "X = 2\n"),
    ),
    Case(
        "plugins_in_a_folder",
        "found = [m.name for m in pkgutil.iter_modules([DATA + '/plug'])]\nreturn str(found), 'text'",
        put("data/plug/two.py", ""),
    ),
    Case(
        "module_outside_the_project",
        "sys.path.insert(0, os.path.abspath('../lib'))\nimport outside_module\nreturn str(outside_module.X), 'text'",
        put("../lib/outside_module.py", "X = 2"),
    ),
    Case("file_outside_the_project", "return open('../outside.txt').read(), 'text'", put("../outside.txt")),
    Case(
        "missing_outside_the_project",
        "try:\n    return open('../missing.txt').read(), 'text'\nexcept OSError:\n    return 'none', 'text'",
        put("../missing.txt"),
    ),
    Case("temporary", "with tempfile.NamedTemporaryFile('w+') as f:\n    f.write('x')\n    open(f.name).read()"),
    Case("time_zone", "import zoneinfo\nreturn str(zoneinfo.ZoneInfo('Europe/Berlin')), 'text'"),
    Case("fonts", "import matplotlib.pyplot as plt\nplt.plot([1])\nreturn plt.gcf(), 'plot'"),
    Case(
        "child",
        "return subprocess.run(['cat', 'data/child.txt'], capture_output=True, text=True).stdout, 'text'",
        None,
        put("data/child.txt"),
    ),
    Case("shell", "os.system('true; false')"),
    Case("fork", "pid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nreturn str(bool(pid)), 'text'"),
    Case("names_of_others", "import metarunlog\nreturn str(list(metarunlog.summary(expDir).index)), 'text'"),
]


#: Functions that import or execute what is not known before: every module of the project counts for them.
WIDE = {"import_by_a_computed_name", "plugins_in_a_folder", "exec_of_a_file", "run_path"}


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> ProjectDir:
    folder = tmp_path_factory.mktemp("traced")
    text = HEAD
    for case in CASES:
        body = "\n    ".join(case.body.split("\n"))
        text += f"def {case.name}(expDir, outdir):\n    {body}\n\n\n"
    files = ("lru", "thread", "chdir", "child", "fd")
    project = new_project(
        folder / "project",
        {
            "conf.yaml": "lr: 1\n",
            "mrl_analyze.py": text,
            "plugin_a.py": "X = 1\n",
            **{f"data/{name}.txt": "first" for name in files},
            **{f"data/{name}/a.csv": "a" for name in ("ck", "ls", "it", "pg", "deep/b", "walk/x", "prg/x", "rec/r")},
            "data/hid/a": "a",
            "data/n.txt": "1",
            "data/p.csv": "a\n1\n",
            "data/which.txt": "plugin_a",
            "data/run.py": "X = 'a'",
            "data/ex.py": "X = 'a'",
            "data/plug/one.py": "",
            "../lib/outside_module.py": "X = 1",
            "../outside.txt": "first",
        },
    )
    (project.root / "data/g.txt.gz").write_bytes(__import__("gzip").compress(b"first"))
    with sqlite3.connect(project.root / "data/base.db") as connection:
        connection.execute("create table t (x)")
    connection.close()
    project.configure(analysis_overview={case.name: [] for case in CASES}, analysis_subexp={})
    project.commit("functions")
    project.mrl("new")
    project.mrl("makebatch")
    project.log("001")
    assert project.mrl("analyze", "--json").json["failed"] == []
    return project


def stale(project: ProjectDir) -> set[str]:
    tasks = project.mrl("status", "--json").json["experiments"][0]["tasks"]
    return {t["name"].rpartition("/")[2] for t in tasks if t["state"] == "stale"} - {"report:0001"}


def test_reading_does_not_make_stale(traced: ProjectDir) -> None:
    assert stale(traced) == set()
    assert traced.analyze() == []
    assert traced.analyze("--verify") == []


def test_what_was_not_seen_is_told(traced: ProjectDir) -> None:
    for name, what in (("child", "started cat"), ("shell", "started true"), ("fork", "forked a process")):
        assert f"inputs not seen: it {what}" in traced.mrl("why", f"overview:0001/{name}").out
        assert what in traced.read(f"exp/0001/analysis/sections/{name}.json")
    assert traced.read("exp/0001/analysis/index.html").count("Inputs not seen") == 3
    traced.configure(analysis_overview={**{c.name: [] for c in CASES}, "child": {"inputs": ["*.none"]}})
    traced.analyze()
    assert traced.read("exp/0001/analysis/index.html").count("Inputs not seen") == 3, "its inputs did not change"
    (traced.root / "exp/0001/analysis/sections/child.json").unlink()
    traced.analyze()
    assert traced.read("exp/0001/analysis/index.html").count("Inputs not seen") == 2, "they are named now"


def test_files_and_threads_of_a_function_end_with_it(traced: ProjectDir) -> None:
    assert traced.read("exp/0001/analysis/late.txt") == "x"
    assert "late.txt" in traced.mrl("why", "--json", "overview:0001/thread_that_outlives").out


def test_each_change_makes_stale_what_reads_it(traced: ProjectDir) -> None:
    expected: set[str] = set()
    for case in CASES:
        if case.unseen is not None:
            case.unseen(traced.root)
            assert stale(traced) == expected, f"{case.name}: a change that it does not read"
    for case in CASES:
        if case.seen is not None:
            case.seen(traced.root)
            expected.add(case.name)
            found = stale(traced)
            assert case.name in found and found - expected <= WIDE, case.name
            expected |= found & WIDE
    traced.analyze(code=1)  # a file that was gzip is none now
    assert stale(traced) == set()


def test_a_module_that_was_only_seen_to_be_imported_counts_by_its_code(logged: ProjectDir) -> None:
    body = "name = open('which.txt').read()\n    return str(importlib.import_module(name).X), 'text'\n"
    logged.write({"mrl_analyze.py": f"import importlib\n\n\ndef plugin(expDir):\n    {body}", "which.txt": "one"})
    logged.write({"one.py": "X = 1\n", "two.py": "X = 2\n"})
    logged.configure(analysis_overview={"plugin": []}, analysis_subexp={})
    logged.analyze()
    logged.write({"one.py": "X = 1  # a comment\n"})
    assert logged.analyze() == []
    for change in ({"one.py": "X = 3\n"}, {"which.txt": "two"}, {"two.py": "X = 4\n"}):
        logged.write(change)
        assert logged.analyze() == ["overview:0001/plugin", "report:0001"], change


def test_a_section_that_lists_sub_experiments_depends_on_the_grid(project: ProjectDir) -> None:
    project.write(
        {
            "mrl_analyze.py": "import metarunlog\n\n\n"
            "def others(expDir, subExpId):\n    return str(len(metarunlog.summary(expDir))), 'text'\n"
        }
    )
    project.configure(analysis_overview={}, analysis_subexp={"others": []})
    project.log("001")
    assert project.analyze() == ["parse:0001/001", "report:0001", "section:0001/001/others"]
    project.write({"exp/0001/conf.yaml": project.read("exp/0001/conf.yaml").replace("[1, 2]", "[1, 2, 3]")})
    project.mrl("makebatch")
    assert "section:0001/001/others" in project.analyze()
    project.log("002")
    assert "section:0001/001/others" in project.analyze(), "it read the parsed log of another"
    assert project.analyze() == []


def test_code_that_changes_while_it_is_used_is_stale_the_next_time(logged: ProjectDir) -> None:
    """What was imported is not what the file holds when the call ends."""
    logged.write(
        {
            "mrl_analyze.py": """\
                import helpers

                def race(expDir):
                    if helpers.X == 1:
                        with open("helpers.py", "w") as f:
                            f.write("X = 2\\n")
                    return f"it was {helpers.X}", "text"
                """,
            "helpers.py": "X = 1\n",
        }
    )
    logged.configure(analysis_subexp={}, analysis_overview={"race": []})
    assert "overview:0001/race" in logged.analyze()
    assert "it was 1" in logged.read("exp/0001/analysis/index.html")
    assert "overview:0001/race" in logged.analyze()
    assert "it was 2" in logged.read("exp/0001/analysis/index.html")
    assert logged.analyze() == []
