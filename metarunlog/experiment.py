"""Experiment and SubExperiment: where things are, and what is written about them. Reads only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from metarunlog import files
from metarunlog.config import Config, number_in
from metarunlog.errors import NoSuchError


class SubExperiment(NamedTuple):
    """A numbered folder with a rendered config and what a run wrote."""

    id: str
    dir: Path
    params: Mapping[str, Any]  # without subExpId
    orphan: bool  # its params left the grid

    @property
    def run(self) -> Mapping[str, Any] | None:
        """The record of the newest launch; `interrupted` where its process is gone from this host."""
        record = files.read_json(self.dir / files.RUN)
        if not isinstance(record, dict) or not isinstance(record.get("state"), str):
            return {"state": "interrupted"} if (self.dir / files.RUN).exists() else None  # broken by a crash
        if record.get("state") == "running" and record.get("host") == os.uname().nodename and not _alive(record):
            return {**record, "state": "interrupted"}
        return record

    @property
    def state(self) -> str | None:
        """State of the newest launch: running, done, failed, interrupted; None where there was none."""
        run = self.run
        return None if run is None else str(run.get("state"))

    @property
    def running(self) -> bool:
        """Whether its newest launch is going on."""
        return self.state == "running"

    def started(self, written: Iterable[str]) -> str | None:
        """Why this counts as started, or None: a run record, `.mrl.done`, or a file that is not in `written`."""
        try:
            names = sorted(os.listdir(self.dir))
        except FileNotFoundError:
            return None
        if files.RUN in names:
            return "it was run"
        if files.DONE in names:
            return "it is marked as done"
        mine = {files.META, *(name.split("/", 1)[0] for name in written)}
        other = [n for n in names if n not in mine and not files.is_temporary(n)]
        return f"it holds {other[0]}" if other else None


class Experiment:
    """A numbered folder with code, template and sub-experiments. `config` has its overrides in it."""

    def __init__(self, root: Path, dir: Path, id: int, config: Config) -> None:
        self.root = root  # of the project
        self.dir = dir
        self.id = id
        self.config = config

    @property
    def name(self) -> str:
        """The folder's name, as in task names and JSON."""
        return self.dir.name

    @property
    def path(self) -> str:
        """The folder relative to the project."""
        return self.dir.relative_to(self.root).as_posix()

    @property
    def memory(self) -> Path:
        return self.dir / files.MEMORY

    @property
    def analysis_dir(self) -> Path:
        return self.dir / self.config.analysis_outdir

    @cached_property
    def meta(self) -> Mapping[str, Any]:
        """What `mrl new` wrote about it; {} where it is broken."""
        value = files.read_json(self.dir / files.META)
        return value if isinstance(value, dict) else {}

    @property
    def log_skip(self) -> frozenset[str]:
        """Files of a sub-experiment that are never logs."""
        return frozenset((*self.config.copyFiles, *self.config.confTemplFile))

    @cached_property
    def subs(self) -> tuple[SubExperiment, ...]:
        """The sub-experiments whose folders exist, in number order."""
        from metarunlog.ledger import Ledger  # it needs this module

        return Ledger.read(self).existing()

    def sub(self, word: str) -> SubExperiment:
        """A sub-experiment by number (`12`, `012`) or folder name."""
        number = self.sub_number(word)
        for sub in self.subs:
            if sub.id == word or (
                word.isascii() and word.isdigit() and number is None and int(word) == self.sub_number(sub.id)
            ):
                return sub
            if number is not None and self.sub_number(sub.id) == number:
                return sub
        raise NoSuchError(f"experiment {self.name} has no sub-experiment {word}; `mrl summary {self.id}` lists them")

    def sub_name(self, number: int) -> str:
        return self.config.subExpFormat.format(subExpId=number)

    def sub_number(self, name: str) -> int | None:
        """The number in a sub-experiment's folder name; None if it is no such name."""
        return number_in(name, self.config.subExpFormat, "subExpId")


def _alive(record: Mapping[str, Any]) -> bool:
    pid = record.get("pid")
    if not isinstance(pid, int):
        return True  # being started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:  # a process that has ended may still have an entry, where nobody asks for its exit code
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return stat.rpartition(b")")[2].split()[:1] != [b"Z"]
