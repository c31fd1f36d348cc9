"""Where little has changed, little is decided: what comes of it is what deciding about all comes to.

The oracle is a copy of the project: its files have other numbers, so that no earlier decision is taken up there.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import TEMPLATE, ProjectDir, new_project, tree

from metarunlog import fileinfo
from metarunlog.cli import analyze, main, renew
from metarunlog.engine import lines
from metarunlog.project import Project
from metarunlog.tasks.changes import touched

LONG = bool(os.environ.get("MRL_LONG"))
SUBS = ("001", "002", "003", "004")
EXP = Path("exp/0001")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectDir:
    """A project with built-in functions only, where all but one have a log. The clock's grain is short."""
    made = new_project(tmp_path / "project", {"conf.yaml": TEMPLATE})
    made.mrl("new", "the first")
    made.mrl("makebatch")
    for sub in SUBS[:3]:
        made.log(sub)
    monkeypatch.chdir(made.root)
    monkeypatch.setenv("PWD", str(made.root))
    monkeypatch.setattr(fileinfo, "GRAIN_NS", 20_000_000)
    monkeypatch.setattr(lines, "_MIN_COMPACT", 1 << 24)  # after each time that it is compacted, all is decided
    return made


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The sub-experiments about which was decided, an entry an analyze."""
    found: list[set[str]] = []
    changes = renew.changes

    def noted(*args: Any) -> Any:
        part = changes(*args)
        found.append(set(SUBS) if part is None else set(part.subs))
        return part

    monkeypatch.setattr(renew, "changes", noted)
    return found


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    capsys.readouterr()
    main([*argv, "--json"])
    out, err = capsys.readouterr()
    assert not err.startswith("mrl: error"), err
    found: dict[str, Any] = json.loads(out)
    return found


def settle() -> None:
    """Analyze until there is nothing to do and that is kept."""
    for _ in range(6):
        time.sleep(0.05)
        main(["analyze", "-q"])
        if analyze.glance(Project.find(Path.cwd()).experiment("1")).recall():
            return
    raise AssertionError("nothing was kept")


def log(sub: str, *loss: float, name: str = "metrics.csv") -> None:
    rows = "".join(f"{step},{value}\n" for step, value in enumerate(loss))
    (EXP / sub / name).parent.mkdir(exist_ok=True)
    (EXP / sub / name).write_text("step,loss\n" + rows)


def describe(text: str) -> None:
    meta = json.loads((EXP / ".mrl").read_text())
    (EXP / ".mrl").write_text(json.dumps({**meta, "description": text}))


CHANGES: dict[str, tuple[Callable[[], object], set[str] | None]] = {
    "a log": (lambda: log("002", 5.0, 4.0), {"002"}),
    "two logs": (lambda: (log("001", 5.0, 4.0), log("003", 7.0)), {"001", "003"}),
    "the first log of one": (lambda: log("004", 1.0), {"004"}),
    "another log": (lambda: log("001", 3.0, name="eval.csv"), {"001"}),
    "a log is gone": (lambda: (EXP / "001/eval.csv").unlink(), {"001"}),
    "the only log is gone": (lambda: (EXP / "004/metrics.csv").unlink(), {"004"}),
    "no numbers": (lambda: (EXP / "002/metrics.csv").write_text("\0"), {"002"}),
    "numbers again": (lambda: log("002", 2.0), {"002"}),
    "a run's record": (lambda: (EXP / "003/.mrl.run").write_text('{"state": "done"}'), {"003"}),
    "a run's output": (lambda: (EXP / "003/run.log").write_text("hello\n"), {"003"}),
    "a config": (lambda: (EXP / "001/conf.yaml").write_text("lr: 7\n"), {"001"}),
    "a pickle is gone": (lambda: (EXP / "analysis/parsed/002.pkl").unlink(), {"002"}),
    "a section is edited": (lambda: (EXP / "analysis/sections/001.card.json").write_text("{}"), {"001"}),
    "an overview section is gone": (lambda: (EXP / "analysis/sections/curves.json").unlink(), set()),
    "the page is edited": (lambda: (EXP / "analysis/index.html").write_text("mine"), set()),
    "a data file is gone": (lambda: (EXP / "analysis/data/subs-1.js").unlink(), set()),
    "the note": (lambda: (EXP / ".mrl.note").write_text("Seen."), set()),
    "the experiment's description": (lambda: describe("another"), None),
    "the config of all": (lambda: (EXP / ".mrl.cfg").write_text('{"analysis_overview": {"effects": []}}'), None),
    "a sub-experiment is gone": (lambda: shutil.rmtree(EXP / "004"), None),
    "the traces are gone": (lambda: (EXP / ".mrl.d/traces.jsonl").unlink(), None),
    "a function of the user's": (lambda: Path("mrl_analyze.py").write_text("def results(expDir): return []\n"), None),
}


def analyzed(project: ProjectDir, copy: Path, capsys: pytest.CaptureFixture[str], why: object) -> None:
    """Ask for the status and analyze: in the project, and in a copy of it, where all is decided."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(project.root, copy, symlinks=True)
    capsys.readouterr()
    main(["status"])
    assert project.mrl("-C", str(copy), "status").out == capsys.readouterr().out, why
    mine = said(capsys, "analyze", "-j", "1")
    assert project.mrl("-C", str(copy), "analyze", "-j", "1", "--json", code=None).json == mine, why
    assert tree(copy / EXP / "analysis") == tree(EXP / "analysis"), why


def test_each_change_is_decided_about_as_all_would_be(
    project: ProjectDir, decided: list[set[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for what, (change, subs) in CHANGES.items():
        settle()
        change()
        decided.clear()
        analyzed(project, tmp_path / "copy", capsys, what)
        assert decided == [set(SUBS) if subs is None else subs], what
        assert said(capsys, "analyze")["ran"] == [], what


def test_decisions_go_on_from_each_other(
    project: ProjectDir, decided: list[set[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    settle()
    decided.clear()
    for sub in ("002", "003"):  # one after the other, too quickly for anything to be kept in between
        log(sub, 9.0, 8.0)
        assert len(said(capsys, "analyze")["ran"]) == 7
    assert decided == [{"002"}, {"002", "003"}]
    settle()
    assert decided[-1] <= {"002", "003"}, "what is kept is the old decision, but for these"
    log("001", 4.0)
    decided.clear()
    assert len(said(capsys, "analyze")["ran"]) == 7 and decided == [{"001"}]


def test_what_waits_and_failed_is_told_of_all(
    project: ProjectDir, decided: list[set[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (EXP / ".mrl.cfg").write_text('{"analysis_overview": {"results": ["acc"], "curves": []}}')
    settle()
    log("001", 4.0)
    decided.clear()
    found = said(capsys, "analyze")
    assert decided == [{"001"}]
    assert found["waiting"] == ["parse:0001/004", "section:0001/004/card"]
    assert [one["name"] for one in found["failed"]] == ["overview:0001/results"]


@pytest.mark.parametrize("seed", range(60 if LONG else 2))
def test_any_sequence_of_changes(
    project: ProjectDir, tmp_path: Path, capsys: pytest.CaptureFixture[str], decided: list[set[str]], seed: int
) -> None:
    draw = random.Random(seed)
    names = [what for what, (_, subs) in CHANGES.items() if subs is not None]
    few = 0
    settle()
    for _ in range(30 if LONG else 12):
        chosen = draw.sample(names, draw.choice([0, 1, 1, 2, 4]))
        for what in chosen:
            try:
                CHANGES[what][0]()
            except FileNotFoundError:
                pass  # it is gone already
        if draw.random() < 0.2:
            main(["analyze", "-q", "--only", draw.choice(SUBS)])
        time.sleep(draw.choice([0, 0.03]))
        decided.clear()
        analyzed(project, tmp_path / "copy", capsys, chosen)
        few += bool(decided) and len(decided[0]) < len(SUBS)
    assert few, "some decisions were about a part"


@pytest.mark.parametrize(
    ("paths", "tasks", "config", "subs"),
    [
        (["001/m.csv", "001", "002/a/b.csv"], [], {}, {"001", "002"}),
        (
            ["analysis/parsed/001.pkl", "analysis/parsed/003.marks", "analysis/sections/002.card.json"],
            [],
            {},
            set(SUBS[:3]),
        ),
        (["analysis", "analysis/parsed", "analysis/index.html", "analysis/sections/curves.json"], [], {}, set()),
        ([".mrl.note"], ["parse:004", "section:003/card", "overview:results", "report"], {}, {"003", "004"}),
        ([".mrl.cfg"], [], {}, None),
        (["../../conf.yaml"], [], {}, None),
        ([""], [], {}, None),
        (["009/m.csv"], [], {}, None),
        ([], ["parse:009"], {}, None),
        ([], ["other:001"], {}, None),
        (["001/m.csv"], [], {"analysis_subexp": {"card": {"inputs": ["../002/x.csv"]}}}, None),
        (["001/m.csv"], [], {"analysis_subexp": {"card": ["/data/conf.yaml"]}}, None),
        (["001/m.csv"], [], {"analysis_subexp": {"card": {"inputs": ["x.csv"]}}}, {"001"}),
    ],
)
def test_whose_files_have_changed(
    project: ProjectDir, paths: list[str], tasks: list[str], config: dict[str, Any], subs: set[str] | None
) -> None:
    (EXP / ".mrl.cfg").write_text(json.dumps(config))  # the experiment's own
    experiment = Project.find(Path.cwd()).experiment("1")
    absolute = [os.path.normpath(f"{experiment.dir}/{path}") for path in paths]
    assert touched(experiment, experiment.analysis_dir, absolute, tasks) == subs


def test_a_status_is_about_a_part_too(
    project: ProjectDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle()
    log("001", 4.0)
    (EXP / "002/.mrl.run").write_text(json.dumps({"state": "running", "host": os.uname().nodename, "pid": 2**22}))
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "metarunlog.cli.verdicts", None)  # about all
        main(["status"])
        said = capsys.readouterr().out
    main(["status", "-v"])
    assert said.splitlines()[:2] == capsys.readouterr().out.splitlines()[:2]
    assert "4 parse" not in said and "1 interrupted, 3 not run" in said


def test_a_run_that_ends_without_a_word_is_seen(
    project: ProjectDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        record = {"state": "running", "host": os.uname().nodename, "pid": running.pid}
        (EXP / "002/.mrl.run").write_text(json.dumps(record))
        settle()
        capsys.readouterr()
        main(["status"])
        assert "1 running" in capsys.readouterr().out
        running.kill()
    main(["status"])
    assert "1 interrupted" in capsys.readouterr().out


def test_what_makebatch_has_to_do_is_asked_where_it_may_be_something_else(
    project: ProjectDir, capsys: pytest.CaptureFixture[str]
) -> None:
    settle()
    capsys.readouterr()
    (EXP / "001/conf.yaml").write_text("lr: 7\n")
    main(["status"])
    assert "1 makebatch" in capsys.readouterr().out
