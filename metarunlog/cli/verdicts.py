"""The verdicts on all tasks of an experiment, as `mrl status` says them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from metarunlog.engine.explain import lines, task_json
from metarunlog.engine.journal import Journal
from metarunlog.engine.spec import Graph, Spec, State, Verdict
from metarunlog.engine.staleness import Judge
from metarunlog.experiment import Experiment
from metarunlog.tasks.function import Functions
from metarunlog.tasks.graph import everything

_ERRORS = 5  # that are shown in short
_REASONS = 8  # of a task that are shown
_STATES: tuple[State, ...] = ("up-to-date", "stale", "waiting", "failed", "kept")


class Verdicts:
    """The verdicts on all tasks of one experiment."""

    def __init__(self, experiment: Experiment, graph: Graph, verdicts: Mapping[str, Verdict]) -> None:
        self.experiment = experiment
        self._graph = graph
        self._verdicts = verdicts
        found = Counter(verdict.state for verdict in verdicts.values())
        self._counts = {state: found[state] for state in _STATES}
        self._runs = Counter(sub.state or "not run" for sub in experiment.subs)

    @classmethod
    def of(cls, experiment: Experiment) -> Verdicts:
        graph = everything(experiment, Functions(experiment.root), launches=False)
        judge = Judge(graph, Journal(graph.journal_path))
        return cls(experiment, graph, {name: judge.verdict(name) for name in graph.specs})

    @property
    def bad(self) -> bool:
        """Whether anything is stale or failed."""
        return bool(self._counts["stale"] or self._counts["failed"])

    @property
    def lasting(self) -> bool:
        """Whether they hold as long as no file changes: a run that is going on may end without."""
        return not self._runs["running"]

    def to_json(self) -> dict[str, Any]:
        place = self._graph.place
        return {
            "expId": self.experiment.name,
            "path": self.experiment.path,
            "counts": self._counts,
            "tasks": [task_json(name, verdict, spec.targets, place) for name, spec, verdict in self._open()],
            "subExps": [
                {"id": sub.id, "params": dict(sub.params), "run": sub.state, "orphan": sub.orphan}
                for sub in self.experiment.subs
            ],
        }

    def short(self) -> dict[str, Any]:
        """What `status` prints without options, and whether anything is stale or failed."""
        return {"lines": list(self.lines(verbose=False)), "bad": self.bad}

    def lines(self, *, verbose: bool) -> Iterator[str]:
        """Counts, and the tasks that are not up to date: one by one, or by kind."""
        counts = ", ".join(f"{n} {state}" for state, n in self._counts.items() if n) or "no tasks"
        yield f"{self.experiment.path}: {counts}"
        if self._runs:
            yield "  runs     " + ", ".join(f"{n} {state}" for state, n in sorted(self._runs.items()))
        orphans = sum(sub.orphan for sub in self.experiment.subs)
        if orphans:
            yield f"  orphans  {orphans}, whose params left the grid; `mrl prune` archives them"
        if verbose:
            for name, _, verdict in self._open():
                yield f"  {verdict.state:8} {name}"
                yield from (f"             {line}" for line in lines(verdict, self._graph.place, _REASONS))
            return
        kinds = Counter((v.state, name.partition(":")[0]) for name, _, v in self._open())
        for state in _STATES[1:]:
            parts = [f"{n} {kind}" for (s, kind), n in kinds.items() if s == state]
            if parts:
                yield f"  {state:8} {', '.join(parts)}"
        errors = dict.fromkeys(v.error for _, _, v in self._open() if v.state == "failed")
        yield from (f"           {error}" for error in list(errors)[:_ERRORS])

    def _open(self) -> list[tuple[str, Spec, Verdict]]:
        specs = self._graph.specs
        return [(n, specs[n], v) for n, v in self._verdicts.items() if v.state != "up-to-date"]
