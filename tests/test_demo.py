"""`mrl demo` as a new user sees it: the output, the files, and the report in a real browser."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from browser import Page, needs_chromium, scroll_through
from support import BIN, Done, ProjectDir, clean_environment


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProjectDir, Done, float]:
    """The demo made from nothing, without HOME, git identity, locale or PATH to mrl."""
    folder = tmp_path_factory.mktemp("demo")
    env = {k: v for k, v in clean_environment().items() if not k.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))}
    here = ProjectDir(folder, env)
    begun = time.monotonic()
    done = here.run(str(BIN / "mrl"), "demo", code=0)
    return ProjectDir(folder / "mrl-demo", env), done, time.monotonic() - begun


def test_the_demo_trains_and_says_what_to_try_next(demo: tuple[ProjectDir, Done, float]) -> None:
    project, done, seconds = demo
    page = project.root / "exp/0001/analysis/index.html"
    assert f"The report: {page.as_uri()}" in done.out and page.is_file()
    assert sum("mrl " in line for line in done.out.split("To try next")[1].splitlines()) == 3
    assert seconds < 60
    states = [json.loads(p.read_text())["state"] for p in sorted((project.root / "exp/0001").glob("*/.mrl.run"))]
    assert len(states) >= 12 and set(states) == {"done"}
    rows = project.mrl("summary", "--json").json["rows"]
    diverged = [row["id"] for row in rows if row["metrics"]["val_loss"]["last"] is None]
    assert len(diverged) == 1
    best = max(row["metrics"]["val_acc"]["max"] for row in rows)
    assert best > 0.9, "it was trained for real"


def test_the_demo_is_safe_to_run_twice(demo: tuple[ProjectDir, Done, float]) -> None:
    project, _, _ = demo
    before = {p: p.stat().st_mtime_ns for p in project.root.rglob("*") if p.is_file() and ".mrl.d" not in p.parts}
    done = project.mrl("demo", cwd=project.root.parent)
    assert "nothing to run" in done.out and "nothing to do" in done.out
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_the_demo_spares_a_folder_of_the_users(tmp_path: Path) -> None:
    user = ProjectDir(tmp_path, clean_environment())
    user.write({"mrl-demo/mine.txt": "x"})
    assert user.mrl("demo", code=3).err.startswith("mrl: error: mrl-demo is there")
    assert os.listdir(tmp_path / "mrl-demo") == ["mine.txt"]


def test_only_what_is_stale_after_a_change_of_a_function(demo: tuple[ProjectDir, Done, float]) -> None:
    project, _, _ = demo
    text = project.read("mrl_analyze.py")
    assert "def hardest(" in text
    project.write({"mrl_analyze.py": text.replace("**Best", "**The best", 1)})
    assert project.analyze() == ["overview:0001/hardest", "report:0001"]


@needs_chromium
def test_the_report_of_the_demo_in_a_browser(demo: tuple[ProjectDir, Done, float], page: Page) -> None:
    project, _, _ = demo
    page.open((project.root / "exp/0001/analysis/index.html").as_uri())
    scroll_through(page)
    page.wait("return document.querySelectorAll('.view canvas').length > 4")
    assert page.ink(".view canvas") > 100, "a curve is drawn"
    assert page.errors() == [] and page.requests() == []
    assert page.js("return document.documentElement.scrollWidth <= innerWidth")
    assert page.js("return document.body.innerText").lower().count("diverged") >= 1
