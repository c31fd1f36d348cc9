"""`mrl analyze --depfile STAMP.d`: what the report depends on, as make and ninja read it; and the stamp."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from metarunlog import files
from metarunlog.engine.journal import Journal
from metarunlog.engine.staleness import Judge
from metarunlog.engine.watch import Watch
from metarunlog.errors import UsageError
from metarunlog.experiment import Experiment
from metarunlog.tasks.function import Functions
from metarunlog.tasks.graph import analysis

#: A clock of files may be behind that of the system.
_BEHIND_NS = 20_000_000


def begin(experiments: Iterable[Experiment]) -> int:
    """Before anything is looked at: make the folders that analyze makes in those that count. Returns the time of the
    stamp, in ns since 1970: what changes from now on is newer."""
    for experiment in experiments:
        for folder in (experiment.analysis_dir, experiment.memory):
            if not folder.exists():
                folder.mkdir(parents=True)
                time.sleep(2 * _BEHIND_NS / 1e9)
    return time.time_ns() - _BEHIND_NS


def end(path: str, experiments: Sequence[Experiment], since: int, also: Collection[Path]) -> None:
    """Write the depfile, and with the time `since` the stamp: STAMP for a path STAMP.d, else FILE.stamp for FILE.
    `also` are folders that count, too."""
    stem, suffix = os.path.splitext(path)
    stamp = stem if suffix == ".d" else f"{path}.stamp"
    found = sorted({*_inputs(experiments), *map(str, also)})
    if os.path.dirname(os.path.abspath(path)) in found:
        raise UsageError(f"--depfile {path} is in a folder whose files are looked for; put it into another, as build/")
    names = [_name(one) for one in found]
    rules = [f"{_name(os.path.abspath(stamp))}: {' '.join(names)}", *(f"{name}:" for name in names)]
    files.write(Path(os.path.abspath(path)), ("\n".join(rules) + "\n").encode(errors="surrogateescape"))
    Path(stamp).touch()
    os.utime(stamp, ns=(since, since))


def _inputs(experiments: Iterable[Experiment]) -> set[str]:
    """Absolute paths of all files, and folders that are listed, that a decision about the reports looks at, but for
    what mrl makes itself and what is installed. What is not there is told by its folder, if that is in an experiment.
    """
    found: set[str] = set()
    for experiment in experiments:
        watch = Watch()
        with watch.on():
            fresh = Experiment(experiment.root, experiment.dir, experiment.id, experiment.config)
            graph = analysis(fresh, functions=Functions(fresh.root))
            judge = Judge(graph, Journal(graph.journal_path))
            for name in graph.specs:
                judge.verdict(name)
        own = [f"{folder}/" for folder in (experiment.analysis_dir, experiment.memory, *_installed(experiment.root))]
        for seen, numbers in watch.seen.items():
            path = seen if numbers is not None else os.path.dirname(seen)
            inside = path.startswith(f"{experiment.dir}/")
            if not f"{path}/".startswith(tuple(own)) and (inside or numbers is not None) and os.path.exists(path):
                found.add(path)
        for name in (files.CONFIG, f"{experiment.dir.relative_to(experiment.root)}/{files.CONFIG}"):
            if (experiment.root / name).exists():
                found.add(str(experiment.root / name))
        found.discard(str(experiment.root))  # others write there, and modules are looked at one by one
    return found


def _installed(root: Path) -> list[str]:
    """Folders of Python, its packages and the system; none that the project is in, as in /usr/src."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = {sys.prefix, sys.base_prefix, package, os.path.dirname(os.__file__), "/proc", "/sys", "/dev"}
    return [folder for folder in folders if not root.is_relative_to(folder)]


def _name(path: str) -> str:
    """A path as rules have it, relative to the working folder where it is below that."""
    here = os.getcwd()
    name = os.path.relpath(path, here) if path.startswith(f"{here}/") else path
    for sign in ("\\", " ", "#", ":"):
        name = name.replace(sign, f"\\{sign}")
    return name.replace("$", "$$")
