"""How fast logs are read, beside pandas and TensorBoard: python benchmarks/logs.py [--large] [csv text events grow ...]

Each figure is the best of several runs, in the processor's time; on a shared machine trust the ratios. `--large` adds
the 1 GB log that grows by 1 KB. TensorBoard's own reader is timed where it is installed (pip install tensorboard).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import google_crc32c
import pandas as pd

from metarunlog import logs
from metarunlog.logs.find import LogFile


def best(*calls: Callable[[], object], least: float = 1.0) -> list[float]:
    """Seconds of the processor's time that each call takes: the best of as many rounds as fit a second, five at least.

    The calls take turns, so that what else the machine does hits all of them.
    """
    times: list[list[float]] = [[] for _ in calls]
    while len(times[0]) < 5 or sum(map(sum, times)) < least:
        for call, seen in zip(calls, times, strict=True):
            start = time.process_time()
            call()
            seen.append(time.process_time() - start)
    return list(map(min, times))


def csv_log(rows: int) -> bytes:
    draw = random.Random(1)
    lines = [f"{i},{draw.random():.6f},{draw.random():.6f},{draw.random() * 1e-3:.3e}" for i in range(rows)]
    return "\n".join(["step,loss,acc,lr", *lines, ""]).encode()


def nanogpt(rows: int) -> Iterator[str]:
    draw = random.Random(2)
    for i in range(rows):
        if i % 250 == 0:
            yield f"step {i}: train loss {draw.random() * 4:.4f}, val loss {draw.random() * 4:.4f}"
        yield f"iter {i}: loss {draw.random() * 4:.4f}, time {draw.random() * 400:.2f}ms, mfu {draw.random() * 40:.2f}%"


def openmmlab(rows: int) -> Iterator[str]:
    draw = random.Random(3)
    for i in range(rows):
        clock = f"2024-01-{i // 40000 % 28 + 1:02d} {i // 1800 % 24:02d}:{i // 60 % 60:02d}:{i % 60:02d},{i % 1000:03d}"
        yield (
            f"{clock} - mmdet - INFO - Epoch [{i // 100 + 1}][{i % 100 * 50}/5000]\tlr: {draw.random() * 0.01:.3e}, "
            f"eta: {draw.randrange(24)}:{draw.randrange(60):02d}:{draw.randrange(60):02d}, time: {draw.random():.3f}, "
            f"memory: {draw.randrange(9000)}, loss_cls: {draw.random():.4f}, loss: {draw.random() * 2:.4f}"
        )


def megatron(rows: int) -> Iterator[str]:
    draw = random.Random(4)
    for i in range(rows):
        yield (
            f" iteration {i:8d}/ {rows:8d} | consumed samples: {i * 512:12d} | elapsed time per iteration (ms): "
            f"{draw.random() * 4000:.1f} | learning rate: {draw.random() * 1e-4:.3E} | lm loss: "
            f"{draw.random() * 10:.6E} | loss scale: {2.0**20:.1f} | grad norm: {draw.random():.3f} |"
        )


def key_value(rows: int) -> Iterator[str]:
    draw = random.Random(5)
    for i in range(rows):
        yield (
            f"INFO:train:epoch={i // 1000} step={i} loss={draw.random() * 4:.6f} acc={draw.random():.4f} "
            f"lr={draw.choice([0.001, 0.0001, 1e-05])} norm={draw.random() * 10:.3f}"
        )


TEXTS = {"nanoGPT": nanogpt, "OpenMMLab": openmmlab, "Megatron": megatron, "key=value": key_value}


def event_log(steps: int) -> bytes:
    """Events of three scalars a step."""

    def crc(data: bytes) -> bytes:
        value = int(google_crc32c.value(data))
        return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    def record(data: bytes) -> bytes:
        length = struct.pack("<Q", len(data))
        return length + crc(length) + data + crc(data)

    def field(key: int, data: bytes) -> bytes:
        return bytes([key, len(data)]) + data

    draw = random.Random(6)
    clock = b"\x09" + struct.pack("<d", 1.0)
    parts = [record(clock + field(0x1A, b"brain.Event:2"))]
    for step in range(steps):
        number = bytes([step & 127 | 128, step >> 7 & 127 | 128, step >> 14 & 127])
        for tag in (b"train/loss", b"train/acc", b"lr"):
            value = field(0x0A, tag) + b"\x15" + struct.pack("<f", draw.random())
            parts.append(record(clock + b"\x10" + number + field(0x2A, field(0x0A, value))))
    return b"".join(parts)


def read(path: Path) -> logs.Parsed:
    return logs.parse(path.parent, [LogFile("t", path.name, named=True)])


def bench_csv(folder: Path, _: bool) -> None:
    path = folder / "m.csv"
    for rows in (200, 2_000, 28_000, 280_000, 2_800_000):
        path.write_bytes(csv_log(rows))
        size = path.stat().st_size / 1e6
        theirs, ours = best(lambda: pd.read_csv(path), lambda: read(path))
        print(f"csv    {rows:9,} rows {size:8.2f} MB   {size / ours:7.1f} MB/s, pandas {size / theirs:7.1f}: ", end="")
        print(f"{theirs / ours:.2f} of its speed")


def bench_text(folder: Path, _: bool) -> None:
    path = folder / "train.log"
    for name, lines in TEXTS.items():
        line = len("\n".join(lines(1000))) / 1000
        path.write_text("\n".join(lines(int(40e6 / line))) + "\n")
        size = path.stat().st_size / 1e6
        print(f"text   {name:14} {size:8.2f} MB   {size / best(lambda: read(path))[0]:7.1f} MB/s")


def bench_events(folder: Path, _: bool) -> None:
    path = folder / "events.out.tfevents.1.host"
    path.write_bytes(event_log(20_000))
    size = path.stat().st_size / 1e6
    (ours,) = best(lambda: read(path))
    print(f"events {60_000:9,} scalars {size:5.2f} MB   {ours:.2f} s", end="")
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        print(" (TensorBoard is not installed)")
        return

    def theirs() -> object:
        accumulator = EventAccumulator(str(path), size_guidance={"scalars": 0})
        accumulator.Reload()
        return [accumulator.Scalars(tag) for tag in accumulator.Tags()["scalars"]]

    (seconds,) = best(theirs)
    print(f", TensorBoard {seconds:.2f} s: {seconds / ours:.1f} times its speed")


def bench_grow(folder: Path, large: bool) -> None:
    """A log is parsed, grows by 1 KB, and is parsed again: seconds, and bytes of the log that were read."""
    kinds: dict[str, tuple[Callable[[int], bytes], bytes]] = {
        "m.csv": (csv_log, b"9999999,0.5,0.5,1.000e-04\n"),
        "train.log": (
            lambda n: ("\n".join(openmmlab(n)) + "\n").encode(),
            "".join(line + "\n" for line in openmmlab(1)).encode(),
        ),
    }
    for name, (make, line) in kinds.items():
        for size in (16, 128, *([1000] if large else [])):
            path, pickle = folder / name, folder / "parsed" / "t.pkl"
            _write(path, make, int(size * 1e6))
            for old in folder.glob("parsed/*"):
                old.unlink()
            refresh = partial(logs.refresh, folder, [LogFile("t", name, named=True)], pickle, 1)
            first = _timed(refresh)
            with path.open("ab") as f:
                f.write(line * (1000 // len(line) + 1))
            again = _timed(refresh)
            table = pickle.stat().st_size / 1e6
            print(f"grow   {name:10} {path.stat().st_size / 1e6:8.1f} MB (its pickle {table:.0f} MB)   ", end="")
            print(f"first {first[0]:.2f} s, {first[1] / 1e6:.1f} MB read; 1 KB later {again[0]:.2f} s, ", end="")
            print(f"{again[1] / 1e6:.1f} MB read")


def _write(path: Path, make: Callable[[int], bytes], size: int) -> None:
    piece = make(200_000)
    head, _, rest = piece.partition(b"\n")
    with path.open("wb") as f:
        f.write(head + b"\n")
        while f.tell() < size:
            f.write(rest)


def _timed(call: Callable[[], object]) -> tuple[float, int]:
    """Seconds, and bytes that were read by position, as logs are."""
    sizes: list[int] = []
    pread = os.pread

    def counting(fd: int, size: int, start: int) -> bytes:
        data = pread(fd, size, start)
        sizes.append(len(data))
        return data

    os.pread = counting
    try:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start, sum(sizes)
    finally:
        os.pread = pread


BENCHES = {"csv": bench_csv, "text": bench_text, "events": bench_events, "grow": bench_grow}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], *BENCHES], default=[])
    parser.add_argument("--large", action="store_true", help="also a log of 1 GB that grows")
    args = parser.parse_args()
    for name in args.what or BENCHES:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
            BENCHES[name](Path(folder), args.large)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
