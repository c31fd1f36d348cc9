"""Any directive lines and any template: a result or a clear error, within a second, and no code is run.

`MRL_LONG=1 python -m pytest tests/test_fuzz.py` tries thirty times as many.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import SLOWER

from metarunlog.errors import TemplateError
from metarunlog.grid import DirectiveError, expand, read
from metarunlog.template import Template

LONG = bool(os.environ.get("MRL_LONG"))
EXAMPLES = settings(max_examples=30 * 400 if LONG else 400, deadline=None)
IDS = {"subExpId": "001", "expId": 1}
SECOND = 1.0 * SLOWER  # of the processor

_watched: list[str] | None = None  # what was done meanwhile that no expression may do
_FORBIDDEN = re.compile(r"(open|import|os\.|subprocess\.|socket\.|shutil\.|ctypes\.|glob\.|marshal\.).*")


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _watched is not None and _FORBIDDEN.fullmatch(event):
        _watched.append(f"{event} {args!r}")


sys.addaudithook(_hook)
for _text in (b"{{ v }}", b"{% v %}", b"{{ v }}{{ w }}"):  # jinja2 imports what it needs when it needs it first
    with suppress(TemplateError):
        Template.parse(_text, "f").render({"v": 1})


@contextmanager
def nothing_is_done() -> Iterator[None]:
    """Within a second of the processor, without a file, a process or a module being touched."""
    global _watched
    gc.disable()  # to go through the objects of ten thousand examples takes a second of its own
    _watched = []
    start = time.process_time()
    try:
        yield
    finally:
        took, seen, _watched = time.process_time() - start, _watched, None
        gc.enable()
    assert not seen
    assert took < SECOND


CODE = [
    "__import__('os').system('true')",
    "open('x', 'w')",
    "().__class__.__bases__[0].__subclasses__()",
    "exec('1')",
    "eval('1')",
    "globals()",
    "getattr(1, 'real')",
    "(lambda: 1)()",
    "[y := 1]",
    "f'{1}'",
    "print(1)",
    "range.__self__",
    "[c for c in ().__class__.__base__.__subclasses__()]",
    "range(linspace)",
    "logspace(open)",
    "range(*[3])",
    "range(**{'a': 1})",
    "breakpoint()",
    "(yield)",
    "await x",
    "help",
]
LARGE = [
    "9**9**9",
    "10**9 * [0]",
    "[0] * 10**9",
    "range(10**9)",
    "'a' * 10**9",
    "2**99999",
    "[[0] * 10**5 for i in range(10**5)]",
    "[i for i in range(99999) for j in range(99999)]",
    "linspace(0, 1, 10**9)",
    "1e308 * 10",
    "(" * 9999,
    "[" * 90 + "1" + "]" * 90,
    "-" * 9999 + "1",
    "1" * 9999,
    "[1]" + " // 1" * 9999,
    "'" * 9999,
    "'%99999999d' % 1",
    "[1, 2, 3] * range(3)",
    "'a' in 'a' * 99999",
]
ATOMS = ["1", "0.5", "x", "'ab'", "None", "True", "range(3)", "{'a': 1}", "[1, 2]", "linspace(0, 1, 3)", "1e-3"]
SIGNS = ["+", "-", "*", "/", "//", "%", "**", "<", "==", "in", "and", "or", "is", "<<", "if 1 else", ",", ":="]
TREES = st.recursive(
    st.sampled_from([*ATOMS, *CODE, *LARGE]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(SIGNS), inner).map(" ".join),
        inner.map(lambda text: f"[{text} for x in range(50)]"),
        inner.map(lambda text: f"[{text}]"),
        inner.map(lambda text: f"range({text})"),
        inner.map(lambda text: f"({text}).real"),
        inner.map(lambda text: f'"{text}"'),
    ),
    max_leaves=10,
)
VALUES = st.one_of(
    TREES,
    st.text(max_size=80),
    st.text(alphabet="[](){}'\"#/-%*,.0123456789 abx\\=<>:", max_size=200),
)
SYMBOLS = st.sampled_from(["#", "//", "--", "<!--", "/*", "'", '"', "%", "-", "(*", ";", "REM"])
HEADS = st.sampled_from(["grid['a'] =", "grid['b'] =", "params =", "where =", "delimiters =", "grid", "", "exec ="])


@EXAMPLES
@given(SYMBOLS, HEADS, VALUES)
@example("#", "grid['a'] =", f"[[{'[' * 90}1{']' * 90} for x in range(50)] for x in range(50)]")
@example("#", "grid['a'] =", "[1]" + "//y" * 999)
@example("//", "grid['a'] =", "[1]" + "//y" * 999)
def test_any_directive_line(symbol: str, head: str, value: str) -> None:
    with nothing_is_done():
        try:
            one = read(f"{symbol} MRL:{head}{value}", 1)
            points = expand([one]) if one else [{}]
        except DirectiveError as error:
            assert str(error) and error.line == 1
            return
    assert json.loads(json.dumps(points)) == points


@EXAMPLES
@given(st.lists(st.tuples(HEADS, VALUES), min_size=1, max_size=4))
@example([("grid['a'] =", "range(99999)"), ("grid['b'] =", "range(99999)")])
@example([("grid['a'] =", "range(99999)"), ("where =", "'a > 5 and a + 1 < 3 * a and a * a == 7 or not a'")])
@example([("grid['a'] =", "range(999)"), ("where =", "'[i for i in range(9999)] != a'")])
@example([("params =", "[{'a': i, 'b': [i] * 500} for i in range(9999)]")])
def test_any_block_of_directives(lines: list[tuple[str, str]]) -> None:
    text = "a: 1\n" + "".join(f"# MRL:{head} {value}\n" for head, value in lines)
    data = text.encode("utf-8", "surrogatepass")
    with nothing_is_done():
        try:
            template = Template.parse(data, "f")
            template.render({**template.params[0], **IDS})
        except TemplateError as error:
            assert re.match(r"f:\d+: .", str(error)) and "\n" not in str(error)


JINJA = ["{{", "}}", "{%", "%}", "{#", "#}", "if ", "endif", "for i in ", "v", "'", '"', "|", "~", "(", ")", "[", "]"]
JINJA += ["{", "}", "range(9)", "9**9", "*", "%", ".", "-", "set x = ", "macro f()", "raw", "block b", "self", "loop"]
JINJA += [":", "\r\n", " ", "__class__", "cycler", "namespace", "|attr('x')", "import", "include 'x'", "|tojson"]


@EXAMPLES
@given(st.lists(st.one_of(st.sampled_from(JINJA), st.text(max_size=3)), max_size=25).map("".join))
def test_any_template(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    for directives in (True, False):
        with nothing_is_done():
            try:
                Template.parse(data, "f", directives=directives).render({"v": 1, **IDS})
            except TemplateError as error:
                assert str(error).startswith("f:") and "\n" not in str(error)


@pytest.mark.parametrize("value", CODE)
def test_code_is_an_error(value: str) -> None:
    with nothing_is_done(), pytest.raises(DirectiveError):
        read(f"# MRL:grid['a'] = [{value}]", 1)
