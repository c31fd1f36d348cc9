"""The whole graph for doit: plain `doit` through dodo.py, and `mrl doit`."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidDodoFile, TaskFailed
from doit.task import Task

from metarunlog import files
from metarunlog.engine.doit_adapter import end_with_parent, make_tasks
from metarunlog.engine.execute import Executor
from metarunlog.engine.journal import Journal
from metarunlog.engine.staleness import Judge
from metarunlog.engine.store import ContentChecker
from metarunlog.errors import MrlError
from metarunlog.project import Project
from metarunlog.tasks import GROUPS
from metarunlog.tasks.function import WARM, Functions, fail
from metarunlog.tasks.graph import everything

CHECK = "_check"  # private: `doit list` leaves it out


def config() -> dict[str, Any]:
    """DOIT_CONFIG: our store and checker. Bare `doit` does the batches and reports."""
    project = _project(Path.cwd())
    return {
        "backend": "mrl",
        "dep_file": str(project.outdir / files.MEMORY / files.DOIT),
        "check_file_uptodate": ContentChecker,
        "default_tasks": ["makebatch", "report", CHECK],
        "verbosity": 2,
        "continue": True,
    }


def tasks(group: str) -> Iterator[Task]:
    """The group task and its subtasks, of all experiments."""
    members = _tasks(_project(Path.cwd()).root).get(group, [])
    if group == "report":
        yield _check(members)
    yield Task(
        group, None, task_dep=[t.name for t in members], has_subtask=True, doc=GROUPS[group], uptodate=[_All(members)]
    )
    yield from members


def failed(names: Collection[str] | None = None) -> dict[str, str]:
    """The tasks that failed, now or before, with the error; of those named, None for all."""
    found = {}
    for members in _tasks(_project(Path.cwd()).root).values():
        for task in members:
            verdict = task.uptodate[0][0].verdict
            if verdict.state == "failed" and (names is None or task.name in names):
                found[task.name] = verdict.error or ""
    return found


def _check(reports: list[Task]) -> Task:
    """The last task of bare doit: fails where an analysis function failed, whose card is in the report."""

    def check() -> TaskFailed | None:
        found = failed()
        return TaskFailed("\n".join(f"{name}: {error}" for name, error in found.items())) if found else None

    return Task(
        CHECK, [check], task_dep=[t.name for t in reports], doc="whether all functions worked", uptodate=[_Worked()]
    )


class _Worked:
    def __call__(self) -> bool:
        return not failed()


class _All:
    """A group is up to date where all its members are."""

    def __init__(self, members: list[Task]) -> None:
        self._members = members

    def __call__(self) -> bool:
        return all(stamp() for task in self._members for stamp, _, _ in task.uptodate)

    def __repr__(self) -> str:
        return "one of its tasks is stale"


@functools.cache
def _project(folder: Path) -> Project:
    def warn(text: str) -> None:
        sys.stderr.write(f"mrl: warning: {text}\n")

    try:
        project = Project.find(folder, warn)
        _ = project.config  # a mistake in it is told now
        return project
    except MrlError as error:
        raise InvalidDodoFile(str(error)) from None


@functools.cache
def _tasks(root: Path) -> Mapping[str, list[Task]]:
    """All tasks by group. doit asks once for each group; the graph is built once."""
    os.register_at_fork(after_in_child=end_with_parent)
    made: dict[str, list[Task]] = {}
    try:
        functions = Functions(root)
        for experiment in _project(root).experiments():
            graph = everything(experiment, functions, launches=True)
            journal = Journal(graph.journal_path)
            judge = Judge(graph, journal)
            executor = Executor(judge, on_failure=fail, warm=WARM)
            for task in make_tasks(list(graph.specs.values()), judge, executor, grouped=True):
                made.setdefault(task.name.partition(":")[0], []).append(task)
    except MrlError as error:
        raise InvalidDodoFile(str(error)) from None
    return made
