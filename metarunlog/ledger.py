"""The ledger `batch.json`: number and params of every sub-experiment. A value; batch.py decides what is in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from metarunlog import files
from metarunlog.experiment import Experiment, SubExperiment

SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """What mrl knows of one sub-experiment."""

    params: Mapping[str, Any]  # without subExpId
    orphan: bool = False
    files: Mapping[str, str] = field(default_factory=dict)  # file -> sha256 of what mrl wrote there
    was: Mapping[str, str] = field(default_factory=dict)  # the same of files that are being replaced
    keep: Mapping[str, str] = field(default_factory=dict)  # file -> sha256 of a hand edit that the user wants

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = {"params": dict(self.params), "files": dict(self.files)}
        if self.orphan:
            value["orphan"] = True
        value |= {name: dict(hashes) for name, hashes in (("was", self.was), ("keep", self.keep)) if hashes}
        return value

    @classmethod
    def from_json(cls, value: Any) -> Entry | None:
        """None where it is not what `to_json` makes."""
        if not isinstance(value, dict) or not isinstance(value.get("params"), dict):
            return None
        hashes = [h if isinstance(h := value.get(name), dict) else {} for name in ("files", "was", "keep")]
        return cls(value["params"], value.get("orphan") is True, *hashes)


@dataclass(frozen=True)
class Ledger:
    """All entries by id in number order, and `last`, the highest number ever given."""

    experiment: Experiment
    entries: Mapping[str, Entry]
    last: int

    @classmethod
    def read(cls, experiment: Experiment) -> Ledger:
        """The ledger of an experiment; a missing or broken one is rebuilt from the folders."""
        value = files.read_json(experiment.dir / files.LEDGER)
        entries: dict[str, Entry] = {}
        last = 0
        if isinstance(value, dict) and isinstance(value.get("subExps"), dict):
            last = value["last"] if isinstance(value.get("last"), int) else 0
            for id_, e in value["subExps"].items():
                if entry := Entry.from_json(e):
                    entries[id_] = entry
        for id_ in _folders(experiment):
            if id_ not in entries:
                meta = files.read_json(experiment.dir / id_ / files.META)
                if isinstance(meta, dict) and isinstance(meta.get("params"), dict):
                    entries[id_] = Entry({k: v for k, v in meta["params"].items() if k != "subExpId"})
            last = max(last, experiment.sub_number(id_) or 0)
        numbers = {id_: experiment.sub_number(id_) for id_ in entries}
        ordered = sorted((n, id_) for id_, n in numbers.items() if n is not None)
        last = max([last, *(n for n, _ in ordered)])
        return cls(experiment, {id_: entries[id_] for _, id_ in ordered}, last)

    def existing(self) -> tuple[SubExperiment, ...]:
        """The sub-experiments whose folders exist, in number order."""
        there = set(_folders(self.experiment))
        return tuple(
            SubExperiment(id_, self.experiment.dir / id_, entry.params, entry.orphan)
            for id_, entry in self.entries.items()
            if id_ in there
        )

    def with_entries(self, entries: Mapping[str, Entry]) -> Ledger:
        """Entries added or replaced; number order is kept."""
        number = self.experiment.sub_number
        merged = {**self.entries, **entries}
        ordered = {id_: merged[id_] for id_ in sorted(merged, key=lambda i: number(i) or 0)}
        return replace(self, entries=ordered, last=max([self.last, *(number(i) or 0 for i in ordered)]))

    def to_bytes(self) -> bytes:
        """One entry a line, so that git and people can read what changed."""
        import json

        lines = [f" {json.dumps(i)}: {json.dumps(e.to_json(), ensure_ascii=False)}" for i, e in self.entries.items()]
        body = ",\n".join(lines)
        return f'{{"schema": {SCHEMA}, "last": {self.last}, "subExps": {{\n{body}\n}}}}\n'.encode(
            errors="backslashreplace"
        )

    def write(self) -> None:
        files.write_if_changed(self.experiment.dir / files.LEDGER, self.to_bytes())


def _folders(experiment: Experiment) -> list[str]:
    """Names in the experiment's folder that are numbers of sub-experiments and folders."""
    try:
        with os.scandir(experiment.dir) as entries:
            return [e.name for e in entries if experiment.sub_number(e.name) is not None and e.is_dir()]
    except FileNotFoundError:
        return []
