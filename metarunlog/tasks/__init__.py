"""The operations as doit tasks, a file each. `dodo.py` takes all from here: DOIT_CONFIG and the task creators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

GROUPS = {
    "makebatch": "configs from the template",
    "launch": "runs; only where named",
    "parse": "logs to tables",
    "section": "one function's part of a sub-experiment's page",
    "overview": "one function's part of the first page",
    "report": "the pages",
    "notebook": "analysis.ipynb",
}

__all__ = ["DOIT_CONFIG", *(f"task_{group}" for group in GROUPS)]


def __getattr__(name: str) -> Any:
    """Made when asked for, as it needs the project that doit was started in."""
    if name == "DOIT_CONFIG":
        from metarunlog.tasks import doit

        return doit.config()
    if name.startswith("task_") and name[5:] in GROUPS:
        return _creator(name[5:])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _creator(group: str) -> Callable[[], Iterator[Any]]:
    def create() -> Iterator[Any]:
        from metarunlog.tasks import doit

        return doit.tasks(group)

    create.__doc__ = GROUPS[group]
    return create
