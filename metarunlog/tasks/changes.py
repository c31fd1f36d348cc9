"""Which sub-experiments changed files are of: about the others, what was decided before still holds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from metarunlog.config import Config
from metarunlog.experiment import Experiment


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
