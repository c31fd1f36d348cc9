"""Jinja's sandbox, told to keep every byte, to run nothing, and to end: what would grow or go on for ever is an error.

What would differ from one run to the next (random, addresses of objects) is left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from metarunlog.bounded import TOO_LARGE, ExpressionError, multiply, power

if TYPE_CHECKING:
    from jinja2.lexer import Token, TokenStream
    from jinja2.runtime import Context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_WIDTH = 10_000  # of a formatted value, and of a number that a method or filter is called with
MAX_TEXT = 4_000_000  # characters of one value
MAX_PARTS = 100_000  # values in one list, those in its lists too
MAX_BITS = 10_000  # of one whole number
MAX_CALLS = 50_000  # of macros, methods and functions, in one file


def joined(values: Iterable[object]) -> str:
    """What `~` makes of its values."""
    text = "".join(map(str, values))
    _bounded_size(text)
    return text


def _bounded_size(value: object) -> None:
    pending, parts = [value], 0
    while pending:
        one = pending.pop()
        if isinstance(one, str) and len(one) > MAX_TEXT:
            raise ExpressionError(TOO_LARGE)
        if isinstance(one, int) and one.bit_length() > MAX_BITS:
            raise ExpressionError(TOO_LARGE)
        if isinstance(one, list | tuple | dict):
            parts += len(one)
            if parts > MAX_PARTS:
                raise ExpressionError(TOO_LARGE)
            pending += [*one, *one.values()] if isinstance(one, dict) else one


def _bounded(*values: object) -> None:
    if any(isinstance(value, int) and abs(value) > MAX_WIDTH for value in values):
        raise ExpressionError(f"asks for a width or count over {MAX_WIDTH}")


def _bounded_format(text: object) -> None:
    if isinstance(text, str) and re.search(r"\d{5}|%[-+ #0]*\*|\{[^{}]*:[^{}]*\{", text):
        raise ExpressionError("formats with a width that is very large or not written out")


@functools.cache
def environment_class() -> type[ImmutableSandboxedEnvironment]:
    """Made on first use, so that jinja2 is not imported before there is a template."""
    from jinja2 import StrictUndefined, Undefined, lexer, pass_context, sandbox
    from jinja2.ext import Extension

    class LineEnds(Extension):
        """Jinja makes LF of every line end; this puts the file's own back into its text, by line number."""

        def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
            ends: list[str] = getattr(self.environment, "line_ends", [])
            for token in stream:
                if token.type == "data" and "\n" in token.value:
                    first, *others = token.value.split("\n")
                    value = first + "".join(ends[token.lineno - 1 + i] + part for i, part in enumerate(others))
                    token = lexer.Token(token.lineno, "data", value)
                yield token

    @pass_context
    def bounded_range(context: Context, *args: int) -> range:
        numbers = sandbox.safe_range(*args)
        state = vars(context)
        state["ranged"] = state.get("ranged", 0) + len(numbers) + 1
        if state["ranged"] > 10 * sandbox.MAX_RANGE:
            raise ExpressionError("loops too often")
        return numbers

    def printable(value: object) -> object:
        if value is None or isinstance(value, str | int | float | Undefined):
            return value
        if isinstance(value, list | tuple | dict):
            _bounded_size(value)
            return value
        raise ExpressionError(f"prints a Python object of the kind {type(value).__name__}, not a value")

    def with_bounds(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def apply(*args: object, **named: object) -> Any:
            _bounded(*args[1:], *named.values())
            return function(*args, **named)

        return apply

    class Environment(sandbox.ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"+", "*", "**", "%"})

        def __init__(self, line_ends: list[str], **markers: Any) -> None:
            options = {"undefined": StrictUndefined, "keep_trailing_newline": True, "finalize": printable, **markers}
            super().__init__(extensions=[LineEnds] if "\r" in "".join(line_ends) else [], **options)
            self.line_ends = line_ends
            self.helpers = {**self.globals, "range": bounded_range}
            self.globals.clear()  # else params could not have their names
            del self.helpers["lipsum"], self.filters["random"]  # they differ from one run to the next
            for name in ("batch", "center", "indent", "round", "slice", "tojson", "wordwrap"):
                self.filters[name] = with_bounds(self.filters[name])
            self.filters["format"] = lambda text, *args, **named: self.call_binop(None, "%", str(text), named or args)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "%":
                _bounded_format(left)
                return left % right
            value = left + right if operator == "+" else (multiply if operator == "*" else power)(left, right)
            _bounded_size(value)
            return value

        def call(__self, __context: Context, __obj: Any, *args: Any, **named: Any) -> Any:
            state = vars(__context)
            state["called"] = state.get("called", 0) + 1
            if state["called"] > MAX_CALLS:
                raise ExpressionError("calls too often")
            method = getattr(__obj, "__wrapped__", __obj)
            if isinstance(text := getattr(method, "__self__", None), str):
                formats = method.__name__ in ("format", "format_map")
                _bounded_format(text) if formats else _bounded(*args, *named.values())
            return super().call(__context, __obj, *args, **named)

    return Environment
