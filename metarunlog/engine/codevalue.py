"""Which expressions are quiet: to evaluate them changes nothing. In doubt an expression is not.

Operators, methods and iteration count as quiet on values that no code of the project made; a call where it is known to
change nothing, or calls a function of the project that is itself quiet (codequiet). Iterators are not, unless they are
read through on the spot: whoever reads next would find the rest.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from enum import Enum
from typing import Protocol, Self

from metarunlog.engine import codeknown as known
from metarunlog.engine.codemodule import Item, Module
from metarunlog.engine.codenames import Names
from metarunlog.engine.codeuses import Use


class Local(Enum):
    """What is known of a name of the function or class body at hand."""

    VALUE = 1  # made by a quiet expression
    FUNCTION = 2  # defined there
    UNKNOWN = 3  # a parameter


class Judged(Protocol):
    """What is known of the statements of the project (codequiet.Quiet)."""

    names: Names

    def item(self, module: Module, item: Item) -> bool: ...
    def called(self, module: Module, node: ast.AST, twice: bool = False) -> bool: ...
    def data(self, module: Module, item: Item) -> bool: ...


class Values:
    """Judges expressions in one module, with what is known of the local names."""

    def __init__(self, quiet: Judged, module: Module, local: dict[str, Local]) -> None:
        self._quiet = quiet
        self._module = module
        self._local = local

    def _within(self, names: Iterable[str] = ()) -> Self:
        """The same inside a scope that gives values to these names."""
        return type(self)(self._quiet, self._module, {**self._local, **dict.fromkeys(names, Local.VALUE)})

    def _exprs(self, nodes: Iterable[ast.expr | None]) -> bool:
        return all(node is None or self._expr(node) for node in nodes)

    def _expr(self, node: ast.expr) -> bool:
        match node:
            case ast.Constant() | ast.Name():
                return True
            case ast.Lambda():
                return self._exprs([*node.args.defaults, *node.args.kw_defaults])
            case ast.Call():
                return self._call(node)
            case ast.Attribute():
                return self._solid(node) or (isinstance(node.value, ast.Name) and node.attr in known.NAMING_ATTRIBUTES)
            case ast.Subscript():
                return self._solid(node.value) and self._expr(node.slice)
            case ast.BinOp():
                return self._solid(node.left) and self._solid(node.right)
            case ast.UnaryOp():
                return self._solid(node.operand)
            case ast.Compare():
                operands = [node.left, *node.comparators]
                identity = all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)
                return self._exprs(operands) if identity else all(map(self._solid, operands))
            case ast.ListComp() | ast.SetComp() | ast.DictComp():
                return self._comprehension(node)
            case ast.Starred():
                return self._consumed(node.value)
            case ast.List() | ast.Tuple() | ast.Set() | ast.Dict() | ast.Slice() | ast.JoinedStr() | ast.NamedExpr():
                return self._parts(node)
            case ast.IfExp():
                return self._truth(node.test) and self._exprs([node.body, node.orelse])
            case ast.BoolOp():
                return all(map(self._truth, node.values))
            case ast.FormattedValue():
                return self._solid(node.value) if isinstance(node.value, ast.Name) else self._expr(node.value)
        return False

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> bool:
        inner = self._within(stored_names(node))
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        conditions = [each for generator in node.generators for each in generator.ifs]
        return (
            inner._exprs(results)
            and all(map(inner._truth, conditions))
            and all(inner._consumed(each.iter) for each in node.generators)
        )

    def _parts(self, node: ast.AST) -> bool:
        return all(
            self._expr(part) if isinstance(part, ast.expr) else self._parts(part) for part in ast.iter_child_nodes(node)
        )

    def _truth(self, node: ast.expr) -> bool:
        """An expression that is asked whether it is true."""
        return (isinstance(node, ast.Name) and node.id in self._local) or self._solid(node)

    def _solid(self, node: ast.expr) -> bool:
        """A value on which operators and methods do what they do on data: not one that code of the project made."""
        use = self._use(node)
        if use is None:
            root = node
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name):
                return self._local[root.id] is not Local.UNKNOWN
            return self._expr(root)
        found = self._quiet.names.resolve(self._module, use)
        computed = any(name == "__getattr__" for _, name in found.nodes)
        return not computed and all(self._quiet.item(module, item) for module, item, _ in found.items)

    def data(self, node: ast.expr) -> bool:
        """A solid value of which no method is the project's."""
        match node:
            case ast.Name() | ast.Attribute():
                use = self._use(node)
                if use is None:
                    return isinstance(node, ast.Attribute) and self.data(node.value)
                found = self._quiet.names.resolve(self._module, use)
                inside = (self._quiet.data(module, item) for module, item, _ in found.items)
                return bool(found.items) and not found.modules and not found.outside and all(inside)
            case ast.Call():
                if isinstance(node.func, ast.Attribute) and self.data(node.func.value):
                    return node.func.attr not in known.ELEMENT_METHODS and self._call(node)
                outside = self._outside(node.func)
                return bool(outside) and all(map(known.makes_data, outside)) and self._call(node)
            case ast.Subscript() | ast.IfExp() | ast.BoolOp() | ast.NamedExpr() | ast.Lambda() | ast.Starred():
                return False
        return self._expr(node)

    def _use(self, node: ast.expr) -> Use | None:
        """A global name with its attributes; None for a local one and for any other expression."""
        attrs: list[str] = []
        while isinstance(node, ast.Attribute):
            attrs.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id in self._local:
            return None
        return Use(node.id, tuple(reversed(attrs)))

    def _outside(self, node: ast.expr) -> set[str]:
        """The dotted names of an expression that surely is not the project's; else nothing."""
        use = self._use(node)
        if use is None:
            return set()
        found = self._quiet.names.resolve(self._module, use)
        return set() if found.items or found.modules else found.outside

    # -- calls

    def _call(self, node: ast.Call) -> bool:
        if isinstance(node.func, ast.Attribute) and node.func.attr in known.METHODS and self.data(node.func.value):
            return self._arguments(node)
        return self._arguments(node) and self._callable(node.func, twice=False)

    def _arguments(self, node: ast.Call) -> bool:
        """The arguments, and that the call cannot call them back into the project (`sorted(x, key=f)`)."""
        values = [*node.args, *(each.value for each in node.keywords)]
        outside = self._outside(node.func)
        if outside and outside <= known.KEEPING:
            return self._exprs(values)
        into = len(node.args) > 1 or any(each.arg in ("out", None) for each in node.keywords)
        if (into or any(isinstance(each, ast.Starred) for each in node.args)) and outside & known.UFUNCS:
            return False  # the second argument is written into
        keep = bool(outside) and outside <= known.TABLES
        return all(map(self._consumed, values)) and (keep or all(self._option(each.value) for each in node.keywords))

    def _option(self, node: ast.expr) -> bool:
        """A keyword argument: if it is a function, the call may call it."""
        if isinstance(node, ast.Lambda):
            names = [each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)]
            return self._within(names)._expr(node.body)
        if isinstance(node, ast.Name | ast.Attribute):
            outside = self._outside(node)
            return self.data(node) or (bool(outside) and all(map(known.changes_nothing, outside)))
        return True

    def _consumed(self, node: ast.expr) -> bool:
        """An expression that is read through at once: an iterator only if it is made right here."""
        if isinstance(node, ast.Starred):
            return self._consumed(node.value)
        if isinstance(node, ast.GeneratorExp):
            return self._comprehension(node)
        if isinstance(node, ast.Call) and any(map(known.makes_iterator, self._outside(node.func))):
            return all(map(self._consumed, [*node.args, *(each.value for each in node.keywords)]))
        return self._solid(node)

    def _callable(self, node: ast.expr, twice: bool) -> bool:
        use = self._use(node)
        if use is None:
            return False
        found = self._quiet.names.resolve(self._module, use)
        outside = map(known.changes_nothing, found.outside)
        inside = (not attrs and self._quiet.called(module, item.node, twice) for module, item, attrs in found.items)
        return bool(found.outside or found.items) and not found.modules and all(outside) and all(inside)


def stored_names(node: ast.AST) -> list[str]:
    """The names that get a value anywhere in a statement or expression."""
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]
