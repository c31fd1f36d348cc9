"""Logs that grow are read on from where they were: the result is that of reading them anew, and the cost is not."""

from __future__ import annotations

import json
import math
import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metarunlog import blocks, logs
from metarunlog.logs import growing, lines
from metarunlog.logs.find import LogFile

VERSION = 1


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
    monkeypatch.setattr(growing, "_WORTH", dict.fromkeys(growing._WORTH, 1))
    monkeypatch.setattr(lines, "BLOCK", 1 << 10)
    monkeypatch.setattr(lines, "MANY", 5)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), cuts=st.lists(st.floats(0, 1), max_size=4))
def test_reading_on_gives_what_reading_anew_gives(
    tmp_path: Path, small: None, kind: str, seed: int, cuts: list[float]
) -> None:
    data = b"".join(KINDS[kind](random.Random(seed)))
    name = "events.out.tfevents.1" if kind == "events" else f"m.{kind}"
    parse_in_steps(tmp_path, name, data, [int(cut * len(data)) for cut in cuts])
