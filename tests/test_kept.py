"""What was made of parsed logs is kept from one analyze to the next, and only while the pickle is the same."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest
from support import ProjectDir

from metarunlog import fileinfo
from metarunlog.logs import kept
from metarunlog.logs.pickled import seal, unseal

MADE = [("train", "loss", math.nan, 0.5, math.inf), ("é/ü", "acc", 1.0, -0.0, 1e300)]


class Reader:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> list[tuple[object, ...]]:
        self.calls += 1
        return list(MADE)


def ask(experiment: Path, pickle: Path, version: object = 1) -> int:
    """How often the pickle was read for what is made of it, which is as it should be."""
    read = Reader()
    with kept.using(experiment):
        keeper = kept.current()
        assert keeper is not None
        assert repr(keeper.get("metrics", version, pickle, read)) == repr(MADE)
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
    for broken in (b"", b"[]", path.read_bytes()[:-9], *map(seal, strange)):
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
    kinds = {path: unseal(path.read_bytes()) for path in sorted((memory / "kept").iterdir())}
    assert [path.name for path in kinds] == ["curves", "metrics"]
    assert all({Path(pickle).stem for pickle in held["made"]} >= {"001", "004"} for held in kinds.values())
    made = {path.name: path.read_bytes() for path in sections.glob("*.json") if "." not in path.stem}
    assert {"results.json", "effects.json"} <= made.keys()
    for path, held in kinds.items():  # as whoever trusts it would see
        path.write_bytes(seal({**held, "made": dict.fromkeys(held["made"], next(iter(held["made"].values())))}))
    for name in made:
        (sections / name).unlink()
    logged.mrl("analyze", "--verify")
    assert {path.name: path.read_bytes() for path in sections.glob("*.json") if "." not in path.stem} == made
