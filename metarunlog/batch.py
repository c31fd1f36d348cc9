"""From template and ledger to sub-experiments: what `mrl makebatch` would do (plan), and doing it (apply).

Nothing that a user or a run wrote is overwritten: the config of a started sub-experiment, and one that was edited by
hand, is kept, and said so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from metarunlog import files
from metarunlog.errors import InputError, TemplateError
from metarunlog.experiment import Experiment, SubExperiment
from metarunlog.files import sha256
from metarunlog.grid import canonical
from metarunlog.ledger import Entry, Ledger
from metarunlog.template import Template

Verdict = Literal["unchanged", "new", "render", "adopt", "keep"]


@dataclass(frozen=True)
class Row:
    """One point of the grid and what is to be done for it. `why` says so in a few words."""

    id: str
    params: Mapping[str, Any]
    verdict: Verdict
    why: str = ""
    differs: tuple[str, ...] = ()  # files whose content on disk is not the rendered one
    hashes: Mapping[str, str] = field(default_factory=dict)  # file -> sha256 of the rendered content
    old: Mapping[str, str] = field(default_factory=dict)  # file -> sha256 of what is there now


@dataclass
class Plan:
    """What a makebatch would do, a row for each point of the grid, in the order of the grid."""

    experiment: Experiment
    ledger: Ledger
    sources: Sources
    rows: tuple[Row, ...]
    orphans: tuple[str, ...]
    _ledger_written: bool = field(default=False, repr=False)

    def of(self, verdict: Verdict) -> list[Row]:
        """The rows with a verdict, in number order."""
        number = self.experiment.sub_number
        return sorted((r for r in self.rows if r.verdict == verdict), key=lambda r: number(r.id) or 0)

    def write_ledger(self) -> None:
        """Give numbers, and note what will be written, before any folder is made or file replaced.

        So no number is ever given twice, and after a kill our own files are still known as ours.
        """
        if self._ledger_written:
            return
        entries = {id_: replace(self.ledger.entries[id_], orphan=True) for id_ in self.orphans}
        for row in self.rows:
            old = self.ledger.entries.get(row.id, Entry(row.params))
            entry = replace(old, params=row.params, orphan=False)
            if row.verdict != "keep":
                was = {**old.was, **old.files} if row.verdict == "render" else {}
                entry = replace(entry, files=row.hashes, was=was)
            entries[row.id] = entry
        self.ledger = self.ledger.with_entries(entries)
        self.ledger.write()
        self._ledger_written = True

    def is_current(self) -> bool:
        """Whether nobody has changed the batch since this plan was made."""
        return Ledger.read(self.experiment).to_bytes() == self.ledger.to_bytes()

    def apply(self, rows: list[Row], *, force: bool = False) -> None:
        """Write the folders and files of `rows`; those to keep only with `force`, the old file going to `.mrl.d/`."""
        self.write_ledger()
        changed = {}
        for row in rows:
            if row.verdict == "keep" and not force:
                continue
            sub_dir = self.experiment.dir / row.id
            rendered = self.sources.render(row.params, row.id, self.experiment)
            for name in row.differs:
                if row.verdict == "keep":
                    files.put_aside(sub_dir / name, self.experiment.memory / files.REPLACED / row.id)
                files.write(sub_dir / name, rendered[name])
                shutil.copymode(self.experiment.dir / name, sub_dir / name)
            files.write_if_changed(sub_dir / files.META, meta_of(row.params, row.id))
            entry = self.ledger.entries[row.id]
            if entry.was or row.verdict == "keep":
                changed[row.id] = replace(entry, files=row.hashes, was={}, keep={})
        self._merge(changed)

    def keep(self, rows: list[Row]) -> None:
        """Record the files of `rows`, as they are now, as wanted."""
        self.write_ledger()
        changed = {}
        for row in rows:
            entry = self.ledger.entries[row.id]
            now = {name: sha256((self.experiment.dir / row.id / name).read_bytes()) for name in row.differs}
            changed[row.id] = replace(entry, keep={**entry.keep, **now})
        self._merge(changed)

    def diff(self, row: Row) -> Iterator[str]:
        """The change of a row as a unified diff, a line at a time."""
        import difflib

        rendered = self.sources.render(row.params, row.id, self.experiment)
        for name in row.differs:
            path = f"{self.experiment.path}/{row.id}/{name}"
            there = self.experiment.dir / row.id / name
            old = there.read_bytes() if there.exists() else b""
            before, after = (b.decode("utf-8", "replace").splitlines(keepends=True) for b in (old, rendered[name]))
            yield from difflib.unified_diff(before, after, path if old else "/dev/null", path)

    def _merge(self, entries: Mapping[str, Entry]) -> None:
        if entries:
            self.ledger = self.ledger.with_entries(entries)
            self.ledger.write()


@dataclass(frozen=True)
class Sources:
    """The files of the experiment's folder that make a sub-experiment: templates, and copies as they are."""

    templates: tuple[Template, ...]
    copies: Mapping[str, bytes]

    @classmethod
    def read(cls, experiment: Experiment) -> Sources:
        """TemplateError where there is no template or it is broken."""
        config = experiment.config
        if not config.confTemplFile:
            raise TemplateError("no template: set confTemplFile", file=files.CONFIG)
        found: list[Template] = []
        for name in config.confTemplFile:
            shown = f"{experiment.path}/{name}"
            data = _read(experiment, name)
            if data is None:
                raise TemplateError(
                    "there is no such template; create it, or copy one with `mrl new -cp EXP`", file=shown
                )
            if found:
                found.append(Template.parse(data, shown, directives=False, delimiters=found[0].delimiters))
            else:
                found.append(Template.parse(data, shown))
        copies = {name: _read(experiment, name) for name in config.copyFiles if name not in config.confTemplFile}
        return cls(tuple(found), {name: data for name, data in copies.items() if data is not None})

    def render(self, params: Mapping[str, Any], id_: str, experiment: Experiment) -> dict[str, bytes]:
        """File name -> content, for one point of the grid."""
        values = {**params, "subExpId": id_, "expId": experiment.id}
        made = {n: t.render(values) for n, t in zip(experiment.config.confTemplFile, self.templates, strict=True)}
        return {**made, **self.copies}

    def hashes(self, params: Mapping[str, Any], id_: str, experiment: Experiment) -> dict[str, str]:
        """File name -> sha256 of what `render` makes."""
        return {name: sha256(data) for name, data in self.render(params, id_, experiment).items()}

    @property
    def warnings(self) -> list[str]:
        """What looks wrong in the templates, a line each. A param counts as used if any template uses it."""
        used = {name for t in self.templates[1:] for name in t.variables}
        return [w for t in self.templates for w in t.warnings if not any(f"'{name}'" in w for name in used)]


def plan(experiment: Experiment, *, anew: bool = False) -> Plan:
    """What a makebatch would do now; `anew` as if there were no sub-experiments."""
    sources = Sources.read(experiment)
    ledger = Ledger(experiment, {}, 0) if anew else Ledger.read(experiment)
    existing = {sub.id: sub for sub in ledger.existing()}
    number_of = {canonical(entry.params): id_ for id_, entry in ledger.entries.items()}
    points = [(params, canonical(params)) for params in sources.templates[0].params]
    wanted = {key for _, key in points}
    orphans = [
        id_ for id_, entry in ledger.entries.items() if canonical(entry.params) not in wanted and id_ in existing
    ]
    adopt = _Adoption(experiment, sources, {id_: existing[id_] for id_ in orphans})
    rows = []
    next_number = ledger.last + 1
    for params, key in points:
        id_ = number_of.get(key)
        if id_ is not None:
            rows.append(_judge(experiment, sources, ledger.entries[id_], existing.get(id_), id_, params))
            continue
        orphan = adopt.take(params)
        if orphan is not None:
            rows.append(
                Row(
                    orphan, params, "adopt", "its files are the same", hashes=sources.hashes(params, orphan, experiment)
                )
            )
            continue
        id_ = experiment.sub_name(next_number)
        hashes = sources.hashes(params, id_, experiment)
        rows.append(Row(id_, params, "new", differs=tuple(hashes), hashes=hashes))
        next_number += 1
    adopted = {row.id for row in rows if row.verdict == "adopt"}
    return Plan(experiment, ledger, sources, tuple(rows), tuple(o for o in orphans if o not in adopted))


def archive_all(experiment: Experiment) -> Path | None:
    """Move all sub-experiments and the ledger to `.mrl.d/archive/N/`, so that numbers start anew.

    Returns that folder, None where there is nothing to move. InputError while a run is going on.
    """
    subs = Ledger.read(experiment).existing()
    running = [sub.id for sub in subs if sub.state == "running"]
    if running:
        raise InputError(f"{experiment.path}/{running[0]} is running; stop it or wait, then use -replace")
    if not subs:
        return None
    archive = experiment.memory / "archive"
    archive.mkdir(parents=True, exist_ok=True)
    taken = [int(p.name) for p in archive.iterdir() if p.name.isdigit()]
    folder = archive / str(max(taken, default=0) + 1)
    folder.mkdir()
    for sub in subs:
        os.rename(sub.dir, folder / sub.id)
    if (experiment.dir / files.LEDGER).exists():
        os.rename(experiment.dir / files.LEDGER, folder / files.LEDGER)
    return folder


def meta_of(params: Mapping[str, Any], id_: str) -> bytes:
    """What `.mrl` of a sub-experiment says."""
    return files.to_json({"params": {**params, "subExpId": id_}})


def _judge(
    experiment: Experiment,
    sources: Sources,
    entry: Entry,
    sub: SubExperiment | None,
    id_: str,
    params: Mapping[str, Any],
) -> Row:
    rendered = sources.render(params, id_, experiment)
    hashes = {name: sha256(data) for name, data in rendered.items()}
    if sub is None:
        return Row(id_, params, "render", "its folder is gone", tuple(rendered), hashes)
    differs, edited, old = [], [], {}
    for name in rendered:
        there = _read(experiment, f"{id_}/{name}")
        now = None if there is None else sha256(there)
        if now == hashes[name] or (now is not None and entry.keep.get(name) == now):
            continue
        differs.append(name)
        if now is not None:
            old[name] = now
        if now is not None and now not in (entry.files.get(name), entry.was.get(name)):
            edited.append(name)
    if not differs:
        if _read(experiment, f"{id_}/{files.META}") != meta_of(params, id_):
            return Row(id_, params, "render", f"{files.META} changes", hashes=hashes)
        return Row(id_, params, "unchanged", hashes=hashes)
    started = sub.started(rendered)
    if started:
        return Row(id_, params, "keep", f"{started}, and {differs[0]} would change", tuple(differs), hashes, old)
    if edited:
        return Row(id_, params, "keep", f"{edited[0]} was edited by hand", tuple(differs), hashes, old)
    return Row(id_, params, "render", f"{differs[0]} changes", tuple(differs), hashes, old)


class _Adoption:
    """Finds, for a new point of the grid, an orphan whose files are what the point would render."""

    def __init__(self, experiment: Experiment, sources: Sources, orphans: Mapping[str, SubExperiment]) -> None:
        self._experiment, self._sources = experiment, sources
        self._orphans = dict(orphans)
        # with subExpId in the text the same params render differently for each orphan: try one by one
        self._by_number = any("subExpId" in t.variables for t in sources.templates)
        self._index: dict[str, list[str]] = {}
        if not self._by_number:
            for id_ in self._orphans:
                self._index.setdefault(self._fingerprint(self._on_disk(id_)), []).append(id_)

    def take(self, params: Mapping[str, Any]) -> str | None:
        """The lowest orphan that fits, taken out; None where there is none."""
        for id_ in self._candidates(params):
            del self._orphans[id_]
            return id_
        return None

    def _candidates(self, params: Mapping[str, Any]) -> Iterator[str]:
        if self._by_number:
            for id_ in self._orphans:
                if self._sources.render(params, id_, self._experiment) == self._on_disk(id_):
                    yield id_
        elif self._orphans:
            rendered = self._sources.render(params, next(iter(self._orphans)), self._experiment)
            yield from (i for i in self._index.get(self._fingerprint(rendered), ()) if i in self._orphans)

    def _on_disk(self, id_: str) -> dict[str, bytes | None]:
        names = [*self._experiment.config.confTemplFile, *self._sources.copies]
        return {name: _read(self._experiment, f"{id_}/{name}") for name in names}

    @staticmethod
    def _fingerprint(contents: Mapping[str, bytes | None]) -> str:
        return repr([(name, None if data is None else sha256(data)) for name, data in contents.items()])


def _read(experiment: Experiment, name: str) -> bytes | None:
    try:
        return (experiment.dir / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
