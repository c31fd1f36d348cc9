"""doit's database, kept in the traces: durable per task, and in each experiment's own folder.

Our tasks keep one trace, which doit hands over as the task's values; what doit wants to keep of the user's own tasks in
dodo.py is in `<outdir>/.mrl.d/doit.jsonl`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from doit.dependency import MD5Checker

from metarunlog import files
from metarunlog.engine.journal import Journal, Trace
from metarunlog.engine.lock import Locks
from metarunlog.engine.spec import short_name
from metarunlog.engine.staleness import Judge
from metarunlog.engine.values import Values

KINDS = ("makebatch", "launch", "parse", "section", "overview", "report", "notebook")
_OURS = re.compile(rf"(?:{'|'.join(KINDS)}):([^/]+)")
TRACE = "trace"  # key of the trace in a task's values
ALSO = "also"  # and of those of other tasks that failed because of this one
_STATE = "decided by its stamp"  # what doit gets as the state of a file_dep of ours


class DoitStore:
    """Backend `mrl` of doit (entry point group doit.BACKEND). The name is `<outdir>/.mrl.d/doit.jsonl`.

    Whoever writes to an experiment's traces holds its lock: `mrl analyze` for itself, and for doit's own commands,
    this store until doit closes it.
    """

    desc = "the traces of metarunlog"

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None) -> None:
        self.name = name
        self._memory = Path(name).absolute().parent
        self._outdir = self._memory.parent
        self._judges: dict[str, Judge] = {}
        self._journals: dict[str, Journal] = {}
        self._users: Values | None = None
        self._pending: dict[str, dict[str, Any]] = {}  # of the user's tasks, until doit has said all of one
        self._saved: set[str] = set()  # tasks of ours whose trace came with their values
        self._locks = Locks(_say, "doit")
        self.locking = True

    def use(self, experiment: str, judge: Judge) -> None:
        """Take the judge of an experiment, and the journal that it has open."""
        self._judges[experiment] = judge
        self._journals[experiment] = judge.journal

    def hold(self, experiment: str) -> None:
        """Hold the lock of an experiment, and before it doit's own, so that no two wait for each other."""
        memory = self._outdir / experiment / files.MEMORY
        if not self.locking or self._locks.holds(memory):
            return
        self._locks.hold(self._memory, "the project")
        if self._locks.hold(memory) and experiment in self._judges:
            self._judges[experiment].refresh()

    def get(self, task_id: str, dependency: str) -> Any:
        ours = _OURS.match(task_id)
        if ours is None:
            return self._values(task_id).get(dependency)
        if dependency == "ignore:":
            return "1" if self._journal(ours[1]).is_ignored(short_name(task_id)) else None
        return None if dependency.endswith(":") else _STATE

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        ours = _OURS.match(task_id)
        if ours is not None:
            self._set_ours(ours[1], task_id, dependency, value)
            return
        self._pending.setdefault(task_id, dict(self._values(task_id)))[dependency] = value
        if dependency in ("deps:", "ignore:"):  # doit sets the first last: the task is complete
            self._own().put(task_id, self._pending.pop(task_id))

    def _set_ours(self, experiment: str, task_id: str, dependency: str, value: Any) -> None:
        short = short_name(task_id)
        if dependency == "ignore:":
            self.hold(experiment)
            self._journal(experiment).ignore(short)
        elif dependency == "_values_:" and TRACE in value:
            self.hold(experiment)
            for task, trace in value.get(ALSO, {}).items():
                self._journal(experiment).put(short_name(task), trace)
            self._journal(experiment).put(short, value[TRACE])
            self._saved.add(task_id)
        elif dependency == "deps:" and task_id not in self._saved and experiment in self._judges:
            self.hold(experiment)  # `doit reset-dep`: the files are to be taken as they are
            trace = self._judges[experiment].as_it_is(task_id)
            if trace is not None:
                self._journal(experiment).put(short, trace)

    def in_(self, task_id: str) -> bool:
        ours = _OURS.match(task_id)
        return bool(self._values(task_id)) if ours is None else self.trace(task_id) is not None

    def trace(self, task_id: str) -> Trace | None:
        ours = _OURS.match(task_id)
        return self._journal(ours[1]).get(short_name(task_id)) if ours else None

    def remove(self, task_id: str) -> None:
        ours = _OURS.match(task_id)
        if ours is None:
            self._pending.pop(task_id, None)
            self._own().forget(task_id)
        elif sys._getframe(1).f_code.co_name != "remove_success":
            # doit also calls this for a task that it could not run: what ours made before is still what it was
            self.hold(ours[1])
            self._journal(ours[1]).forget(short_name(task_id))

    def remove_all(self) -> None:
        for traces in self._outdir.glob(f"*/{files.MEMORY}/{files.TRACES}"):
            experiment = traces.parent.parent.name
            self.hold(experiment)
            self._journal(experiment).forget_all()
        self._own().forget_all()

    def dump(self) -> None:
        """doit says that it is done. All was written as it came."""
        self._locks.release()

    def _journal(self, experiment: str) -> Journal:
        if experiment not in self._journals:
            self._journals[experiment] = Journal(self._outdir / experiment / files.MEMORY / files.TRACES)
        return self._journals[experiment]

    def _values(self, task_id: str) -> dict[str, Any]:
        return self._pending.get(task_id) or dict(self._own().get(task_id) or {})

    def _own(self) -> Values:
        if self._users is None:
            self._users = Values(Path(self.name))
        self._users.may_compact = self._locks.holds(self._memory)
        return self._users


class ContentChecker(MD5Checker):  # type: ignore[misc]
    """doit's checker for the user's own tasks. Ours are decided by their stamps; file_dep only tells doit of order."""

    def check_modified(self, file_path: str, file_stat: Any, state: Any) -> bool:
        if state == _STATE:
            return False
        # the same time with another size is another content
        return file_stat.st_size != state[1] or bool(super().check_modified(file_path, file_stat, state))

    def get_state(self, dep: str, current_state: Any) -> Any:
        return None if current_state == _STATE else super().get_state(dep, None)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
