"""`mrl analyze --depfile` under real make and ninja."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import BIN, ProjectDir

from metarunlog.cli import depfile

MAKEFILE = f"""\
build/report: ; @mkdir -p build && {BIN}/mrl analyze 1 -q --depfile $@.d && echo made >> build/made
-include build/report.d
"""
NINJA = f"""\
rule report
  command = {BIN}/mrl analyze 1 -q --depfile $out.d && echo made >> build/made
  depfile = $out.d
build build/report: report
"""


@pytest.fixture(params=["make", "ninja"])
def build(request: pytest.FixtureRequest, logged: ProjectDir) -> Callable[[], int]:
    """Build, and tell how many times mrl has made the report so far."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is missing")
    logged.write({"Makefile": MAKEFILE, "build.ninja": NINJA, "build/.keep": ""})

    def made() -> int:
        logged.run(request.param, code=0)
        path = logged.root / "build/made"
        return len(path.read_text().splitlines()) if path.exists() else 0

    return made


def test_what_changes_is_built_once(logged: ProjectDir, build: Callable[[], int]) -> None:
    assert build() == 1
    assert build() == 1
    root = logged.root
    changes: list[Callable[[], object]] = [
        lambda: logged.log("002", (9.0, 8.0)),
        lambda: logged.log("002", (7.0,), "more metrics.csv"),
        lambda: (root / "exp/0001/002/more metrics.csv").unlink(),
        lambda: logged.write({"exp/0001/.mrl.note": "Seen."}),
        lambda: logged.configure(analysis_overview={"results": [], "mine": []}),
        lambda: logged.write({"mrl_analyze.py": "import helper\ndef mine(expDir):\n    return helper.say(), 'text'\n"}),
        lambda: logged.write({"exp/0001/003/.mrl.run": '{"state": "done"}'}),
        lambda: shutil.rmtree(root / "exp/0001/004"),
    ]
    logged.write({"helper.py": "def say():\n    return 'one'\n", "mrl_analyze.py": "def mine(expDir): return []\n"})
    for number, change in enumerate(changes, 2):
        time.sleep(0.05)
        change()
        assert build() == number
        assert build() == number, "nothing has changed since"
    time.sleep(0.05)
    logged.write({"helper.py": "def say():\n    return 'two'\n"})
    assert build() == len(changes) + 2
    assert "two" in logged.read("exp/0001/analysis/index.html")


def test_a_log_that_changes_meanwhile_is_built_again(logged: ProjectDir, build: Callable[[], int]) -> None:
    assert build() == 1
    stamp = (logged.root / "build/report").stat().st_mtime_ns
    log = logged.root / "exp/0001/001/metrics.csv"
    os.utime(log, ns=(stamp + 10_000_000, stamp + 10_000_000))  # while mrl was at work
    assert build() == 2


def test_a_failure_leaves_the_stamp(logged: ProjectDir) -> None:
    logged.write({"build/.keep": "", "mrl_analyze.py": "def mine(expDir): raise ValueError('no')\n"})
    logged.configure(analysis_overview={"mine": []})
    logged.mrl("analyze", "--depfile", "build/x.d", code=1)
    assert not (logged.root / "build/x").exists() and not (logged.root / "build/x.d").exists()


def test_what_stands_in_a_depfile(logged: ProjectDir) -> None:
    logged.write({"build/.keep": "", "exp/0001/001/a $b#c.csv": "step,loss\n1,2\n"})
    logged.mrl("analyze", "--depfile", "build/x.d")
    first, *others = logged.read("build/x.d").splitlines()
    target, _, names = first.partition(": ")
    assert target == "build/x"
    assert r"exp/0001/001/a\ $$b\#c.csv" in names and ".mrl.cfg" in names.split()
    assert not [name for name in names.split() if "analysis" in name or ".mrl.d" in name or "python" in name]
    assert {line.removesuffix(":") for line in others} >= {"exp/0001/002/metrics.csv", "exp/0001/002", "exp/0001"}


def test_any_name_will_do(logged: ProjectDir) -> None:
    logged.mrl("analyze", "--depfile", "deps.mk")
    assert logged.read("deps.mk").startswith("deps.mk.stamp: ") and (logged.root / "deps.mk.stamp").exists()


def test_a_project_below_the_folder_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/usr/src/project/.venv")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    assert "/usr" not in depfile._installed(Path("/usr/src/project"))
    assert "/usr" in depfile._installed(Path("/home/me/project"))
    assert "/usr/src/project/.venv" in depfile._installed(Path("/usr/src/project"))


def test_a_new_experiment_counts_where_the_last_is_meant(logged: ProjectDir) -> None:
    logged.write({".mrl.cfg": logged.read(".mrl.cfg").replace("{", '{"mine": 1, ', 1)})
    for argv, counts in ((["1"], False), ([], True), (["--all"], True)):
        done = logged.mrl("analyze", *argv, "--depfile", "x.d")
        assert ("exp" in logged.read("x.d").split()) is counts, argv
        assert done.err.count("unknown key") == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--depfile", "exp/0001/x.d"], "is in a folder whose files are looked for"),
        (["--depfile", "x.d", "-n"], "--depfile goes with neither --watch nor -n"),
    ],
)
def test_wrong_uses(logged: ProjectDir, argv: list[str], message: str) -> None:
    assert message in logged.mrl("analyze", *argv, code=2).err
