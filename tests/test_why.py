"""`mrl why`, the reasons of `mrl status`, `mrl clean` and `mrl analyze --watch`, from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import BIN, ProjectDir, new_project

EXP = "exp/0001"
ANALYZE = """\
import helpers

SCALE = 2


def best(expDir):
    import metarunlog
    table = metarunlog.load(f"{expDir}/001")["metrics"]
    return f"{SCALE * helpers.lowest(table)} {open('limits.txt').read()}", "text"


def curve(subExpDir, factor):
    return f"factor {factor}", "text"
"""
HELPERS = "def lowest(table):\n    return float(table['loss'].min())\n"


@pytest.fixture(scope="module")
def template_project(tmp_path_factory: pytest.TempPathFactory) -> ProjectDir:
    project = new_project(
        tmp_path_factory.mktemp("why") / "project",
        {
            "conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [0.1, 0.01]\n",
            "mrl_analyze.py": ANALYZE,
            "helpers.py": HELPERS,
            "limits.txt": "low",
        },
    )
    project.configure(analysis_overview={"best": []}, analysis_subexp={"curve": [1]})
    project.commit("functions")
    project.mrl("new")
    project.mrl("makebatch")
    project.log("001")
    project.log("002")
    project.analyze()
    return project


@pytest.fixture
def built(template_project: ProjectDir, tmp_path: Path) -> ProjectDir:
    shutil.copytree(template_project.root, tmp_path / "project", symlinks=True)
    return ProjectDir(tmp_path / "project", template_project.env)


def edit(project: ProjectDir, name: str, old: str, new: str) -> None:
    assert old in project.read(name)
    project.write({name: project.read(name).replace(old, new)})


def reasons(project: ProjectDir, task: str) -> list[dict[str, object]]:
    tasks = project.mrl("status", "--json").json["experiments"][0]["tasks"]
    found: list[dict[str, object]] = next(t["reasons"] for t in tasks if t["name"] == task)
    assert found == project.mrl("why", "--json", task).json["tasks"][0]["reasons"]
    return found


# --- why ---


def test_why_names_the_constant_or_function_with_file_and_line(built: ProjectDir) -> None:
    edit(built, "mrl_analyze.py", "SCALE = 2", "SCALE = 3")
    edit(built, "helpers.py", "min()", "max()")
    out = built.mrl("why", "overview:0001/best").out
    assert "the code of SCALE changed (mrl_analyze.py:3)" in out
    assert "the code of lowest changed (helpers.py:1)" in out
    found = {r["name"]: r for r in reasons(built, "overview:0001/best")}
    assert found["helpers.py:lowest"]["kind"] == "code_changed" and found["helpers.py:lowest"]["line"] == 1
    assert found["helpers.py:lowest"]["old"] != found["helpers.py:lowest"]["new"]


def test_why_gives_old_and_new_of_args_and_params(built: ProjectDir) -> None:
    built.configure(analysis_subexp={"curve": [2]})
    assert "xtrargs changed ([1] -> [2])" in built.mrl("why", "section:0001/001/curve").out
    assert reasons(built, "section:0001/001/curve") == [
        {"kind": "args_changed", "name": "xtrargs", "old": "[1]", "new": "[2]"}
    ]
    edit(built, f"{EXP}/conf.yaml", "0.01]", "0.01, 0.001]")
    built.mrl("makebatch")
    assert 'params of 003 is new ({"lr": 0.001})' in built.mrl("why", "overview:0001/best").out
    shutil.rmtree(built.root / f"{EXP}/002")
    assert 'params of 002 is gone (it was {"lr": 0.01})' in built.mrl("why", "overview:0001/best").out


def test_why_gives_sizes_and_hashes_of_files(built: ProjectDir) -> None:
    size = (built.root / f"{EXP}/001/metrics.csv").stat().st_size
    built.log("001", (9.0, 8.0, 7.0, 6.0))
    line = next(x for x in built.mrl("status", "-v").out.splitlines() if "metrics.csv changed" in x)
    assert f"{EXP}/001/metrics.csv changed ({size} bytes, " in line and " -> " in line
    built.write({"limits.txt": "high"})
    assert "limits.txt changed (3 bytes, " in built.mrl("why", "overview:0001/best").out
    (built.root / "limits.txt").unlink()
    assert "limits.txt is gone (it was 3 bytes, " in built.mrl("why", "overview:0001/best").out


def test_why_follows_what_is_upstream(built: ProjectDir) -> None:
    built.log("001", (9.0, 8.0))
    out = built.mrl("why", "report:0001").out.splitlines()
    assert out[0] == "report:0001 is stale"
    assert out[1:4] == [
        "  overview:0001/best is stale",
        "    parse:0001/001 is stale",
        next(line for line in out if "metrics.csv changed" in line),
    ]
    assert out[4:] == ["  section:0001/001/curve is stale", "    parse:0001/001 is stale, as said above"]
    names = [t["name"] for t in built.mrl("why", "--json", "report:0001").json["tasks"]]
    assert names[0] == "report:0001" and "parse:0001/001" in names and len(names) == len(set(names))


def test_why_of_a_file(built: ProjectDir) -> None:
    out = built.mrl("why", f"{EXP}/analysis/index.html").out
    assert out.startswith(f"{EXP}/analysis/index.html is made by report:0001\nreport:0001 is up-to-date\n")
    assert built.mrl("why", "index.html", cwd=built.root / EXP / "analysis").out == out
    assert built.mrl("why", "last/analysis/index.html").out == out
    assert "makebatch:0001/001 is up-to-date" in built.mrl("why", f"{EXP}/001/conf.yaml").out
    out = built.mrl("why", f"{EXP}/001/metrics.csv").out
    assert out == f"{EXP}/001/metrics.csv is read by 1 task:\n  parse:0001/001  up-to-date\n"
    assert "overview:0001/best" in built.mrl("why", "helpers.py").out
    assert "overview:0001/best" in built.mrl("why", "limits.txt").out


@pytest.mark.parametrize("what", ["parse:0001/009", "nosuch.txt", "report:7", "conf.yaml"])
def test_why_of_nothing_is_an_error(built: ProjectDir, what: str) -> None:
    done = built.mrl("why", what, code=3)
    assert done.err.startswith("mrl: error: ") and done.err.count("\n") == 1


def test_why_of_failed_and_waiting_tasks(built: ProjectDir) -> None:
    edit(built, "mrl_analyze.py", "factor {factor}", "{1 / 0}")
    (built.root / f"{EXP}/002/metrics.csv").unlink()
    built.analyze(code=1)
    assert "mrl_analyze.py:13: ZeroDivisionError" in built.mrl("why", "section:0001/001/curve").out
    assert "no log yet" in built.mrl("why", "parse:0001/002").out
    tasks = built.mrl("why", "--json", "section:0001/001/curve").json["tasks"]
    assert tasks[0]["state"] == "failed" and "ZeroDivisionError" in tasks[0]["error"]


def test_why_writes_nothing(built: ProjectDir) -> None:
    before = {p: p.stat().st_mtime_ns for p in built.root.rglob("*")}
    built.mrl("why", "report:0001")
    built.mrl("status", "-v")
    assert {p: p.stat().st_mtime_ns for p in built.root.rglob("*")} == before


def test_status_says_a_few_reasons_and_how_many_more(project: ProjectDir) -> None:
    project.configure(analysis_overview={"results": []}, analysis_subexp={})
    project.log("001")
    project.analyze()
    values = ", ".join(map(str, range(1, 20)))
    edit(project, f"{EXP}/conf.yaml", "[1, 2]", f"[{values}]")
    project.mrl("makebatch")
    out = project.mrl("status", "-v").out
    assert "more; `mrl why` says all" in out
    assert len(project.mrl("why", "overview:0001/results").out.splitlines()) > 30


# --- clean ---


def test_clean_lists_and_deletes_only_with_yes(built: ProjectDir) -> None:
    analysis = built.root / EXP / "analysis"
    done = built.mrl("clean")
    assert f"{EXP}/analysis/assets/core.js" in done.out and "nothing was deleted" in done.err and analysis.exists()
    assert f"{EXP}/analysis/index.html" in built.mrl("clean", "-n").out and analysis.exists()
    assert built.mrl("clean", "--json").json["deleted"] is False
    done = built.mrl("clean", "--yes", "--json")
    assert done.json["deleted"] and f"{EXP}/analysis/parsed/001.pkl" in done.json["files"]
    assert not analysis.exists() and (built.root / EXP / "001/metrics.csv").exists()
    assert built.mrl("clean").out == "nothing to clean\n"
    assert len(built.analyze()) == 6


def test_clean_leaves_what_mrl_did_not_make(built: ProjectDir) -> None:
    built.write({f"{EXP}/analysis/mine/notes.txt": "keep me"})
    assert "such as exp/0001/analysis/mine/notes.txt" in built.mrl("clean", "--yes").err
    left = [p.name for p in (built.root / EXP / "analysis").rglob("*") if p.is_file()]
    assert left == ["notes.txt"]


def test_clean_asks_at_a_terminal(built: ProjectDir) -> None:
    for answer, there in ((b"n\n", True), (b"y\n", False)):
        assert built.at_terminal("delete these", answer, "clean") == 0
        assert (built.root / EXP / "analysis").exists() is there


# --- watch ---


def read_until(running: subprocess.Popen[bytes], text: str) -> str:
    assert running.stdout is not None
    os.set_blocking(running.stdout.fileno(), False)
    seen, deadline = "", time.monotonic() + 60
    while text not in seen:
        assert time.monotonic() < deadline and running.poll() is None, seen
        seen += (running.stdout.read() or b"").decode()
        time.sleep(0.05)
    return seen


def test_watch_does_again_what_becomes_stale(built: ProjectDir) -> None:
    running = subprocess.Popen(
        [str(BIN / "mrl"), "analyze", "--watch"],
        cwd=built.root,
        env=built.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    read_until(running, "watching; Ctrl-C ends it")
    built.log("001", (9.0, 8.0))
    assert "tasks done" in read_until(running, "tasks done")
    config = built.read(".mrl.cfg")
    built.write({".mrl.cfg": config[:20]})
    assert read_until(running, "mrl: error: .mrl.cfg").count("error") == 1
    edit(built, "helpers.py", "min()", "max()")
    time.sleep(1.5)
    built.write({".mrl.cfg": config})
    assert "Traceback" not in read_until(running, "done")
    assert built.mrl("status", "--exit-code").code == 0
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)
    assert running.returncode == 130


def test_watch_gives_no_json(built: ProjectDir) -> None:
    built.mrl("analyze", "--watch", "--json", code=2)


def test_dry_run_says_what_would_run_and_runs_nothing(built: ProjectDir) -> None:
    built.log("001", (9.0, 8.0))
    would = built.mrl("analyze", "-n").out.splitlines()[:-1]
    again = built.mrl("analyze", "-n", "--json").json["ran"]
    assert would == again and "parse:0001/001" in would
    assert (
        built.mrl("analyze", "--json").json["ran"] and json.loads(built.mrl("analyze", "-n", "--json").out)["ran"] == []
    )
