"""The code that counts for a function: one digest for each name of the project that it reaches. Nothing is imported.

What counts is the function, and the functions, classes, constants and modules of the project that it reaches by name,
the default arguments, decorators, bases and annotations of these, and the statements with effects of every module that
is imported on the way. Where names are looked up by text (`getattr(helpers, name)`, `globals()`, `eval`, `importlib`)
whole modules count. It may count too much, never too little. Comments, docstrings and formatting are not seen, nor is
the order of functions where their modules do not count whole. Two things it leaves to tracing: files that are read, and
modules that are found in no other way than by running the code (see `also`).
"""

from __future__ import annotations

import ast
import gc
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from metarunlog.engine.codegraph import Graph, Reach
from metarunlog.engine.codemodule import DOCSTRING, EFFECTS, IMPORTED, WHOLE, Item, Module
from metarunlog.engine.codenames import Names, star_names
from metarunlog.engine.codeuses import STAR, Mark, Use


class CodeBase:
    """The code of a project, read file by file as it is needed, and each file once.

    Part names are `helpers.py:smooth` for a name, `helpers.py:<module>` for the statements with effects,
    `helpers.py:<import>` for what may make an import fail that is in a `try`, and `helpers.py` where the whole module
    counts; paths are relative to the root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._modules: dict[Path, Module] = {}
        self._graphs: dict[tuple[Path, ...], Graph] = {}
        self._digests: dict[tuple[Graph, Module, str, bool], str | None] = {}

    def digest(self, file: Path, function: str, also: Iterable[Path] = ()) -> dict[str, str]:
        """Part name -> SHA-256 of what counts there, sorted. Two are equal exactly if nothing that counts differs.

        `also`: modules of the project that a run was seen to import; those that are not reached count whole. A
        function that is not there by name may be made in any way, so the whole file counts.
        """
        return self._parts(self._module(file), function, [self._module(each) for each in also])

    def whole(self, file: Path) -> dict[str, str]:
        """The digest of a module of which everything counts."""
        return self._parts(self._module(file), WHOLE, [])

    def import_digest(self, file: Path) -> dict[str, str]:
        """Path -> SHA-256 of the bytes of every module that the file imports, itself included: for one that fails
        to import, where any edit may be the cure."""
        _, reach = self._reach(self._module(file), EFFECTS, [])
        return {module.rel: module.bytes_digest for module in _by_path(reach.modules())}

    def bytes_digest(self, file: Path) -> str:
        """SHA-256 of the bytes of a module, as they were when it was first read here."""
        return self._module(file).bytes_digest

    def has(self, file: Path, function: str) -> bool:
        """Whether the file binds this name at its top level, by itself or by an import, to anything but an async def.
        Names made in other ways (`globals()[name] = ...`) are not known."""
        module = self._module(file)
        if function == STAR:
            return False
        items = module.bindings.get(function)
        if items is not None:
            return not isinstance(items[-1].node, ast.AsyncFunctionDef)
        return function in self._starred(module, set())

    def functions(self, file: Path) -> list[str]:
        """The public callables of a file, in their order: defs, lambdas, partials, and names imported from modules."""
        module = self._module(file)
        found = [name for item in module.items for name in item.names if _is_callable(item, name)]
        found += sorted(self._starred(module, set()))
        return [name for name in dict.fromkeys(found) if not name.startswith("_") and self.has(file, name)]

    def error(self, file: Path) -> str | None:
        """Why a file cannot be parsed, as `mrl_analyze.py:12: invalid syntax`."""
        return self._module(file).error

    def line(self, part: str) -> int | None:
        """The line where a part is defined now; None where it is no more."""
        path, _, name = part.rpartition(":")
        if not path or os.path.isfile(self._root / part):
            return 1 if os.path.isfile(self._root / part) else None
        if not os.path.isfile(self._root / path):
            return None
        module = self._module(self._root / path)
        if name == EFFECTS:
            lines = [item.line for item in self._graph((self._root,)).effects(module)]
        else:
            lines = [item.line for item in (module.items if name == IMPORTED else module.bindings.get(name, ()))]
        return lines[0] if lines else None

    def modules(self) -> list[str]:
        """The files read so far, relative to the root."""
        return sorted(module.rel for module in self._modules.values() if not module.is_namespace)

    # -- inside

    def _module(self, file: Path) -> Module:
        path = self._root / file
        return self._read(path, path.parent if path.name == "__init__.py" else None)

    def _read(self, path: Path, folder: Path | None) -> Module:
        if path not in self._modules:
            self._modules[path] = Module(path, self._root, folder)
        return self._modules[path]

    def _graph(self, folders: tuple[Path, ...]) -> Graph:
        if folders not in self._graphs:
            self._graphs[folders] = Graph(Names(self._root, folders, self._read))
        return self._graphs[folders]

    def _reach(self, module: Module, name: str, also: list[Module]) -> tuple[Graph, Reach]:
        """Starts again with a longer search path for as long as a module is reached that may add to it."""
        source = self._root / "src"
        folders = (self._root, source) if source.is_dir() else (self._root,)
        while True:
            graph = self._graph(folders)
            named = graph.names.resolve(module, Use(name)).nodes if name not in (WHOLE, EFFECTS) else {(module, name)}
            reach = graph.reach({(module, EFFECTS), *(named or [(module, WHOLE)])}, also)
            added = {each for one in reach.modules() for each in one.path_additions if self._root in each.parents}
            new = sorted(each for each in added.difference(folders) if os.path.isdir(each))
            if not new:
                return graph, reach
            folders = (*folders, *new)

    def _parts(self, module: Module, name: str, also: list[Module]) -> dict[str, str]:
        with _gc_paused():
            return self._paused_parts(module, name, also)

    def _paused_parts(self, module: Module, name: str, also: list[Module]) -> dict[str, str]:
        graph, reach = self._reach(module, name, also)
        docs = Mark.DOCS in reach.marks
        source = Mark.SOURCE in reach.marks
        whole = {each for each, part in reach.nodes if part == WHOLE or each.opaque}
        parts: dict[str, str | None] = {}
        for each, part in reach.nodes:
            if each.is_namespace:
                continue
            if each in whole:
                parts[each.rel] = each.bytes_digest if each.opaque or source else self._part(graph, each, WHOLE, docs)
            else:
                parts[f"{each.rel}:{part}"] = self._part(graph, each, part, docs)
        return {part: digest for part, digest in sorted(parts.items()) if digest is not None}

    def _part(self, graph: Graph, module: Module, name: str, docs: bool) -> str | None:
        """The digest of one part; None where there is nothing that could change."""
        key = (graph, module, name, docs)
        if key not in self._digests:
            lines = list(self._content(graph, module, name, docs))
            text = "\n".join(lines).encode("utf-8", "surrogatepass")
            self._digests[key] = hashlib.sha256(text).hexdigest() if lines else None
        return self._digests[key]

    def _content(self, graph: Graph, module: Module, name: str, docs: bool) -> Iterable[str]:
        if name == WHOLE:
            names = dict.fromkeys(each for item in module.items for each in sorted(item.names))
            for each in [EFFECTS, *names]:  # in their order, as `vars(module)` gives them
                if each != DOCSTRING or docs:
                    yield f"{each} {self._part(graph, module, each, docs)}"
            yield from sorted(graph.content(module, item, docs) for item in module.items if STAR in item.bound)
        elif name == EFFECTS:
            for step in graph.sequence(module):
                yield graph.content(module, step, docs) if isinstance(step, Item) else " ".join(step)
        elif name == IMPORTED:
            yield from sorted(set(module.may_fail))
        else:
            for item in module.bindings.get(name, ()):
                yield graph.content(module, item, docs)

    def _starred(self, module: Module, seen: set[Module]) -> set[str]:
        """The public names that a module gets from `import *` of modules of the project."""
        names = self._graph((self._root,)).names
        found: set[str] = set()
        seen.add(module)
        for made in module.stars:
            for chain, complete in names.chains(module, made):
                if complete and chain[-1] not in seen:
                    source = chain[-1]
                    listed = star_names(source) if "__all__" in source.bindings else None
                    own = {name for name in source.bindings if not name.startswith("_")}
                    found |= set(listed) if listed is not None else own | self._starred(source, seen)
        return found


@contextmanager
def _gc_paused() -> Iterator[None]:
    """Syntax trees are many objects that all stay; to collect garbage among them takes as long as to parse them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _by_path(modules: Iterable[Module]) -> list[Module]:
    real = [module for module in modules if not module.is_namespace]
    return sorted(real, key=lambda module: module.rel)


def _is_callable(item: Item, name: str) -> bool:
    """A def, a lambda or partial with a name, or a name imported from a module."""
    if item.bound[name]:
        return isinstance(item.node, ast.ImportFrom | ast.Try)
    value = getattr(item.node, "value", None)
    if isinstance(value, ast.Call):
        return getattr(value.func, "id", getattr(value.func, "attr", "")) in ("partial", "partialmethod")
    return isinstance(value, ast.Lambda) or isinstance(item.node, ast.FunctionDef | ast.If | ast.Try)
