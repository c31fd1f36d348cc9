"""What `mrl prune` and `mrl restore` do: put orphans away, and bring a sub-experiment back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from metarunlog import archive, files
from metarunlog.errors import InputError, NoSuchError
from metarunlog.experiment import Experiment, SubExperiment
from metarunlog.grid import canonical
from metarunlog.ledger import Entry, Ledger

RUNNING = "{}/{} is running; stop it or wait"

#: What analysis made of a sub-experiment: its files, and the lines of the journal that are about them.
Made = tuple[Iterable[Path], bytes]


def prune(
    experiment: Experiment, subs: Iterable[SubExperiment], made_of: Callable[[str], Made]
) -> Iterator[tuple[SubExperiment, str | None]]:
    """Put orphans away; yields each with the reason why it stays, or None. Call it under the lock."""
    subs = list(subs)
    ledger = Ledger.read(experiment)
    ledger = ledger.with_entries({sub.id: replace(ledger.entries[sub.id], orphan=True) for sub in subs})
    ledger.write()
    for sub in subs:
        if sub.running:
            yield sub, RUNNING.format(experiment.path, sub.id)
            continue
        try:
            archive.put_away(experiment, sub.id, ledger.entries[sub.id].to_json(), *made_of(sub.id))
        except InputError as error:
            yield sub, str(error)
        else:
            yield sub, None


@dataclass(frozen=True)
class Archived:
    """A sub-experiment in the archive. `entry` is there where it is of a batch that was replaced."""

    experiment: Experiment
    id: str
    folder: Path
    entry: Entry | None

    def restore(self) -> None:
        """Bring it back. Call it under the lock."""
        ledger = Ledger.read(self.experiment)
        if self.entry is not None:
            ledger = ledger.with_entries({self.id: replace(self.entry, orphan=True)})
        ledger.write()
        archive.bring_back(self.experiment, self.id, self.folder)


def find(experiment: Experiment, word: str) -> Archived:
    """What `word`, a number or a folder's name, names in the archive: what was pruned, then what was replaced last.

    NoSuchError where it is not archived, InputError where its number or its params are in use.
    """
    id_ = experiment.sub_name(int(word)) if word.isascii() and word.isdigit() else word
    ledger = Ledger.read(experiment)
    shown = f"{experiment.path}/{id_}"
    generations = list(archive.replaced(experiment))
    if any(sub.id == id_ for sub in ledger.existing()):
        older = [str(folders[id_].relative_to(experiment.root)) for _, folders in generations if id_ in folders]
        raise InputError(
            f"{shown} is there, so nothing is to do{'; an older one is in ' if older else ''}{', '.join(older)}"
        )
    pruned = archive.archived(experiment)
    if id_ in pruned:
        return Archived(experiment, id_, pruned[id_], None)
    for generation, folders in generations:
        if id_ in folders:
            where = folders[id_].relative_to(experiment.root)
            if id_ in ledger.entries:
                raise InputError(f"{shown}: the number is in use again; the older one is in {where}")
            entry = _entry(experiment, generation, id_, folders[id_])
            same = [i for i, e in ledger.entries.items() if e.known and canonical(e.params) == canonical(entry.params)]
            if same:
                raise InputError(f"{shown} has the params of {same[0]}; its folder is in {where}")
            return Archived(experiment, id_, folders[id_], entry)
    known = sorted({*pruned, *(name for _, folders in generations for name in folders)})
    there = f"; archived are {', '.join(known[:10])}{' ...' if len(known) > 10 else ''}" if known else ""
    raise NoSuchError(f"{shown} is not archived{there or '; the archive is empty'}")


def _entry(experiment: Experiment, generation: Path, id_: str, folder: Path) -> Entry:
    ledger = files.read_json(generation / files.LEDGER)
    entries = ledger.get("subExps") if isinstance(ledger, dict) else None
    entry = Entry.from_json(entries.get(id_)) if isinstance(entries, dict) else None
    entry = entry or Entry.of_folder(folder, experiment.config.confTemplFile)
    if entry is None:
        raise InputError(f"{folder.relative_to(experiment.root)} does not say what its params are; move it by hand")
    return entry
