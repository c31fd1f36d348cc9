"""The traces: what mrl remembers of each task's last success, in an append-only journal of JSON lines.

Lines are held as they are, and decoded when somebody asks for one. Of a large trace, such as that of a function over
all sub-experiments, a line may hold only what differs from the line of its task before it, whose checksum it names:
`on`, `since` (entries of a mapping that are new or others), `without` (those that are no more), and all that is no
mapping.

A trace: `at` (ns, before the action), `state` (ok, failed, waiting, partial), `in` and `out` (key -> file state),
`read` (the traced inputs, key -> file state), `ls` (listing -> digest of the names), `args`, `code`, `versions`,
`modules` (that the call imported), and where there is such a thing `error`, `hidden` (how it may have read what was not
seen), `wrote` (files that are no targets) and `clash` (a file that another task makes, and that task).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metarunlog.engine.lines import CRC, Lines, line_of, record_of

Trace = Mapping[str, Any]
_RECENT = 8  # new traces that are held decoded: who decides about one asks for it several times
_LARGE = 1 << 14  # bytes of a line that is worth writing as a difference
_MAPPINGS = ("in", "read", "ls", "out", "args", "code", "versions")
_FORGET, _IGNORE, _ON = b'"forget":true,', b'"ignore":true,', b'"on":"'


class Journal(Lines):
    """The traces of one experiment, by task name without the experiment: `parse:001`."""

    def __init__(self, path: Path) -> None:
        self._traces: dict[str, tuple[bytes, ...]] = {}  # a line, and those of what differed since
        self._decoded: dict[str, Trace | None] = {}  # of those that were in the file
        self._recent: dict[str, Trace | None] = {}  # of a few that came since, which may be all there are
        self._new: set[str] = set()
        self._put: tuple[str, Trace | None] = ("", None)  # what is being written
        self._ignored: set[str] = set()
        self._watcher: Callable[[str], None] | None = None
        super().__init__(path)

    def read_again(self) -> None:
        """Take what another process has written. The watcher is not told."""
        with self._unwatched():
            self._restart()
            self._new.clear()
            self._read()

    def compact(self) -> None:
        with self._unwatched():
            super().compact()

    def watch(self, changed: Callable[[str], None]) -> None:
        """Have `changed` called with each task whose trace is put or forgotten from now on."""
        self._watcher = changed

    def get(self, task: str) -> Trace | None:
        with self._lock:
            lines = self._traces.get(task)
            if lines is None:
                return None
            held = self._recent if task in self._new else self._decoded
            if task not in held:
                self._hold(task, _trace(lines))
            return held[task]

    def tasks(self) -> list[str]:
        """Those that have a trace."""
        return list(self._traces)

    def lines(self, tasks: Sequence[str]) -> bytes:
        """What is known of some tasks, as lines of a journal."""
        marks = [line_of({"task": task, "ignore": True}) for task in tasks if task in self._ignored]
        traces = [self._whole(task) for task in tasks if task in self._traces]
        return b"".join(b"%b\n" % line for line in (*marks, *traces))

    def is_ignored(self, task: str) -> bool:
        """Set by `doit ignore`."""
        return task in self._ignored

    def put(self, task: str, trace: Trace) -> None:
        with self._lock:
            old = self.get(task) if self._live.get(task, 0) > _LARGE else None
            differs = _difference(old, trace) if old is not None else None
            self._new.add(task)
            self._put = (task, trace)
            try:
                if old is None or differs is None or self._live[task] > 2 * len(self._traces[task][0]):
                    self._append(task, **trace)
                else:
                    self._append(task, on=self._traces[task][-1][CRC].decode(), **differs)
            finally:
                self._put = ("", None)

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
        elif not line.startswith(_ON, rest):
            self._traces[task] = (line,)
        elif (before := self._traces.pop(task, ())) and before[-1][CRC] == line[rest + len(_ON) :][:8]:
            self._traces[task] = (*before, line)
        self._decoded.pop(task, None)
        self._recent.pop(task, None)
        if self._put[0] == task:
            self._hold(*self._put)
        if self._watcher is not None:
            self._watcher(task)
        return task in self._traces or task in self._ignored

    @contextlib.contextmanager
    def _unwatched(self) -> Iterator[None]:
        watcher, self._watcher = self._watcher, None
        try:
            yield
        finally:
            self._watcher = watcher

    def _size_of(self, task: str, line: bytes) -> int:
        return sum(len(one) + 1 for one in self._traces.get(task, (line,)))

    def _hold(self, task: str, trace: Trace | None) -> None:
        """Hold a trace decoded."""
        if task not in self._new:
            self._decoded[task] = trace
            return
        self._recent[task] = trace
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]

    def _whole(self, task: str) -> bytes:
        """The trace of a task as one line."""
        lines = self._traces[task]
        return lines[0] if len(lines) == 1 else line_of({"task": task, **(self.get(task) or {})})

    def _clear(self) -> None:
        for held in (self._traces, self._decoded, self._recent):
            held.clear()
        self._ignored.clear()

    def _alive(self) -> Iterator[bytes]:
        yield from (line_of({"task": task, "ignore": True}) for task in sorted(self._ignored))
        yield from map(self._whole, self._traces)


def _trace(lines: Sequence[bytes]) -> Trace | None:
    """The trace that lines tell; None where another version wrote it: it may have kept other things."""
    record = record_of(lines[0])
    known = (
        all(isinstance(record.get(name), dict) for name in _MAPPINGS)
        and isinstance(record.get("at"), int)
        and isinstance(record.get("state"), str)
        and isinstance(record.get("modules"), list)
    )
    if not known:
        return None
    trace: Trace = {k: v for k, v in record.items() if k != "task"}
    for line in lines[1:]:
        trace = _applied(trace, record_of(line))
    return trace


def _difference(old: Trace, new: Trace) -> dict[str, Any] | None:
    """What of a trace is other than it was, as a line has it; None where that is much."""
    since, without, total = {}, {}, 0
    for part in _MAPPINGS:
        was, now = old[part], new[part]
        total += len(now)
        if found := {key: value for key, value in now.items() if key not in was or not _same(was[key], value)}:
            since[part] = found
        if gone := [key for key in was if key not in now]:
            without[part] = gone
    if 4 * sum(map(len, (*since.values(), *without.values()))) > total:
        return None
    return {"since": since, "without": without, **{k: v for k, v in new.items() if k not in _MAPPINGS}}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same as JSON, which has no tuples."""
    return bool(one == other) or (isinstance(other, tuple) and one == list(other))


def _applied(old: Trace, record: Mapping[str, Any]) -> Trace:
    """A trace after a difference."""
    since, without = record["since"], record["without"]
    made = {k: v for k, v in record.items() if k not in ("task", "on", "since", "without")}
    for part in _MAPPINGS:
        made[part] = old[part]
        if part in since or part in without:
            made[part] = {**old[part], **since.get(part, {})}
            for key in without.get(part, ()):
                del made[part][key]
    return made
