"""The traces: what mrl remembers of each task's last success, in an append-only journal of JSON lines.

One write a record, so that a kill loses at most the tasks in flight. Each line ends with a checksum: one that is torn
or corrupt is passed over, and costs a rebuild of what it held. Compacted when it is twice as large as what is alive. No
locks of the file system are needed to read it.

A trace: `at` (ns, before the action), `state` (ok, failed, waiting, partial), `in` and `out` (key -> file state),
`read` (the traced inputs, key -> file state), `ls` (listing -> digest of the names), `args`, `code`, `versions`,
`modules` (that the call imported), and where there is such a thing `error`, `hidden` (how it may have read what was not
seen), `wrote` (files that are no targets) and `clash` (a file that another task makes, and that task).
"""

from __future__ import annotations

import errno
import json
import os
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metarunlog import files

Trace = Mapping[str, Any]
_MIN_COMPACT = 1 << 16
_MAPPINGS = ("in", "read", "ls", "out", "args", "code", "versions")


class Lines(ABC):
    """A file of JSON records that is only ever appended to, each record with the `task` that it is about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.may_compact = True
        self._lock = threading.RLock()
        self._live: dict[str, int] = {}  # size of what is alive, by task
        self._size = 0
        self._read()

    @abstractmethod
    def _take(self, record: dict[str, Any]) -> bool:
        """Make a record part of what is known; whether anything of its task is alive."""

    @abstractmethod
    def _alive(self) -> Iterator[dict[str, Any]]:
        """Records that say all that is known."""

    def _append(self, record: dict[str, Any]) -> None:
        line = _line(record)
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                if self._torn(fd):
                    line = b"\n" + line
                if os.write(fd, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            finally:
                os.close(fd)
            self._size += len(line)
            self._live[record["task"]] = len(line) if self._take(record) else 0
            if self.may_compact and self._size > _MIN_COMPACT and self._size > 2 * sum(self._live.values()):
                self.compact()

    def has_changed(self) -> bool:
        """Whether another process has written to the file since it was read."""
        try:
            return os.stat(self.path).st_size != self._size
        except OSError:
            return self._size > 0

    def compact(self) -> None:
        """Write only what is alive. Call it under the lock of what the file is about."""
        lines = [_line(record) for record in self._alive()]
        files.write(self.path, b"".join(lines))
        self._size = sum(map(len, lines))

    def _torn(self, fd: int) -> bool:
        """Whether the last line is half-written, by a process that was killed."""
        size = os.fstat(fd).st_size
        if size == 0:
            return False
        with open(self.path, "rb") as f:
            f.seek(size - 1)
            return f.read(1) != b"\n"

    def _read(self) -> None:
        try:
            data = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        self._size = len(data)
        for line in data.split(b"\n"):
            record = _record(line)
            if record is not None:
                self._live[record["task"]] = len(line) + 1 if self._take(record) else 0


class Journal(Lines):
    """The traces of one experiment, by task name without the experiment: `parse:001`."""

    def __init__(self, path: Path) -> None:
        self._traces: dict[str, Trace] = {}
        self._ignored: set[str] = set()
        self._watcher: Callable[[str], None] | None = None
        super().__init__(path)

    def read_again(self) -> None:
        """Take what another process has written. The watcher is not told."""
        watcher, self._watcher = self._watcher, None
        self._traces.clear()
        self._ignored.clear()
        self._live.clear()
        self._size = 0
        self._read()
        self._watcher = watcher

    def watch(self, changed: Callable[[str], None]) -> None:
        """Have `changed` called with each task whose trace is put or forgotten from now on."""
        self._watcher = changed

    def get(self, task: str) -> Trace | None:
        return self._traces.get(task)

    def items(self) -> Iterator[tuple[str, Trace]]:
        yield from list(self._traces.items())

    def lines(self, tasks: Sequence[str]) -> bytes:
        """What is known of some tasks, as lines of a journal."""
        marks = [{"task": task, "ignore": True} for task in tasks if task in self._ignored]
        traces = [{"task": task, **self._traces[task]} for task in tasks if task in self._traces]
        return b"".join(map(_line, [*marks, *traces]))

    def is_ignored(self, task: str) -> bool:
        """Set by `doit ignore`."""
        return task in self._ignored

    def put(self, task: str, trace: Trace) -> None:
        self._append({"task": task, **trace})

    def forget(self, task: str) -> None:
        if task in self._traces or task in self._ignored:
            self._append({"task": task, "forget": True})

    def forget_all(self) -> None:
        for task in [*self._traces, *self._ignored]:
            self.forget(task)

    def ignore(self, task: str) -> None:
        self._append({"task": task, "ignore": True})

    def _take(self, record: dict[str, Any]) -> bool:
        task = record["task"]
        if record.get("forget"):
            self._traces.pop(task, None)
            self._ignored.discard(task)
        elif record.get("ignore"):
            self._ignored.add(task)
        elif _is_trace(record):
            self._traces[task] = {k: v for k, v in record.items() if k != "task"}
        if self._watcher is not None:
            self._watcher(task)
        return task in self._traces or task in self._ignored

    def _alive(self) -> Iterator[dict[str, Any]]:
        yield from ({"task": task, "ignore": True} for task in sorted(self._ignored))
        yield from ({"task": task, **trace} for task, trace in self._traces.items())


class Values(Lines):
    """What doit keeps of the user's own tasks in dodo.py: key -> value, by task."""

    def __init__(self, path: Path) -> None:
        self._tasks: dict[str, dict[str, Any]] = {}
        super().__init__(path)

    def get(self, task: str) -> Mapping[str, Any] | None:
        return self._tasks.get(task)

    def put(self, task: str, values: Mapping[str, Any]) -> None:
        self._append({"task": task, "values": dict(values)})

    def forget(self, task: str) -> None:
        if task in self._tasks:
            self._append({"task": task})

    def forget_all(self) -> None:
        for task in list(self._tasks):
            self.forget(task)

    def _take(self, record: dict[str, Any]) -> bool:
        values = record.get("values")
        if isinstance(values, dict):
            self._tasks[record["task"]] = values
        else:
            self._tasks.pop(record["task"], None)
        return record["task"] in self._tasks

    def _alive(self) -> Iterator[dict[str, Any]]:
        yield from ({"task": task, "values": values} for task, values in self._tasks.items())


def _line(record: Mapping[str, Any]) -> bytes:
    body = json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode()
    return b'%b,"crc":"%08x"}\n' % (body[:-1], zlib.crc32(body))


def _record(line: bytes) -> dict[str, Any] | None:
    """A line's record; None for one that is not as it was written."""
    body = line[:-18] + b"}"
    if line[-18:] != b',"crc":"%08x"}' % zlib.crc32(body):
        return None
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("task"), str) else None


def _is_trace(record: Mapping[str, Any]) -> bool:
    """Whether this version wrote it: an older or newer one may have kept other things."""
    return (
        all(isinstance(record.get(name), dict) for name in _MAPPINGS)
        and isinstance(record.get("at"), int)
        and isinstance(record.get("state"), str)
        and isinstance(record.get("modules"), list)
    )
