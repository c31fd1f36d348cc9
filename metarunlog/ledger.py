"""The ledger `batch.json`: number and params of every sub-experiment. A value; batch.py decides what is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from metarunlog import archive, files
from metarunlog.experiment import Experiment, SubExperiment

SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """What mrl knows of one sub-experiment."""

    params: Mapping[str, Any]  # without subExpId
    orphan: bool = False
    files: Mapping[str, str] = field(default_factory=dict)  # file -> sha256 of what mrl wrote there
    was: Mapping[str, Sequence[str]] = field(default_factory=dict)  # the same of files that are being replaced
    keep: Mapping[str, str] = field(default_factory=dict)  # file -> sha256 of a hand edit that the user wants
    known: bool = True  # False: a folder with a config, of which nothing says what its params are

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = {"params": dict(self.params), "files": dict(self.files)}
        if self.orphan:
            value["orphan"] = True
        value |= {name: dict(hashes) for name, hashes in (("was", self.was), ("keep", self.keep)) if hashes}
        return value

    def wrote(self, name: str, content: str) -> bool:
        """Whether mrl wrote this content (its sha256) to a file."""
        return content == self.files.get(name) or content in self.was.get(name, ())

    @classmethod
    def from_json(cls, value: Any) -> Entry | None:
        """None where it is not what `to_json` makes."""
        if not isinstance(value, dict) or not isinstance(value.get("params"), dict):
            return None
        written, was, keep = (h if isinstance(h := value.get(name), dict) else {} for name in ("files", "was", "keep"))
        return cls(value["params"], value.get("orphan") is True, written, was, keep)

    @classmethod
    def of_folder(cls, folder: Path, templates: tuple[str, ...]) -> Entry | None:
        """What a folder says of itself; None where it is no sub-experiment's. The 2016 version wrote no subExpId."""
        meta = files.read_json(folder / files.META)
        if isinstance(meta, dict) and isinstance(meta.get("params"), dict):
            return cls({name: value for name, value in meta["params"].items() if name != "subExpId"})
        if any((folder / name).is_file() for name in templates):
            return cls({}, orphan=True, known=False)
        return None


@dataclass(frozen=True)
class Ledger:
    """All entries by id in number order, and `last`, the highest number ever given.

    `found` says how the file was. What is missing in it is taken from the copy in `.mrl.d/`, which is written after it,
    and from the folders, also the archived ones.
    """

    experiment: Experiment
    entries: Mapping[str, Entry]
    last: int
    found: Literal["whole", "missing", "broken"] = "whole"
    strangers: tuple[str, ...] = ()  # ids in the file that `subExpFormat` does not make

    @classmethod
    def read(cls, experiment: Experiment) -> Ledger:
        """The ledger of an experiment as it should be."""
        data = files.read(experiment.dir / files.LEDGER)
        entries, last, whole, strangers = _parse(data, experiment)
        if not whole:
            spare, spare_last, *_ = _parse(files.read(experiment.memory / files.LEDGER), experiment)
            entries, last = {**spare, **entries}, max(last, spare_last)
        templates = experiment.config.confTemplFile
        folders, highest = _folders(experiment)
        for id_ in folders:
            if id_ not in entries and (entry := Entry.of_folder(experiment.dir / id_, templates)):
                entries[id_] = entry
        last = max(last, highest)
        for id_, folder in archive.archived(experiment).items():
            if id_ not in entries and (entry := _archived_entry(folder, templates)):
                entries[id_] = entry
        ordered = dict(sorted(entries.items(), key=lambda item: experiment.sub_number(item[0]) or 0))
        last = max([last, *(experiment.sub_number(id_) or 0 for id_ in [*ordered][-1:])])
        nothing_lost = whole or (data is None and not ordered)
        found: Literal["whole", "missing", "broken"]
        found = "whole" if nothing_lost else "missing" if data is None else "broken"
        return cls(experiment, ordered, last, found, strangers)

    def existing(self) -> tuple[SubExperiment, ...]:
        """The sub-experiments whose folders exist, in number order."""
        there = set(_folders(self.experiment)[0])
        return tuple(self._sub(id_, self.experiment.dir / id_) for id_ in self.entries if id_ in there)

    def archived(self) -> tuple[SubExperiment, ...]:
        """Those that were pruned, with their folders in the archive, in number order."""
        folders = archive.archived(self.experiment)
        return tuple(self._sub(id_, folders[id_]) for id_ in self.entries if id_ in folders)

    def _sub(self, id_: str, folder: Path) -> SubExperiment:
        return SubExperiment(id_, folder, self.entries[id_].params, self.entries[id_].orphan)

    def with_entries(self, entries: Mapping[str, Entry]) -> Ledger:
        """Entries added or replaced; number order is kept."""
        number = self.experiment.sub_number
        merged = {**self.entries, **entries}
        ordered = {id_: merged[id_] for id_ in sorted(merged, key=lambda i: number(i) or 0)}
        return replace(self, entries=ordered, last=max([self.last, *(number(i) or 0 for i in [*ordered][-1:])]))

    def to_bytes(self) -> bytes:
        """One entry a line, so that git and people can read what changed."""
        known = {id_: entry for id_, entry in self.entries.items() if entry.known}
        lines = [f" {json.dumps(i)}: {json.dumps(e.to_json(), ensure_ascii=False)}" for i, e in known.items()]
        body = ",\n".join(lines)
        return f'{{"schema": {SCHEMA}, "last": {self.last}, "subExps": {{\n{body}\n}}}}\n'.encode(
            errors="backslashreplace"
        )

    def write(self) -> None:
        data = self.to_bytes()
        for folder in (self.experiment.dir, self.experiment.memory):
            files.write_if_changed(folder / files.LEDGER, data)


def forget(experiment: Experiment) -> None:
    """Delete the ledger and its copy, the copy first, so that it never stands for a ledger that is archived."""
    for folder in (experiment.memory, experiment.dir):
        (folder / files.LEDGER).unlink(missing_ok=True)


def _parse(data: bytes | None, experiment: Experiment) -> tuple[dict[str, Entry], int, bool, tuple[str, ...]]:
    """(entries that can be read, the highest number given, whether nothing is broken, ids of another format)."""
    try:
        value = files.parse_json(data or b"")
    except ValueError:
        return {}, 0, False, ()
    if not isinstance(value, dict) or not isinstance(value.get("subExps"), dict):
        return {}, 0, False, ()
    numbered = {id_: e for id_, e in value["subExps"].items() if experiment.sub_number(id_) is not None}
    entries = {id_: entry for id_, e in numbered.items() if (entry := Entry.from_json(e))}
    last = value.get("last") if isinstance(value.get("last"), int) else None
    strangers = tuple(sorted(value["subExps"].keys() - numbered.keys()))
    return entries, last or 0, len(entries) == len(numbered) and last is not None, strangers


def _archived_entry(folder: Path, templates: tuple[str, ...]) -> Entry | None:
    entry = Entry.from_json(archive.entry_of(folder)) or Entry.of_folder(folder, templates)
    return replace(entry, orphan=True) if entry else None


def _folders(experiment: Experiment) -> tuple[list[str], int]:
    """Names in the experiment's folder that are numbers of sub-experiments and folders; and the highest number that
    anything there has."""
    folders, highest = [], 0
    try:
        with os.scandir(experiment.dir) as found:
            for item in found:
                number = experiment.sub_number(item.name)
                if number is not None:
                    highest = max(highest, number)
                    if item.is_dir():
                        folders.append(item.name)
    except FileNotFoundError:
        pass
    return folders, highest
