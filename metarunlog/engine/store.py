"""doit's database, kept in the traces: durable per task, and in each experiment's own folder.

Our tasks keep one trace, which doit hands over as the task's values; the user's own tasks in dodo.py keep what doit
wants to keep, as JSON in `<outdir>/.mrl.d/doit.json`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from doit.dependency import MD5Checker

from metarunlog import files
from metarunlog.engine.journal import Journal, Trace
from metarunlog.engine.staleness import short_name

KINDS = ("makebatch", "launch", "parse", "section", "overview", "report", "notebook")
_OURS = re.compile(rf"(?:{'|'.join(KINDS)}):([^/]+)")
TRACE = "trace"  # key of the trace in a task's values
_STATE = "decided by its stamp"  # what doit gets as the state of a file_dep of ours


class DoitStore:
    """Backend `mrl` of doit (entry point group doit.BACKEND). The name is `<outdir>/.mrl.d/doit.json`."""

    desc = "the traces of metarunlog"

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None) -> None:
        self.name = name
        self._codec = codec
        self._outdir = Path(name).absolute().parent.parent
        self._journals: dict[str, Journal] = {}
        self._users: dict[str, dict[str, Any]] | None = None

    def journal(self, experiment: str) -> Journal:
        """The traces of an experiment, by its folder's name."""
        if experiment not in self._journals:
            self._journals[experiment] = Journal(self._outdir / experiment / files.MEMORY / files.TRACES)
        return self._journals[experiment]

    def use(self, experiment: str, journal: Journal) -> None:
        """Take a journal that is open already."""
        self._journals[experiment] = journal

    def get(self, task_id: str, dependency: str) -> Any:
        ours = _OURS.match(task_id)
        if ours is None:
            return self._own().get(task_id, {}).get(dependency)
        if dependency == "ignore:":
            return "1" if self.journal(ours[1]).is_ignored(short_name(task_id)) else None
        return None if dependency.endswith(":") else _STATE

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        ours = _OURS.match(task_id)
        if ours is None:
            self._own().setdefault(task_id, {})[dependency] = value
            if dependency == "deps:":
                self._write_own()  # doit sets this last: the task is complete
        elif dependency == "ignore:":
            self.journal(ours[1]).ignore(short_name(task_id))
        elif dependency == "_values_:" and TRACE in value:
            self.journal(ours[1]).put(short_name(task_id), value[TRACE])

    def in_(self, task_id: str) -> bool:
        ours = _OURS.match(task_id)
        if ours is None:
            return task_id in self._own()
        return self.trace(task_id) is not None

    def trace(self, task_id: str) -> Trace | None:
        ours = _OURS.match(task_id)
        return self.journal(ours[1]).get(short_name(task_id)) if ours else None

    def remove(self, task_id: str) -> None:
        ours = _OURS.match(task_id)
        if ours is not None:
            self.journal(ours[1]).forget(short_name(task_id))
        elif self._own().pop(task_id, None) is not None:
            self._write_own()

    def remove_all(self) -> None:
        for memory in self._outdir.glob(f"*/{files.MEMORY}/{files.TRACES}"):
            journal = self.journal(memory.parent.parent.name)
            for task, _ in journal.items():
                journal.forget(task)
        self._users = {}
        self._write_own()

    def dump(self) -> None:
        """Nothing: all is written as it comes."""

    def _own(self) -> dict[str, dict[str, Any]]:
        if self._users is None:
            value = files.read_json(Path(self.name))
            self._users = value if isinstance(value, dict) else {}
        return self._users

    def _write_own(self) -> None:
        if self._users or Path(self.name).exists():
            files.write(Path(self.name), json.dumps(self._users).encode())


class ContentChecker(MD5Checker):  # type: ignore[misc]
    """doit's checker for the user's own tasks. Ours are decided by their stamps; file_dep only tells doit of order."""

    def check_modified(self, file_path: str, file_stat: Any, state: Any) -> bool:
        if state == _STATE:
            return False
        # the same time with another size is another content
        return file_stat.st_size != state[1] or bool(super().check_modified(file_path, file_stat, state))

    def get_state(self, dep: str, current_state: Any) -> Any:
        return None if current_state == _STATE else super().get_state(dep, None)
