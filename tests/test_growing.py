"""Logs that grow are read on from where they were: the result is that of reading them anew, and the cost is not."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import ProjectDir

from metarunlog import blocks, logs
from metarunlog.engine.disk import Disk
from metarunlog.engine.spec import Place
from metarunlog.logs import growing, lines
from metarunlog.logs.find import LogFile

VERSION = 1
EXAMPLES = 5000 if os.environ.get("MRL_LONG") else 40


def record(data: bytes) -> bytes:
    """A record of an event file."""

    def crc(part: bytes) -> bytes:
        value = int(google_crc32c.value(part))
        return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + crc(length) + data + crc(data)


def scalar(step: int, tag: str, value: float) -> bytes:
    """An event with one number."""
    inner = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(inner)]) + inner
    number = b""
    rest = step
    while rest > 127:
        number, rest = number + bytes([rest & 127 | 128]), rest >> 7
    return record(
        b"\x09" + struct.pack("<d", 1.0) + b"\x10" + number + bytes([rest]) + b"\x2a" + bytes([len(summary)]) + summary
    )


def some(draw: random.Random, usual: Any, odd: list[Any]) -> list[Any]:
    """Values to draw from: the usual one, and now and then one or two that are odd."""
    return [usual] * 30 + draw.sample(odd, min(draw.choice([0, 0, 1, 2]), len(odd)))


def csv_lines(draw: random.Random) -> Iterator[bytes]:
    sep = draw.choice([",", ",", ";", "\t", " "])
    header = f"step{sep}loss{sep}note"
    yield draw.choice(["", "# comment\n", "\n"]).encode() + (f"{header}\n".encode() if draw.random() < 0.9 else b"")
    losses = some(draw, None, ["nan", "", "1", "None", "inf", "-", str(2**63)])
    notes = some(draw, draw.choice(["x", "1", "", "True"]), ["", "None", "1", '"a"', "\xe4", "x", "False"])
    rows = some(draw, None, ["1" + sep + "2", "# comment", header, "", "  ", "1" + sep + "2" + sep + "3" + sep + "4"])
    end = draw.choice(["\n", "\n", "\r\n"])
    for step in range(draw.randrange(10, 400)):
        loss, note, row = (draw.choice(values) for values in (losses, notes, rows))
        cells = [str(step), f"{draw.random():.4f}" if loss is None else loss, note]
        yield f"{sep.join(cells) if row is None else row}{end}".encode()


def json_lines(draw: random.Random) -> Iterator[bytes]:
    keys = draw.sample(["step", "loss", "acc", "note", "on"], draw.randrange(1, 5))
    losses = some(draw, 0.0, [None, math.nan, 1, 2**70, "1"])
    notes = some(draw, draw.choice(["x", None, 1]), [None, "none", [1], "1", "y"])
    flags = some(draw, True, [0.5, None, False, "True"])
    ends = some(draw, "\n", ["\ngarbage\n", "\n\n", " ", ", ", "\n{bad}\n"])
    missing = draw.choice([0, 0, 0.02])
    for step in range(draw.randrange(2, 300)):
        loss = draw.choice(losses)
        values: dict[str, Any] = {
            "step": step,
            "loss": draw.random() if loss == 0 else loss,
            "acc": {"top1": draw.random()},
            "note": draw.choice(notes),
            "on": draw.choice(flags),
        }
        line = json.dumps({key: values[key] for key in keys if draw.random() >= missing})
        yield f"{line}{draw.choice(ends)}".encode()


def text_lines(draw: random.Random) -> Iterator[bytes]:
    shapes: list[Callable[[int], str]] = [
        lambda i: f"step {i} loss {draw.random():.4f}",
        lambda i: f"iter {i}: loss {draw.random():.4f}, time {draw.random() * 900:.2f}ms",
        lambda i: f"eval acc {draw.random():.3f} step {i}",
        lambda i: f"[{i}]\ttrain-rmse:{draw.random()}",
        lambda i: "Testing net",
        lambda i: f"    accuracy = {draw.random()}",
        lambda i: f"saved to /tmp/x{i}.pt",
        lambda i: f"\x1b[32mstep {i} loss {draw.random():.4f}\x1b[0m",
        lambda i: f"{draw.randrange(100)}%|#### | {draw.randrange(100)}/100\r",
    ]
    kinds = draw.sample(shapes, draw.randrange(1, 4))
    for step in range(draw.randrange(10, 400)):
        kind = kinds[0] if draw.random() < 0.9 and step < 300 else draw.choice(kinds)
        yield f"{kind(step)}\n".encode()


def events(draw: random.Random) -> Iterator[bytes]:
    yield record(b"\x09" + struct.pack("<d", 1.0) + b"\x1a\x0dbrain.Event:2")
    tags = draw.sample(["loss", "acc", "lr", "val"], draw.randrange(1, 4))
    every = {tag: draw.choice([1, 1, 7, 50]) for tag in tags}
    start, restarts, values = 0, draw.choice([0, 0, 0.005]), some(draw, None, [math.nan])
    for step in range(draw.randrange(5, 300)):
        if draw.random() < restarts:
            start = step
        for tag in tags:
            if step % every[tag] == 0:
                yield scalar(step - start, tag, draw.choice(values) or draw.random())


KINDS = {"csv": csv_lines, "jsonl": json_lines, "log": text_lines, "events": events}


def parse_in_steps(folder: Path, name: str, data: bytes, cuts: list[int], format: str | None = None) -> list[int]:
    """Parse a log each time that it has grown, and compare with what a new parse gives; the bytes read each time."""
    log, pickle = folder / name, folder / "parsed" / "001.pkl"
    found = [LogFile("t", name, format)]
    for path in folder.glob("parsed/*"):
        path.unlink()
    read = []
    for cut in [*sorted(cuts), len(data)]:
        log.write_bytes(data[:cut])
        with counted() as count:
            logs.refresh(folder, found, pickle, VERSION)
        read.append(sum(count))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(growing, "WINDOW", 1 << 40)
            whole = logs.parse(folder, found)
        assert logs.dump(whole) == pickle.read_bytes(), (cut, whole.notes)
    return read


class counted:
    """Counts the bytes that are read of logs."""

    def __enter__(self) -> list[int]:
        self.patch = pytest.MonkeyPatch()
        self.sizes: list[int] = []
        pread = os.pread

        def counting(fd: int, size: int, start: int) -> bytes:
            data = pread(fd, size, start)
            self.sizes.append(len(data))
            return data

        self.patch.setattr(os, "pread", counting)
        return self.sizes

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and windows so small that few lines fill them."""
    monkeypatch.setattr(blocks, "BLOCK", 1 << 10)
    monkeypatch.setattr(blocks, "LARGE", 4 << 10)
    monkeypatch.setattr(growing, "WINDOW", 3 << 10)
    monkeypatch.setattr(growing, "PIECE", {"Delimited": 1 << 10})
    monkeypatch.setattr(growing, "WORTH", dict.fromkeys(growing.WORTH, 1))
    monkeypatch.setattr(lines, "BLOCK", 1 << 10)
    monkeypatch.setattr(lines, "MANY", 5)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), cuts=st.lists(st.floats(0, 1), max_size=4))
def test_reading_on_gives_what_reading_anew_gives(
    tmp_path: Path, small: None, kind: str, seed: int, cuts: list[float]
) -> None:
    data = b"".join(KINDS[kind](random.Random(seed)))
    name = "events.out.tfevents.1" if kind == "events" else f"m.{kind}"
    parse_in_steps(tmp_path, name, data, [int(cut * len(data)) for cut in cuts])


def rows(first: int, last: int) -> bytes:
    return b"".join(b"%d,%.4f\n" % (step, 1 / (step + 1)) for step in range(first, last))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_appended_is_all_that_is_read_of_a_large_log(tmp_path: Path, small: None, kind: str) -> None:
    draw = random.Random(0)
    plain = {
        "csv": lambda i: rows(i, i + 1),
        "jsonl": lambda i: b'{"step": %d, "loss": %.4f}\n' % (i, draw.random()),
        "log": lambda i: b"step %d loss %.4f\n" % (i, draw.random()),
        "events": lambda i: scalar(i, "loss", draw.random()),
    }
    head = {"csv": b"step,loss\n", "events": record(b"\x09" + struct.pack("<d", 1.0) + b"\x1a\x0dbrain.Event:2")}
    data = head.get(kind, b"") + b"".join(plain[kind](i) for i in range(2000))
    more = plain[kind](2000)
    name = "events.out.tfevents.1" if kind == "events" else f"m.{kind}"
    read = parse_in_steps(tmp_path, name, data + more, [len(data)])
    # the beginning (to see its kind), the first and the last old block, what follows, and as much for the last lines
    assert read[0] >= len(data) > 15 * blocks.BLOCK
    assert read[1] <= 5 * blocks.BLOCK + len(more)


def test_a_rotated_log_is_read_anew(tmp_path: Path, small: None) -> None:
    old, new = b"step,loss\n" + rows(0, 500), b"step,loss\n" + rows(7, 700)
    log, pickle = tmp_path / "m.csv", tmp_path / "parsed" / "001.pkl"
    for data in (old, new, old[:3000], new[:3000] + rows(900, 950)):
        log.write_bytes(data)
        logs.refresh(tmp_path, [LogFile("t", "m.csv")], pickle, VERSION)
        assert pickle.read_bytes() == logs.dump(logs.parse(tmp_path, [LogFile("t", "m.csv")]))


@pytest.mark.parametrize("harm", ["marks gone", "marks broken", "marks of code", "pickle edited", "version", "format"])
def test_a_mark_that_does_not_hold_is_not_used(tmp_path: Path, small: None, harm: str) -> None:
    log, pickle, files = tmp_path / "m.csv", tmp_path / "parsed" / "001.pkl", [LogFile("t", "m.csv")]
    marks = pickle.with_suffix(".marks")
    log.write_bytes(b"step,loss\n" + rows(0, 500))
    assert logs.refresh(tmp_path, files, pickle, VERSION) == [marks]
    version = VERSION
    if harm == "marks gone":
        marks.unlink()
    elif harm == "marks broken":
        marks.write_bytes(marks.read_bytes()[:-40])
    elif harm == "marks of code":
        marks.write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    elif harm == "pickle edited":
        pickle.write_bytes(logs.dump(logs.Parsed()))
    elif harm == "version":
        version += 1
    else:
        files = [LogFile("t", "m.csv", "csv")]
    with log.open("ab") as f:
        f.write(rows(500, 510))
    with counted() as read:
        logs.refresh(tmp_path, files, pickle, version)
    assert sum(read) >= log.stat().st_size
    assert pickle.read_bytes() == logs.dump(logs.parse(tmp_path, files))
    assert not (tmp_path / "hacked").exists() and not Path("hacked").exists()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=9000), st.integers(0, 9000), st.integers(0, 9000), st.booleans())
def test_blocks_tell_whether_a_file_goes_on(data: bytes, cut: int, change: int, changed: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", 1000)
        patch.setattr(blocks, "LARGE", 3000)
        old = data[: min(cut, len(data))]
        known = blocks.of(lambda start, size: old[start : start + size], len(old), blocks.Blocks(hashlib.sha256))
        now = bytearray(data)
        if changed and change < len(now):
            now[change] ^= 1
        found = blocks.continued(
            lambda start, size: bytes(now[start : start + size]), len(old), known.digests, hashlib.sha256
        )
        same = bytes(now[: len(old)]) == old
        unseen = len(old) > 3000 and 1000 <= change < (len(old) - 1) // 1000 * 1000
        assert (found is not None) == (same or unseen)
        if found is not None and same:
            found.update(data[len(old) :])
            one = blocks.Blocks(hashlib.sha256)
            one.update(data)
            assert found.digests == one.digests


def test_a_large_file_that_has_grown_is_known_by_its_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    monkeypatch.setattr(blocks, "LARGE", 4000)
    path, place = tmp_path / "m.csv", Place(tmp_path, tmp_path)
    path.write_bytes(b"a" * 10_500)
    old = Disk(place).state("m.csv")
    with path.open("ab") as f:
        f.write(b"b" * 50)
    with counted() as read:
        grown = Disk(place).state("m.csv", old)
    assert sum(read) == 1000 + 500 + 50
    assert grown == Disk(place).state("m.csv") == Disk(place, trust=False).state("m.csv", old)
    content = bytearray(path.read_bytes())
    content[5000] = 0
    path.write_bytes(content)  # of the same size: all of it is read
    assert Disk(place).state("m.csv", grown) != grown
    path.write_bytes(content + b"c")  # grown as well: the middle is not looked at, but by --verify
    assert Disk(place).state("m.csv", grown) != Disk(place, trust=False).state("m.csv", grown)
    content[0] = 0
    path.write_bytes(content + b"c")
    assert Disk(place).state("m.csv", grown) == Disk(place, trust=False).state("m.csv", grown)


def test_a_growing_log_from_outside(logged: ProjectDir) -> None:
    sub = logged.root / "exp/0001" / "001"
    lines_of = [b'{"step": %d, "loss": %.4f}\n' % (i, 1 / (i + 1)) for i in range(120_000)]
    (sub / "log.jsonl").write_bytes(b"".join(lines_of[:110_000]))
    logged.mrl("analyze")
    traces = map(json.loads, filter(str.strip, (logged.root / "exp/0001/.mrl.d/traces.jsonl").read_text().splitlines()))
    parses = [trace for trace in traces if "parse:001" in str(trace)]
    assert parses and all(re.search(r"'pandas': '\d+\.\d+'", str(trace)) for trace in parses)  # who can read the pickle
    marks = logged.root / "exp/0001" / "analysis/parsed/001.marks"
    assert marks.exists() and not (logged.root / "exp/0001" / "analysis/parsed/002.marks").exists()
    with (sub / "log.jsonl").open("ab") as f:
        f.write(b"".join(lines_of[110_000:]) + b'{"step": 120000, "lo')
    told = logged.mrl("analyze", "-v").err
    assert "log.jsonl" in told and "120000 rows" in told and "half-written" in told
    frames = pd.read_pickle(logged.root / "exp/0001" / "analysis/parsed/001.pkl")
    assert frames["log"]["loss"].tolist() == [round(1 / (i + 1), 4) for i in range(120_000)]
    # a change in the middle of what was read, with a line appended: read anew, as the file is not large
    content = (sub / "log.jsonl").read_bytes().replace(b'{"step": 7, ', b'{"step": 8, ', 1) + b'ss": 1}\n'
    (sub / "log.jsonl").write_bytes(content)
    logged.mrl("analyze", "--verify")
    frames = pd.read_pickle(logged.root / "exp/0001" / "analysis/parsed/001.pkl")
    assert frames["log"]["step"][7] == 8 and len(frames["log"]) == 120_001
    (sub / "log.jsonl").write_bytes(content[:3000])  # small again: nothing to go on from is kept
    logged.mrl("analyze")
    assert not marks.exists() and "stale" not in logged.mrl("status").out
