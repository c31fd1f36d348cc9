"""A command with nothing to do asks each file for its numbers, and nothing else; whatever changes, it sees."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support import BIN, TEMPLATE, ProjectDir, new_project

from metarunlog import fileinfo
from metarunlog.cli import analyze, main, makebatch, status
from metarunlog.engine import glance
from metarunlog.experiment import Experiment
from metarunlog.project import Project
from metarunlog.tasks.graph import analysis

FUNCTIONS = """
import json
from pathlib import Path
import helpers

def note(subExpDir, params):
    return [(helpers.text(params), "html")]

def extra(expDir):
    found = sorted(path.name for path in Path(expDir).glob("*/x*"))
    return [((Path(expDir).parent.parent / "extra.txt").read_text() + str(found), "html")]
"""


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectDir]:
    """A project where all is done, and the clock's grain is short."""
    made = new_project(
        tmp_path_factory.mktemp("glance") / "project",
        {
            "conf.yaml": TEMPLATE,
            "mrl_analyze.py": FUNCTIONS,
            "helpers.py": "def text(params): return str(params['lr'])\n",
            "extra.txt": "extra",
        },
    )
    made.configure(analysis_subexp={"card": [], "note": []}, analysis_overview={"results": [], "extra": []})
    made.commit()
    made.mrl("new", "the first")
    made.mrl("makebatch")
    for sub in ("001", "002", "003", "004"):
        made.log(sub)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.root)
        patch.setenv("PWD", str(made.root))
        patch.setattr(fileinfo, "GRAIN_NS", 20_000_000)
        yield made


def experiment() -> Experiment:
    return Project.find(Path.cwd()).experiment("1")


def settle() -> None:
    """Analyze until there is nothing to do and that is kept."""
    for _ in range(6):
        time.sleep(0.05)
        assert main(["makebatch", "-q"]) == main(["analyze", "-q"]) == 0
        if (
            makebatch.glance(experiment()).recall()
            and status.glance(experiment()).recall()
            and analyze.glance(experiment()).recall()
        ):
            return
    raise AssertionError("nothing was kept")


def rewrite(path: Path, text: str) -> None:
    """Other content of the same size, with the old time."""
    info = path.stat()
    assert len(text) == info.st_size
    path.write_text(text)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def append(path: Path | str, text: str) -> None:
    with open(path, "a") as f:
        f.write(text)


EXP = Path("exp/0001")
CHANGES: dict[str, Callable[[], object]] = {
    "a log grows": lambda: append(EXP / "001/metrics.csv", "3,0.5\n"),
    "a log of the same size and time": lambda: rewrite(
        EXP / "001/metrics.csv", (EXP / "001/metrics.csv").read_text().replace("3.0", "4.0")
    ),
    "another log": lambda: (EXP / "002/more.csv").write_text("step,acc\n1,2\n2,3\n"),
    "a log in a folder": lambda: ((EXP / "002/sub").mkdir(), (EXP / "002/sub/m.csv").write_text("step,a\n1,2\n2,3\n")),
    "a log in a folder of before": lambda: (EXP / "002/sub/n.csv").write_text("step,b\n1,2\n2,3\n"),
    "a log is gone": lambda: (EXP / "002/more.csv").unlink(),
    "a config is edited": lambda: append(EXP / "003/conf.yaml", "x: 1\n"),
    "the template": lambda: (EXP / "conf.yaml").write_text("# a line\n" + (EXP / "conf.yaml").read_text()),
    "the project's config": lambda: Path(".mrl.cfg").write_text(
        json.dumps({**json.loads(Path(".mrl.cfg").read_text()), "name": "other"})
    ),
    "the experiment's config": lambda: (EXP / ".mrl.cfg").write_text('{"note_fn": "notes.md"}'),
    "a function": lambda: append("mrl_analyze.py", "\ndef other(subExpDir): return []\n"),
    "a helper": lambda: Path("helpers.py").write_text("def text(params): return 'lr ' + str(params['lr'])\n"),
    "a package in the helper's place": lambda: (
        Path("helpers").mkdir(),
        Path("helpers/__init__.py").write_text("def text(params): return 'package'\n"),
    ),
    "what a function read": lambda: Path("extra.txt").write_text("changed"),
    "what a function listed": lambda: (EXP / "004/x.dat").write_text(""),
    "a pickle is gone": lambda: (EXP / "analysis/parsed/001.pkl").unlink(),
    "a section is edited": lambda: append(EXP / "analysis/sections/001.card.json", " "),
    "the page is gone": lambda: (EXP / "analysis/index.html").unlink(),
    "a file of the report is gone": lambda: next((EXP / "analysis").rglob("*.css")).unlink(),
    "the note": lambda: (EXP / "notes.md").write_text("a note"),
    "a run's record": lambda: (EXP / "001/.mrl.run").write_text('{"state": "done", "exit": 0}'),
    "a run's output": lambda: (EXP / "001/run.log").write_text("hello\n"),
    "a sub-experiment is gone": lambda: shutil.rmtree(EXP / "004"),
    "a sub-experiment comes": lambda: ((EXP / "009").mkdir(), (EXP / "009/conf.yaml").write_text("lr: 9\n")),
    "the ledger": lambda: (EXP / "batch.json").unlink(),
    "the traces": lambda: (EXP / ".mrl.d/traces.jsonl").unlink(),
}


CHANGES_OF_THE_BATCH = (
    *("a config is edited", "the template", "the project's config", "the experiment's config"),
    *("a sub-experiment is gone", "a sub-experiment comes", "the ledger"),
)


def test_any_change_is_seen(settled: ProjectDir) -> None:
    for what, change in CHANGES.items():
        settle()
        change()
        if what in CHANGES_OF_THE_BATCH:
            assert makebatch.glance(experiment()).recall() is None, what
        if what not in ("the template", "a config is edited"):  # which makebatch has to deal with, and only status says
            assert analyze.glance(experiment()).recall() is None, what
        assert status.glance(experiment()).recall() is None, what
        main(["makebatch", "--keep"])


def test_what_is_said_is_what_would_be_decided(
    settled: ProjectDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle()
    words = ("makebatch", "makebatch -q", "makebatch -n", "analyze", "analyze --json", "analyze --all -q", "status")
    commands = [one.split() for one in (*words, "status --all")]
    capsys.readouterr()
    short = [(main(argv), capsys.readouterr()) for argv in commands]
    with monkeypatch.context() as patch:  # nothing is decided there
        patch.setitem(sys.modules, "metarunlog.cli.renew", None)
        patch.setitem(sys.modules, "metarunlog.cli.verdicts", None)
        patch.setitem(sys.modules, "metarunlog.batch", None)
        assert [(main(argv), capsys.readouterr()) for argv in commands] == short
    shutil.rmtree(EXP / ".mrl.d/glance")
    assert [(main(argv), capsys.readouterr()) for argv in commands] == short


def test_what_is_kept_may_be_cut_or_damaged(settled: ProjectDir, capsys: pytest.CaptureFixture[str]) -> None:
    settle()
    for name in ("makebatch", "analyze", "status"):
        path = EXP / ".mrl.d/glance" / name
        whole = path.read_bytes()
        main([name])
        said = capsys.readouterr()
        for damaged in (b"", b"\n", whole[:3], whole[:40], whole[:-9], whole[:-1], whole[:99] + b"!" + whole[100:]):
            path.write_bytes(damaged)
            main([name])
            assert capsys.readouterr() == said
        path.write_bytes(whole)


def test_another_place_decides_anew(settled: ProjectDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle()
    shutil.copytree(settled.root, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("PWD", str(tmp_path / "copy"))
    assert analyze.glance(experiment()).recall() is None


def test_what_is_too_new_is_not_trusted(logged: ProjectDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the clock's grain a file may change, and its numbers stay."""
    logged.mrl("analyze")
    logged.log("001", (5.0, 4.0))
    logged.mrl("analyze")
    logged.mrl("analyze")
    monkeypatch.chdir(logged.root)
    assert analyze.glance(experiment()).recall() is None


# --- counted: calls of the system and imported modules, not seconds -------------------------------------------------

HEAVY = {"doit", "yaml", "jinja2", "pandas", "numpy", "git", "bokeh", "markdown", "metarunlog.engine.staleness"}


def many(root: Path, subs: int) -> ProjectDir:
    made = new_project(root, {"conf.yaml": f"lr: {{{{ lr }}}}\n# MRL:grid['lr'] = range({subs})\n"})
    # what measures coverage looks at files of its own
    made = ProjectDir(made.root, {name: value for name, value in made.env.items() if not name.startswith("COV")})
    made.mrl("new", "many")
    made.mrl("makebatch")
    for sub in sorted(path.name for path in (root / "exp/0001").iterdir() if path.name.isdigit()):
        made.log(sub)
    made.mrl("analyze")
    made.mrl("makebatch")
    time.sleep(2.2)  # the clock's grain: what was written just now is read again
    made.mrl("analyze")
    time.sleep(2.2)
    made.mrl("analyze")
    made.mrl("makebatch")
    return made


def calls(project: ProjectDir, command: str) -> tuple[int, int]:
    """How many calls ask a file for its numbers, and how many open one or list a folder."""
    done = project.run("strace", "-f", "-e", "trace=file,getdents64", str(BIN / "mrl"), command, code=0)
    lines = done.err.splitlines()
    stats = sum(bool(re.search(r"\b(newfstatat|stat|lstat|statx|access|readlink)\(", line)) for line in lines)
    return stats, sum(bool(re.search(r"\b(open|openat|getdents64)\(", line)) for line in lines)


def test_calls_grow_by_one_a_known_file(tmp_path: Path) -> None:
    small, large = many(tmp_path / "small", 4), many(tmp_path / "large", 104)
    known = 6  # a sub-experiment: its folder, config, record and log, a pickle and a section
    for command in ("makebatch", "analyze", "status"):
        stats, opens = (b - a for a, b in zip(calls(small, command), calls(large, command), strict=True))
        assert stats <= known * 100 + 20, command
        assert opens == 0, command
        done = large.run(sys.executable, "-X", "importtime", str(BIN / "mrl"), command, code=0)
        modules = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
        assert not modules & (HEAVY if command == "makebatch" else HEAVY | {"dataclasses", "inspect"})
        assert len([name for name in modules if name.startswith("metarunlog")]) < 25


# --- the parts ------------------------------------------------------------------------------------------------------


def test_what_another_process_wrote_meanwhile_is_not_kept(tmp_path: Path) -> None:
    """A file of mrl's own is told by its content; but by the content that the decision saw."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "trace").write_text("1")
    where = glance.Glance(tmp_path / "glance", tmp_path)
    watch = glance.Watch()
    with watch.on():
        assert (own / "trace").read_text() == "1"
    where.keep(watch, "answer", [own])
    assert where.recall() == "answer"
    (own / "trace").write_text("2")
    assert where.recall() is None
    where.keep(watch, "answer", [own])
    assert where.recall() is None


def test_a_watch_sees_what_is_asked_and_then_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "dangling").symlink_to("nowhere")
    before = os.stat, os.lstat
    watch = glance.Watch()
    with watch.on():
        assert os.stat in os.supports_follow_symlinks and os.stat in os.supports_dir_fd  # as shutil asks
        assert (tmp_path / "a").exists() and not (tmp_path / "b").exists() and (tmp_path / "link").is_symlink()
        assert not (tmp_path / "dangling").exists()
        os.listdir(tmp_path)
    assert (os.stat, os.lstat) == before and os.stat in os.supports_dir_fd
    (tmp_path / "c").exists()
    seen = {Path(path).name: numbers is not None for path, numbers in watch.seen.items()}
    assert seen == {"a": True, "b": False, "dangling": False, tmp_path.name: True}
    assert [Path(path).name for path in watch.links] == ["link"]
    where = glance.Glance(tmp_path / "kept" / "glance", tmp_path)
    where.keep(watch, "answer", [tmp_path.parent])
    assert where.recall() is None  # what a link leads to may come without a trace in its folder


@pytest.mark.parametrize("change", ["a", "new", "gone"])
def test_a_glance_is_held_against_the_files(tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fileinfo, "GRAIN_NS", 0)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("1")
    (folder / "link").symlink_to("a")
    time.sleep(0.05)
    watch = glance.Watch()
    with watch.on():
        for name in ("a", "new", "link"):
            (folder / name).exists()
        (folder / "link").is_symlink()
        (tmp_path / "gone").exists()
    where = glance.Glance(tmp_path / "glance", folder)
    where.keep(watch, {"n": 1}, [])
    assert where.recall() == {"n": 1}
    (tmp_path / "gone" if change == "gone" else folder / change).write_text("2")
    assert where.recall() is None


def test_a_decision_goes_on_from_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not looked at again counts as before; what is missing is told by its folder, whoever looked at that."""
    monkeypatch.setattr(fileinfo, "GRAIN_NS", 0)
    base = tmp_path / "base"
    (base / "001").mkdir(parents=True)
    (base / "log").write_text("1")
    (base / "001/log").write_text("1")
    where = glance.Glance(tmp_path / "glance", base)

    def decide(names: Sequence[str], before: glance.Kept | None = None) -> None:
        time.sleep(0.05)
        watch = glance.Watch()
        with watch.on():
            for name in names:
                (base / name).exists()
        where.keep(watch, list(names), [], before)

    decide(["001", "001/log", "log"])
    (base / "log").write_text("22")
    before = where.look()
    assert before is not None and before.changed == {str(base / "log")}
    decide(["log", "001/new"], before)
    after = where.look()
    assert after is not None and after.answer == ["log", "001/new"] and not after.changed
    assert "001/new" not in after.table.gone, "one question a known file"
    for change in (lambda: (base / "001/new").touch(), (base / "001/new").unlink, lambda: (base / "001/log").touch()):
        decide(["001", "001/log", "log", "001/new"])
        assert where.recall()
        time.sleep(0.05)
        change()
        assert where.recall() is None


def test_a_graph_sees_the_packages_as_they_are_now(
    logged: ProjectDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that goes on for days, as --watch does, decides by what is installed, not by what was."""
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    made = Project.find(logged.root).experiment("1")
    for version in ("9.1", "9.2"):
        (tmp_path / "lib" / f"pandas-{version}.0.dist-info").mkdir(parents=True)
        assert analysis(made).specs["parse:0001/001"].versions["pandas"] == version
        shutil.rmtree(tmp_path / "lib")
