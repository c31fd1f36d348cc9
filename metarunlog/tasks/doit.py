"""The whole graph for doit: plain `doit` through dodo.py, and `mrl doit`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidDodoFile
from doit.task import Task

from metarunlog import files
from metarunlog.engine.doit_adapter import make_tasks
from metarunlog.engine.execute import Executor
from metarunlog.engine.journal import Journal
from metarunlog.engine.staleness import Judge
from metarunlog.engine.store import ContentChecker
from metarunlog.errors import MrlError
from metarunlog.project import Project
from metarunlog.tasks import GROUPS
from metarunlog.tasks.function import Functions, fail
from metarunlog.tasks.graph import everything


def config() -> dict[str, Any]:
    """DOIT_CONFIG: our store and checker. Bare `doit` does the batches and reports."""
    project = _project(Path.cwd())
    return {
        "backend": "mrl",
        "dep_file": str(project.outdir / files.MEMORY / "doit.json"),
        "check_file_uptodate": ContentChecker,
        "default_tasks": ["makebatch", "report"],
        "verbosity": 2,
        "continue": True,
    }


def tasks(group: str) -> Iterator[Task]:
    """The group task and its subtasks, of all experiments."""
    members = _tasks(_project(Path.cwd()).root).get(group, [])
    yield Task(
        group, None, task_dep=[t.name for t in members], has_subtask=True, doc=GROUPS[group], uptodate=[_All(members)]
    )
    yield from members


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
    made: dict[str, list[Task]] = {}
    try:
        functions = Functions(root)
        for experiment in _project(root).experiments():
            graph = everything(experiment, functions, launches=True)
            journal = Journal(graph.journal_path)
            judge = Judge(graph, journal)
            executor = Executor(graph, journal, on_failure=fail)
            for task in make_tasks(list(graph.specs.values()), judge, executor, grouped=True):
                made.setdefault(task.name.partition(":")[0], []).append(task)
    except MrlError as error:
        raise InvalidDodoFile(str(error)) from None
    return made
