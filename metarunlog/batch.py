"""From template and ledger to sub-experiments: what `mrl makebatch` would do (plan), and doing it (apply).

Nothing that a user or a run wrote is overwritten: the config of a started sub-experiment, and one that was edited by
hand, is kept, and said so.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from metarunlog import archive, files
from metarunlog.adoption import Adoption
from metarunlog.errors import InputError
from metarunlog.experiment import Experiment, SubExperiment
from metarunlog.files import sha256
from metarunlog.grid import canonical
from metarunlog.ledger import Entry, Ledger, forget
from metarunlog.sources import Sources
from metarunlog.template import text_lines

_HELD = 64 << 20  # bytes of what is rendered that are held until it is written

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
    archived: Path | None = None  # where its folder is, if it is to be brought back from the archive
    running: bool = False
    content: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # what was rendered, of a few

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be done for it."""
        return self.verdict == "unchanged" and self.archived is None


@dataclass
class Plan:
    """What a makebatch would do, a row for each point of the grid, in the order of the grid."""

    experiment: Experiment
    ledger: Ledger
    sources: Sources
    rows: tuple[Row, ...]
    orphans: tuple[str, ...]
    _ledger_written: bool = field(default=False, repr=False)
    _written: dict[str, Entry] = field(default_factory=dict, repr=False)

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
            entry = replace(old, params=row.params, orphan=False, known=True)
            if row.verdict != "keep":
                was = _replacing(old) if row.verdict == "render" else {}
                others = {name: h for name, h in old.files.items() if name not in row.hashes}  # not made any more
                entry = replace(entry, files={**others, **row.hashes}, was=was)
            entries[row.id] = entry
        if self.ledger.found == "broken":
            files.put_aside(self.experiment.dir / files.LEDGER, self.experiment.memory / files.REPLACED)
        self.ledger = self.ledger.with_entries(entries)
        self.ledger.write()
        self._ledger_written = True

    def is_current(self) -> bool:
        """Whether nobody has changed the batch since this plan was made."""
        return Ledger.read(self.experiment).to_bytes() == self.ledger.to_bytes()

    def apply(self, rows: Iterable[Row], *, force: bool = False) -> None:
        """Write the folders and files of `rows`; those to keep only with `force`, the old file going to `.mrl.d/`, and
        not while they run.

        `settle` is to follow where all is done.
        """
        self.write_ledger()
        modes: dict[str, tuple[int, int]] = {}
        folder = str(self.experiment.dir)
        for row in rows:
            sub_dir = f"{folder}/{row.id}"  # paths as text: there are many
            if row.archived is not None:
                archive.bring_back(self.experiment, row.id, row.archived)
            if row.verdict == "unchanged" or (row.verdict == "keep" and (row.running or not force)):
                continue
            new = row.verdict == "new" and _make(sub_dir)
            rendered = row.content or (self.sources.render(row.params, row.id) if row.differs else {})
            for name in row.differs:
                if row.verdict == "keep":
                    files.put_aside(Path(sub_dir, name), self.experiment.memory / files.REPLACED / row.id)
                files.write(f"{sub_dir}/{name}", rendered[name])
                if name not in modes:  # new files have all the same
                    modes[name] = _mode(f"{folder}/{name}"), _mode(f"{sub_dir}/{name}")
                if modes[name][0] != modes[name][1]:
                    os.chmod(f"{sub_dir}/{name}", modes[name][0])
            if new or not _says(sub_dir, row.params, row.id):
                files.write(f"{sub_dir}/{files.META}", meta_of(row.params, row.id))
            entry = self.ledger.entries[row.id]
            if entry.was or row.verdict == "keep":
                self._written[row.id] = replace(entry, files={**entry.files, **row.hashes}, was={}, keep={})

    def settle(self) -> None:
        """Note in the ledger what `apply` has replaced."""
        self._merge(self._written)
        self._written.clear()

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

        rendered = self.sources.render(row.params, row.id)
        for name in row.differs:
            path = f"{self.experiment.path}/{row.id}/{name}"
            old = files.read((row.archived or self.experiment.dir / row.id) / name)
            before, after = text_lines(old or b""), text_lines(rendered[name])
            yield from difflib.unified_diff(before, after, path if old is not None else "/dev/null", path)

    def _merge(self, entries: Mapping[str, Entry]) -> None:
        if entries:
            self.ledger = self.ledger.with_entries(entries)
            self.ledger.write()


def plan(experiment: Experiment, *, anew: bool = False, force: bool = False) -> Plan:
    """What a makebatch would do now. InputError where it cannot be done.

    `anew`: as if there were no sub-experiments. `force`: as if no hand edit had been accepted.
    """
    sources = Sources.read(experiment)
    ledger = Ledger.read(experiment)
    if ledger.strangers:
        name, fmt = ledger.strangers[0], experiment.config.subExpFormat
        what = f"names {name}, but subExpFormat is '{fmt}'; set it back in {files.CONFIG}: the folders keep their names"
        raise InputError(what, file=f"{experiment.path}/{files.LEDGER}")
    if anew:
        ledger = Ledger(experiment, {}, 0)
    existing = {sub.id: sub for sub in ledger.existing()}
    there = {**existing, **{sub.id: sub for sub in ledger.archived() if sub.id not in existing}}
    number_of: dict[str, str] = {}  # of two with the same params, the one that has a folder, and then the lower
    for id_ in sorted(ledger.entries, key=lambda i: (i not in existing, i not in there)):
        if ledger.entries[id_].known:
            number_of.setdefault(canonical(ledger.entries[id_].params), id_)
    points = [(params, canonical(params)) for params in sources.first.params]
    taken = {number_of[key] for _, key in points if key in number_of}
    adoption = Adoption(sources, (sub for id_, sub in there.items() if id_ not in taken))
    rows, room = [], _HELD
    next_number = ledger.last + 1
    for params, key in points:
        if key in number_of:
            id_ = number_of[key]
            entry = replace(ledger.entries[id_], keep={}) if force else ledger.entries[id_]
            rows.append(_judge(sources, entry, there.get(id_), id_, params))
        elif (sub := adoption.take(params)) is not None:
            hashes = sources.hashes(sources.on_disk(sub.dir) or {})
            rows.append(
                Row(
                    sub.id,
                    params,
                    "adopt",
                    "its files are the same",
                    hashes=hashes,
                    archived=_archived(experiment, sub),
                )
            )
        else:
            id_ = experiment.sub_name(next_number)
            rendered = sources.render(params, id_)
            hashes = sources.hashes(rendered)
            room -= sum(len(rendered[name]) for name in sources.templates)
            rows.append(
                Row(id_, params, "new", differs=tuple(hashes), hashes=hashes, content=rendered if room > 0 else {})
            )
            next_number += 1
    wanted = {row.id for row in rows}
    return Plan(experiment, ledger, sources, tuple(rows), tuple(id_ for id_ in existing if id_ not in wanted))


def archive_all(experiment: Experiment) -> Path | None:
    """Move all sub-experiments and the ledger to `.mrl.d/archive/N/`, so that numbers start anew.

    Returns that folder, None where there is nothing to move. InputError while a run is going on.
    """
    ledger = Ledger.read(experiment)
    ids = to_archive(experiment)
    if not ledger.entries:
        return None
    folder = archive.put_all_away(experiment, ids, ledger.to_bytes())
    forget(experiment)
    return folder


def to_archive(experiment: Experiment) -> list[str]:
    """The sub-experiments that `archive_all` moves. InputError while a run is going on."""
    subs = Ledger.read(experiment).existing()
    running = [sub.id for sub in subs if sub.state == "running"]
    if running:
        raise InputError(f"{experiment.path}/{running[0]} is running; stop it or wait, then use -replace")
    return [sub.id for sub in subs]


def _make(folder: str) -> bool:
    """Make a folder; whether it was not there."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        return False
    return True


def _mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _replacing(entry: Entry) -> dict[str, list[str]]:
    """What mrl wrote to the files that it is about to replace, also where it was killed in between."""
    names = (*entry.was, *entry.files)
    found = {name: [*entry.was.get(name, ()), entry.files.get(name, "")] for name in names}
    return {name: [h for h in dict.fromkeys(hashes) if h] for name, hashes in found.items()}


def meta_of(params: Mapping[str, Any], id_: str) -> bytes:
    """What `.mrl` of a sub-experiment says."""
    return files.to_json({"params": {**params, "subExpId": id_}})


def _says(folder: Path | str, params: Mapping[str, Any], id_: str) -> bool:
    """Whether `.mrl` of a sub-experiment says its params. The 2016 version left subExpId out."""
    meta = files.read_json(Path(folder, files.META))
    said = meta.get("params") if isinstance(meta, dict) else None
    return isinstance(said, dict) and said.get("subExpId", id_) == id_ and canonical(said) == canonical(params)


def _judge(sources: Sources, entry: Entry, sub: SubExperiment | None, id_: str, params: Mapping[str, Any]) -> Row:
    rendered = sources.render(params, id_)
    hashes = sources.hashes(rendered)
    if sub is None:
        return Row(id_, params, "render", "its folder is gone", tuple(rendered), hashes)
    differs, edited, old = [], [], {}
    for name in rendered:
        there = files.read(sub.dir / name)
        now = None if there is None else sha256(there)
        if now == hashes[name] or (now is not None and entry.keep.get(name) == now):
            continue
        if there is not None and now is not None and sources.is_as_rendered(name, there, rendered[name]):
            hashes[name] = now  # the 2016 version wrote it
            continue
        differs.append(name)
        if now is not None:
            old[name] = now
        if now is not None and not entry.wrote(name, now):
            edited.append(name)
    row = Row(id_, params, "unchanged", "", tuple(differs), hashes, old, _archived(sources.experiment, sub))
    if not differs:
        fits = _says(sub.dir, params, id_)
        return row if fits else replace(row, verdict="render", why=f"{files.META} changes")
    first = edited[0] if edited else differs[0]
    known = first in entry.files
    says = f"{first} {'was edited by hand' if known else 'is of unknown origin, and would change'}"
    running = sub.state == "running"
    if started := "it is running" if running else sub.started({*rendered, *_written_before(entry, sub)}):
        changes = says if edited and known else f"{first} {'would change' if first in old else 'is missing'}"
        return replace(row, verdict="keep", why=f"{started}, and {changes}", running=running)
    return replace(row, verdict="keep", why=says) if edited else replace(row, verdict="render", why=f"{first} changes")


def _written_before(entry: Entry, sub: SubExperiment) -> Iterator[str]:
    """Files that mrl wrote, under a name that no source has any more, and that are as it wrote them."""
    for name in entry.files:
        data = files.read(sub.dir / name)
        if data is not None and entry.wrote(name, sha256(data)):
            yield name


def _archived(experiment: Experiment, sub: SubExperiment) -> Path | None:
    """Where a sub-experiment is, if that is not its place."""
    return sub.dir if sub.dir.parent != experiment.dir else None
