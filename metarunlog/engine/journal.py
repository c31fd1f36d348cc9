"""The traces: what mrl remembers of each task's last success, in an append-only journal of JSON lines.

One write a record, so that a kill loses at most the tasks in flight. Each line ends with a checksum: one that is torn
or corrupt is passed over, and costs a rebuild of what it held. Compacted when it is twice as large as what is alive. No
locks of the file system are needed to read it. Lines are held as they are, and decoded when somebody asks for one.

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
_RECENT = 8  # new traces that are held decoded: who decides about one asks for it several times
_MAPPINGS = ("in", "read", "ls", "out", "args", "code", "versions")
_BEGINS = b'{"task":"'
_FORGET, _IGNORE = b'"forget":true,', b'"ignore":true,'
_END = 18  # bytes of the checksum and what is around it


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
    def _take(self, task: str, line: bytes, rest: int) -> bool:
        """Make a record part of what is known; whether anything of its task is alive. Behind the name of the task it
        goes on at `rest`."""

    @abstractmethod
    def _alive(self) -> Iterator[bytes]:
        """Lines that say all that is known."""

    def _append(self, task: str, **record: Any) -> None:
        line = _line({"task": task, **record})
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                whole = b"%b%b\n" % (b"\n" if self._torn(fd) else b"", line)
                if os.write(fd, whole) < len(whole):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            finally:
                os.close(fd)
            self._size += len(whole)
            self._add(line)
            if self.may_compact and self._size > _MIN_COMPACT and self._size > 2 * sum(self._live.values()):
                self.compact()

    def has_changed(self) -> bool:
        """Whether another process has written to the file since it was read."""
        try:
            return os.stat(self.path).st_size != self._size
        except OSError:
            return self._size > 0

    def mark(self) -> list[int] | None:
        """Tells the file as it is, for `since`; None where another process has written to it."""
        data = files.read(self.path) or b""
        return [len(data), zlib.crc32(data)] if len(data) == self._size else None

    def since(self, mark: Sequence[int]) -> set[str] | None:
        """The tasks that something was written about since it was so; None where it was written anew."""
        data = files.read(self.path) or b""
        size, crc = mark
        if zlib.crc32(data[:size]) != crc:
            return None
        return {found[0] for line in data[size:].split(b"\n") if (found := _task(line)) is not None}

    def compact(self) -> None:
        """Write only what is alive. Call it under the lock of what the file is about."""
        data = b"".join(b"%b\n" % line for line in self._alive())
        files.write(self.path, data)
        self._size = len(data)

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
            self._add(line)

    def _add(self, line: bytes) -> None:
        """Take a line, unless it is not as it was written."""
        if (found := _task(line)) is not None:
            self._live[found[0]] = len(line) + 1 if self._take(found[0], line, found[1]) else 0


class Journal(Lines):
    """The traces of one experiment, by task name without the experiment: `parse:001`."""

    def __init__(self, path: Path) -> None:
        self._traces: dict[str, bytes] = {}
        self._decoded: dict[str, Trace | None] = {}  # of those that were in the file
        self._recent: dict[str, Trace | None] = {}  # of a few that came since, which may be all there are
        self._new: set[str] = set()
        self._ignored: set[str] = set()
        self._watcher: Callable[[str], None] | None = None
        super().__init__(path)

    def read_again(self) -> None:
        """Take what another process has written. The watcher is not told."""
        watcher, self._watcher = self._watcher, None
        self._traces.clear()
        for of in (self._decoded, self._recent, self._new):
            of.clear()
        self._ignored.clear()
        self._live.clear()
        self._size = 0
        self._read()
        self._watcher = watcher

    def watch(self, changed: Callable[[str], None]) -> None:
        """Have `changed` called with each task whose trace is put or forgotten from now on."""
        self._watcher = changed

    def get(self, task: str) -> Trace | None:
        with self._lock:
            line = self._traces.get(task)
            if line is None:
                return None
            held = self._recent if task in self._new else self._decoded
            if task not in held:
                held[task] = _trace(line)
                if len(self._recent) > _RECENT:
                    del self._recent[next(iter(self._recent))]
            return held[task]

    def tasks(self) -> list[str]:
        """Those that have a trace."""
        return list(self._traces)

    def lines(self, tasks: Sequence[str]) -> bytes:
        """What is known of some tasks, as lines of a journal."""
        marks = [_line({"task": task, "ignore": True}) for task in tasks if task in self._ignored]
        traces = [self._traces[task] for task in tasks if task in self._traces]
        return b"".join(b"%b\n" % line for line in (*marks, *traces))

    def is_ignored(self, task: str) -> bool:
        """Set by `doit ignore`."""
        return task in self._ignored

    def put(self, task: str, trace: Trace) -> None:
        self._new.add(task)
        self._append(task, **trace)

    def forget(self, task: str) -> None:
        if task in self._traces or task in self._ignored:
            self._append(task, forget=True)

    def forget_all(self) -> None:
        for task in [*self._traces, *self._ignored]:
            self.forget(task)

    def ignore(self, task: str) -> None:
        self._append(task, ignore=True)

    def _take(self, task: str, line: bytes, rest: int) -> bool:
        if line.startswith(_FORGET, rest):
            self._traces.pop(task, None)
            self._ignored.discard(task)
        elif line.startswith(_IGNORE, rest):
            self._ignored.add(task)
        else:
            self._traces[task] = line
        self._decoded.pop(task, None)
        self._recent.pop(task, None)
        if self._watcher is not None:
            self._watcher(task)
        return task in self._traces or task in self._ignored

    def _alive(self) -> Iterator[bytes]:
        yield from (_line({"task": task, "ignore": True}) for task in sorted(self._ignored))
        yield from self._traces.values()


class Values(Lines):
    """What doit keeps of the user's own tasks in dodo.py: key -> value, by task."""

    def __init__(self, path: Path) -> None:
        self._tasks: dict[str, dict[str, Any]] = {}
        super().__init__(path)

    def get(self, task: str) -> Mapping[str, Any] | None:
        return self._tasks.get(task)

    def put(self, task: str, values: Mapping[str, Any]) -> None:
        self._append(task, values=dict(values))

    def forget(self, task: str) -> None:
        if task in self._tasks:
            self._append(task)

    def forget_all(self) -> None:
        for task in list(self._tasks):
            self.forget(task)

    def _take(self, task: str, line: bytes, rest: int) -> bool:
        values = _record(line).get("values")
        if isinstance(values, dict):
            self._tasks[task] = values
        else:
            self._tasks.pop(task, None)
        return task in self._tasks

    def _alive(self) -> Iterator[bytes]:
        yield from (_line({"task": task, "values": values}) for task, values in self._tasks.items())


def _line(record: Mapping[str, Any]) -> bytes:
    """A line without its end. Its first field is the task."""
    body = json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode()[:-1]
    return body + _seal(body)


def _seal(body: bytes) -> bytes:
    return b',"crc":"%08x"}' % zlib.crc32(b"}", zlib.crc32(body))


def _task(line: bytes) -> tuple[str, int] | None:
    """The task of a line, and where it goes on behind it; None of a line that is not as it was written."""
    if line[-_END:] != _seal(line[:-_END]) or not line.startswith(_BEGINS):
        return None
    start, end = len(_BEGINS), line.find(b'"', len(_BEGINS))
    task = line[start:end].decode()
    if "\\" in task:
        task, length = json.JSONDecoder().raw_decode(line[start - 1 :].decode())
        end = start - 2 + length
    return task, end + 2


def _record(line: bytes) -> dict[str, Any]:
    """A line's record; empty where it cannot be read."""
    try:
        record = json.loads(line[:-_END] + b"}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _trace(line: bytes) -> Trace | None:
    """None where another version wrote it: it may have kept other things."""
    record = _record(line)
    known = (
        all(isinstance(record.get(name), dict) for name in _MAPPINGS)
        and isinstance(record.get("at"), int)
        and isinstance(record.get("state"), str)
        and isinstance(record.get("modules"), list)
    )
    return {k: v for k, v in record.items() if k != "task"} if known else None
