"""Names of an experiment's tasks and of what they make, and the versions that count for them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from metarunlog.engine.spec import Place
from metarunlog.experiment import Experiment

# What a task makes, those of later stages may read.
SECTION, OVERVIEW, REPORT = 1, 2, 3

#: Sub-experiments by id, and for what the parse of each waits; None of one that has logs.
Waits = Mapping[str, str | None]

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


class Part(NamedTuple):
    """One function's part of a page: the key of the section file, and for what it waits."""

    function: str
    key: str
    waiting: str | None


@dataclass(frozen=True)
class Names:
    """Keys of what the tasks of one experiment make below `outdir`, the folder that analysis derives."""

    experiment: Experiment
    outdir: Path

    @cached_property
    def place(self) -> Place:
        return Place(self.experiment.root, self.experiment.dir)

    def task(self, kind: str, inner: str = "") -> str:
        """`parse:0001/001`, `report:0001`."""
        return f"{kind}:{self.experiment.name}/{inner}" if inner else f"{kind}:{self.experiment.name}"

    def derived(self, name: str) -> str:
        """Key of a file below outdir."""
        return self.place.key(f"{self.outdir}/{name}")

    def parsed(self, sub_id: str) -> str:
        return self.derived(f"parsed/{sub_id}.pkl")

    def section(self, stem: str) -> str:
        """`stem` is `001.card` for a section, `results` for an overview function."""
        return self.derived(f"sections/{stem}.json")

    def path(self, key: str) -> str:
        return self.place.path(key)

    @staticmethod
    @lru_cache
    def versions(builtin: str, version: int) -> Mapping[str, str]:
        """What counts for a built-in: Python's minor version, and its own."""
        return {"python": PYTHON, f"mrl's {builtin}": str(version)}

    @cached_property
    def user_versions(self) -> Mapping[str, str]:
        """What counts for the user's functions: Python's and the packages' minor versions."""
        return {"python": PYTHON, **package_versions(self.experiment.config.version_packages)}


@lru_cache(maxsize=8)
def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """`major.minor` of installed packages, from the names of their metadata folders: nothing is imported."""
    wanted = {re.sub(r"[-_.]+", "_", name).lower(): name for name in packages}
    found: dict[str, str] = {}
    for folder in sys.path:
        try:
            entries = os.listdir(folder or ".")
        except OSError:
            continue
        for entry in entries:
            match = re.match(r"(.+?)-(\d+)(?:\.(\d+))?.*\.(dist|egg)-info$", entry)
            name = wanted.get(re.sub(r"[-_.]+", "_", match[1]).lower()) if match else None
            if match and name is not None:
                found.setdefault(name, f"{match[2]}.{match[3] or 0}")
    return {name: found[name] for name in packages if name in found}
