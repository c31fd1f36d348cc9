"""What a name in a module of the project stands for: imports, re-exports and stars followed from file to file.

Modules are looked for as Python does, in the folders of sys.path that lie in the project; where several hold the name,
all of them are taken. Names of installed packages end as dotted text, such as "numpy.linalg.norm" or "builtins.print".
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path

from metarunlog.engine import codeknown as known
from metarunlog.engine.codemodule import EFFECTS, WHOLE, Item, Module
from metarunlog.engine.codeuses import FIRST, ITSELF, STAR, Import, Use

Node = tuple[Module, str]  # a name of a module; its EFFECTS; or WHOLE
_SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)


@dataclass
class Found:
    """Where a name leads."""

    nodes: set[Node] = field(default_factory=set)  # all that counts on the way
    # the statements that make it, imports apart, with the attributes that are read from what they make
    items: list[tuple[Module, Item, tuple[str, ...]]] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)  # it is (or may be) a module itself
    outside: set[str] = field(default_factory=set)  # dotted names of what is not in the project
    seen: set[tuple[Module, str, tuple[str, ...]]] = field(default_factory=set)


class Names:
    """Resolves names, with `folders` as the project's part of sys.path."""

    def __init__(self, root: Path, folders: tuple[Path, ...], read: Callable[[Path, Path | None], Module]) -> None:
        self.root = root
        self.folders = folders
        self._read = read
        self._located: dict[tuple[Path, str], Module | None] = {}
        self._resolved: dict[tuple[Module, Use], Found] = {}

    # -- modules

    def locate(self, folder: Path, name: str) -> Module | None:
        """The module that `import name` finds in a folder."""
        key = (folder, name)
        if key not in self._located:
            self._located[key] = self._locate(folder, name)
        return self._located[key]

    def _locate(self, folder: Path, name: str) -> Module | None:
        if not name or "/" in name or "\0" in name:  # by text it may be anything
            return None
        base = folder / name
        is_folder = os.path.isdir(base)
        if is_folder:
            for suffix in _SUFFIXES:
                if os.path.isfile(f"{base}/__init__{suffix}"):
                    return self._read(base / f"__init__{suffix}", base)
        for suffix in _SUFFIXES:
            if os.path.isfile(f"{base}{suffix}"):
                return self._read(folder / f"{name}{suffix}", None)
        return self._read(base, base) if is_folder else None

    def chains(self, module: Module, made: Import) -> list[tuple[list[Module], bool]]:
        """For each folder that may hold it: the packages and the module of an import, and whether all were found."""
        walked = [
            self._walk([package] if package else [], start, made.module)
            for start, package in self._starts(module, made)
        ]
        return [(chain, complete) for chain, complete in walked if chain]

    def absolute(self, dotted: str) -> list[Module]:
        """The modules that `import dotted` runs."""
        return [module for folder in self.folders for module in self._walk([], folder, dotted)[0]]

    def _walk(self, chain: list[Module], start: Path, dotted: str) -> tuple[list[Module], bool]:
        folder: Path | None = start
        for part in dotted.split(".") if dotted else ():
            step = self.locate(folder, part) if folder else None
            if step is None:
                return chain, False
            chain.append(step)
            folder = step.folder
        return chain, True

    def _starts(self, module: Module, made: Import) -> list[tuple[Path, Module | None]]:
        if made.level == 0:
            return [(folder, None) for folder in self.folders]
        start = module.path.parent
        for _ in range(made.level - 1):
            start = start.parent
        inside = start != self.root and self.root in start.parents
        return [(start, self.locate(start.parent, start.name))] if inside else []

    def executed(self, module: Module, made: Import) -> set[Module]:
        """The project's modules whose statements an import runs, not counting what they import in turn."""
        run: set[Module] = set()
        for chain, complete in self.chains(module, made):
            run.update(chain)
            if complete and chain[-1].folder and made.name not in (FIRST, ITSELF):
                names = star_names(chain[-1]) if made.name == STAR else [made.name]
                subs = (self.locate(chain[-1].folder, name) for name in names)
                run.update(sub for sub in subs if sub is not None)
        return run

    # -- names

    def resolve(self, module: Module, use: Use) -> Found:
        """Where a name used in a module leads; one that is nowhere in the project is taken for a builtin."""
        key = (module, use)
        if key not in self._resolved:
            found = Found()
            if isinstance(use.root, Import):
                self._through_import(found, module, use.root, use.attrs)
            elif not self._name(found, module, use.root, use.attrs):
                found.outside.add(".".join(("builtins", use.root, *use.attrs)))
            self._resolved[key] = found
        return self._resolved[key]

    def _name(self, found: Found, module: Module, name: str, attrs: tuple[str, ...]) -> bool:
        """Follow a global name; whether the module has it."""
        if (module, name, attrs) in found.seen:
            return name in module.bindings
        found.seen.add((module, name, attrs))
        items = module.bindings.get(name, ())
        for item in items:
            found.nodes.add((module, name))
            imports = item.bound.get(name, ())
            for made in imports:
                self._through_import(found, module, made, attrs)
            if not imports or not isinstance(item.node, ast.Import | ast.ImportFrom):
                found.items.append((module, item, attrs))
        starred = [self._through_star(found, module, made, name, attrs) for made in module.stars]
        return bool(items) or any(starred)

    def _through_star(self, found: Found, module: Module, made: Import, name: str, attrs: tuple[str, ...]) -> bool:
        hit = False
        for chain, complete in self.chains(module, made):
            if complete and self._attribute(found, chain[-1], name, attrs):
                hit = True
                if "__all__" in chain[-1].bindings:
                    found.nodes.add((chain[-1], "__all__"))
        return hit

    def _through_import(self, found: Found, module: Module, made: Import, attrs: tuple[str, ...]) -> None:
        found.nodes.update((each, EFFECTS) for each in self.executed(module, made))
        chains = self.chains(module, made)
        for chain, complete in chains:
            if made.name == FIRST:
                self._module(found, chain[0], attrs)
            elif complete:
                self._module(found, chain[-1], attrs if made.name == ITSELF else (made.name, *attrs))
        if made.level == 0:
            first = made.module.split(".")[0] if made.name == FIRST else made.module
            own = () if made.name in (FIRST, ITSELF) else (made.name,)
            dotted = ".".join((first, *own, *attrs))
            # an installed module may come first on sys.path, or be loaded already: it counts too where that matters
            matters = known.is_standard(dotted) or known.by_text(dotted)
            if matters or all(chain[0].is_namespace for chain, _ in chains):
                found.outside.add(dotted)

    def _module(self, found: Found, module: Module, attrs: tuple[str, ...]) -> None:
        """A module object and what is read from it: one name of it counts, any other use counts all of it."""
        found.nodes.add((module, EFFECTS))
        if not attrs or module.opaque or attrs[0] in ("__dict__", "__annotations__"):
            found.nodes.add((module, WHOLE))
            found.modules.append(module)
        else:
            self._attribute(found, module, attrs[0], attrs[1:])

    def _attribute(self, found: Found, module: Module, name: str, attrs: tuple[str, ...]) -> bool:
        if module.opaque:
            found.nodes.add((module, WHOLE))
            return True
        hit = self._name(found, module, name, attrs)
        sub = self.locate(module.folder, name) if module.folder else None
        if sub is not None:
            self._module(found, sub, attrs)
        if "__getattr__" in module.bindings:  # called also for a name that is bound in some case only, or later
            found.nodes.add((module, "__getattr__"))
            return True
        return hit or sub is not None


def star_names(module: Module) -> list[str]:
    """The names in a literal `__all__`, any string in its statements."""
    return [
        part.value
        for item in module.bindings.get("__all__", ())
        for part in ast.walk(item.node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isidentifier()
    ]
