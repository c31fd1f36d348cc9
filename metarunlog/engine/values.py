"""What doit keeps of the user's own tasks in dodo.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from metarunlog.engine.lines import Lines, line_of, record_of


class Values(Lines):
    """What doit keeps of the user's own tasks in dodo.py: key -> value, by task."""

    def __init__(self, path: Path) -> None:
        self._tasks: dict[str, dict[str, Any]] = {}
        super().__init__(path)

    def get(self, task: str) -> Mapping[str, Any] | None:
        return self._tasks.get(task)

    def put(self, task: str, values: Mapping[str, Any]) -> None:
        self._append(task, values=dict(values))

    def forget(self, task: str) -> None:
        if task in self._tasks:
            self._append(task)

    def forget_all(self) -> None:
        for task in list(self._tasks):
            self.forget(task)

    def _take(self, task: str, line: bytes, rest: int) -> bool:
        values = record_of(line).get("values")
        if isinstance(values, dict):
            self._tasks[task] = values
        else:
            self._tasks.pop(task, None)
        return task in self._tasks

    def _clear(self) -> None:
        self._tasks.clear()

    def _alive(self) -> Iterator[bytes]:
        yield from (line_of({"task": task, "values": values}) for task, values in self._tasks.items())
