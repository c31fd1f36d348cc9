"""Specs as doit tasks: a stamp decides whether one is up to date, an action does it. doit stays the engine."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection
from typing import Any

from doit.action import BaseAction
from doit.dependency import UptodateCalculator
from doit.exceptions import TaskError, TaskFailed
from doit.task import Task

from metarunlog.engine.execute import Executor
from metarunlog.engine.explain import describe
from metarunlog.engine.spec import Job, Spec, Verdict
from metarunlog.engine.staleness import Judge
from metarunlog.engine.store import TRACE, DoitStore
from metarunlog.errors import MrlError


class Stamp(UptodateCalculator):  # type: ignore[misc]
    """doit's `uptodate` object: asks the judge. Its repr is what `doit info` prints."""

    # inspect.signature of each stamp is a large part of a no-op's time unless it finds this
    __signature__ = inspect.Signature()

    def __init__(self, judge: Judge, spec: Spec) -> None:
        super().__init__()
        self._judge = judge
        self._spec = spec

    def setup(self, dep_manager: Any, tasks_dict: Any) -> None:
        """Called by doit first: what it saves from now on is what we judge by."""
        if isinstance(dep_manager.backend, DoitStore):
            dep_manager.backend.use(self._judge.graph.place.base.name, self._judge.journal)

    @property
    def verdict(self) -> Verdict:
        return self._judge.verdict(self._spec.name)

    def __call__(self) -> bool:
        state = self.verdict.state
        # what judges itself says again, in its action, why it is kept or cannot be done
        return state != "stale" and not (state in ("kept", "failed") and self._spec.decided is not None)

    def __repr__(self) -> str:
        verdict = self._judge.verdict(self._spec.name)
        place = self._judge.graph.place
        return "; ".join(describe(reason, place) for reason in verdict.reasons) or verdict.note or verdict.state


class Done(BaseAction):  # type: ignore[misc]
    """doit's action: executes a spec and leaves the trace in the task's values, which doit gives to the store."""

    def __init__(self, executor: Executor, judge: Judge, spec: Spec, *, tells: bool) -> None:
        self._tells = tells
        self._executor = executor
        self._judge = judge
        self._spec = spec
        self.task: Task | None = None
        self.out: str | None = None
        self.err: str | None = None
        self.result: Any = None
        self.values: dict[str, Any] = {}

    def execute(self, out: Any = None, err: Any = None) -> TaskFailed | TaskError | None:
        try:
            trace = self._executor.run(self._spec)
        except MrlError as e:
            return TaskFailed(str(e))
        except Exception as e:
            return TaskError("a fault of metarunlog's own; please report it", e)
        self.values = {} if trace is None else {TRACE: trace}
        if self._tells and trace is not None and trace["state"] == "failed":
            # no failure for doit, which would then build nothing that comes after it; its card is in the report
            sys.stderr.write(f"mrl: {self._spec.name} failed: {trace.get('error')}\n")
        return None

    def __str__(self) -> str:
        action = self._spec.action
        return action.function if isinstance(action, Job) else self._spec.doc


class MrlTask(Task):  # type: ignore[misc]
    """A doit task that says when its success was saved, and that can be cleaned."""

    def __init__(
        self, spec: Spec, action: Done, stamp: Stamp, *, after: list[str], derived: bool, group: str | None
    ) -> None:
        place = stamp._judge.graph.place
        targets = () if spec.waiting else spec.targets
        super().__init__(
            spec.name,
            [],
            targets=[place.shown(key) for key in targets],
            task_dep=after,
            uptodate=[stamp],
            doc=spec.doc,
            subtask_of=group,
            meta={"inputs": [place.shown(key) for key in spec.inputs]} if spec.inputs else None,
            clean=True if derived else (),
            verbosity=2,
        )
        self._action_instances = [action]

    def __getstate__(self) -> dict[str, Any]:
        # for doit's own processes: they have this task already and only send its results back
        return {**super().__getstate__(), "_action_instances": None}


def make_tasks(specs: Collection[Spec], judge: Judge, executor: Executor, *, grouped: bool) -> list[Task]:
    """doit tasks of some specs of a graph. With `grouped` each is a subtask of the group that its name begins with."""
    names = {spec.name for spec in specs}
    derived = str(judge.graph.derived)
    return [
        MrlTask(
            spec,
            Done(executor, judge, spec, tells=grouped),
            Stamp(judge, spec),
            after=[name for name in spec.after if name in names],
            derived=all(judge.graph.place.path(key).startswith(derived + "/") for key in spec.targets),
            group=spec.name.partition(":")[0] if grouped else None,
        )
        for spec in specs
    ]
