"""Which sub-experiments changed files are of: about the others, what was decided before still holds."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from metarunlog import files
from metarunlog.config import Config
from metarunlog.engine.glance import Kept
from metarunlog.engine.journal import Journal
from metarunlog.engine.spec import short_name
from metarunlog.engine.staleness import Judge
from metarunlog.experiment import Experiment
from metarunlog.tasks.function import Functions
from metarunlog.tasks.graph import analysis
from metarunlog.tasks.parse import NO_LOG


@dataclass(frozen=True)
class Changes:
    """The sub-experiments of which something has changed since a decision, and the judge of their tasks and of those
    over all. What was decided of the other tasks holds."""

    subs: frozenset[str]
    judge: Judge


def changes(
    experiment: Experiment,
    kept: Kept,
    waiting: Collection[str],
    functions: Functions | None = None,
    also: Collection[str] = (),
) -> Changes | None:
    """What is to be decided after a decision that was kept, by which the tasks `waiting` did so; None where anything
    may be stale. `also` are sub-experiments to decide about in any case."""
    journal = Journal(experiment.memory / files.TRACES)
    done = journal.since(kept.answer["journal"])
    if done is None:
        return None
    paths = kept.changed - {str(journal.path)}
    subs = touched(experiment, experiment.analysis_dir, paths, done)
    if subs is None:
        return None
    subs.update(also)
    tasks = {short_name(name) for name in waiting}
    ids = [sub.id for sub in experiment.subs if sub.id not in subs]
    settled = {id_: NO_LOG if f"parse:{id_}" in tasks else None for id_ in ids}
    graph = analysis(experiment, functions=functions, settled=settled)
    if any(spec.isolated for spec in graph.specs.values()):  # what a function of the user's reads may be anything
        return None
    return Changes(frozenset(subs), Judge(graph, journal))


def touched(experiment: Experiment, outdir: Path, paths: Iterable[str], tasks: Iterable[str]) -> set[str] | None:
    """The sub-experiments of files that have changed since a decision, and of tasks that were done since, by their
    names in the journal. None where anything may concern all, or sub-experiments read from each other.

    What overview functions and the report made, and the note, are of none: those tasks are decided about each time.
    """
    if _looks_around(experiment.config):
        return None
    ids = {sub.id for sub in experiment.subs}
    found: set[str | None] = set()
    for task in tasks:
        kind, _, inner = task.partition(":")
        if kind in ("parse", "section"):
            found.add(inner.partition("/")[0])
        elif kind not in ("overview", "report"):
            return None
    note = f"{experiment.dir}/{experiment.config.note_fn}"
    for path in paths:
        if path == str(outdir) or path.startswith(f"{outdir}/"):
            found |= _derived(os.path.relpath(path, outdir), ids)
        elif path.startswith(f"{experiment.dir}/") and path != note:
            found.add(os.path.relpath(path, experiment.dir).partition("/")[0])
        elif path != note:
            return None
    subs = {id_ for id_ in found if id_ is not None}
    return subs if subs <= ids else None


def _derived(name: str, ids: set[str]) -> set[str]:
    """The sub-experiment of a file that analysis made, such as sections/001.card.json; none of other files."""
    folder, _, file = name.partition("/")
    if folder not in ("parsed", "sections"):
        return set()
    beginnings = (file[:at] for at, sign in enumerate(file) if sign == ".")
    return {id_ for id_ in beginnings if id_ in ids}


def _looks_around(config: Config) -> bool:
    """Whether a sub-experiment may read files that are not in its folder."""
    entries = config.analysis_subexp
    named = [str(name) for entry in entries for name in (*entry.inputs, *entry.args)] + [repr(config.logs)]
    return any(".." in name or os.path.isabs(name) for name in named)
