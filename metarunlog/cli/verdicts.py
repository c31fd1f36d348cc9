"""The verdicts on all tasks of an experiment, as `mrl status` says them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metarunlog.cli.short import Short
from metarunlog.engine.explain import lines, task_json
from metarunlog.engine.journal import Journal
from metarunlog.engine.spec import Graph, Spec, Verdict
from metarunlog.engine.staleness import Judge
from metarunlog.experiment import Experiment
from metarunlog.tasks.function import Functions
from metarunlog.tasks.graph import everything

_REASONS = 8  # of a task that are shown


class Verdicts:
    """The verdicts on all tasks of one experiment."""

    def __init__(self, experiment: Experiment, graph: Graph, verdicts: Mapping[str, Verdict]) -> None:
        self.experiment = experiment
        self._graph = graph
        self._verdicts = verdicts
        self.short = Short.of(experiment, verdicts)

    @classmethod
    def of(cls, experiment: Experiment) -> Verdicts:
        graph = everything(experiment, Functions(experiment.root), launches=False)
        judge = Judge(graph, Journal(graph.journal_path))
        return cls(experiment, graph, {name: judge.verdict(name) for name in graph.specs})

    def to_json(self) -> dict[str, Any]:
        place = self._graph.place
        return {
            "expId": self.experiment.name,
            "path": self.experiment.path,
            "counts": self.short.counts,
            "tasks": [task_json(name, verdict, spec.targets, place) for name, spec, verdict in self._open()],
            "subExps": [
                {"id": sub.id, "params": dict(sub.params), "run": sub.state, "orphan": sub.orphan}
                for sub in self.experiment.subs
            ],
        }

    def lines(self) -> Iterator[str]:
        """Each task that is not up to date, and why."""
        yield from self.short.head()
        for name, _, verdict in self._open():
            yield f"  {verdict.state:8} {name}"
            yield from (f"             {line}" for line in lines(verdict, self._graph.place, _REASONS))

    def _open(self) -> list[tuple[str, Spec, Verdict]]:
        specs = self._graph.specs
        return [(n, specs[n], v) for n, v in self._verdicts.items() if v.state != "up-to-date"]
