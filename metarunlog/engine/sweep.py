"""Deleting what was derived: what tasks made that are no more, what a killed process left, and all of it when asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from metarunlog import files
from metarunlog.engine.execute import remove_with_folders
from metarunlog.engine.journal import Journal
from metarunlog.engine.spec import Graph
from metarunlog.engine.staleness import Judge


def leftovers(judge: Judge) -> None:
    """Delete what tasks made that are no more, so that the folder is as if built from nothing."""
    for task in judge.leftovers():
        trace = judge.journal.get(task)
        for key in trace["out"] if trace else ():
            path = Path(judge.graph.place.path(key))
            if path.is_relative_to(judge.graph.derived) and judge.owners.maker(key) is None:
                remove_with_folders(path, judge.graph.derived)
        judge.journal.forget(task)


def after_a_death(graph: Graph) -> None:
    """Delete what a process that was killed may have left: half-written files, copies of files that a function was
    changing."""
    shutil.rmtree(graph.memory / files.ASIDE, ignore_errors=True)
    for folder in (graph.derived, graph.memory):
        for where, _, names in os.walk(folder):
            for name in filter(files.is_temporary, names):
                Path(where, name).unlink(missing_ok=True)


def derived(graph: Graph, journal: Journal) -> Iterator[Path]:
    """The files that analysis made and that are there."""
    keys = {key: None for spec in graph.specs.values() if spec.decided is None for key in spec.targets}
    for task in journal.tasks():
        keys |= dict.fromkeys((journal.get(task) or {"out": ()})["out"])
    for key in keys:
        path = Path(graph.place.path(key))
        if path.is_relative_to(graph.derived) and os.path.lexists(path):
            yield path
