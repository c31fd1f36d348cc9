"""Running a slice of a graph: the tasks that are stale and what is downstream of them, by doit, in one or more threads.

Each thread hands its jobs to worker processes, so that a worker that dies harms only its own task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from doit.control import TaskControl
from doit.dependency import Dependency, JSONCodec
from doit.exceptions import UnmetDependency
from doit.runner import MThreadRunner, Runner

from metarunlog import files
from metarunlog.engine.doit_adapter import make_tasks
from metarunlog.engine.execute import Executor
from metarunlog.engine.staleness import Judge
from metarunlog.engine.store import ALSO, ContentChecker, DoitStore

_AT_ONCE = 1_000  # tasks that doit gets: it holds some 10 kB for each


@dataclass
class Outcome:
    """What a run did: names of tasks in the order they ended, and those that failed with the error."""

    ran: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def slice_of(judge: Judge) -> list[str]:
    """The tasks that are stale, and those that come after one and might be."""
    chosen: set[str] = set()
    for name, spec in judge.graph.specs.items():
        if judge.journal.is_ignored(spec.short):
            chosen.add(name)  # doit passes these over, and what depends on them
        elif judge.verdict(name).state == "stale" or (
            spec.waiting is None and chosen.intersection((*spec.after, *judge.upstream(name)))
        ):
            chosen.add(name)
    return [name for name in judge.graph.specs if name in chosen]


def run(
    judge: Judge, executor: Executor, names: list[str], jobs: int, on_event: Callable[[str, str, str | None], None]
) -> Outcome:
    """Run tasks by name, in the order of the graph, those that turn out up to date left out. `on_event` gets (what,
    task, error): `start`, `done`, `failed`, `skipped`."""
    store = judge.graph.place.base.parent / files.MEMORY / files.DOIT
    outcome = Outcome()
    reporter = _Reporter(judge, outcome, on_event)
    # each thread only waits for a worker process, so threads are parallel enough, and a dead worker hangs nothing
    runner_class, extra = (MThreadRunner, {"num_process": jobs}) if jobs > 1 else (Runner, {})
    for at in range(0, len(names), _AT_ONCE):
        manager = Dependency(DoitStore, str(store), ContentChecker, JSONCodec)
        manager.backend.locking = False  # whoever calls this holds the lock
        manager.backend.use(judge.graph.place.base.name, judge)  # with the traces that are read already
        specs = [judge.graph.specs[name] for name in names[at : at + _AT_ONCE] if not reporter.is_unmet(name)]
        control = TaskControl(make_tasks(specs, judge, executor, grouped=False))
        control.process(None)
        runner_class(manager, reporter, continue_=True, **extra).run_all(control.task_dispatcher())
    return outcome


class _Reporter:
    """doit's reporter interface."""

    def __init__(self, judge: Judge, outcome: Outcome, on_event: Callable[[str, str, str | None], None]) -> None:
        self._judge, self._outcome, self._on_event = judge, outcome, on_event
        self._not_done: set[str] = set()

    def execute_task(self, task: Any) -> None:
        self._on_event("start", task.name, None)

    def add_success(self, task: Any) -> None:
        self._outcome.ran.append(task.name)
        trace = self._judge.journal.get(self._judge.graph.specs[task.name].short) or {}
        if trace.get("state") == "failed":
            self._fail(task.name, trace.get("error", ""))
        else:
            self._on_event("done", task.name, None)
        for name, other in task.values.get(ALSO, {}).items():
            self._fail(name, other.get("error", ""))
        for holder in (task, *task.actions):  # what it told is in the store; doit would hold it to the end
            holder.values = {}

    def add_failure(self, task: Any, fail: Any) -> None:
        if isinstance(fail, UnmetDependency):
            self._unmet(task.name, fail.message.split())
        else:
            self._not_done.add(task.name)
            self._fail(task.name, fail.get_msg().strip())

    def is_unmet(self, name: str) -> bool:
        """Whether a task cannot be done, as one that doit has dealt with before, and that goes first, was not."""
        if not self._not_done:
            return False
        before = (*self._judge.graph.specs[name].after, *sorted(self._judge.upstream(name)))
        if missing := [one for one in dict.fromkeys(before) if one in self._not_done]:
            self._unmet(name, missing)
        return bool(missing)

    def _unmet(self, name: str, missing: list[str]) -> None:
        self._not_done.add(name)
        first, *more = missing
        self._fail(name, f"not done, as {first}{f' and {len(more)} more' if more else ''} failed")

    def skip_uptodate(self, task: Any) -> None:
        self._on_event("skipped", task.name, None)

    def skip_ignore(self, task: Any) -> None:
        self._on_event("skipped", task.name, None)

    def cleanup_error(self, exception: Any) -> None:
        self._fail("cleanup", exception.get_msg())

    def runtime_error(self, msg: str) -> None:
        self._fail("doit", msg)

    def get_status(self, task: Any) -> None:
        pass

    def teardown_task(self, task: Any) -> None:
        pass

    def complete_run(self) -> None:
        pass

    def _fail(self, name: str, error: str) -> None:
        self._outcome.failed[name] = error
        self._on_event("failed", name, error)
