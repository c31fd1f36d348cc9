"""What was made of parsed logs is kept from one analyze to the next, and only while the pickle is the same."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ProjectDir

from metarunlog import fileinfo, sealed
from metarunlog.engine.disk import Disk
from metarunlog.engine.spec import Job, Place
from metarunlog.logs import kept
from metarunlog.project import Project
from metarunlog.report import pages
from metarunlog.tasks import graph, report

MADE = [("train", "loss", math.nan, 0.5, math.inf), ("é/ü", "acc", 1.0, -0.0, 1e300)]


class Reader:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, path: str) -> list[tuple[object, ...]]:
        self.calls += 1
        return list(MADE)


def ask(experiment: Path, pickle: Path, version: object = 1) -> int:
    """How often the pickle was read for what is made of it, which is as it should be."""
    read = Reader()
    with kept.using(experiment):
        keeper = kept.current()
        assert keeper is not None
        assert repr(keeper.get("metrics", version, str(pickle), read)) == repr(MADE)
    assert kept.current() is None
    return read.calls


def test_a_pickle_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fileinfo, "GRAIN_NS", 0)
    path, pickle = tmp_path / ".mrl.d/kept/metrics", tmp_path / "001.pkl"
    pickle.write_bytes(b"one")
    time.sleep(0.02)
    assert [ask(tmp_path, pickle) for _ in range(2)] == [1, 0]
    assert [ask(tmp_path, pickle, version) for version in ((1, 2), (1, 2), (1, 3))] == [1, 0, 1]
    times = pickle.stat()
    pickle.write_bytes(b"two")
    os.utime(pickle, ns=(times.st_atime_ns, times.st_mtime_ns))
    time.sleep(0.02)
    assert [ask(tmp_path, pickle) for _ in range(2)] == [1, 0]
    strange = [{"version": "0", "made": {}}, {"version": "0"}, {}, [], None]
    for broken in (b"", b"[]", path.read_bytes()[:-9], *map(sealed.dump, strange)):
        path.write_bytes(broken)
        assert [ask(tmp_path, pickle) for _ in range(2)] == [1, 0]
    pickle.unlink()
    assert [ask(tmp_path, pickle) for _ in range(2)] == [1, 1]


def test_a_pickle_that_is_too_new_is_read_again(tmp_path: Path) -> None:
    pickle = tmp_path / "001.pkl"
    pickle.write_bytes(b"one")
    assert [ask(tmp_path, pickle) for _ in range(2)] == [1, 1]
    assert not (tmp_path / ".mrl.d").exists()


def test_the_overview_is_that_of_reading_all(logged: ProjectDir) -> None:
    logged.mrl("analyze")
    time.sleep(2.1)  # the clock's grain
    logged.log("002", (9.0, 8.0))
    logged.mrl("analyze")
    logged.log("003", (7.0, 6.0))
    logged.mrl("analyze")
    memory, sections = logged.root / "exp/0001/.mrl.d", logged.root / "exp/0001/analysis/sections"
    kinds = {path: sealed.load(path.read_bytes()) for path in (memory / "kept/curves", memory / "kept/metrics")}
    assert all({Path(pickle).stem for pickle in held["made"]} >= {"001", "004"} for held in kinds.values())
    made = {path.name: path.read_bytes() for path in sections.glob("*.json") if "." not in path.stem}
    assert {"results.json", "effects.json"} <= made.keys()
    for path, held in kinds.items():  # as whoever trusts it would see
        path.write_bytes(sealed.dump({**held, "made": dict.fromkeys(held["made"], next(iter(held["made"].values())))}))
    for name in made:
        (sections / name).unlink()
    logged.mrl("analyze", "--verify")
    assert {path.name: path.read_bytes() for path in sections.glob("*.json") if "." not in path.stem} == made


@pytest.fixture
def made_pages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two sub-experiments a page; the numbers of the pages that are made from now on."""
    made: list[int] = []
    page = pages.Book.page

    def noted(self: pages.Book, number: int, overview: Any, subexps: Any) -> pages.Page:
        made.append(number)
        return page(self, number, overview, subexps)

    monkeypatch.setattr(pages, "ONE_PAGE", 2)
    monkeypatch.setattr(pages, "PAGE_SUBEXPS", 2)
    monkeypatch.setattr(pages, "CHUNK_SUBEXPS", 1)
    monkeypatch.setattr(pages.Book, "page", noted)
    return made


def build_pages(project: ProjectDir) -> dict[str, bytes]:
    """Call the report's action as a worker does; returns the files that it names."""
    experiment = Project.find(project.root).experiment("1")
    spec = graph.analysis(experiment).specs["report:0001"]
    assert isinstance(spec.action, Job)
    disk = Disk(Place(project.root, experiment.dir))
    states = {disk.place.path(key): disk.state(key) for key in spec.inputs}
    digests = {path: None if state is None else str(state[4]) for path, state in states.items()}
    found = report.run(**spec.action.kwargs, digests=digests)["targets"]
    return {path: Path(path).read_bytes() for path in found}


def test_only_pages_that_show_something_else_are_built(logged: ProjectDir, made_pages: list[int]) -> None:
    def after(change: Callable[[], object]) -> list[int]:
        made_pages.clear()
        change()
        found, numbers = build_pages(logged), made_pages.copy()
        shutil.rmtree(logged.root / "exp/0001/.mrl.d/kept")
        assert build_pages(logged) == found, "as from nothing"
        return numbers

    logged.mrl("analyze")
    analysis = logged.root / "exp/0001/analysis"
    assert after(lambda: None) == [0, 1]
    assert after(lambda: None) == []
    card = analysis / "sections/003.card.json"
    assert after(lambda: card.write_bytes(card.read_bytes().replace(b"lr", b"LR"))) == [1]
    assert after(lambda: logged.write({"exp/0001/001/.mrl.run": '{"state": "failed"}'})) == [0, 1]  # counted on each
    assert after(lambda: logged.write({"exp/0001/.mrl.note": "Seen."})) == [0]
    assert after((analysis / "page-2.html").unlink) == [1]
    assert after(lambda: (analysis / "data/curves.js").write_text("mrl.data({});")) == [0]
    overview = analysis / "sections/effects.json"
    assert after(lambda: overview.write_bytes(overview.read_bytes() + b" ")) == [0]


@pytest.mark.parametrize("broken", [b"", b"{}", sealed.dump([]), sealed.dump({"version": "0", "pages": {}})])
def test_pages_are_built_where_nothing_can_be_told(logged: ProjectDir, made_pages: list[int], broken: bytes) -> None:
    logged.mrl("analyze")
    build_pages(logged)
    (logged.root / "exp/0001/.mrl.d/kept/report").write_bytes(broken)
    made_pages.clear()
    build_pages(logged)
    assert made_pages == [0, 1]


def test_one_log_rewrites_its_data_and_that_of_the_overview(logged: ProjectDir) -> None:
    def inodes() -> dict[str, int]:
        folder = logged.root / "exp/0001/analysis"
        return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}

    logged.analyze()
    before = inodes()
    logged.log("002", (9.0, 8.0))
    logged.analyze()
    after = inodes()
    overview = {"results", "curves", "effects", "parallel"}
    assert before.keys() == after.keys()
    assert {name for name in after if after[name] != before[name]} == {
        *("parsed/002.pkl", "sections/002.card.json", "data/subs-1.js"),
        *(
            f"{folder}.{end}"
            for name in overview
            for folder, end in ((f"sections/{name}", "json"), (f"data/{name}", "js"))
        ),
        *("index.html", "data/version.js"),  # its first rows
    }
