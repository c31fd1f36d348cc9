"""The traces: what mrl remembers of each task's last success, in an append-only journal of JSON lines.

One write a record, so that a kill loses at most the tasks in flight. A torn or corrupt line costs a rebuild of what it
held. Compacted when it is twice as large as what is alive. No locks of the file system are needed to read it.

A record: `task`, `at` (ns), `state` (ok, failed, waiting, partial), `in` and `out` (key -> file state), `read` (the
traced inputs, key -> file state), `ls` (listed folders, key -> digest of the names), `args`, `code`, `versions`,
`error`, `hidden` (what a child process may have read).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from metarunlog import files

Trace = Mapping[str, Any]
_MIN_COMPACT = 1 << 16


class Journal:
    """The traces of one experiment, by task name without the experiment: `parse:001`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, Trace] = {}
        self._ignored: set[str] = set()
        self._lines: dict[str, int] = {}  # live size by task
        self._size = 0
        self._watcher: Callable[[str], None] | None = None
        self._read()

    def watch(self, changed: Callable[[str], None]) -> None:
        """Have `changed` called with each task whose trace is put or forgotten from now on."""
        self._watcher = changed

    def get(self, task: str) -> Trace | None:
        return self._records.get(task)

    def items(self) -> Iterator[tuple[str, Trace]]:
        yield from list(self._records.items())

    def is_ignored(self, task: str) -> bool:
        """Set by `doit ignore`."""
        return task in self._ignored

    def put(self, task: str, trace: Trace) -> None:
        self._append({"task": task, **trace})

    def forget(self, task: str) -> None:
        if task in self._records or task in self._ignored:
            self._append({"task": task, "forget": True})

    def ignore(self, task: str) -> None:
        self._append({"task": task, "ignore": True})

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            if self._torn(fd):
                line = b"\n" + line
            os.write(fd, line)
        finally:
            os.close(fd)
        self._size += len(line)
        self._take(record, len(line))
        if self._watcher is not None:
            self._watcher(record["task"])
        if self._size > _MIN_COMPACT and self._size > 2 * sum(self._lines.values()):
            self.compact()

    def compact(self) -> None:
        """Write only what is alive. Call it under the experiment's lock."""
        alive: list[dict[str, Any]] = [{"task": t, "ignore": True} for t in sorted(self._ignored)]
        alive += [{"task": task, **record} for task, record in self._records.items()]
        data = b"".join(json.dumps(r, separators=(",", ":")).encode() + b"\n" for r in alive)
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
            try:
                record = json.loads(line)
                task = record["task"]
            except (ValueError, KeyError, TypeError):
                continue  # the end of the journal, or a line that a crash tore
            if isinstance(task, str):
                self._take(record, len(line))

    def _take(self, record: dict[str, Any], size: int) -> None:
        task = record["task"]
        if record.get("forget"):
            self._records.pop(task, None)
            self._ignored.discard(task)
            self._lines.pop(task, None)
        elif record.get("ignore"):
            self._ignored.add(task)
        else:
            self._records[task] = {k: v for k, v in record.items() if k != "task"}
            self._lines[task] = size
