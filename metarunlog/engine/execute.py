"""Doing one task: snapshot of its inputs, the action, and the trace of what happened."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from metarunlog import fileinfo, files
from metarunlog.engine import listing
from metarunlog.engine.conflicts import Clash, Conflicts
from metarunlog.engine.disk import GONE, Disk, FileState, file_digest, now_ns
from metarunlog.engine.journal import Trace
from metarunlog.engine.seen import Seen
from metarunlog.engine.spec import VERIFY, Job, Spec
from metarunlog.engine.staleness import Judge
from metarunlog.engine.workers import Result, Workers
from metarunlog.fileinfo import Numbers

_CHANGED = "changed while it was used"  # in place of a digest of code: stale the next time


class OnFailure(Protocol):
    """Makes the first target of a task that died, at `path`, so that what is downstream can show why."""

    def __call__(self, spec: Spec, error: str, path: Path) -> None: ...


@dataclass(frozen=True)
class Done:
    """The trace of a task, and those of tasks that turned out to have failed because of what this one did."""

    trace: Trace
    also: Mapping[str, Trace] = field(default_factory=dict)  # by task name


@dataclass
class Executor:
    """Does tasks of one graph, in any number of threads. Workers are started when the first job needs them."""

    judge: Judge
    on_failure: OnFailure
    partial: frozenset[str] = frozenset()  # tasks whose result is over a part of the sub-experiments only
    tell: Callable[[str], None] | None = None  # gets the lines that functions print
    warm: tuple[str, ...] = ()  # modules that nearly every action wants
    _workers: Workers | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[tuple[str, Numbers], str] = field(default_factory=dict)  # content of modules

    def run(self, spec: Spec) -> Done | None:
        """Do a task; None for one that judges itself. Raises only what an own action raises."""
        if not isinstance(spec.action, Job):
            spec.action()
            return None
        place = self.judge.graph.place
        self._make_way(spec)
        at = now_ns()
        # a view of its own: before the action, and never a newer one
        disk = Disk(place, trust=self.judge.trust, earlier=self.judge.disk)
        old: Trace = self.judge.journal.get(spec.short) or {"in": {}, "out": {}, "at": 0}
        inputs = {key: disk.state(key, old["in"].get(key), old["at"]) for key in spec.inputs}
        job = spec.action
        if job.digests:
            told = {place.path(key): None if state is None else state[4] for key, state in inputs.items()}
            job = replace(job, kwargs={**job.kwargs, "digests": told})
        result, seen = self._call(spec, job)
        value: Mapping[str, Any] = result.value if isinstance(result.value, dict) else {}
        state, error = value.get("state", "ok"), value.get("error")
        if result.error is not None:
            state, error = "failed", result.error
            self.on_failure(spec, result.error, Path(place.path(spec.targets[0])))
        wrote = {place.key(path) for path in seen.writes if os.path.lexists(path)}
        out = {*spec.targets, *map(place.key, value.get("targets", ())), *filter(self._is_derived, wrote)}
        read = self._read_states(seen, set(spec.inputs) | out)
        read |= {key: disk.state(key) for key in map(place.key, value.get("reads", ()))}
        conflicts = Conflicts(self.judge, spec.name, out, read, seen)
        clash = conflicts.own
        if clash is not None:
            state, error = "failed", clash.why
            out, read = self._undo(spec, clash, out), self._visible(spec, read)
        also = {name: self._failed(name, why) for name, why in conflicts.others.items()}
        if state == "ok" and spec.name in self.partial:
            state = "partial"
        self._remove(spec, self._made_before(spec) - out)
        after = Disk(place, trust=self.judge.trust)
        trace = {
            "at": at,
            "state": state,
            **({"error": _last_line(str(error))} if error else {}),
            "in": inputs,
            "read": read,
            "ls": self._listings(spec, seen),
            "out": {key: after.state(key, old["out"].get(key), old["at"]) for key in sorted(out)},
            "args": spec.kept_args,
            "code": self._code(spec, seen),
            "modules": [place.key(path) for path in seen.imports],
            "versions": dict(spec.versions),
            **({"wrote": sorted(wrote - out)} if wrote - out else {}),
            **({"hidden": seen.hidden} if seen.hidden else {}),
            **({"clash": list(clash[1:])} if clash else {}),
        }
        return Done(trace, also)

    def close(self) -> None:
        if self._workers is not None:
            atexit.unregister(self.close)
            self._workers.close()
            self._workers = None

    def start(self) -> None:
        """Start the workers now, so that they load their libraries while the graph is made ready."""
        self._pool()

    def _call(self, spec: Spec, job: Job) -> tuple[Result, Seen]:
        if not job.isolated:
            return self._pool().call(job), Seen()
        # what it made the last time must not be an input of what it makes now
        self._remove(spec, self._made_before(spec) - set(spec.targets))
        aside = f"{self.judge.graph.memory}/{files.ASIDE}/{os.urandom(6).hex()}"
        result = self._pool().call(job, aside)
        seen = result.seen or Seen()
        self._put_back(spec, seen)
        if seen.backups:
            shutil.rmtree(aside, ignore_errors=True)
            with contextlib.suppress(OSError):  # another call may be using it
                os.rmdir(os.path.dirname(aside))
        return result, seen

    def _make_way(self, spec: Spec) -> None:
        """Folders that somebody made where targets go are moved to the memory, as anything that is replaced."""
        for key in {*spec.targets, *self._made_before(spec)}:
            path = Path(self.judge.graph.place.path(key))
            if path.is_dir() and not path.is_symlink():
                files.put_aside(path, self.judge.graph.memory / files.REPLACED)
                if self.tell:
                    shown = self.judge.graph.place.shown
                    there = shown(self.judge.graph.place.key(str(self.judge.graph.memory / files.REPLACED)))
                    self.tell(f"{shown(key)} was a folder; it is in {there} now")

    def _put_back(self, spec: Spec, seen: Seen) -> None:
        """Undo what the function did to files that stay another task's."""
        owners = self.judge.owners
        for path, copy in seen.backups.items():
            maker = owners.maker(self.judge.graph.place.key(path))
            if maker not in (None, spec.name) and owners.loser(spec.name, maker) == spec.name:
                shutil.move(copy, path)

    def _pool(self) -> Workers:
        with self._lock:
            if self._workers is None:
                graph = self.judge.graph
                self._workers = Workers(graph.place.root, self._frozen(), graph.scope, self.tell, self.warm)
                atexit.register(self.close)
            return self._workers

    def _frozen(self) -> dict[str, str]:
        """Tells `metarunlog.load`, called by a function, to take this experiment's pickles as they are; and actions
        whether to trust shortcuts."""
        graph = self.judge.graph
        frozen = {"MRL_FROZEN": str(graph.place.base), "MRL_FROZEN_OUTDIR": str(graph.derived)}
        return frozen if self.judge.trust else {**frozen, VERIFY: "1"}

    def _is_derived(self, key: str) -> bool:
        """A file that a function wrote is a target where it lies in the folder that analysis derives."""
        return self.judge.graph.place.path(key).startswith(f"{self.judge.graph.derived}/")

    def _made_before(self, spec: Spec) -> set[str]:
        trace = self.judge.journal.get(spec.short)
        return set(trace["out"] if trace else ())

    def _remove(self, spec: Spec, keys: Iterable[str]) -> None:
        """Delete files of a task that are no more its targets, and the folders that this empties."""
        graph, owners = self.judge.graph, self.judge.owners
        for key in keys:
            path = Path(graph.place.path(key))
            if path.is_relative_to(graph.derived) and owners.maker(key) in (None, spec.name):
                remove_with_folders(path, graph.derived)

    def _undo(self, spec: Spec, clash: Clash, out: set[str]) -> set[str]:
        """The card takes the place of all that the function made. Returns what is left of `out`."""
        self._remove(spec, out - set(spec.targets))
        self.on_failure(spec, clash.why, Path(self.judge.graph.place.path(spec.targets[0])))
        return set(spec.targets)

    def _failed(self, name: str, clash: Clash) -> Trace:
        """The new trace of a task that was done before and fails because of what another does now."""
        spec = self.judge.graph.specs[name]
        trace = self.judge.journal.get(spec.short) or {}
        out = self._undo(spec, clash, set(trace["out"]) - {clash.key})
        now = Disk(self.judge.graph.place)
        return {
            **trace,
            "state": "failed",
            "error": clash.why,
            "clash": list(clash[1:]),
            "read": self._visible(spec, {key: state for key, state in trace["read"].items() if key != clash.key}),
            "out": {key: now.state(key) for key in sorted(out)},
        }

    def _visible(self, spec: Spec, read: Mapping[str, FileState]) -> dict[str, FileState]:
        """Without what tasks make that do not go before this one: that it is made at all is what counts of it."""
        owners = self.judge.owners
        makers = {key: owners.maker(key) for key in read}
        return {key: read[key] for key, maker in makers.items() if maker is None or owners.may_see(spec.name, maker)}

    def _read_states(self, seen: Seen, known: set[str]) -> dict[str, FileState]:
        """The state of each file when it was opened; without a digest, hence stale, where it has changed since."""
        states: dict[str, FileState] = {}
        for path, numbers in seen.reads.items():
            key = self.judge.graph.place.key(path)
            if key not in known:
                states[key] = None if numbers is None else [*numbers, _digest_of(path, numbers)]
        return states

    def _listings(self, spec: Spec, seen: Seen) -> dict[str, str]:
        key, owners = self.judge.graph.place.key, self.judge.owners
        return {
            str(question._replace(folder=key(question.folder))): listing.digest(
                names, lambda path: owners.visible(spec.name, path)
            )
            for question, names in seen.listings.items()
        }

    def _code(self, spec: Spec, seen: Seen) -> dict[str, str]:
        """The code that counts. Where a module was imported with another text than the digests are of, it is stale."""
        key = self.judge.graph.place.key
        digests = dict(spec.code.digests([key(path) for path in seen.imports]))
        for path, numbers in seen.imports.items():
            text = spec.code.content(key(path))
            if numbers is None or (text is not None and self._content(path, numbers) != text):
                digests[key(path)] = _CHANGED
        return digests

    def _content(self, path: str, numbers: Numbers) -> str:
        if (path, numbers) not in self._known:
            self._known[path, numbers] = _digest_of(path, numbers)
        return self._known[path, numbers]


def remove_with_folders(path: Path, top: Path) -> None:
    """Delete a file, and the folders below `top` that are empty then."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        for folder in path.parents:
            if folder == top:
                break
            folder.rmdir()


def _digest_of(path: str, numbers: Numbers) -> str:
    try:
        digest = file_digest(path)
    except OSError:
        return GONE
    return digest if fileinfo.numbers(path) == numbers else GONE


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
