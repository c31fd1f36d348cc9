"""A file of JSON records that is only ever appended to, a line each.

One write a record, so that a kill loses at most the records in flight. Each line ends with a checksum: one that is torn
or corrupt is passed over, and costs what it held. Compacted when it is twice as large as what is alive. No locks of the
file system are needed to read it.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metarunlog import files

_MIN_COMPACT = 1 << 16
_BEGINS = b'{"task":"'
_END = 18  # bytes of the checksum and what is around it
#: Where the digits of a line's checksum are.
CRC = slice(-10, -2)


class Lines(ABC):
    """A file of JSON records that is only ever appended to, each record with the `task` that it is about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.may_compact = True
        self._lock = threading.RLock()
        self._live: dict[str, int] = {}  # size of what is alive, by task
        self._total = 0
        self._size = 0
        self._ended = True  # with a whole line
        self._read()

    @abstractmethod
    def _take(self, task: str, line: bytes, rest: int) -> bool:
        """Make a record part of what is known; whether anything of its task is alive. Behind the name of the task it
        goes on at `rest`."""

    @abstractmethod
    def _clear(self) -> None:
        """Forget all that was taken."""

    @abstractmethod
    def _alive(self) -> Iterator[bytes]:
        """Lines that say all that is known."""

    def _append(self, task: str, **record: Any) -> None:
        line = line_of({"task": task, **record})
        with self._lock:
            fd = self._open()
            try:
                whole = b"%b%b\n" % (b"\n" if self._torn(fd) else b"", line)
                if os.write(fd, whole) < len(whole):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            finally:
                os.close(fd)
            self._size += len(whole)
            self._ended = True
            self._add(line)
            if self.may_compact and self._size > _MIN_COMPACT and self._size > 2 * self._total:
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
        return {found[0] for line in data[size:].split(b"\n") if (found := task_of(line)) is not None}

    def compact(self) -> None:
        """Write only what is alive. Call it under the lock of what the file is about."""
        lines = list(self._alive())
        files.write(self.path, b"".join(b"%b\n" % line for line in lines))
        self._restart()
        for line in lines:
            self._size += len(line) + 1
            self._add(line)

    def _restart(self) -> None:
        """Forget all, to take it anew."""
        self._live.clear()
        self._size = self._total = 0
        self._ended = True
        self._clear()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            return os.open(self.path, flags, 0o666)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, flags, 0o666)

    def _torn(self, fd: int) -> bool:
        """Whether the last line is half-written, by a process that was killed."""
        size = os.fstat(fd).st_size
        if size == 0 or (size == self._size and self._ended):
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
        self._ended = data.endswith(b"\n")
        for line in data.split(b"\n"):
            self._add(line)

    def _add(self, line: bytes) -> None:
        """Take a line, unless it is not as it was written."""
        if (found := task_of(line)) is not None:
            task, rest = found
            before = self._live.get(task, 0)
            self._live[task] = self._size_of(task, line) if self._take(task, line, rest) else 0
            self._total += self._live[task] - before

    def _size_of(self, task: str, line: bytes) -> int:
        """Bytes of the lines of a task that are alive."""
        return len(line) + 1


def line_of(record: Mapping[str, Any]) -> bytes:
    """A record as a line, without its end. Its first field is the task."""
    body = json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode()[:-1]
    return body + _seal(body)


def _seal(body: bytes) -> bytes:
    return b',"crc":"%08x"}' % zlib.crc32(b"}", zlib.crc32(body))


def task_of(line: bytes) -> tuple[str, int] | None:
    """The task of a line, and where it goes on behind it; None of a line that is not as it was written."""
    if line[-_END:] != _seal(line[:-_END]) or not line.startswith(_BEGINS):
        return None
    start, end = len(_BEGINS), line.find(b'"', len(_BEGINS))
    task = line[start:end].decode()
    if "\\" in task:
        task, length = json.JSONDecoder().raw_decode(line[start - 1 :].decode())
        end = start - 2 + length
    return task, end + 2


def record_of(line: bytes) -> dict[str, Any]:
    """A line's record; empty where it cannot be read."""
    try:
        record = json.loads(line[:-_END] + b"}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
