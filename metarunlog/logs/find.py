"""Which files of a sub-experiment are logs. Only names and kinds are looked at, nothing is read."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from metarunlog.files import RUN_LOG

DEPTH = 4  # a file of the sub-experiment itself is at depth 1
MAX_SIZE = 256 << 20  # bytes; larger files only where named
SUFFIXES = frozenset({"csv", "tsv", "txt", "log", "json", "jsonl", "ndjson", "out", "err", "stdout", "stderr"})
PACKED = frozenset({"gz", "xz"})
EVENTS = "events.out.tfevents"  # TensorBoard's

_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class LogFile:
    """A file to be parsed."""

    table: str  # base name of the tables: the key in `logs`, else the path without suffix
    path: str  # relative to the sub-experiment, with slashes
    format: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    named: bool = False  # in `logs`
    fallback: bool = False  # read only where nothing else gave a table
    function: str | None = None  # the user's, that reads it


def find(sub_dir: Path, logs: Mapping[str, str | Mapping[str, Any]] | None, skip: Collection[str]) -> list[LogFile]:
    """The logs of a sub-experiment: those named in `logs`, or without it every file of a known kind.

    Sorted by path, numbers in it by value (fold2 before fold10); those named in the order of `logs`. `run.log` comes
    last, as a fallback. Left out: dot-files, what is deeper than 4 or over 256 MB, links that lead out or to a file
    found anyway, and `skip` (paths relative to the sub-experiment). A missing file or folder is just not there yet.
    """
    root = os.fspath(sub_dir)
    if logs is not None:
        return [log for key, spec in logs.items() for log in _named(root, key, spec)]
    walk = _Walk(root, frozenset((*skip, *(os.path.basename(name) for name in skip))))
    walk.folder("", DEPTH)
    walk.follow_links()
    found = [LogFile(base_name(path), path) for path in sorted(walk.found, key=natural)]
    run_log = [replace(log, fallback=True) for log in found if log.path == RUN_LOG]
    return [log for log in found if log.path != RUN_LOG] + run_log


def base_name(path: str) -> str:
    """A path without its suffix: `out/train.csv.gz` is `out/train`. Other suffixes stay."""
    stem, dot, suffix = path.rpartition(".")
    if dot and suffix.lower() in PACKED:
        path = stem
        stem, dot, suffix = path.rpartition(".")
    return stem if stem and not stem.endswith("/") and suffix.lower() in SUFFIXES else path


def natural(path: str) -> tuple[list[str | int], str]:
    """A key that sorts the numbers in a path by value."""
    return [int(part) if i % 2 else part for i, part in enumerate(_DIGITS.split(path))], path


def _known(name: str) -> bool:
    """Whether a name is one of a log. `log` alone is Chainer's, `workerlog.0` Paddle's."""
    stem, _, suffix = name.lower().rpartition(".")
    if suffix in PACKED:
        stem, _, suffix = stem.rpartition(".")
    return (suffix in SUFFIXES and bool(stem)) or name.startswith((EVENTS, "workerlog.")) or name == "log"


def _named(root: str, key: str, spec: str | Mapping[str, Any]) -> list[LogFile]:
    """The files of one entry of `logs`. Where a pattern matches several, the path tells their tables apart."""
    options: dict[str, Any] = {} if isinstance(spec, str) else dict(spec)
    path = spec if isinstance(spec, str) else str(options.pop("path", ""))
    kind, function = options.pop("format", None), options.pop("function", None)
    if glob.has_magic(path) and not os.path.lexists(f"{root}/{path}"):
        matches = {os.path.normpath(name) for name in glob.glob(path, root_dir=root, recursive=True)}
        paths = sorted((name for name in matches if not os.path.isdir(f"{root}/{name}")), key=natural)
    else:
        paths = [os.path.normpath(path)] if path and os.path.lexists(f"{root}/{path}") else []
    tables = [key] if len(paths) == 1 else [f"{key}:{base_name(path)}" for path in paths]
    return [
        LogFile(table, path.replace(os.sep, "/"), kind and str(kind), options, True, function=function)
        for table, path in zip(tables, paths)
    ]


def readers(logs: Mapping[str, str | Mapping[str, Any]] | None) -> list[str]:
    """The names of the user's functions that read logs."""
    specs = [] if logs is None else [spec for spec in logs.values() if not isinstance(spec, str)]
    return list(dict.fromkeys(str(spec["function"]) for spec in specs if "function" in spec))


class _Walk:
    """One walk over a sub-experiment. No folder is listed twice, so that links cannot lead in circles."""

    def __init__(self, root: str, skip: frozenset[str]) -> None:
        self.root = root
        self.skip = skip
        self.found: list[str] = []
        self.folders: set[str] = set()
        self.links: list[tuple[str, int]] = []

    def folder(self, folder: str, depth: int) -> None:
        """Collect the logs of a folder (relative to the root, ending with a slash, or "") down to a depth."""
        self.folders.add(folder)
        try:
            with os.scandir(f"{self.root}/{folder}") as entries:
                for entry in entries:
                    name = entry.name
                    path = folder + name
                    if name.startswith(".") or path in self.skip:
                        continue
                    if entry.is_symlink():
                        self.links.append((path, depth))
                    elif entry.is_dir(follow_symlinks=False):
                        if depth > 1:
                            self.folder(path + "/", depth - 1)
                    elif _known(name) and entry.is_file() and entry.stat().st_size <= MAX_SIZE:
                        self.found.append(path)
        except OSError:  # gone in the meantime, or not ours to read
            pass

    def follow_links(self) -> None:
        """Add what links lead to inside the sub-experiment and the walk did not see, such as deeper folders."""
        inside = os.path.realpath(self.root) + os.sep if self.links else ""
        seen = {os.path.realpath(f"{self.root}/{path}") for path in self.found} if self.links else set()
        while self.links:
            path, depth = min(self.links)  # the order of a folder's listing must not matter
            self.links.remove((path, depth))
            real = os.path.realpath(f"{self.root}/{path}")
            if not real.startswith(inside) or (target := real[len(inside) :].replace(os.sep, "/")) in self.skip:
                continue
            if os.path.isdir(real):
                if depth > 1 and target + "/" not in self.folders:
                    self.folders.add(target + "/")
                    self.folder(path + "/", depth - 1)
            elif real not in seen and _known(os.path.basename(path)) and _is_small_file(real):
                seen.add(real)
                self.found.append(path)


def _is_small_file(path: str) -> bool:
    try:
        return os.path.isfile(path) and os.stat(path).st_size <= MAX_SIZE
    except OSError:
        return False
