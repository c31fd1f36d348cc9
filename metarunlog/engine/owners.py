"""Which task makes which file, and what a task may see of what others make: only what tasks before it have made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Set

from metarunlog.engine.journal import Journal, Trace
from metarunlog.engine.spec import Graph


class Owners:
    """Files and their makers in one graph, kept current with the journal. Keys as in the traces."""

    def __init__(self, graph: Graph, journal: Journal) -> None:
        self._graph = graph
        self._journal = journal
        self._derived = graph.place.key(str(graph.derived)) + "/"
        self._makers: dict[str, str] = {}
        self._folders: dict[str, set[str]] | None = None  # made when asked for: few functions list what others make
        self._readers: dict[str, set[str]] = {}  # of files in the derived folder
        self._made: dict[str, tuple[str, ...]] = {}
        self._earlier: dict[str, frozenset[str]] = {}
        self._order = {name: n for n, name in enumerate(graph.specs)}
        for name, spec in graph.specs.items():
            if spec.decided is None and spec.waiting is None:
                self.settle(name, journal.get(spec.short))

    def settle(self, name: str, trace: Trace | None) -> None:
        """A task was done, or forgotten."""
        spec = self._graph.specs[name]
        for key in self._made.pop(name, ()):
            if self._makers.get(key) == name:
                del self._makers[key]
        self._made[name] = tuple(dict.fromkeys((*spec.targets, *(trace["out"] if trace else ()))))
        self._makers.update(dict.fromkeys(self._made[name], name))
        self._folders = None
        for key in trace["read"] if trace else ():
            if key.startswith(self._derived):
                self._readers.setdefault(key, set()).add(name)

    def maker(self, key: str) -> str | None:
        return self._makers.get(key)

    def makers(self, keys: Set[str]) -> set[str]:
        """Those of some files, as far as tasks make them."""
        return {self._makers[key] for key in keys & self._makers.keys()}

    def may_see(self, name: str, other: str) -> bool:
        """Whether `other` goes before `name`."""
        specs = self._graph.specs
        return specs[other].stage < specs[name].stage or other in self._before(name)

    def visible(self, name: str, path: str) -> bool:
        """Whether a path is a file, or a folder with a file, that a task before this one made."""
        key = self._graph.place.key(path)
        maker = self._makers.get(key)
        if maker is not None:
            return self.may_see(name, maker)
        folders = self._folders
        if folders is None:
            folders = self._folders = self._find_folders()
        return any(self.may_see(name, other) for other in folders.get(key, ()))

    def readers(self, key: str) -> tuple[str, ...]:
        """Tasks that read, or looked for, a file in the derived folder, now or before."""
        return tuple(self._readers.get(key, ()))  # a copy, as other threads add to it

    def readers_too_early(self, name: str, made: Iterable[str]) -> dict[str, str]:
        """Tasks that read, or looked for, a file that `name` has made and do not come after it: task -> key."""
        found: dict[str, str] = {}
        for key in made:
            for reader in self.readers(key):
                trace = self._journal.get(self._graph.specs[reader].short)
                if reader != name and trace and key in trace["read"] and not self.may_see(reader, name):
                    found.setdefault(reader, key)
        return found

    def in_order(self, one: str, other: str) -> tuple[str, str]:
        return (one, other) if self._order[one] < self._order[other] else (other, one)

    def loser(self, one: str, other: str) -> str:
        """Of two tasks that write one file: the user's function rather than ours, else the later."""
        isolated = [name for name in (one, other) if self._graph.specs[name].isolated]
        return isolated[0] if len(isolated) == 1 else self.in_order(one, other)[1]

    def _before(self, name: str) -> frozenset[str]:
        """The tasks that `after` leads to."""
        if name not in self._earlier:
            found: set[str] = set()
            todo = list(self._graph.specs[name].after)
            while todo:
                task = todo.pop()
                if task not in found and task in self._graph.specs:
                    found.add(task)
                    todo.extend(self._graph.specs[task].after)
            self._earlier[name] = frozenset(found)
        return self._earlier[name]

    def _find_folders(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, keys in list(self._made.items()):
            for key in keys:
                for folder in _parents(key):
                    found.setdefault(folder, set()).add(name)
        return found


def _parents(key: str) -> Iterator[str]:
    while (key := os.path.dirname(key)) not in ("", "/", "@"):
        yield key
