"""What a function reaches: names of the project's modules, followed until nothing new is found."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from metarunlog import files
from metarunlog.engine import codeknown as known
from metarunlog.engine.codemodule import EFFECTS, IMPORTED, WHOLE, Item, Module
from metarunlog.engine.codenames import Names, Node
from metarunlog.engine.codequiet import Quiet
from metarunlog.engine.codeuses import ITSELF, STAR, Mark, Use


@dataclass
class Reach:
    """Parts of the project's code, and what makes more of it count."""

    nodes: set[Node] = field(default_factory=set)
    marks: set[Mark] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)  # modules imported by text: "helpers", "plugins.*"

    def add(self, other: Reach) -> None:
        self.nodes |= other.nodes
        self.marks |= other.marks
        self.patterns |= other.patterns

    def modules(self) -> set[Module]:
        return {module for module, _ in self.nodes}


class Graph:
    """The names of a project and what each uses, for one search path; every answer is kept."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._quiet = Quiet(names)
        self._edges: dict[Node, Reach] = {}
        self._items: dict[Item, Reach] = {}
        self._effects: dict[Module, list[Item]] = {}
        self._changed: dict[Module, list[int]] = {}
        self._loud: dict[Module, bool] = {}
        self._matching: dict[str, list[Module]] = {}

    def reach(self, starts: Iterable[Node], also: Iterable[Module] = ()) -> Reach:
        """All that counts for the nodes in `starts`, and whole the modules in `also` that it does not hold yet."""
        result = Reach()
        self._spread(result, starts)
        missed = [(module, WHOLE) for module in also if (module, EFFECTS) not in result.nodes]
        self._spread(result, missed)
        return result

    def _spread(self, result: Reach, starts: Iterable[Node]) -> None:
        pending = list(starts)
        while pending:
            while pending:
                node = pending.pop()
                if node not in result.nodes:
                    result.nodes.add(node)
                    edges = self.edges(node)
                    result.marks |= edges.marks
                    result.patterns |= edges.patterns
                    pending.extend(edges.nodes - result.nodes)
            pending = [node for node in self._widened(result) if node not in result.nodes]

    def _widened(self, result: Reach) -> Iterator[Node]:
        """What counts because of all that was reached, not of one statement."""
        for pattern in result.patterns:
            for module in self._matches(pattern):
                yield module, WHOLE
        every = Mark.LOADED in result.marks or Mark.SOURCE in result.marks
        packages = {module.folder for module, name in result.nodes if name == WHOLE and module.folder}
        if every or packages:
            for module in result.modules():
                # a package's object gives access to those of its modules that are imported
                if every or not packages.isdisjoint(module.path.parents):
                    yield module, WHOLE

    def edges(self, node: Node) -> Reach:
        if node not in self._edges:
            self._edges[node] = self._direct(*node)
        return self._edges[node]

    def _direct(self, module: Module, name: str) -> Reach:
        reach = Reach({(module, EFFECTS)})
        if name == WHOLE:
            for item in module.items:
                reach.nodes.update((module, each) for each in item.names)
                reach.add(self._uses(module, item))
                for imports in item.bound.values():
                    for made in imports:
                        every = made._replace(name=ITSELF) if made.name == STAR else made
                        reach.nodes |= self.names.resolve(module, Use(every)).nodes
        elif name == EFFECTS:
            for item in self.effects(module):
                reach.add(self._uses(module, item))
            for item in module.items:
                for made in item.head.import_time:
                    reach.nodes.update((each, EFFECTS) for each in self.names.executed(module, made))
        elif name == IMPORTED:
            for item in module.items:
                for made in item.head.import_time:
                    reach.nodes.update((each, IMPORTED) for each in self.names.executed(module, made))
        else:
            for item in module.bindings.get(name, ()):
                reach.add(self._uses(module, item))
        return reach

    def _uses(self, module: Module, item: Item) -> Reach:
        if item not in self._items:
            reach = Reach(marks=set(item.uses.marks))
            for use in item.uses.uses:
                found = self.names.resolve(module, use)
                reach.nodes |= found.nodes
                for dotted in found.outside:
                    for kind in known.by_text(dotted):
                        self._by_text(reach, kind, use)
            for made in item.uses.imports:
                reach.nodes.update((each, EFFECTS) for each in self.names.executed(module, made))
            for made in item.uses.guarded:
                reach.nodes.update((each, IMPORTED) for each in self.names.executed(module, made))
            if Mark.SELF in reach.marks:
                reach.nodes.add((module, WHOLE))
            self._items[item] = reach
        return self._items[item]

    def _by_text(self, reach: Reach, kind: Mark | known.Import, use: Use) -> None:
        if isinstance(kind, Mark):
            if use.argument is None:  # not vars(x)
                reach.marks.add(kind)
        elif kind is known.Import.BY_NAME:
            reach.patterns.add(use.argument or STAR)
        elif kind is known.Import.ANY:
            reach.patterns.add(STAR)

    # -- statements with effects

    def effects(self, module: Module) -> list[Item]:
        """The statements that count for all who import the module, in their order."""
        if module not in self._effects:
            self._effects[module] = [item for item in module.items if self._has_effects(module, item)]
        return self._effects[module]

    def _has_effects(self, module: Module, item: Item) -> bool:
        imported = [made for imports in item.bound.values() for made in imports]
        if imported and all(self._for_its_effects(module, name, item) for name in item.names):
            return True
        return not self._quiet.item(module, item)

    def _for_its_effects(self, module: Module, name: str, item: Item) -> bool:
        """An import of an installed package whose name is never used is there for what it does (mplot3d, styles)."""
        imports = item.bound[name]
        exported = module.folder is not None and any(made.name not in ("", ".") for made in imports)
        return (
            not exported
            and "__all__" not in module.bindings
            and not all(known.is_standard(made.module) for made in imports)
            and not any(made.level or self.names.chains(module, made) for made in imports)
            and not module.uses_name(name)
        )

    def content(self, module: Module, item: Item, docs: bool = False) -> str:
        """What counts of a statement, and for one that reads names while it runs, what has been changed before it."""
        lines = module.content(item, docs)
        if item.head.eager or item.head.import_time:
            lines.append(f"after {bisect_left(self._changes(module), item.index)}")
        if module.stars:
            lines.append(f"stars {sum(each.index < item.index for each in module.items if STAR in each.bound)}")
        return "\n".join(lines)

    def _changes(self, module: Module) -> list[int]:
        """Where the values of names may change: effects, their own or of an import, and names bound once more."""
        if module not in self._changed:
            effects = set(self.effects(module))
            again = {item for items in module.bindings.values() for item in items[1:]}
            found = (
                item.index
                for item in module.items
                if item in effects or item in again or STAR in item.bound or self._imports_effects(module, item)
            )
            self._changed[module] = list(found)
        return self._changed[module]

    def sequence(self, module: Module) -> list[Item | list[str]]:
        """The statements with effects, and between them the names that are bound there and that they reach.

        So the order of two effects counts, and that of an effect and what it uses, but not that of other statements.
        """
        effects = set(self.effects(module))
        reached = self._reached_within(module)
        steps: list[Item | list[str]] = []
        bound: list[str] = []
        for item in module.items:
            if item in effects or self._imports_effects(module, item):
                steps += [sorted(bound), item] if bound else [item]
                bound = []
            else:
                bound.extend(name for name in item.names if name in reached)
        return steps if effects or sum(isinstance(step, Item) for step in steps) > 1 else []

    def _reached_within(self, module: Module) -> set[str]:
        pending = [name for item in self.effects(module) for name in self._own(module, self._uses(module, item))]
        seen: set[str] = set()
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                pending.extend(self._own(module, self.edges((module, name))))
        return seen

    def _own(self, module: Module, reach: Reach) -> list[str]:
        return [name for each, name in reach.nodes if each is module and name != EFFECTS]

    def _imports_effects(self, module: Module, item: Item) -> bool:
        return any(self._is_loud(each) for made in item.head.import_time for each in self.names.executed(module, made))

    def _is_loud(self, module: Module) -> bool:
        """Whether to import a module has effects, its own or those of a module that it imports."""
        if module not in self._loud:
            pending, seen = [module], {module}
            while pending:
                each = pending.pop()
                if each.opaque or self.effects(each) or self._loud.get(each):
                    self._loud[module] = True
                    break
                made = {one for item in each.items for one in item.head.import_time}
                new = {other for one in made for other in self.names.executed(each, one)} - seen
                seen |= new
                pending.extend(new)
            else:
                self._loud.update((each, False) for each in seen)
        return self._loud[module]

    # -- imports by text

    def _matches(self, pattern: str) -> list[Module]:
        if pattern not in self._matching:
            if pattern.endswith(STAR):
                found = [module for folder in self.names.folders for module in self._below(folder, "", pattern[:-1])]
            else:
                found = self.names.absolute(pattern)
            self._matching[pattern] = found
        return self._matching[pattern]

    def _below(self, folder: Path, package: str, start: str) -> Iterator[Module]:
        """The modules in a folder whose dotted name has this start. Experiments and environments are left out."""
        try:
            entries = sorted(os.scandir(folder), key=lambda each: each.name)
        except OSError:  # not ours to read, so not to import either
            return
        for entry in entries:
            # a link may lead anywhere, so it is followed only where it is named
            is_folder = entry.is_dir(follow_symlinks=start.startswith(f"{package}{entry.name}."))
            name = entry.name if is_folder else entry.name.split(".")[0]
            dotted = package + name
            if not name.isidentifier() or name == "__pycache__" or not _may_start(dotted, start):
                continue
            if is_folder:
                path = folder / name
                if any(os.path.exists(path / each) for each in (files.META, "pyvenv.cfg")):
                    continue
                yield from self._below(path, dotted + ".", start)
            if dotted.startswith(start):
                module = self.names.locate(folder, name)
                if module is not None and not module.is_namespace:
                    yield module


def _may_start(dotted: str, start: str) -> bool:
    return dotted.startswith(start) or start.startswith(dotted)
