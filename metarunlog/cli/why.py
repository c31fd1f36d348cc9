"""`mrl why TASK|FILE`: every reason for a task's state, old value and new. Writes nothing."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.explain import lines, task_json
from metarunlog.engine.journal import Journal
from metarunlog.engine.staleness import Judge
from metarunlog.errors import NoSuchError
from metarunlog.experiment import Experiment
from metarunlog.project import Project
from metarunlog.tasks.function import Functions
from metarunlog.tasks.graph import everything

_SHOWN = 10  # inputs of a task that is up to date

_EPILOG = """\
TASK is a name as `mrl status -v` and `mrl doit list --all` show it, e.g. section:0001/003/curve. FILE is a file that a
task makes, e.g. last/analysis/index.html, or one that tasks read: a log, a module of yours."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.add_argument("what", metavar="TASK|FILE", help="a task, or a file that tasks make or read")
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    asked = _find(common.project(), args.what)
    if args.json:
        common.print_json(asked.to_json())
    else:
        for line in asked.lines():
            print(line)
    return 0


class _Asked:
    """Tasks of one experiment that somebody asks about; `file` where it was a file."""

    def __init__(self, experiment: Experiment, judge: Judge) -> None:
        self.experiment = experiment
        self.judge = judge
        self.names: list[str] = []
        self.file: str | None = None
        self.reads = False  # whether the tasks read the file, and do not make it

    def to_json(self) -> dict[str, Any]:
        """The tasks asked for, and after them the stale ones that they depend on."""
        names = list(self.names)
        for name in names:
            names += [task for task in self._stale_before(name) if task not in names]
        return {"file": self.file, "tasks": [self._task(name) for name in names]}

    def _task(self, name: str) -> dict[str, Any]:
        graph, verdict = self.judge.graph, self.judge.verdict(name)
        trace = self.judge.journal.get(graph.specs[name].short) or {}
        made = dict.fromkeys((*graph.specs[name].targets, *trace.get("out", ())))
        return {
            **task_json(name, verdict, made, graph.place),
            "error": verdict.error,
            "note": verdict.note,
            "inputs": self._inputs(name),
            "notSeen": trace.get("hidden", []),
        }

    def lines(self) -> Iterator[str]:
        if self.reads:
            yield f"{self.file} is read by {len(self.names)} task{'s' if len(self.names) != 1 else ''}:"
            for name in self.names:
                yield f"  {name}  {self.judge.verdict(name).state}"
            return
        if self.file is not None:
            yield f"{self.file} is made by {self.names[0]}"
        for name in self.names:
            yield from self._about(name, "", {*self.names})

    def _about(self, name: str, indent: str, told: set[str]) -> Iterator[str]:
        """A task, why it is in its state, and the same of the stale tasks before it."""
        verdict = self.judge.verdict(name)
        before = self._stale_before(name)
        yield f"{indent}{name} is {verdict.state}"
        if verdict.state != "up-to-date":
            own = replace(verdict, reasons=tuple(r for r in verdict.reasons if r.subject not in before))
            if own.reasons or not before:
                yield from (f"{indent}  {line}" for line in lines(own, self.judge.graph.place))
        elif not indent:
            yield from self._last_time(name)
        trace = self.judge.journal.get(self.judge.graph.specs[name].short) or {}
        if trace.get("hidden"):
            what = ", ".join(trace["hidden"])
            yield f"{indent}  inputs not seen: it {what}; name the files that this reads in `inputs` in .mrl.cfg"
        for task in before:
            if task in told:
                yield f"{indent}  {task} is stale, as said above"
            else:
                told.add(task)
                yield from self._about(task, indent + "  ", told)

    def _last_time(self, name: str) -> Iterator[str]:
        trace = self.judge.journal.get(self.judge.graph.specs[name].short)
        if trace is None:
            return
        when = datetime.fromtimestamp(trace["at"] / 1e9).astimezone()
        yield f"  done {when:%Y-%m-%d %H:%M:%S}, with what is the same now:"
        found = [*self._inputs(name), *(f"code of {part}" for part in trace["code"])]
        yield from (f"    {text}" for text in found[:_SHOWN])
        if len(found) > _SHOWN:
            yield f"    ... and {len(found) - _SHOWN} more (--json has the files)"

    def _inputs(self, name: str) -> list[str]:
        """What the task reads, as far as it is known."""
        spec = self.judge.graph.specs[name]
        trace = self.judge.journal.get(spec.short) or {}
        return [self.judge.graph.place.shown(key) for key in dict.fromkeys((*spec.inputs, *trace.get("read", ())))]

    def _stale_before(self, name: str) -> list[str]:
        reasons = self.judge.verdict(name).reasons
        return [r.subject for r in reasons if r.kind == "upstream" and r.subject in self.judge.graph.specs]


def _find(project: Project, what: str) -> _Asked:
    """The tasks of a name or file. NoSuchError where there is none."""
    kind, colon, rest = what.partition(":")
    functions = Functions(project.root)
    if colon and kind in _kinds():
        experiment = project.experiment(rest.partition("/")[0])
        asked = _open(experiment, functions)
        if what not in asked.judge.graph.specs:
            raise NoSuchError(f"there is no task {what}; `mrl doit list --all` shows all")
        asked.names = [what]
        return asked
    there = Path(os.path.normpath(common.here() / what))
    for experiment in _near(project, there):
        asked = _open(experiment, functions)
        path = _named_as_in(experiment, there)
        asked.file = os.path.relpath(path, project.root)
        key = asked.judge.graph.place.key(path)
        maker = asked.judge.owners.maker(key) or _decided_maker(asked.judge, key)
        asked.names = [maker] if maker else _readers(asked.judge, key)
        asked.reads = maker is None
        if asked.names:
            return asked
    raise NoSuchError(f"{what} is neither a task nor a file that a task makes or reads; `mrl status -v` shows tasks")


def _kinds() -> set[str]:
    from metarunlog.tasks import GROUPS

    return set(GROUPS)


def _open(experiment: Experiment, functions: Functions) -> _Asked:
    graph = everything(experiment, functions, launches=True)
    return _Asked(experiment, Judge(graph, Journal(graph.journal_path)))


def _near(project: Project, path: Path) -> Iterator[Experiment]:
    """The experiment that a path is in, or all of them, newest first."""
    experiments = list(project.experiments())
    inside = [e for e in experiments if path.resolve().is_relative_to(e.dir.resolve())]
    yield from inside or reversed(experiments)


def _named_as_in(experiment: Experiment, path: Path) -> str:
    """A path in an experiment under the experiment's own name, whatever links lead there (`last`)."""
    real, folder = path.resolve(), experiment.dir.resolve()
    return str(experiment.dir / real.relative_to(folder) if real.is_relative_to(folder) else path)


def _decided_maker(judge: Judge, key: str) -> str | None:
    """The makebatch task of a config."""
    return next((name for name, spec in judge.graph.specs.items() if spec.decided and key in spec.targets), None)


def _readers(judge: Judge, key: str) -> list[str]:
    """Tasks that read a file, or whose code is in it."""
    found = []
    module = key.removeprefix("@/")
    for name, spec in judge.graph.specs.items():
        trace = judge.journal.get(spec.short) or {}
        parts = (part.partition(":")[0] for part in trace.get("code", ()))
        if key in spec.inputs or key in trace.get("read", ()) or module in parts:
            found.append(name)
    return found
