"""Archived sub-experiments: folders moved aside whole, with what analysis made of them, and moved back.

`.mrl.d/archive/N/ID` is the folder of a sub-experiment as it was. N counts generations: `makebatch -replace` archives
all, leaves the ledger there, and begins the next. Beside a pruned folder, `ID.mrl/` holds its ledger entry, its traces,
and the files that analysis made of it.

A sub-experiment is where its folder is. It moves by one rename; all else is done before it, so that a kill on the way
loses nothing of a user or a run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from metarunlog import files
from metarunlog.errors import InputError
from metarunlog.experiment import Experiment

_ENTRY = "entry.json"
_TRACES = "traces.jsonl"
_DERIVED = "derived"  # files that analysis made, with their paths in the experiment's folder


def archived(experiment: Experiment) -> dict[str, Path]:
    """The folders that prune has put away since the last -replace, by id."""
    return _folders(experiment, _open_generation(experiment))


def replaced(experiment: Experiment) -> Iterator[tuple[Path, dict[str, Path]]]:
    """What -replace has put away: each generation with its folders by id, newest first."""
    for generation in sorted(_generations(experiment), reverse=True):
        folder = _archive(experiment) / str(generation)
        if (folder / files.LEDGER).exists():
            yield folder, _folders(experiment, folder)


def entry_of(folder: Path) -> Any:
    """The ledger entry that was put away with a folder, as JSON; None where there is none."""
    return files.read_json(_info(folder) / _ENTRY)


def put_away(
    experiment: Experiment, id_: str, entry: Mapping[str, Any], derived: Iterable[Path], traces: bytes
) -> Path:
    """Archive one sub-experiment; returns where its folder is now. InputError where one of its number is there.

    `derived` are files in the experiment's folder that analysis made of it; `traces` are lines of the journal.
    """
    folder = _open_generation(experiment) / id_
    if os.path.lexists(folder):
        where = folder.relative_to(experiment.root)
        raise InputError(f"{experiment.path}/{id_}: another {id_} is archived in {where}; move one of them away")
    info = _info(folder)
    shutil.rmtree(info, ignore_errors=True)  # of a prune that was killed before the folder was moved
    files.write(info / _ENTRY, files.to_json(dict(entry)))
    files.write(info / _TRACES, traces)
    os.rename(experiment.dir / id_, folder)
    for path in derived:
        if path.is_relative_to(experiment.dir) and path.is_file():
            _move(path, info / _DERIVED / path.relative_to(experiment.dir))
    return folder


def bring_back(experiment: Experiment, id_: str, folder: Path) -> None:
    """Move an archived folder back to its place, with what analysis had made of it. InputError where that is taken."""
    place = experiment.dir / id_
    if os.path.lexists(place):
        raise InputError(f"{experiment.path}/{id_} is there; move it away first")
    info = _info(folder)
    derived = info / _DERIVED
    for path in sorted(derived.rglob("*")):
        there = experiment.dir / path.relative_to(derived)
        if path.is_file() and not os.path.lexists(there):
            _move(path, there)
    if traces := files.read(info / _TRACES):
        files.append(experiment.memory / files.TRACES, traces)
    os.rename(folder, place)
    shutil.rmtree(info, ignore_errors=True)


def put_all_away(experiment: Experiment, ids: Iterable[str], ledger: bytes) -> Path:
    """Archive all sub-experiments and close the generation; returns its folder. Numbers may start anew then."""
    generation = _open_generation(experiment)
    generation.mkdir(parents=True, exist_ok=True)
    for id_ in ids:
        os.rename(experiment.dir / id_, _free(generation / id_))
    replaced_files = experiment.memory / files.REPLACED  # they are of these numbers
    if replaced_files.exists():
        os.rename(replaced_files, _free(generation / files.REPLACED))
    files.write(generation / files.LEDGER, ledger)
    return generation


def _archive(experiment: Experiment) -> Path:
    return experiment.memory / files.ARCHIVE


def _generations(experiment: Experiment) -> list[int]:
    try:
        return [int(name) for name in os.listdir(_archive(experiment)) if name.isascii() and name.isdigit()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _open_generation(experiment: Experiment) -> Path:
    newest = max(_generations(experiment), default=1)
    closed = (_archive(experiment) / str(newest) / files.LEDGER).exists()
    return _archive(experiment) / str(newest + closed)


def _folders(experiment: Experiment, generation: Path) -> dict[str, Path]:
    try:
        names = os.listdir(generation)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    numbered = sorted((n, name) for name in names if (n := experiment.sub_number(name)) is not None)
    return {name: generation / name for _, name in numbered}


def _info(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.mrl")


def _free(path: Path) -> Path:
    """The path, or where it is taken, with the next free number behind it."""
    number = 1
    found = path
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.name}.{number}")
    return found


def _move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    os.rename(path, to)
