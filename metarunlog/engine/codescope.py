"""Which global names a statement uses: Python's scoping rules applied to its syntax tree; nothing is run.

A name that is local to a function, lambda or comprehension is left out; where a name may be either (class bodies) it
is taken for global. Imports inside functions are followed by the names they bind there. Annotations count also where
they are strings, because dataclasses and the like evaluate them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from metarunlog.engine.codeuses import FIRST, ITSELF, STAR, Import, Mark, Use, Uses

_ATTRIBUTE_MARKS = {
    "__doc__": Mark.DOCS,
    "__code__": Mark.DOCS,  # among its constants
    "__globals__": Mark.LOADED,
    "__subclasses__": Mark.LOADED,
    "f_globals": Mark.LOADED,
    "f_back": Mark.LOADED,
    "tb_frame": Mark.LOADED,
}


_Stack = list[ast.AST | None]


class _Kind(Enum):
    MODULE = 1
    CLASS = 2
    FUNCTION = 3
    COMPREHENSION = 4


class _Scope:
    def __init__(self, kind: _Kind, parent: _Scope | None = None, class_name: str = "") -> None:
        self.kind = kind
        self.parent = parent
        self.class_name: str = class_name or (parent.class_name if parent else "")
        self.eager: bool = kind is not _Kind.FUNCTION and (parent is None or parent.eager)
        self.shows_locals = False  # calls locals()
        self.stores: set[str] = set()
        self.imports: dict[str, list[Import]] = {}
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.loads: set[tuple[str, tuple[str, ...], str | None]] = set()

    def binds(self, name: str) -> bool:
        return name in self.stores and name not in self.nonlocals and name not in self.globals


def scan(statement: ast.stmt) -> Uses:
    """What a top-level statement binds and uses, all nested scopes included."""
    return _Scan(statement).result


class _Scan:
    def __init__(self, statement: ast.stmt) -> None:
        self.result = Uses()
        self._scopes: list[_Scope] = []
        self._inner: list[tuple[_Scope, Iterable[ast.AST | None]]] = []  # scopes still to be walked
        top = self._scope(_Kind.MODULE)
        self._inner.append((top, [statement]))
        while self._inner:
            self._fill(*self._inner.pop())
        self.result.bound.update({name: top.imports.get(name, []) for name in top.stores})
        for scope in self._scopes:
            self._shared_imports(scope)
            for load in scope.loads:
                self._resolve(scope, *load)

    def _scope(self, kind: _Kind, parent: _Scope | None = None, class_name: str = "") -> _Scope:
        scope = _Scope(kind, parent, class_name)
        self._scopes.append(scope)
        return scope

    # -- after the walk: whose name is it?

    def _shared_imports(self, scope: _Scope) -> None:
        """Imports that others than their scope can use: declared global or nonlocal, or attributes of a class."""
        if scope.kind is _Kind.CLASS or scope.shows_locals:
            self.result.uses.update(Use(each) for imports in scope.imports.values() for each in imports)
        for name in scope.nonlocals:
            self.result.uses.update(Use(each) for each in scope.imports.get(name, ()))
        for name in scope.globals & scope.stores:
            imports = scope.imports.get(name, [])
            self.result.uses.update(Use(each) for each in imports)
            if scope.eager:
                self.result.bound.setdefault(name, []).extend(imports)

    def _resolve(self, scope: _Scope, name: str, attrs: tuple[str, ...], argument: str | None) -> None:
        if name.startswith("__") and not name.endswith("__") and scope.class_name:
            self._resolve(scope, f"_{scope.class_name.lstrip('_')}{name}", attrs, argument)
        at: _Scope | None = scope
        while at is not None and at.kind is not _Kind.MODULE:
            if name in at.globals:
                break
            if at.binds(name) and (at.kind is not _Kind.CLASS or at is scope):
                self.result.uses.update(Use(each, attrs, argument) for each in at.imports.get(name, ()))
                if at.kind is not _Kind.CLASS:
                    return
                break  # a class body reads the global one where its own is not bound yet
            at = at.parent
        self.result.uses.add(Use(name, attrs, argument))
        if scope.eager:
            self.result.eager.add(name)

    # -- the walk

    def _fill(self, scope: _Scope, nodes: Iterable[ast.AST | None]) -> None:
        stack: _Stack = list(nodes)
        while stack:
            node = stack.pop()
            visit = _VISIT.get(type(node))
            if visit is not None:
                visit(self, scope, node, stack)
            elif node is not None:
                _push_children(node, stack)

    def _name(self, scope: _Scope, node: ast.Name, stack: _Stack) -> None:
        if not isinstance(node.ctx, ast.Store):
            scope.loads.add((node.id, (), None))
        if not isinstance(node.ctx, ast.Load):
            scope.stores.add(node.id)

    def _attribute(self, scope: _Scope, node: ast.Attribute, stack: _Stack) -> None:
        self._chain(scope, node, None, stack)

    def _chain(self, scope: _Scope, node: ast.expr, argument: str | None, stack: _Stack) -> None:
        attrs: list[str] = []
        while isinstance(node, ast.Attribute):
            if node.attr in _ATTRIBUTE_MARKS:
                self.result.marks.add(_ATTRIBUTE_MARKS[node.attr])
            attrs.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            scope.loads.add((node.id, tuple(reversed(attrs)), argument))
        else:
            stack.append(node)

    def _call(self, scope: _Scope, node: ast.Call, stack: _Stack) -> None:
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        argument = None
        if called in ("import_module", "__import__"):
            argument = _literal_start(node.args[0]) if node.args else STAR
            if called == "__import__" and len(node.args) + len(node.keywords) > 1:  # modules of the package too
                argument = argument.rstrip(STAR) + STAR
        elif (called in ("vars", "dir") and node.args) or (called == "locals" and scope.kind is _Kind.FUNCTION):
            argument = "obj"
            scope.shows_locals |= called == "locals"
        elif called == "getattr" and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            if isinstance(node.args[1].value, str):
                stack.append(ast.Attribute(node.args[0], node.args[1].value, ast.Load()))
        elif called in ("query", "eval") and isinstance(node.func, ast.Attribute):
            self._frame_names(scope, node)
        self._chain(scope, node.func, argument, stack)
        stack += node.args
        for keyword in node.keywords:
            if keyword.arg == "allow_pickle":
                self.result.marks.add(Mark.LOADED)
            stack.append(keyword.value)

    def _frame_names(self, scope: _Scope, node: ast.Call) -> None:
        """pandas takes `@name` in a query from the caller's frame: from its globals too."""
        for value in (*node.args[:1], *(each.value for each in node.keywords if each.arg in ("expr", None))):
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                scope.loads.update((name, (), None) for name in re.findall(r"@\s*([^\W\d]\w*)", value.value))
            elif not isinstance(value, ast.Constant):
                self.result.marks.add(Mark.SELF)

    def _function(self, scope: _Scope, node: ast.FunctionDef | ast.AsyncFunctionDef, stack: _Stack) -> None:
        scope.stores.add(node.name)
        inner = self._scope(_Kind.FUNCTION, scope)
        self._arguments(inner, node.args, stack)
        stack += node.decorator_list
        _push_annotation(node.returns, stack)
        self._inner.append((inner, (*node.body, *getattr(node, "type_params", ()))))

    def _lambda(self, scope: _Scope, node: ast.Lambda, stack: _Stack) -> None:
        inner = self._scope(_Kind.FUNCTION, scope)
        self._arguments(inner, node.args, stack)
        self._inner.append((inner, (node.body,)))

    def _arguments(self, inner: _Scope, args: ast.arguments, stack: _Stack) -> None:
        stack += args.defaults
        stack += args.kw_defaults
        for each in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if each is not None:
                inner.stores.add(each.arg)
                _push_annotation(each.annotation, stack)

    def _class(self, scope: _Scope, node: ast.ClassDef, stack: _Stack) -> None:
        scope.stores.add(node.name)
        stack += node.decorator_list
        stack += node.bases
        stack += node.keywords
        inner = self._scope(_Kind.CLASS, scope, node.name)
        self._inner.append((inner, (*node.body, *getattr(node, "type_params", ()))))

    def _comprehension(
        self, scope: _Scope, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, stack: _Stack
    ) -> None:
        inner = self._scope(_Kind.COMPREHENSION, scope)
        results = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        first, *others = node.generators
        self._inner.append((inner, (first.target, *first.ifs, *others, *results)))
        stack.append(first.iter)  # evaluated outside

    def _walrus(self, scope: _Scope, node: ast.NamedExpr, stack: _Stack) -> None:
        while scope.kind is _Kind.COMPREHENSION and scope.parent is not None:
            scope = scope.parent
        scope.stores.add(node.target.id)
        stack.append(node.value)

    def _augmented(self, scope: _Scope, node: ast.AugAssign, stack: _Stack) -> None:
        if isinstance(node.target, ast.Name):
            scope.loads.add((node.target.id, (), None))
        stack += (node.target, node.value)

    def _annotated(self, scope: _Scope, node: ast.AnnAssign, stack: _Stack) -> None:
        stack += (node.target, node.value)
        _push_annotation(node.annotation, stack)

    def _import(self, scope: _Scope, node: ast.Import, stack: _Stack) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name.split(".")[0]
            self._bind(scope, bound, Import(0, alias.name, ITSELF if alias.asname else FIRST))

    def _import_from(self, scope: _Scope, node: ast.ImportFrom, stack: _Stack) -> None:
        for alias in node.names:
            self._bind(scope, alias.asname or alias.name, Import(node.level, node.module or "", alias.name))

    def _guarded(self, scope: _Scope, node: ast.Try | ast.TryStar | ast.With, stack: _Stack) -> None:
        """`try`, and `with contextlib.suppress(...)`: it counts whether the imports in it work."""
        for each in (one for statement in node.body for one in ast.walk(statement)):
            if isinstance(each, ast.Import):
                self.result.guarded.update(Import(0, alias.name, ITSELF) for alias in each.names)
            elif isinstance(each, ast.ImportFrom):
                made = (Import(each.level, each.module or "", alias.name) for alias in each.names)
                self.result.guarded.update(made)
        _push_children(node, stack)

    def _bind(self, scope: _Scope, name: str, made: Import) -> None:
        scope.stores.add(name)
        scope.imports.setdefault(name, []).append(made)
        self.result.imports.add(made)
        if scope.eager:
            self.result.import_time.add(made)

    def _global(self, scope: _Scope, node: ast.Global, stack: _Stack) -> None:
        if scope.kind is not _Kind.MODULE:
            scope.globals.update(node.names)

    def _nonlocal(self, scope: _Scope, node: ast.Nonlocal, stack: _Stack) -> None:
        scope.nonlocals.update(node.names)

    def _named(self, scope: _Scope, node: ast.AST, stack: _Stack) -> None:
        """Nodes that bind a plain string: except handlers and match captures."""
        name = getattr(node, "rest", None) if isinstance(node, ast.MatchMapping) else getattr(node, "name", None)
        if isinstance(name, str):
            scope.stores.add(name)
        _push_children(node, stack)

    def _constant(self, scope: _Scope, node: ast.Constant, stack: _Stack) -> None:
        """An attribute may be asked for by text: `getattr(f, "__doc__")`."""
        if isinstance(node.value, str) and node.value in _ATTRIBUTE_MARKS:
            self.result.marks.add(_ATTRIBUTE_MARKS[node.value])


def _push_children(node: ast.AST, stack: _Stack) -> None:
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            stack.append(value)
        elif isinstance(value, list):
            stack += [each for each in value if isinstance(each, ast.AST)]


def _push_annotation(node: ast.expr | None, stack: _Stack) -> None:
    """An annotation, and where it is or holds a string, the expression in it."""
    stack.append(node)
    if node is None or isinstance(node, ast.Name | ast.Attribute):
        return
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            try:
                stack.append(ast.parse(part.value.strip(), mode="eval").body)
            except (SyntaxError, ValueError):
                pass


def _literal_start(node: ast.expr) -> str:
    """What is known of a string from its start: "helpers", "plugins.*", or "*" for nothing."""
    exact, formatted = True, False
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        exact, formatted = False, formatted or isinstance(node.op, ast.Mod)
        node = node.left
    if isinstance(node, ast.JoinedStr) and node.values:
        exact, node = False, node.values[0]
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or node.value.startswith("."):
        return STAR
    start = node.value.split("%")[0] if formatted else node.value
    return start if exact else start.rstrip(STAR) + STAR


_VISIT: dict[type[ast.AST] | type[None], Callable[[_Scan, _Scope, Any, _Stack], None]] = {
    ast.Name: _Scan._name,
    ast.Attribute: _Scan._attribute,
    ast.Call: _Scan._call,
    ast.FunctionDef: _Scan._function,
    ast.AsyncFunctionDef: _Scan._function,
    ast.Lambda: _Scan._lambda,
    ast.ClassDef: _Scan._class,
    ast.ListComp: _Scan._comprehension,
    ast.SetComp: _Scan._comprehension,
    ast.DictComp: _Scan._comprehension,
    ast.GeneratorExp: _Scan._comprehension,
    ast.NamedExpr: _Scan._walrus,
    ast.AugAssign: _Scan._augmented,
    ast.AnnAssign: _Scan._annotated,
    ast.Import: _Scan._import,
    ast.ImportFrom: _Scan._import_from,
    ast.Global: _Scan._global,
    ast.Nonlocal: _Scan._nonlocal,
    ast.ExceptHandler: _Scan._named,
    ast.MatchAs: _Scan._named,
    ast.MatchStar: _Scan._named,
    ast.MatchMapping: _Scan._named,
    ast.Try: _Scan._guarded,
    ast.TryStar: _Scan._guarded,
    ast.With: _Scan._guarded,
    ast.Constant: _Scan._constant,
}
