"""The one evaluator of expressions, for directive values and for conditions (``--where``, ``MRL:where``).

Nothing is executed: the text is parsed, every node of its tree is held against a white list, and simpleeval walks the
tree with the few operators and functions named here. Work and size are counted on the way, so that what would take long
or grow large fails at once. The only exception that leaves this module is ``ExpressionError``.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import simpleeval

from metarunlog.bounded import FUNCTIONS, MAX_BITS, MAX_ITEMS, TOO_LARGE, ExpressionError, multiply, power

MAX_SOURCE = 400_000  # characters of one expression
MAX_DEPTH = 100  # nodes on top of each other: well below Python's own limit, which depends on the caller's depth
MAX_EFFORT = 1_200_000  # a value handled costs 1, a node evaluated 4, a turn of a loop 8: about half a second

TOO_LONG = "would take too long"


def remainder(a: Any, b: Any) -> Any:
    """``a % b`` of numbers; with a string on the left it would be formatting, of any width."""
    if isinstance(a, str):
        raise ExpressionError("formats text with %, which is not available in expressions")
    return a % b


def _is(a: object, b: object) -> bool:
    if not (b is None or isinstance(b, bool)):
        raise ExpressionError("uses 'is' with something other than None, True and False; use ==")
    return a is b


def _kind(value: object) -> str:
    kinds = {bool: "True/False", int: "a number", float: "a number", str: "a string", type(None): "None"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _apply(sign: str, function: Callable[[Any, Any], object], a: object, b: object) -> object:
    try:
        return function(a, b)
    except TypeError:
        raise ExpressionError(f"uses '{sign}' between {_kind(a)} and {_kind(b)}") from None


_BINARY: Mapping[type[ast.AST], tuple[str, Callable[[Any, Any], object]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", multiply),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", remainder),
    ast.Pow: ("**", power),
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.In: ("in", lambda a, b: a in b),
    ast.NotIn: ("not in", lambda a, b: a not in b),
    ast.Is: ("is", _is),
    ast.IsNot: ("is not", lambda a, b: not _is(a, b)),
}
_UNARY = {ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos}

# Form: what may stand in an expression at all.

_PLAIN = {ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.List, ast.Tuple, ast.And, ast.Or}
_SAID = {
    ast.Attribute: "a dot after a value",
    ast.Subscript: "an index in brackets",
    ast.JoinedStr: "an f-string",
    ast.Starred: "a star",
    ast.Lambda: "lambda",
    ast.Set: "a set",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.MatMult: "@",
    ast.Invert: "~",
    ast.NamedExpr: ":=",
    ast.GeneratorExp: "a comprehension without brackets",
    ast.SetComp: "a set",
    ast.DictComp: "a comprehension of a dict",
}
_SMALL = {int, float, bool, type(None)}


def _read(text: str) -> tuple[ast.expr, frozenset[str]]:
    """The tree of an expression, found harmless in form, and its free names."""
    if not text:
        raise ExpressionError("is empty")
    if len(text) > MAX_SOURCE or text.count(",") > MAX_ITEMS or sum(map(text.count, "([{")) > MAX_ITEMS // 2:
        raise ExpressionError(TOO_LONG)
    free: set[str] = set()
    try:
        with warnings.catch_warnings():  # such as of '\d', which is fine here
            warnings.simplefilter("ignore")
            body = ast.parse(text, mode="eval").body
        _check(body, frozenset(), 0, free)
    except SyntaxError as error:
        raise ExpressionError(_complaint(text, error)) from None
    except (RecursionError, MemoryError):
        raise ExpressionError("is nested too deeply") from None
    except ValueError as error:  # a NUL or half a surrogate pair
        raise error if isinstance(error, ExpressionError) else ExpressionError("holds a broken character") from None
    return body, frozenset(free)


def _complaint(text: str, error: SyntaxError) -> str:
    code = re.sub(r"'[^']*'|\"[^\"]*\"", "''", text)
    if re.search(r"(?<![=<>!:])=(?!=)", code):
        return "has = where == is meant"
    if re.search(r"&&|\|\||!(?!=)", code):
        return "has && or || or !; write and, or, not"
    rest = (error.text or text)[max(0, (error.offset or 1) - 1) :].strip() or text
    return f"cannot be read at '{rest if len(rest) <= 40 else rest[:37] + '...'}'"


def _check(node: ast.AST | None, bound: frozenset[str], depth: int, free: set[str]) -> None:
    """Hold each node against the white list, also where it would never be evaluated; collect the free names."""
    if depth > MAX_DEPTH:
        raise ExpressionError("is nested too deeply")
    inner: Iterable[ast.AST | None] = ()
    if isinstance(node, ast.Constant):
        if type(node.value) not in {*_SMALL, str}:
            raise ExpressionError("holds a literal that is no number, string, True, False or None")
    elif isinstance(node, ast.Name):
        free |= {node.id} - bound
    elif isinstance(node, ast.ListComp) and not any(part.is_async for part in node.generators):
        for part in node.generators:
            _check(part.iter, bound, depth + 1, free)
            bound |= _targets(part.target)
            for test in part.ifs:
                _check(test, bound, depth + 1, free)
        inner = (node.elt,)
    elif isinstance(node, ast.Call) and all(keyword.arg for keyword in node.keywords):
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            called = node.func.id if isinstance(node.func, ast.Name) else "something else"
            raise ExpressionError(f"calls {called}; the functions are {', '.join(FUNCTIONS)}")
        inner = (*node.args, *(keyword.value for keyword in node.keywords))
    elif isinstance(node, ast.Dict) and None not in node.keys:
        inner = (*node.keys, *node.values)
    elif type(node) in _PLAIN:
        inner = ast.iter_child_nodes(node)  # type: ignore[arg-type]
    elif not isinstance(node, ast.expr_context) and type(node) not in _BINARY and type(node) not in _UNARY:
        form = _SAID.get(type(node), type(node).__name__)
        raise ExpressionError(f"uses {form}, which is not available in expressions")
    for child in inner:
        _check(child, bound, depth + 1, free)


def _targets(target: ast.expr) -> frozenset[str]:
    if isinstance(target, ast.Name):
        return frozenset({target.id})
    if isinstance(target, ast.Tuple | ast.List) and len(target.elts) <= MAX_DEPTH:
        return frozenset().union(*(_targets(element) for element in target.elts))
    raise ExpressionError("binds something other than names after 'for'")


class _Walker(simpleeval.EvalWithCompoundTypes):
    """simpleeval cut down to the white list, and made to count."""

    def __init__(self) -> None:
        operators: dict[type[ast.AST], object] = {k: partial(_apply, *v) for k, v in _BINARY.items()}
        super().__init__(operators={**operators, **_UNARY}, functions={}, names={})  # type: ignore[no-untyped-call]
        known = (ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call)
        self.nodes = {kind: self.nodes[kind] for kind in (*known, ast.List, ast.Tuple, ast.Dict, ast.ListComp)}
        self.effort = MAX_EFFORT

    def value(self, body: ast.expr, names: Mapping[str, object]) -> object:
        """The value of a checked expression. Raises ExpressionError and nothing else."""
        self.names = names
        try:
            return self._eval(body)
        except ZeroDivisionError:
            raise ExpressionError("divides by zero") from None
        except (OverflowError, MemoryError, RecursionError, simpleeval.IterableTooLong):
            raise ExpressionError(TOO_LARGE) from None
        except TypeError:
            raise ExpressionError("mixes values that do not go together") from None

    def _eval(self, node: ast.AST) -> Any:
        self.effort -= 4
        if self.effort < 0:
            raise ExpressionError(TOO_LONG)
        result = self.nodes[type(node)](node)  # type: ignore[no-untyped-call]
        if type(result) not in _SMALL:
            self._charge(result)
        elif isinstance(result, float) and not math.isfinite(result):
            raise ExpressionError("gives infinity or NaN")
        elif isinstance(result, int) and result.bit_length() > MAX_BITS:
            raise ExpressionError(TOO_LARGE)
        return result

    def _charge(self, value: object) -> None:
        """Take the size of a value from the effort: nested lists that share their parts count in full."""
        pending = [value]
        while pending:
            item = pending.pop()
            if not isinstance(item, str | list | tuple | dict):
                raise ExpressionError(f"gives a value of the kind {type(item).__name__}, which is not plain data")
            self.effort -= len(item) // 8 if isinstance(item, str) else 8 + len(item)
            if self.effort < len(pending) or len(item) > MAX_ITEMS:
                raise ExpressionError(TOO_LARGE)
            parts = [*item, *item.values()] if isinstance(item, dict) else [] if isinstance(item, str) else item
            pending += [part for part in parts if type(part) not in _SMALL]

    def _eval_name(self, node: ast.Name) -> object:
        return self.names[node.id]

    def _eval_call(self, node: ast.Call) -> object:
        function, usage = FUNCTIONS[node.func.id]  # type: ignore[attr-defined]
        args = [self._eval(arg) for arg in node.args]
        named = {str(keyword.arg): self._eval(keyword.value) for keyword in node.keywords}
        try:
            return function(*args, **named)
        except (TypeError, ValueError) as error:
            wrong = ExpressionError(f"calls {usage.partition('(')[0]} wrongly: it is {usage}")
            raise error if isinstance(error, ExpressionError) else wrong from None

    def _eval_comprehension(self, node: ast.ListComp) -> list[object]:
        outer, found = self.names, []
        for names in self._bindings(node.generators, outer):
            self.names = names
            found.append(self._eval(node.elt))
        self.names = outer
        return found

    def _bindings(self, parts: list[ast.comprehension], names: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """The names as the ``for`` and ``if`` parts of a comprehension bind them, one mapping an element."""
        if not parts:
            yield names
            return
        self.names = names
        items = self._eval(parts[0].iter)
        if not isinstance(items, list | tuple | str | dict):
            raise ExpressionError(f"loops over {_kind(items)}")
        for item in items:
            self.effort -= 8
            self.names = {**names, **_bind(parts[0].target, item)}
            if all(self._eval(test) for test in parts[0].ifs):
                yield from self._bindings(parts[1:], self.names)


def _bind(target: ast.expr, item: object) -> dict[str, object]:
    if isinstance(target, ast.Name):
        return {target.id: item}
    parts = target.elts if isinstance(target, ast.Tuple | ast.List) else []
    if not isinstance(item, list | tuple) or len(item) != len(parts):
        raise ExpressionError("has other names after 'for' than values to give them")
    return {name: value for part, one in zip(parts, item) for name, value in _bind(part, one).items()}


def _unknown(missing: Iterable[str], known: Iterable[str]) -> ExpressionError:
    name = min(missing)
    near = difflib.get_close_matches(name, list(known), 1)
    hint = f", did you mean {near[0]}?" if near else ";"
    return ExpressionError(f"has the unknown name '{name}'{hint} known are {', '.join(sorted(known)) or 'none'}")


def evaluate(text: str, names: Mapping[str, object] | None = None) -> object:
    """The value of an expression: number, string, True, False, None, or list, tuple, dict of these.

    Raises ExpressionError where it cannot be read, is not allowed, or would take long, grow large or give NaN.
    """
    body, free = _read(text.strip())
    if missing := free - set(names or {}):
        raise _unknown(missing, names or {})
    return _Walker().value(body, names or {})


def longest(text: str, ends: Iterable[int]) -> tuple[object, int]:
    """The value of the longest of the prefixes ``text[:end]`` that has one, and its end; all share one budget.

    Raises ExpressionError, about the shortest that was tried, where none has a value.
    """
    order = sorted(set(ends), reverse=True)
    walker, unread, error = _Walker(), MAX_SOURCE * 3 // 2, ExpressionError(TOO_LONG)
    for end in order[:20] + order[20:][-1:]:
        unread -= end
        if unread < 0:
            break
        try:
            body, free = _read(text[:end].strip())
            if free:
                raise ExpressionError(f"has the unknown name '{min(free)}'; text stands in quotes")
            return walker.value(body, {}), end
        except ExpressionError as problem:
            error = problem
    raise error


class Condition:
    """A condition such as ``lr < 0.1 and opt == "sgd"``, read once for many rows; a row must have its ``.names``.

    ``effort`` bounds the work of all rows together.
    """

    def __init__(self, text: str, effort: int | None = None) -> None:
        self.text = text.strip()
        self._body, self.names = _read(self.text)
        self._walker = _Walker()
        self._left = effort

    def check(self, known: Collection[str]) -> None:
        """Raise ExpressionError, listing the known names, where it has another one."""
        if missing := [name for name in self.names if name not in known]:
            raise _unknown(missing, known)

    def holds(self, names: Mapping[str, object]) -> bool:
        """Whether it is true of one row. Raises ExpressionError, listing the known names where one is missing."""
        self.check(names)
        given = self._walker.effort = MAX_EFFORT if self._left is None else min(MAX_EFFORT, self._left)
        result = self._walker.value(self._body, names)
        if self._left is not None:
            self._left -= given - self._walker.effort
        if isinstance(result, str | list | tuple | dict):
            raise ExpressionError(f"is no condition: it gives {_kind(result)}")
        return bool(result)


def condition(text: str, names: Mapping[str, object]) -> bool:
    """Whether a condition is true of one row; see ``Condition``."""
    return Condition(text).holds(names)
