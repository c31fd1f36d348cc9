"""One module of a project, parsed: its top-level statements, and which of them bind which names."""

from __future__ import annotations

import ast
import copy
import hashlib
import os
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from metarunlog.engine.codescope import scan
from metarunlog.engine.codeuses import STAR, Import, Uses

EFFECTS = "<module>"  # the part that stands for a module's statements with effects
IMPORTED = "<import>"  # the part that stands for what may keep a module from being imported
WHOLE = ""
DOCSTRING = "__doc__"
_JOINED = 4  # so many constants may make one path


class Item:
    """A top-level statement; of an import statement, one of its names."""

    def __init__(self, node: ast.stmt, index: int) -> None:
        self.node = node
        self.index = index
        self.line: int = node.lineno

    @cached_property
    def uses(self) -> Uses:
        return scan(self.node)

    @cached_property
    def head(self) -> Uses:
        """The same of what runs with the statement, for less: functions are many, and most are never reached."""
        if not isinstance(self.node, ast.FunctionDef | ast.AsyncFunctionDef):
            return self.uses
        head = copy.copy(self.node)
        head.body = []
        return scan(head)

    @cached_property
    def text(self) -> str:
        return fingerprint(self.node)

    @cached_property
    def bound(self) -> dict[str, list[Import]]:
        """Name -> the imports that bind it, often none. The docstring binds `__doc__`, a star import STAR."""
        return {DOCSTRING: []} if _is_docstring(self.node) else self.head.bound

    @property
    def names(self) -> list[str]:
        return [name for name in self.bound if name != STAR]


class Module:
    """A source file, a package's folder, or a file that can only count whole (`opaque`: broken, or an extension)."""

    def __init__(self, path: Path, root: Path, folder: Path | None = None) -> None:
        self.path = path
        self.folder = folder  # where submodules are, of a package
        self.rel = path.relative_to(root).as_posix()
        self.opaque = False
        self._error: Exception | None = None
        self.items: list[Item] = []
        self.data = b""
        self._future: list[str] = []
        if self.is_namespace:
            return
        try:
            self.data = path.read_bytes()
            if path.suffix != ".py":  # compiled
                self.opaque = True
                return
            with _no_warnings():
                tree = ast.parse(self.data, filename=path.name)
            for index, statement in enumerate(_top_level(tree)):
                self._add(statement, index)
            self.bindings  # noqa: B018  scans every statement: the last that can fail, by its depth
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self._give_up(error)

    @property
    def is_namespace(self) -> bool:
        """A folder without `__init__`: it has no statements, only modules in it."""
        return self.path == self.folder

    def _give_up(self, error: Exception) -> None:
        self.opaque = True
        self.items = []
        self.__dict__.pop("bindings", None)
        self._error = error

    @cached_property
    def error(self) -> str | None:
        """Why the source cannot be imported, in one line that begins with its place."""
        error = self._error
        if error is None and self.path.suffix == ".py":
            try:  # finds what parsing does not, such as a return outside a function
                with _no_warnings():
                    compile(self.data, self.path.name, "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as found:
                error = found
        if error is None or self.path.suffix != ".py":
            return None
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else getattr(error, "strerror", None) or str(error)
        return f"{self.rel}{line}: {what}"

    def _add(self, statement: ast.stmt, index: int) -> None:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__" and not statement.level:
            self._future += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                one = copy.copy(statement)
                one.names = [alias]
                self.items.append(Item(one, index))
        else:
            self.items.append(Item(statement, index))

    @cached_property
    def bindings(self) -> dict[str, list[Item]]:
        """Name -> the statements that bind it, in their order."""
        found: dict[str, list[Item]] = {}
        for item in self.items:
            for name in item.names:
                found.setdefault(name, []).append(item)
        return found

    @property
    def may_fail(self) -> Iterator[str]:
        """What may raise while the module is imported: not plain functions and constants, nor what functions do."""
        for item in self.items:
            node = item.node
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                args = node.args
                every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
                annotations = [node.returns, *(each.annotation for each in every if each is not None)]
                values = [*node.decorator_list, *args.defaults, *args.kw_defaults, *annotations]
                yield from (fingerprint(each, run=True) for each in values if each is not None and not _is_plain(each))
            elif not isinstance(node, ast.Assign | ast.AnnAssign) or (node.value and not _is_plain(node.value)):
                yield fingerprint(node, run=True)

    @cached_property
    def stars(self) -> list[Import]:
        return [each for item in self.items for each in item.bound.get(STAR, ())]

    def uses_name(self, name: str) -> bool:
        """Whether any statement reads this global name, by itself or in a function."""
        return any(use.root == name for item in self.items for use in item.uses.uses)

    @cached_property
    def bytes_digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def future_annotations(self) -> bool:
        return "annotations" in self._future

    def content(self, item: Item, docs: bool = False) -> list[str]:
        """What counts of a statement: its tree, and of the names it reads while it runs, which value they have then."""
        order = [f"{name}@{self._bound_before(name, item)}" for name in sorted(item.head.eager & self.bindings.keys())]
        text = fingerprint(item.node, docs=True) if docs else item.text
        return [text, *order, *sorted(self._future)]

    def _bound_before(self, name: str, item: Item) -> int:
        return bisect_left(self.bindings[name], item.index, key=lambda each: each.index)

    @cached_property
    def path_additions(self) -> tuple[Path, ...]:
        """Folders of the project that the module may add to sys.path: guessed from its string constants, each of which
        may be the next step from where the module is, from a folder above, or from where other constants led."""
        if not (b"sys" in self.data and b"path" in self.data) and b"site" not in self.data:
            return ()
        if not any(self._touches_path(item.uses) for item in self.items):
            return ()
        steps: dict[str, set[str]] = {}  # a path by its first part
        for item in self.items:
            for node in ast.walk(item.node):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 256:
                    for text in re.split(r"\{\w*\}|%s", node.value):
                        step = os.path.normpath(text).lstrip("./")  # the folders above are starts themselves
                        steps.setdefault(step.partition("/")[0], set()).add(step)
        found = {self.path.parent, *self.path.parents}
        root = self.path.parents[self.rel.count("/")]
        starts = found
        for _ in range(_JOINED):
            there = {start / step for start in starts for step in _next_steps(start, root, steps)}
            starts = {each for each in there - found if root in each.parents and os.path.isdir(each)}
            found |= starts
        return tuple(found)

    def _touches_path(self, uses: Uses) -> bool:
        if any(each.module == "site" or (each.module == "sys" and each.name == "path") for each in uses.imports):
            return True
        paths = [use.root for use in uses.uses if use.attrs[:1] in ((), ("path",))]
        return any(
            imported.module == "sys" and not imported.level
            for root in paths
            for imported in ([root] if isinstance(root, Import) else self._imports_of(root))
        )

    def _imports_of(self, name: str) -> list[Import]:
        return [each for item in self.bindings.get(name, ()) for each in item.bound[name]]


def _next_steps(start: Path, root: Path, steps: dict[str, set[str]]) -> Iterator[str]:
    """The paths, by their first parts, that can lead from a folder to one in the root."""
    if start in root.parents:
        entries = [root.relative_to(start).parts[0]]
    else:
        try:
            entries = os.listdir(start)
        except OSError:  # not ours to read
            entries = []
    return (step for entry in entries for step in steps.get(entry, ()))


def fingerprint(node: ast.AST, docs: bool = False, run: bool = False) -> str:
    """The tree as text, without places, comments and (unless `docs`) strings that stand as statements; with `run`,
    without what does not run with the statement."""
    out: list[str] = []
    stack: list[object] = [node]
    while stack:
        each = stack.pop()
        if isinstance(each, ast.AST):
            out.append(type(each).__name__)
            later = run and isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            left_out = ("ctx", "body") if later else ("ctx",)
            values = [getattr(each, name, None) for name in reversed(each._fields) if name not in left_out]
            stack.extend(values if not isinstance(each, ast.Constant) else [None, each.value])  # not the u of u""
        elif isinstance(each, list):
            if not docs:
                each = [one for one in each if not _is_docstring(one) and not isinstance(one, ast.Pass)]
            out.append(f"[{len(each)}")
            stack.extend(reversed(each))
        else:
            huge = isinstance(each, int) and each.bit_length() > 2000  # more than repr may be willing to write
            out.append(f"{each:#x}" if huge else repr(each))
    return "\0".join(out)


@contextmanager
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that an import runs, without those that do nothing."""
    typing_names = _type_checking_names(tree)
    pending = list(reversed(tree.body))
    first = tree.body[0] if tree.body else None
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and _never_runs(node.test, typing_names):
            pending.extend(reversed(node.orelse))
        elif not isinstance(node, ast.Pass) and (not _is_constant(node) or (node is first and _is_docstring(node))):
            yield node


def _type_checking_names(tree: ast.Module) -> set[str]:
    """How this module spells typing.TYPE_CHECKING, as text; nothing where it gives the name a value of its own."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "typing" and not node.level:
            found.update(each.asname or each.name for each in node.names if each.name == "TYPE_CHECKING")
        elif isinstance(node, ast.Import):
            found.update(f"{each.asname or each.name}.TYPE_CHECKING" for each in node.names if each.name == "typing")
    if not found:
        return found
    stored = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    return found if not stored & {name.split(".")[0] for name in found} else set()


def _never_runs(test: ast.expr, typing_names: set[str]) -> bool:
    """`TYPE_CHECKING`, or `__name__ == "__main__"` either way round."""
    if isinstance(test, ast.Name | ast.Attribute):
        return ast.unparse(test) in typing_names
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        return {ast.unparse(test.left), ast.unparse(test.comparators[0])} == {"__name__", "'__main__'"}
    return False


def _is_constant(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_plain(node: ast.expr) -> bool:
    """An expression of constants and displays of these: to evaluate it cannot fail."""
    plain = ast.Constant | ast.Name | ast.List | ast.Tuple | ast.Dict | ast.UnaryOp | ast.Lambda
    return all(isinstance(each, plain) for each in ast.walk(node) if isinstance(each, ast.expr))


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
