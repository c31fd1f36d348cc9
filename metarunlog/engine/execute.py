"""Doing one task: snapshot of its inputs, the action, and the trace of what happened."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from metarunlog.engine.disk import GONE, Disk, FileState, file_digest, now_ns
from metarunlog.engine.journal import Journal
from metarunlog.engine.spec import Graph, Job, Spec
from metarunlog.engine.staleness import kept_args, listing_digest, short_name
from metarunlog.engine.tracing import Numbers, Seen
from metarunlog.engine.workers import Workers


class OnFailure(Protocol):
    """Makes the first target of a task that died, at `path`, so that what is downstream can show why."""

    def __call__(self, spec: Spec, error: str, path: Path) -> None: ...


@dataclass
class Executor:
    """Does tasks of one graph, in any number of threads. Workers are started when the first job needs them."""

    graph: Graph
    journal: Journal
    on_failure: OnFailure
    partial: frozenset[str] = frozenset()  # tasks whose result is over a part of the sub-experiments only
    _workers: Workers | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, spec: Spec) -> dict[str, Any] | None:
        """Do a task; returns its trace, or None for one that judges itself. Raises only what an own action raises."""
        if not isinstance(spec.action, Job):
            spec.action()
            return None
        at = now_ns()
        disk = Disk(self.graph.place)  # a view of its own: taken before the action, and never a newer one
        inputs = {key: disk.state(key) for key in spec.inputs}
        args, code = kept_args(spec.args), dict(spec.code())
        result = self._pool().call(spec.action, self._not_inputs())
        value: Mapping[str, Any] = result.value if isinstance(result.value, dict) else {}
        state, error = value.get("state", "ok"), value.get("error")
        if result.error is not None:
            state, error = "failed", result.error
        seen = result.seen or Seen({}, [], [], [])
        out = {
            *spec.targets,
            *map(self.graph.place.key, value.get("targets", ())),
            *(self.graph.place.key(p) for p in seen.writes if self._is_ours(p)),
        }
        read = self._read_states(seen, set(spec.inputs) | out) | self._also_read(value, disk)
        clash = self._written_by_another(spec, out - set(spec.targets)) or self._made_later(spec, read.keys())
        if clash is not None:
            state, error = "failed", clash
            out = set(spec.targets)  # what is contested stays the other's
        if result.error is not None or clash is not None:
            self.on_failure(spec, str(error), Path(self.graph.place.path(spec.targets[0])))
        if state == "ok" and spec.name in self.partial:
            state = "partial"
        self._remove_leftovers(spec, out)
        after = Disk(self.graph.place)
        return {
            "at": at,
            "state": state,
            **({"error": _last_line(str(error))} if error else {}),
            "in": inputs,
            "read": read,
            "ls": self._listings(seen),
            "out": {key: after.state(key) for key in sorted(out)},
            "args": args,
            "code": code,
            "versions": dict(spec.versions),
            **({"hidden": seen.hidden} if seen.hidden else {}),
        }

    def close(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def start(self) -> None:
        """Start the workers now, so that they load their libraries while the graph is made ready."""
        self._pool()

    def _pool(self) -> Workers:
        with self._lock:
            if self._workers is None:
                self._workers = Workers(self.graph.place.root, self._frozen())
                atexit.register(self.close)
            return self._workers

    def _frozen(self) -> dict[str, str]:
        """Tells `metarunlog.load`, called by a function, to take this experiment's pickles as they are."""
        return {"MRL_FROZEN": str(self.graph.place.base), "MRL_FROZEN_OUTDIR": str(self.graph.derived)}

    def _not_inputs(self) -> tuple[str, ...]:
        base = self.graph.place.base
        return (f"{base}/code/", f"{self.graph.memory}/")

    def _is_ours(self, path: str) -> bool:
        """A file that a function wrote is a target where it lies in the folder that analysis derives."""
        return path.startswith(f"{self.graph.derived}/") and os.path.exists(path)

    def _remove_leftovers(self, spec: Spec, out: set[str]) -> None:
        """Delete what this task made the last time and does not make any more."""
        trace = self.journal.get(short_name(spec.name))
        for key in set(trace["out"] if trace else ()) - out:
            path = Path(self.graph.place.path(key))
            if path.is_relative_to(self.graph.derived):
                path.unlink(missing_ok=True)

    def _read_states(self, seen: Seen, known: set[str]) -> dict[str, FileState]:
        """The state of each file when it was opened; without a digest, hence stale, where it has changed since."""
        states: dict[str, FileState] = {}
        for path, numbers in seen.reads.items():
            key = self.graph.place.key(path)
            if key not in known:
                states[key] = None if numbers is None else [*numbers, _digest_of(path, numbers)]
        return states

    def _also_read(self, value: Mapping[str, Any], disk: Disk) -> dict[str, FileState]:
        """What the action itself says that it depends on."""
        return {key: disk.state(key) for key in map(self.graph.place.key, value.get("reads", ()))}

    def _listings(self, seen: Seen) -> dict[str, str]:
        made = {}
        for folder, pattern in seen.listings:
            if folder == str(self.graph.derived) or folder.startswith(f"{self.graph.derived}/"):
                continue  # a listing of what is being made would never be the same twice
            listing = f"{self.graph.place.key(folder)}\t{pattern}"
            made[listing] = listing_digest(self.graph.place, listing)
        return made

    def _written_by_another(self, spec: Spec, written: set[str]) -> str | None:
        """Two functions that write one file: an error that names both."""
        own = short_name(spec.name)
        alive = {short_name(name) for name in self.graph.specs}
        for task, trace in self.journal.items():
            both = written & trace["out"].keys() if task != own and task in alive else None
            if both:
                return f"{self.graph.place.shown(min(both))} is written by {own} and by {task}; give one another name"
        return None

    def _made_later(self, spec: Spec, read: Collection[str]) -> str | None:
        """A function that reads what a later one makes: an error that names both."""
        order = {short_name(name): n for n, name in enumerate(self.graph.specs)}
        own = short_name(spec.name)
        for task, trace in self.journal.items():
            if order.get(task, -1) > order[own] and not (task.startswith("section:") and own.startswith("section:")):
                both = set(read) & trace["out"].keys()
                if both:
                    return (
                        f"{own} reads {self.graph.place.shown(min(both))}, which {task} makes later; change their order"
                    )
        return None


def _digest_of(path: str, numbers: Numbers) -> str:
    try:
        digest = file_digest(path)
        s = os.stat(path)
    except OSError:
        return GONE
    return digest if (s.st_size, s.st_mtime_ns, s.st_ino, s.st_ctime_ns) == numbers else GONE


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
