"""Tasks that get in each other's way: two that write one file, or one that reads what a later one makes.

What is found must not depend on what was built before: of two that write one file the later fails, and who reads what
a later task makes fails, whichever of them ran last. The message names both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from metarunlog.engine.seen import Seen
from metarunlog.engine.staleness import Judge


class Clash(NamedTuple):
    """Why a task failed: it holds for as long as `maker` makes the file `key`."""

    why: str
    key: str
    maker: str  # short name
    writes: bool  # both write it; else one reads what the other makes


class Conflicts:
    """What one task, just done, clashes with: `own` is why it failed, `others` why tasks done before failed."""

    def __init__(self, judge: Judge, name: str, out: Collection[str], read: Collection[str], seen: Seen) -> None:
        self._judge = judge
        self._owners = judge.owners
        self._name = name
        self.own: Clash | None = None
        self.others: dict[str, Clash] = {}
        changed = {judge.graph.place.key(path) for path in seen.backups}
        for key, other in self._makers({*out, *changed}):
            self._two_writers(key, other)
        if judge.graph.specs[name].isolated:
            for key, other in self._makers(read):
                if not self._owners.may_see(name, other):
                    self.own = self.own or self._too_early(key, name, other)
        lost = {key for key, other in self._makers(out) if self._owners.loser(name, other) == name}
        for reader, key in self._owners.readers_too_early(name, set(out) - lost).items():
            self.others.setdefault(reader, self._too_early(key, reader, name))

    def _makers(self, keys: Collection[str]) -> Iterator[tuple[str, str]]:
        """Files that another task makes, with that task."""
        for key in sorted(keys):
            maker = self._owners.maker(key)
            if maker is not None and maker != self._name:
                yield key, maker

    def _two_writers(self, key: str, other: str) -> None:
        first, second = map(self._short, self._owners.in_order(self._name, other))
        why = f"{self._shown(key)} is written by {first} and by {second}; give one of them another name"
        if self._owners.loser(self._name, other) == self._name:
            self.own = self.own or Clash(why, key, self._short(other), True)
        elif self._judge.journal.get(self._short(other)) is not None:
            self.others.setdefault(other, Clash(why, key, self._short(self._name), True))

    def _too_early(self, key: str, reader: str, maker: str) -> Clash:
        made = f"{self._short(reader)} reads {self._shown(key)}, which {self._short(maker)} makes"
        if self._owners.may_see(maker, reader):
            return Clash(f"{made} later; change their order", key, self._short(maker), False)
        why = f"{made}; sections are made in any order, so read it in an overview function"
        return Clash(why, key, self._short(maker), False)

    def _short(self, name: str) -> str:
        return self._judge.graph.specs[name].short

    def _shown(self, key: str) -> str:
        return self._judge.graph.place.shown(key)
