"""The metrics of parsed logs are kept from one analyze to the next, and only while the pickle is the same."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest
from support import ProjectDir

from metarunlog import fileinfo
from metarunlog.logs import kept
from metarunlog.logs.metrics import Metric

METRICS = {("train", "loss"): Metric(math.nan, 0.5, math.inf), ("é/ü", "acc"): Metric(1.0, -0.0, 1e300)}


class Reader:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> kept.Metrics:
        self.calls += 1
        return METRICS


def ask(path: Path, pickle: Path) -> int:
    """How often the pickle was read for its metrics, which are as they should be."""
    read = Reader()
    with kept.using(path):
        keeper = kept.current()
        assert keeper is not None
        assert repr(dict(keeper.get(pickle, read))) == repr(METRICS)
    assert kept.current() is None
    return read.calls


def test_a_pickle_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fileinfo, "GRAIN_NS", 0)
    path, pickle = tmp_path / "metrics.json", tmp_path / "001.pkl"
    pickle.write_bytes(b"one")
    time.sleep(0.02)
    assert [ask(path, pickle) for _ in range(2)] == [1, 0]
    times = pickle.stat()
    pickle.write_bytes(b"two")
    os.utime(pickle, ns=(times.st_atime_ns, times.st_mtime_ns))
    time.sleep(0.02)
    assert [ask(path, pickle) for _ in range(2)] == [1, 0]
    for broken in (b"", b"[]", b"{", json.dumps({"version": "0", "pickles": {}}).encode(), b"\xff"):
        path.write_bytes(broken)
        assert [ask(path, pickle) for _ in range(2)] == [1, 0]
    pickle.unlink()
    assert [ask(path, pickle) for _ in range(2)] == [1, 1]


def test_a_pickle_that_is_too_new_is_read_again(tmp_path: Path) -> None:
    path, pickle = tmp_path / "metrics.json", tmp_path / "001.pkl"
    pickle.write_bytes(b"one")
    assert [ask(path, pickle) for _ in range(2)] == [1, 1]
    assert not path.exists()


def test_the_overview_is_that_of_reading_all(logged: ProjectDir) -> None:
    logged.mrl("analyze")
    time.sleep(2.1)  # the clock's grain
    logged.log("002", (9.0, 8.0))
    logged.mrl("analyze")
    logged.log("003", (7.0, 6.0))
    logged.mrl("analyze")
    memory, sections = logged.root / "exp/0001/.mrl.d", logged.root / "exp/0001/analysis/sections"
    held = json.loads((memory / "metrics.json").read_text())["pickles"]
    assert {Path(pickle).stem for pickle in held} >= {"001", "004"}
    made = {path.name: path.read_bytes() for path in sections.glob("*.json") if "." not in path.stem}
    assert {"results.json", "effects.json"} <= made.keys()
    damaged = (memory / "metrics.json").read_text().replace("3.0", "77.0")  # as whoever trusts it would see
    (memory / "metrics.json").write_text(damaged)
    for name in made:
        (sections / name).unlink()
    logged.mrl("analyze", "--verify")
    assert {path.name: path.read_bytes() for path in sections.glob("*.json") if "." not in path.stem} == made
