"""Stale or not: one decision, explained in the line that decides it. `status`, `analyze` and doit all ask here."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from metarunlog.engine import listing
from metarunlog.engine.disk import Disk, FileState, now_ns
from metarunlog.engine.journal import Journal, Trace
from metarunlog.engine.listing import Listing
from metarunlog.engine.owners import Owners
from metarunlog.engine.spec import Graph, Reason, Spec, Verdict

_INPUTS = ("input_changed", "input_added", "input_removed")
_SHOWN = 60  # characters of an old or new value in a reason


class Judge:
    """Decides for the tasks of one graph. A question never writes.

    A verdict is kept until the journal says that its task, or one that it reads from, was done.
    """

    def __init__(self, graph: Graph, journal: Journal, *, verify: bool = False, retry_failed: bool = False) -> None:
        self.graph = graph
        self.journal = journal
        self.trust = not verify
        self.retry_failed = retry_failed
        self._derived = graph.place.key(str(graph.derived))
        self._declared = {key for spec in graph.specs.values() for key in spec.targets}
        self._names = {spec.short: name for name, spec in graph.specs.items()}
        self._begin()
        journal.watch(self._settle)

    def _begin(self) -> None:
        self.disk = Disk(self.graph.place, trust=self.trust)
        self.owners = Owners(self.graph, self.journal)
        self._verdicts: dict[str, Verdict] = {}
        self._listed: dict[tuple[str, str], str] = {}  # digests of listings, by task
        self._askers: dict[str, set[str]] = {}  # task -> tasks whose verdict asked for its
        for task in self.leftovers():
            self.disk.pretend_gone((self.journal.get(task) or {"out": ()})["out"])

    def refresh(self) -> None:
        """Decide anew where another process has changed the traces."""
        if self.journal.has_changed():
            self.journal.read_again()
            self._begin()

    def verdict(self, name: str) -> Verdict:
        """The state of a task and every reason for it, its upstream tasks included."""
        if name not in self._verdicts:
            self._verdicts[name] = self._decide(self.graph.specs[name])
        return self._verdicts[name]

    def assume_unchanged(self, names: Iterable[str]) -> None:
        """Of tasks that were just done: what they read of the user's counts as it was then. What has changed since is
        for the next time, lest a log that is being written keeps a command going for ever."""
        derived = self.graph.scope.derived + "/"
        for name in names:
            trace = self.journal.get(self.graph.specs[name].short)
            if trace is not None:
                theirs = (trace["in"], trace["read"])
                path = self.graph.place.path
                self.disk.assume({k: s for each in theirs for k, s in each.items() if not path(k).startswith(derived)})
                for text, digest in trace["ls"].items():
                    if not f"{path(Listing.parse(text).folder)}/".startswith(derived):
                        self._listed[name, text] = digest

    def look_again(self, name: str) -> Verdict:
        """The same after somebody else may have changed the files that the task reads."""
        spec = self.graph.specs[name]
        trace = self.journal.get(spec.short)
        self.disk.forget((*spec.inputs, *(trace["read"] if trace else ())))
        self._verdicts.pop(name, None)
        return self.verdict(name)

    def _settle(self, short: str) -> None:
        """A task was done: it and what reads from it is decided anew when next asked for."""
        name = self._names.get(short)
        if name is None:
            return
        trace = self.journal.get(short)
        if trace is not None:
            self.disk.forget((*trace["out"], *trace.get("wrote", ())))
        if self.graph.specs[name].decided is None and self.graph.specs[name].waiting is None:
            self.owners.settle(name, trace)
        todo = [name]
        for key in trace["out"] if trace is not None else ():
            todo += self.owners.readers(key)  # who has looked for it in vain, too
        while todo:
            done = todo.pop()
            self._verdicts.pop(done, None)
            todo.extend(self._askers.pop(done, ()))

    def upstream(self, name: str) -> set[str]:
        """The tasks that made what `name` reads; of one that lists what others make, or looked for it in vain, all that
        may make such things."""
        spec = self.graph.specs[name]
        trace = self.journal.get(spec.short)
        makers = self.owners.makers(spec.input_set) | self.owners.makers((trace["read"] if trace else {}).keys())
        if trace and self._awaits_others(trace):
            makers |= {other for other, theirs in self.graph.specs.items() if theirs.isolated and not theirs.waiting}
        return {maker for maker in makers if maker != name and self.owners.may_see(name, maker)}

    def leftovers(self) -> list[str]:
        """Short names of tasks that made something and are no more: their function, sub-experiment or log is gone.

        What they made is to be deleted, and counts as deleted.
        """
        alive = {spec.short for spec in self.graph.specs.values() if spec.waiting is None}
        return [task for task in self.journal.tasks() if task not in alive and not self.graph.left_out(task)]

    def outdated_states(self, but: Collection[str] = ()) -> Iterator[tuple[str, Trace]]:
        """Tasks that are up to date by content, but whose files' times have moved, with the trace to record instead.

        `but` are tasks that were just done: what they made is too new for its times to tell anything.
        """
        for name in self.graph.specs:
            if name in but:
                continue
            trace = self.journal.get(self.graph.specs[name].short)
            if trace is None or self.verdict(name).state not in ("up-to-date", "failed", "waiting"):
                continue
            parts = {part: trace[part] for part in ("in", "read", "out")}
            if not any(self.disk.moved_from(states, trace["at"]) for states in parts.values()):
                continue
            # the contents were found to be the same: hashed now, they might be others, that nobody has dealt with
            fresh = {part: {k: self.disk.moved(k, s) for k, s in states.items()} for part, states in parts.items()}
            yield name, {**trace, **fresh, "at": self.disk.since}

    def as_it_is(self, name: str) -> Trace | None:
        """The trace of a task whose files are taken as they are; None where it has none, or a target is missing."""
        spec = self.graph.specs[name]
        if spec.decided is not None or spec.waiting is not None:
            return None
        disk = Disk(self.graph.place)
        old: Trace = self.journal.get(spec.short) or {"state": "ok", "read": {}, "ls": {}, "out": {}, "modules": []}
        now = now_ns()
        questions = {text: Listing.parse(text) for text in old["ls"]}
        trace = {
            **old,
            "at": now,
            "in": {key: disk.state(key) for key in spec.inputs},
            "read": {key: disk.state(key) for key in old["read"]},
            "ls": {text: self.listing_digest(name, q, old.get("wrote", ())) for text, q in questions.items()},
            "out": {key: disk.state(key) for key in dict.fromkeys((*spec.targets, *old["out"]))},
            "args": spec.kept_args,
            "code": dict(spec.code.digests(old["modules"])),
            "versions": dict(spec.versions),
        }
        return None if None in trace["out"].values() else trace

    def _decide(self, spec: Spec) -> Verdict:
        if spec.decided is not None:
            return spec.decided
        if spec.waiting is not None:
            return Verdict("waiting", note=spec.waiting)
        trace = self.journal.get(spec.short)
        stale = set()
        for task in self.upstream(spec.name):
            self._askers.setdefault(task, set()).add(spec.name)
            if self.verdict(task).state == "stale":
                stale.add(task)
        upstream = [Reason("upstream", task) for task in sorted(stale)]
        if trace is None:
            return Verdict("stale", (Reason("never_built", spec.name), *upstream))
        own = self._own_reasons(spec, trace)
        if stale:  # what is made anew may turn out the same, whatever it is now
            own = (reason for reason in own if not self._is_made_anew(reason, stale))
        reasons = (*own, *upstream)
        error = trace.get("error")
        if trace["state"] == "partial":
            reasons += (Reason("upstream", "a part of the sub-experiments", new="left out the last time"),)
        if trace["state"] == "failed" and self.retry_failed:
            reasons += (Reason("failed_before", spec.name, old=_short(error)),)
        if reasons:
            return Verdict("stale", reasons, error=error)
        if trace["state"] == "failed":
            return Verdict("failed", (Reason("failed_before", spec.name, old=_short(error)),), error=error)
        if trace["state"] == "waiting":
            return Verdict("waiting", note=error)
        return Verdict("up-to-date")

    def _own_reasons(self, spec: Spec, trace: Trace) -> Iterator[Reason]:
        yield from _compare(spec.kept_args, trace["args"], _kind_of_arg)
        for reason in _compare(spec.code.digests(trace["modules"]), trace["code"], lambda _: "code_changed"):
            old, new = (text and text[:8] for text in (reason.old, reason.new))
            yield replace(reason, old=old, new=new, line=spec.code.line(reason.subject))
        yield from _compare(spec.versions, trace["versions"], lambda _: "version_changed")
        at, disk = trace["at"], self.disk
        then = trace["in"]
        if then.keys() != spec.input_set:
            for key in (key for key in spec.inputs if key not in then):
                yield Reason("input_added", key, new=_shown(disk.state(key)), is_path=True)
            for key in (key for key in then if key not in spec.input_set):
                yield Reason("input_removed", key, old=_shown(then[key]), is_path=True)
            then = {key: state for key, state in then.items() if key in spec.input_set}
        for key in disk.differing(then, at):
            yield self._changed(key, then[key])
        for key, state in trace["read"].items():
            maker = self.owners.maker(key)
            if maker not in (None, spec.name) and not self.owners.may_see(spec.name, maker):
                yield Reason("input_changed", key, new=f"{maker} makes it, and comes later", is_path=True)
            elif not disk.same(key, state, at):
                yield self._changed(key, state)
        for text, digest in trace["ls"].items():
            question = Listing.parse(text)
            seen = self._listed.get((spec.name, text))
            if (seen or self.listing_digest(spec.name, question, trace.get("wrote", ()))) != digest:
                yield Reason("input_changed", question.shown, new="files added or removed", is_path=True)
        if (clash := trace.get("clash")) and not self._is_in_the_way(spec, *clash):
            yield Reason("input_changed", clash[0], new=f"{clash[1]} is not in the way any more", is_path=True)
        for key in spec.targets:
            if trace["out"].get(key) is None:  # never made, or could not be: a full disk, no permission
                yield Reason("target_missing", key, is_path=True)
        for key, state in trace["out"].items():
            if state is None:
                continue
            if disk.numbers(key) is None:
                yield Reason("target_missing", key, old=_shown(state), is_path=True)
            elif not disk.same(key, state, at):
                yield Reason("target_edited", key, _shown(state), _shown(disk.state(key)), is_path=True)

    def listing_digest(self, name: str, question: Listing, wrote: Iterable[str]) -> str:
        """Digest of what a listing of a task's would see now; `question` and `wrote` have keys for paths."""
        place = self.graph.place
        real = question._replace(folder=os.path.normpath(place.path(question.folder)))
        names = listing.found(real, real.names(), self.graph.scope, map(place.path, wrote))
        return listing.digest(names, lambda path: self.owners.visible(name, path))

    def _is_in_the_way(self, spec: Spec, key: str, short: str, writes: bool) -> bool:
        """Whether a task still fails because another makes a file that it writes too, or reads."""
        maker = self.owners.maker(key)
        if maker is None or self.graph.specs[maker].short != short:
            return False
        return self.owners.loser(spec.name, maker) == spec.name if writes else not self.owners.may_see(spec.name, maker)

    def _awaits_others(self, trace: Trace) -> bool:
        """Whether what any other function makes may change what this one sees."""
        for key, state in trace["read"].items():
            if state is None and key.startswith(self._derived + "/") and key not in self._declared:
                return True
        return any(self._sees_derived(Listing.parse(text)) for text in trace["ls"])

    def _sees_derived(self, question: Listing) -> bool:
        """Whether a listing may see what tasks make."""
        folder, derived = f"{self.graph.place.path(question.folder)}/", f"{self.graph.derived}/"
        return folder.startswith(derived) or (derived.startswith(folder) and "/" in question.pattern)

    def _is_made_anew(self, reason: Reason, stale: Collection[str]) -> bool:
        """Whether what has changed is of stale tasks' making: it may be as it was when they are done."""
        if not reason.is_path or reason.kind not in _INPUTS:
            return False
        maker = self.owners.maker(reason.subject)
        return maker in stale or (maker is None and reason.subject.startswith(self._derived))

    def _changed(self, key: str, state: FileState) -> Reason:
        now = self.disk.state(key, state)
        kind = "input_added" if state is None else "input_removed" if now is None else "input_changed"
        return Reason(kind, key, _shown(state), _shown(now), is_path=True)


def _compare(now: Mapping[str, Any], old: Mapping[str, Any], kind: Any) -> Iterator[Reason]:
    if now == old:
        return
    for name in sorted({*now, *old}):
        if now.get(name) != old.get(name):
            yield Reason(kind(name), name, _short(old.get(name)), _short(now.get(name)))


def _kind_of_arg(name: str) -> str:
    return "params_changed" if name.startswith(("params", "sub-experiment")) else "args_changed"


def _short(value: Any) -> str | None:
    if value is None:
        return None
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _shown(state: FileState) -> str | None:
    return None if state is None else f"{state[0]} bytes, {str(state[4])[-8:]}"
