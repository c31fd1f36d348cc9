"""`mrl status [EXP]`: asks the traces; imports none of the user's code and writes nothing."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.explain import lines, task_json
from metarunlog.engine.journal import Journal
from metarunlog.engine.spec import Spec, State, Verdict
from metarunlog.engine.staleness import Judge
from metarunlog.experiment import Experiment
from metarunlog.tasks.function import Functions
from metarunlog.tasks.graph import everything

_ERRORS = 5  # that are shown without -v
_REASONS = 8  # of a task that are shown with -v
_STATES: tuple[State, ...] = ("up-to-date", "stale", "waiting", "failed", "kept")


def configure(parser: argparse.ArgumentParser) -> None:
    options.experiment(parser)
    parser.add_argument("--all", action="store_true", help="all experiments")
    parser.add_argument("-v", "--verbose", action="store_true", help="say why, for each task")
    parser.add_argument("--exit-code", action="store_true", help="exit 1 if anything is stale or failed")
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    project = common.project()
    if args.all:
        experiments = project.experiments()
    elif args.exp is None and not project.experiment_dirs():
        experiments = []
        common.say("there is no experiment yet; `mrl new` makes one")
    else:
        experiments = [project.experiment(args.exp)]
    functions = Functions(project.root)
    found = [_Status(experiment, functions) for experiment in experiments]
    if args.json:
        common.print_json({"experiments": [status.to_json() for status in found]})
    else:
        for status in found:
            status.print(args.verbose)
    bad = any(status.counts["stale"] or status.counts["failed"] for status in found)
    return 1 if args.exit_code and bad else 0


class _Status:
    """The verdicts on all tasks of one experiment."""

    def __init__(self, experiment: Experiment, functions: Functions) -> None:
        self.experiment = experiment
        self.graph = everything(experiment, functions, launches=False)
        judge = Judge(self.graph, Journal(self.graph.journal_path))
        self.verdicts = {name: judge.verdict(name) for name in self.graph.specs}
        found = Counter(verdict.state for verdict in self.verdicts.values())
        self.counts = {state: found[state] for state in _STATES}

    def to_json(self) -> dict[str, Any]:
        place = self.graph.place
        return {
            "expId": self.experiment.name,
            "path": self.experiment.path,
            "counts": self.counts,
            "tasks": [task_json(name, verdict, spec.targets, place) for name, spec, verdict in self._open()],
            "subExps": [
                {"id": sub.id, "params": dict(sub.params), "run": sub.state, "orphan": sub.orphan}
                for sub in self.experiment.subs
            ],
        }

    def print(self, verbose: bool) -> None:
        """Counts, and the tasks that are not up to date: one by one with -v, else by kind."""
        counts = ", ".join(f"{n} {state}" for state, n in self.counts.items() if n) or "no tasks"
        print(f"{self.experiment.path}: {counts}")
        runs = Counter(sub.state or "not run" for sub in self.experiment.subs)
        if runs:
            print("  runs     " + ", ".join(f"{n} {state}" for state, n in sorted(runs.items())))
        orphans = sum(sub.orphan for sub in self.experiment.subs)
        if orphans:
            print(f"  orphans  {orphans}, whose params left the grid; `mrl prune` archives them")
        if verbose:
            for name, _, verdict in self._open():
                print(f"  {verdict.state:8} {name}")
                for line in lines(verdict, self.graph.place, _REASONS):
                    print(f"             {line}")
            return
        kinds = Counter((v.state, name.partition(":")[0]) for name, _, v in self._open())
        for state in _STATES[1:]:
            parts = [f"{n} {kind}" for (s, kind), n in kinds.items() if s == state]
            if parts:
                print(f"  {state:8} {', '.join(parts)}")
        for error in list(dict.fromkeys(v.error for _, _, v in self._open() if v.state == "failed"))[:_ERRORS]:
            print(f"           {error}")

    def _open(self) -> list[tuple[str, Spec, Verdict]]:
        specs = self.graph.specs
        return [(n, specs[n], v) for n, v in self.verdicts.items() if v.state != "up-to-date"]
