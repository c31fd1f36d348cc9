"""Stale or not: one decision, explained in the line that decides it. `status`, `analyze` and doit all ask here."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from metarunlog import files
from metarunlog.engine.disk import GONE, Disk, FileState, names_digest, now_ns
from metarunlog.engine.journal import Journal, Trace
from metarunlog.engine.spec import Graph, Place, Reason, Spec, Verdict

_SHOWN = 60  # characters of an old or new value in a reason


class Judge:
    """Decides for the tasks of one graph. A question never writes.

    A verdict is kept until the journal says that its task, or one that it reads from, was done.
    """

    def __init__(self, graph: Graph, journal: Journal, *, verify: bool = False, retry_failed: bool = False) -> None:
        self.graph = graph
        self.journal = journal
        self.disk = Disk(graph.place, trust=not verify)
        self._retry_failed = retry_failed
        self._verdicts: dict[str, Verdict] = {}
        self._readers: dict[str, set[str]] = {}  # task -> tasks whose verdict asked for its
        self._names = {short_name(name): name for name in graph.specs}
        self._producers = self._find_producers()
        self.disk.pretend_gone(key for task in self.leftovers() for key in (journal.get(task) or {"out": ()})["out"])
        journal.watch(self._settle)

    def verdict(self, name: str) -> Verdict:
        """The state of a task and every reason for it, its upstream tasks included."""
        if name not in self._verdicts:
            self._verdicts[name] = self._decide(self.graph.specs[name])
        return self._verdicts[name]

    def _settle(self, short: str) -> None:
        """A task was done: it and what reads from it is decided anew when next asked for."""
        name = self._names.get(short)
        trace = self.journal.get(short)
        if name is None:
            return
        if trace is not None:
            self.disk.forget(trace["out"])
            self._producers.update(dict.fromkeys(trace["out"], name))
        todo = [name]
        while todo:
            done = todo.pop()
            self._verdicts.pop(done, None)
            todo.extend(self._readers.pop(done, ()))

    def upstream(self, name: str) -> set[str]:
        """The tasks that made what `name` reads."""
        spec = self.graph.specs[name]
        trace = self.journal.get(short_name(name)) or {}
        keys = (*spec.inputs, *trace.get("read", ()))
        return {p for key in keys if (p := self._producers.get(key)) is not None and p != name}

    def leftovers(self) -> list[str]:
        """Short names of tasks that made something and are no more: their function, sub-experiment or log is gone.

        What they made is to be deleted, and counts as deleted.
        """
        alive = {short_name(name) for name, spec in self.graph.specs.items() if spec.waiting is None}
        return [task for task, _ in self.journal.items() if task not in alive]

    def outdated_states(self) -> Iterator[tuple[str, Trace]]:
        """Tasks that are up to date by content, but whose files' times have moved, with the trace to record instead."""
        for name in self.graph.specs:
            trace = self.journal.get(short_name(name))
            if trace is None or self.verdict(name).state not in ("up-to-date", "failed", "waiting"):
                continue
            parts = [trace[part] for part in ("in", "read", "out")]
            at = trace["at"]
            if all(self.disk.exactly(key, state, at) for part in parts for key, state in part.items()):
                continue
            now = now_ns()
            fresh = {part: {k: self.disk.state(k) for k in trace[part]} for part in ("in", "read", "out")}
            yield name, {**trace, **fresh, "at": now}

    def _decide(self, spec: Spec) -> Verdict:
        if spec.decided is not None:
            return spec.decided
        if spec.waiting is not None:
            return Verdict("waiting", note=spec.waiting)
        trace = self.journal.get(short_name(spec.name))
        upstream = []
        for task in sorted(self.upstream(spec.name)):
            self._readers.setdefault(task, set()).add(spec.name)
            if self.verdict(task).state == "stale":
                upstream.append(Reason("upstream", task))
        if trace is None:
            return Verdict("stale", (Reason("never_built", spec.name), *upstream))
        reasons = (*self._own_reasons(spec, trace), *upstream)
        error = trace.get("error")
        if trace["state"] == "partial":
            reasons += (Reason("upstream", "a part of the sub-experiments was left out"),)
        if trace["state"] == "failed" and self._retry_failed:
            reasons += (Reason("failed_before", spec.name, old=_short(error)),)
        if reasons:
            return Verdict("stale", reasons, error=error)
        if trace["state"] == "failed":
            return Verdict("failed", (Reason("failed_before", spec.name, old=_short(error)),), error=error)
        if trace["state"] == "waiting":
            return Verdict("waiting", note=error)
        return Verdict("up-to-date")

    def _own_reasons(self, spec: Spec, trace: Trace) -> Iterator[Reason]:
        yield from _compare(kept_args(spec.args), trace["args"], _kind_of_arg)
        yield from _compare(spec.code(), trace["code"], lambda _: "code_changed")
        yield from _compare(spec.versions, trace["versions"], lambda _: "version_changed")
        at, disk = trace["at"], self.disk
        for key in spec.inputs:
            if key not in trace["in"]:
                yield Reason("input_added", key, is_path=True)
        for key, state in trace["in"].items():
            if key not in spec.inputs:
                yield Reason("input_removed", key, is_path=True)
            elif not disk.same(key, state, at):
                yield self._changed(key, state)
        for key, state in trace["read"].items():
            if not disk.same(key, state, at):
                yield self._changed(key, state)
        for listing, digest in trace["ls"].items():
            if listing_digest(disk.place, listing) != digest:
                seen = listing.replace("\t", "/").rstrip("/")
                yield Reason("input_changed", seen, new="files added or removed", is_path=True)
        for key, state in trace["out"].items():
            if disk.numbers(key) is None:
                if state is not None:
                    yield Reason("target_missing", key, is_path=True)
            elif not disk.same(key, state, at):
                yield Reason("target_edited", key, *_old_new(state, disk.state(key)), is_path=True)

    def _changed(self, key: str, state: FileState) -> Reason:
        now = self.disk.state(key)
        kind = "input_added" if state is None else "input_removed" if now is None else "input_changed"
        return Reason(kind, key, *_old_new(state, now), is_path=True)

    def _find_producers(self) -> dict[str, str]:
        found = {}
        for name, spec in self.graph.specs.items():
            if spec.decided is None and spec.waiting is None:
                trace = self.journal.get(short_name(name))
                found.update(dict.fromkeys((*spec.targets, *(trace["out"] if trace else ())), name))
        return found


def short_name(name: str) -> str:
    """A task's name in the journal of its experiment: `parse:0001/001` -> `parse:001`, `report:0001` -> `report`."""
    kind, _, rest = name.partition(":")
    inner = rest.partition("/")[2]
    return f"{kind}:{inner}" if inner else kind


def kept_args(args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as traces keep them: long ones as a digest, so that a trace stays small."""
    kept = {}
    for name, value in args.items():
        text = json.dumps(value, sort_keys=True)
        kept[name] = text if len(text) <= 400 else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return kept


def listing_digest(place: Place, listing: str) -> str:
    """Digest of the names that a listing saw: `folder key <tab> glob pattern`, no pattern for all."""
    import fnmatch

    folder, _, pattern = listing.partition("\t")
    try:
        names = os.listdir(place.path(folder))
    except OSError:
        return GONE
    names = [n for n in names if not n.startswith(files.META)]  # mrl's own, also while being written
    return names_digest(fnmatch.filter(names, pattern) if pattern else names)


def _compare(now: Mapping[str, Any], old: Mapping[str, Any], kind: Any) -> Iterator[Reason]:
    if now == old:
        return
    for name in sorted({*now, *old}):
        if now.get(name) != old.get(name):
            yield Reason(kind(name), name, _short(old.get(name)), _short(now.get(name)))


def _kind_of_arg(name: str) -> str:
    return "params_changed" if name in ("params", "subExps") else "args_changed"


def _short(value: Any) -> str | None:
    if value is None:
        return None
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _old_new(old: FileState, now: FileState) -> tuple[str | None, str | None]:
    def shown(state: FileState) -> str | None:
        return None if state is None else f"{state[0]} bytes, {str(state[4])[:8]}"

    return shown(old), shown(now)
