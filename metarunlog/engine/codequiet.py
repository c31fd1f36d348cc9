"""Which top-level statements are quiet: all they do is to bind their own names.

A quiet statement counts only for those who reach a name it binds. Any other may have filled a table, set an option or
registered a function, and so counts for all who import the module. In doubt a statement is not quiet: a call is only
where it is known to change nothing (codeknown), or calls a function of the project whose body is itself quiet,
such as a decorator that wraps.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from metarunlog.engine import codeknown as known
from metarunlog.engine.codemodule import Item, Module
from metarunlog.engine.codenames import Names
from metarunlog.engine.codeuses import STAR, Import, Use
from metarunlog.engine.codevalue import Local, Values, stored_names


class Quiet:
    """Judges the statements of a project's modules, each once; one that depends on itself is not quiet."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._known: dict[tuple[str, ast.AST], bool] = {}
        self._open: set[tuple[str, ast.AST]] = set()  # being judged
        self._cut = False  # one of these was asked for

    def item(self, module: Module, item: Item) -> bool:
        try:
            return self._once("statement", item.node, lambda: _Judge(self, module, {}).statement(item.node))
        except RecursionError:
            return False

    def subclassed(self, module: Module, node: ast.ClassDef) -> bool:
        """Whether to derive from this class is quiet: no metaclass, no __init_subclass__ sees it."""
        return "__init_subclass__" not in _bound_in(node) and self._once(
            "statement", node, lambda: _Judge(self, module, {}).statement(node)
        )

    def called(self, module: Module, node: ast.AST, twice: bool = False) -> bool:
        """Whether a call of a function or class of the project is quiet; with `twice`, that of its result too."""
        judge = _Judge(self, module, {})
        if isinstance(node, ast.ClassDef):
            return not twice and self._once("call", node, lambda: judge.instance(node))
        if isinstance(node, ast.FunctionDef):
            kind = "call twice" if twice else "call"
            return self._once(kind, node, lambda: not node.decorator_list and judge.body(node, twice))
        return False

    def data(self, module: Module, item: Item) -> bool:
        """Whether a statement gives its name a value of which no method is the project's."""
        match item.node:
            case ast.Assign(targets=[ast.Name()], value=value) | ast.AnnAssign(value=ast.expr() as value):
                return self._once("data", item.node, lambda: _Judge(self, module, {}).data(value))
        return False

    def _once(self, kind: str, node: ast.AST, judge: Callable[[], bool]) -> bool:
        """What was judged while a statement above was open may depend on that: a no is then not kept."""
        key = (kind, node)
        if key in self._open:
            self._cut = True
            return False
        if key not in self._known:
            self._open.add(key)
            try:
                result = judge()
            finally:
                self._open.discard(key)
            if self._cut and not result and self._open:
                return False
            self._cut = self._cut and bool(self._open)
            self._known[key] = result
        return self._known[key]


class _Judge(Values):
    """Judges statements in one module."""

    _quiet: Quiet

    def statement(self, node: ast.AST) -> bool:
        """A statement of a module or a class body."""
        match node:
            case ast.Import() | ast.Pass() | ast.Global():
                return True
            case ast.ImportFrom():
                return not self._computed(node)
            case ast.Expr(value=ast.Constant()):
                return True
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return self._signature(node) and all(self._decorator(each) for each in node.decorator_list)
            case ast.ClassDef():
                return self._class(node)
            case ast.Assign():
                unpacked = not all(isinstance(each, ast.Name) for each in node.targets)
                judge = self._consumed if unpacked else self._expr
                return all(map(_only_names, node.targets)) and judge(node.value)
            case ast.AnnAssign():
                return isinstance(node.target, ast.Name) and self._exprs([node.value, self._evaluated(node.annotation)])
            case ast.If():
                return self._truth(node.test) and self._statements([*node.body, *node.orelse])
            case ast.Try():
                handled = [each for handler in node.handlers for each in handler.body]
                return self._exprs(handler.type for handler in node.handlers) and self._statements(
                    [*node.body, *handled, *node.orelse, *node.finalbody]
                )
        return type(node).__name__ == "TypeAlias"

    def _computed(self, node: ast.ImportFrom) -> bool:
        """Whether a name that is imported may be made by a `__getattr__` of the project."""
        uses = [Use(Import(node.level, node.module or "", each.name)) for each in node.names if each.name != STAR]
        found = [self._quiet.names.resolve(self._module, use) for use in uses]
        return any(name == "__getattr__" for each in found for _, name in each.nodes)

    def _statements(self, nodes: Iterable[ast.AST]) -> bool:
        return all(self.statement(node) for node in nodes)

    def _signature(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        args = node.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        annotations = [self._evaluated(each.annotation) for each in every if each is not None]
        return self._exprs([*args.defaults, *args.kw_defaults, *annotations, self._evaluated(node.returns)])

    def _evaluated(self, annotation: ast.expr | None) -> ast.expr | None:
        return None if self._module.future_annotations else annotation

    def _class(self, node: ast.ClassDef) -> bool:
        inner = self._within()
        for each in node.body:
            if isinstance(each, _DEF | ast.ClassDef):
                quiet = inner.statement(each)
                inner._local[each.name] = Local.VALUE
            else:
                quiet = isinstance(each, ast.Assign | ast.AnnAssign | ast.Pass | ast.Expr) and inner.statement(each)
                quiet = quiet and inner._kept(getattr(each, "value", None))
                inner = inner._within(stored_names(each))
            if not quiet:
                return False
        return (
            not self._has_hooks(node)
            and all(self._decorator(each) for each in node.decorator_list)
            and all(self._base(each) for each in node.bases)
            and all(each.arg == "metaclass" and self._outside(each.value) == {"abc.ABCMeta"} for each in node.keywords)
        )

    def _kept(self, node: ast.expr | None) -> bool:
        """A value that becomes an attribute of a class: a `__set_name__` of the project would be called."""
        names = [each for each in ast.walk(node) if isinstance(each, ast.Name)] if node else []
        return all(self._solid(each) for each in names if isinstance(each.ctx, ast.Load))

    def _has_hooks(self, node: ast.ClassDef) -> bool:
        """Whether code of a class is called while it is made, as an enum does, or by indexing it."""
        bound = _bound_in(node)
        outside = [self._outside(each) for each in node.bases]
        if not any(known.is_enum(dotted) for each in outside for dotted in each):
            return "__class_getitem__" in bound
        special = {name for name in bound if name.startswith("_") and name.endswith("_")}
        return not all(outside) or not special <= known.HARMLESS_METHODS

    def _base(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Subscript):
            return self._base(node.value) and self._expr(node.slice)
        if isinstance(node, ast.Call):
            return self._outside(node.func) == {"collections.namedtuple"} and self._call(node)
        use = self._use(node)
        if use is None:
            return False
        found = self._quiet.names.resolve(self._module, use)
        plain = map(known.plain_base, found.outside)
        classes = (
            isinstance(item.node, ast.ClassDef) and not attrs and self._quiet.subclassed(module, item.node)
            for module, item, attrs in found.items
        )
        return bool(found.outside or found.items) and not found.modules and all(plain) and all(classes)

    def _decorator(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            later = any(map(known.calls_later, self._outside(node.func)))
            return not later and self._arguments(node) and self._callable(node.func, twice=True)
        if isinstance(node, ast.Attribute) and node.attr in ("setter", "getter", "deleter"):
            return isinstance(node.value, ast.Name) and self._local.get(node.value.id) is Local.VALUE
        return self._callable(node, twice=False)

    def instance(self, node: ast.ClassDef) -> bool:
        """Whether to make an instance runs no code of the project but quiet one."""
        methods = {name for name in _bound_in(node) if name.startswith("__") and name.endswith("__")}
        implicit = [each for each in node.body if isinstance(each, _DEF) and self._called_unseen(each)]
        plain = not node.bases or all(self._outside(each) == {"typing.NamedTuple"} for each in node.bases)
        decorated = (self._outside(getattr(each, "func", each)) for each in node.decorator_list)
        return (
            plain
            and methods <= known.HARMLESS_METHODS | known.HARMLESS_ATTRIBUTES
            and all(self._within().body(each, False, Local.VALUE) for each in implicit)
            and all(each == {"dataclasses.dataclass"} for each in decorated)
            and self.statement(node)
        )

    def _called_unseen(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether a method is called where no call is written: a property, or a special method."""
        if node.name in known.HARMLESS_METHODS:
            return True
        outside = [self._outside(getattr(each, "func", each)) for each in node.decorator_list]
        changes = [getattr(each, "attr", "") in ("setter", "deleter") for each in node.decorator_list]
        return not any(changes) and not all(each and each <= known.METHOD_DECORATORS for each in outside)

    def body(self, node: ast.FunctionDef | ast.AsyncFunctionDef, twice: bool, given: Local = Local.UNKNOWN) -> bool:
        """The body of a function that is called while a module is imported; `given` is known of its arguments."""
        args = node.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        self._local.update((each.arg, given) for each in every if each is not None)
        if not all(self._step(each) for each in node.body):
            return False
        if not twice:
            return True
        own = list(_own_nodes(node))
        made = {each.name: each for each in own if isinstance(each, ast.FunctionDef) and not each.decorator_list}
        once = len(made) == sum(isinstance(each, _DEF) for each in own)
        returned = [each.value for each in own if isinstance(each, ast.Return)]
        return bool(returned) and all(
            isinstance(value, ast.Name)
            and once
            and self._local.get(value.id) is Local.FUNCTION
            and self._within().body(made[value.id], False)
            for value in returned
        )

    def _step(self, node: ast.stmt) -> bool:
        """A statement of a function: no more than local names may change."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                quiet = self.statement(node)
                self._local[node.name] = Local.FUNCTION
                return quiet
            case ast.Return() | ast.Expr(value=ast.Constant()) | ast.Pass():
                return self._exprs([getattr(node, "value", None)])
            case ast.Raise():
                return self._exprs([node.exc, node.cause])
            case ast.If():
                return self._truth(node.test) and all(self._step(each) for each in [*node.body, *node.orelse])
            case ast.Assign(targets=[ast.Name(id=name)]):
                self._local[name] = Local.UNKNOWN
                return self._expr(node.value)
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name))]):
                return self._local.get(name) is Local.FUNCTION and self._expr(node.value)
        return False


_DEF = ast.FunctionDef | ast.AsyncFunctionDef


def _bound_in(node: ast.ClassDef) -> set[str]:
    """The names that the body of a class binds."""
    defined = {each.name for each in node.body if isinstance(each, _DEF | ast.ClassDef)}
    return defined.union(*map(stored_names, (each for each in node.body if not isinstance(each, _DEF | ast.ClassDef))))


def _only_names(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List):
        return all(map(_only_names, node.elts))
    return isinstance(node, ast.Name) or (isinstance(node, ast.Starred) and _only_names(node.value))


def _own_nodes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterable[ast.AST]:
    """The nodes of a function without those of functions in it."""
    stack: list[ast.AST] = list(node.body)
    while stack:
        each = stack.pop()
        yield each
        if not isinstance(each, _DEF | ast.Lambda | ast.ClassDef):
            stack.extend(ast.iter_child_nodes(each))
