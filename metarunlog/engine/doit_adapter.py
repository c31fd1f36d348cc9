"""Specs as doit tasks: a stamp decides whether one is up to date, an action does it. doit stays the engine."""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import sys
from collections.abc import Collection
from typing import Any

from doit.action import BaseAction
from doit.dependency import UptodateCalculator
from doit.exceptions import TaskError, TaskFailed
from doit.task import Task

from metarunlog import files
from metarunlog.engine.execute import Executor
from metarunlog.engine.explain import describe
from metarunlog.engine.spec import Job, Spec, Verdict
from metarunlog.engine.staleness import Judge
from metarunlog.engine.store import ALSO, TRACE, DoitStore
from metarunlog.errors import MrlError


class Stamp(UptodateCalculator):  # type: ignore[misc]
    """doit's `uptodate` object: asks the judge. Its repr is what `doit info` prints."""

    # inspect.signature of each stamp is a large part of a no-op's time unless it finds this
    __signature__ = inspect.Signature()

    def __init__(self, judge: Judge, spec: Spec) -> None:
        super().__init__()
        self.judge = judge
        self._spec = spec
        self.about_to_run = False

    def setup(self, dep_manager: Any, tasks_dict: Any) -> None:
        """Called by doit first: what it saves from now on is what we judge by.

        The order of tasks is settled by now, which is all that the file_dep of ours are for.
        """
        task = tasks_dict[self._spec.name]
        task.file_dep.clear()
        store = dep_manager.backend
        if not isinstance(store, DoitStore):
            return
        experiment = self.judge.graph.place.base.name
        store.use(experiment, self.judge)
        if self.about_to_run and store.locking and not self._launches:
            store.hold(experiment)
            self.judge.refresh()
            if any(not isinstance(tasks_dict[name], MrlTask) for name in task.task_dep):
                self.judge.look_again(self._spec.name)  # at what the user's own tasks have made

    @property
    def _launches(self) -> bool:
        """A run of the user's training, which needs no lock and may take days."""
        return self._spec.decided is not None and not self._spec.targets

    @property
    def verdict(self) -> Verdict:
        return self.judge.verdict(self._spec.name)

    def __call__(self) -> bool:
        state = self.verdict.state
        # what judges itself says again, in its action, why it is kept or cannot be done
        return state != "stale" and not (state in ("kept", "failed") and self._spec.decided is not None)

    def __repr__(self) -> str:
        verdict = self.judge.verdict(self._spec.name)
        place = self.judge.graph.place
        return "; ".join(describe(reason, place) for reason in verdict.reasons) or verdict.note or verdict.state


class Action(BaseAction):  # type: ignore[misc]
    """doit's action: executes a spec and leaves the trace in the task's values, which doit gives to the store."""

    def __init__(self, executor: Executor, judge: Judge, spec: Spec, *, tells: bool) -> None:
        self._tells = tells
        self._executor = executor
        self._judge = judge
        self._spec = spec
        self._process = os.getpid()
        self.task: Task | None = None
        self.out: str | None = None
        self.err: str | None = None
        self.result: Any = None
        self.values: dict[str, Any] = {}

    def execute(self, out: Any = None, err: Any = None) -> TaskFailed | TaskError | None:
        if os.getpid() != self._process:  # one of doit's own processes: others have done tasks since it was forked
            self._judge.refresh()
        try:
            done = self._executor.run(self._spec)
        except MrlError as e:
            return TaskFailed(str(e))
        except OSError as e:
            return TaskFailed(f"{e.filename or 'the system'}: {e.strerror or e}")
        except Exception as e:
            if os.environ.get("MRL_DEBUG"):
                return TaskError("a fault of metarunlog's own", e)
            what = f"{type(e).__name__}: {' '.join(str(e).split())}"
            return TaskFailed(f"a fault of metarunlog's own: {what}; please report it (MRL_DEBUG=1 shows where)")
        self.values = {} if done is None else {TRACE: done.trace, ALSO: dict(done.also)}
        if self._tells and done is not None:
            # no failure for doit, which would then build nothing that comes after it; its card is in the report
            for name, trace in {self._spec.name: done.trace, **done.also}.items():
                if trace["state"] == "failed":
                    sys.stderr.write(f"mrl: {name} failed: {trace.get('error')}\n")
        return None

    def __str__(self) -> str:
        action = self._spec.action
        return action.function if isinstance(action, Job) else self._spec.doc


class MrlTask(Task):  # type: ignore[misc]
    """A doit task of ours."""

    def __init__(
        self,
        spec: Spec,
        action: Action,
        stamp: Stamp,
        *,
        after: list[str],
        file_dep: list[str],
        targets: list[str],
        derived: bool,
        group: str | None,
    ) -> None:
        place = stamp.judge.graph.place
        super().__init__(
            spec.name,
            [],
            file_dep=file_dep,
            targets=targets,
            task_dep=after,
            uptodate=[stamp],
            doc=spec.doc,
            subtask_of=group,
            meta={"inputs": [place.shown(key) for key in spec.inputs]} if spec.inputs and group else None,
            clean=True if derived else (),
            verbosity=2,
        )
        self._stamp = stamp
        self._action_instances = [action]

    def overwrite_verbosity(self, stream: Any) -> None:
        """doit calls this first when it is about to run the task, and never when it only asks."""
        self._stamp.about_to_run = True
        super().overwrite_verbosity(stream)

    def pickle_safe_dict(self) -> dict[str, Any]:
        """What doit's own processes send each other: both sides have the task itself."""
        attributes: dict[str, Any] = super().pickle_safe_dict()
        del attributes["_stamp"]
        return attributes


def make_tasks(specs: Collection[Spec], judge: Judge, executor: Executor, *, grouped: bool) -> list[Task]:
    """doit tasks of some specs of a graph.

    With `grouped`, for doit's own commands, each is a subtask of the group that its name begins with, and has the files
    that it reads and makes as file_dep and targets, by which the user's own tasks go before or after it.
    """
    names = {spec.name for spec in specs}
    derived = str(judge.graph.derived)
    place = judge.graph.place
    tasks = []
    for spec in specs:
        made = _made(spec, judge) if grouped else []
        tasks.append(
            MrlTask(
                spec,
                Action(executor, judge, spec, tells=grouped),
                Stamp(judge, spec),
                after=[name for name in dict.fromkeys((*spec.after, *judge.upstream(spec.name))) if name in names],
                file_dep=[place.shown(key) for key in _read(spec, judge)] if grouped else [],
                targets=[place.shown(key) for key in made],
                derived=all(place.path(key).startswith(derived + "/") for key in spec.targets),
                group=spec.name.partition(":")[0] if grouped else None,
            )
        )
    return tasks


def end_with_parent() -> None:
    """For doit's own processes, which wait for ever for a parent that was killed: on Linux the system can tell them."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _read(spec: Spec, judge: Judge) -> list[str]:
    """What a task reads that none of ours makes."""
    if spec.decided is not None:
        return []
    trace = judge.journal.get(spec.short)
    keys = dict.fromkeys((*spec.inputs, *(trace["read"] if trace else ())))
    own = (files.META, files.RUN_LOG)  # beginnings of the names of what no task makes
    return [key for key in keys if judge.owners.maker(key) is None and not os.path.basename(key).startswith(own)]


def _made(spec: Spec, judge: Judge) -> list[str]:
    """What a task makes, as far as that is known before it runs."""
    if spec.waiting is not None or (spec.decided is not None and spec.decided.state == "kept"):
        return []  # what reads the files of a task that is kept takes them as they are
    trace = judge.journal.get(spec.short) if spec.decided is None else None
    keys = dict.fromkeys((*spec.targets, *(trace["out"] if trace else ())))
    return [key for key in keys if judge.owners.maker(key) in (None, spec.name)]
