"""The evaluator: what it computes, what it refuses, and that it refuses at once."""

from __future__ import annotations

import ast
import inspect
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import at_most

from metarunlog.bounded import ExpressionError
from metarunlog.expressions import Condition, condition, evaluate, longest


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[0.01, 0.1]", [0.01, 0.1]),
        ("{'opt': 'sgd', 'layers': (64, 32)}", {"opt": "sgd", "layers": (64, 32)}),
        ("[True, False, None, 'a' 'b', -1, +1, 1_000, 0x10, 1e-05]", [True, False, None, "ab", -1, 1, 1000, 16, 1e-05]),
        ("[10 ** -i for i in range(3)]", [1, 0.1, 0.01]),
        ("[(i, j) for i in range(3) if i != 1 for j in range(i)]", [(2, 0), (2, 1)]),
        ("[a + b for a, b in [(1, 2), (3, 4)]]", [3, 7]),
        ("[[j for j in range(i)] for i in range(3)]", [[], [0], [0, 1]]),
        ("1 < 2 < 3 and not 4 in [5]", True),
        ("1 if None is None else 2", 1),
        ("[0] * 3 + [1]", [0, 0, 0, 1]),
        ("7 // 2 + 7 % 4 + 2 ** 10 / 4", 262.0),
        ("linspace(-0.3, 0.3, 7)", [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
        ("linspace(0, 1, num=4, endpoint=False)", [0.0, 0.25, 0.5, 0.75]),
        ("linspace(1, 3, 3)", [1.0, 2.0, 3.0]),
        ("linspace(0, 1, 1) + linspace(0, 1, 0)", [0.0]),
        ("logspace(-3, -1, 3)", [0.001, 0.01, 0.1]),
        ("logspace(0, 3, 4, base=2)", [1.0, 2.0, 4.0, 8.0]),
        ("geomspace(1e-4, 1, 5)", [0.0001, 0.001, 0.01, 0.1, 1.0]),
        ("geomspace(-1, -100, 3)", [-1.0, -10.0, -100.0]),
        ("range(5, 0, -2)", [5, 3, 1]),
        (" \t[1] ", [1]),
    ],
)
def test_evaluate_gives_the_value(text: str, value: object) -> None:
    got = evaluate(text)
    assert got == value
    assert repr(got) == repr(value)  # 1, 1.0 and True are not the same


@settings(deadline=None)
@given(
    st.sampled_from(["linspace", "logspace", "geomspace"]),
    st.floats(0.001, 5),
    st.floats(0.001, 5),
    st.integers(0, 40),
    st.booleans(),
)
def test_spaces_are_those_of_numpy(name: str, a: float, b: float, num: int, endpoint: bool) -> None:
    got = evaluate(f"{name}({a}, {b}, {num}, endpoint={endpoint})")
    assert isinstance(got, list) and all(type(value) is float for value in got)
    np.testing.assert_allclose(got, getattr(np, name)(a, b, num, endpoint=endpoint), rtol=1e-11)
    assert all(float(f"{value:.12g}") == value for value in got)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch /tmp/x')",
        "().__class__.__bases__",
        "open('/etc/passwd')",
        "eval('1')",
        "print('x')",
        "'a'.upper()",
        "f'{1}'",
        "lambda: 1",
        "(lambda: 1)()",
        "[*[1]]",
        "{**{}}",
        "range(*[1])",
        "range(**{})",
        "(x := 1)",
        "x = 1",
        "1; 2",
        "import os",
        "[1][0]",
        "'abc'[1:]",
        "1 << 2",
        "1 >> 2",
        "1 & 2",
        "1 | 2",
        "1 ^ 2",
        "~1",
        "[1] @ [2]",
        "{1, 2}",
        "{i: i for i in range(3)}",
        "(i for i in range(3))",
        "[i async for i in range(3)]",
        "await x",
        "yield 1",
        "b'a'",
        "1j",
        "...",
        "(-8) ** 0.5",
        "range",
        "range(range)",
        "[range for i in range(3)]",
        "max([1], key=len)",
        "True or open('x')",
        "[x.y for x in []]",
        "1 is 1.0",
        "nan",
        "float('nan')",
        "1e999",
        "-1e999",
        "1e308 * 10",
        "[1e308 * 10]",
        "float('inf')",
        "1 / 0",
        "1 // 0",
        "0 ** -1",
        "1 < 'a'",
        "'a' + 1",
        "1 in 5",
        "-'a'",
        "{[]: 1}",
        "[a for a, b in [(1, 2, 3)]]",
        "[a for a in 5]",
        "min(1, 2)",
        "int('7')",
        "str(1)",
        "linspace(0, 1, 2.5)",
        "linspace(0, 1, dtype=int)",
        "linspace('0', 1)",
        "geomspace(0, 1)",
        "geomspace(-1, 1)",
        "logspace(0, 1, base=0)",
        "range(1.5)",
        "range(1, 2, 0)",
        "'%s' % 1",
        "",
        "   ",
        "\0",
        "'\ud800'",
        "[1, 2",
        "'abc",
        "1 2",
        "[0.1 0.2]",
        "x",
    ],
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text)
    assert str(caught.value)
    assert "Traceback" not in str(caught.value) and "object at 0x" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "9.0**9**9",
        "10**10**10 * 0",
        "[0]*10**9",
        "10**9*[0]",
        "'a'*10**9",
        "(0,)*10**9",
        "range(10**9)",
        "range(10**30)",
        "linspace(0, 1, 10**9)",
        "[i for i in range(10**9)]",
        "[[i for i in range(1000)] for j in range(10000)]",
        "[1 for a in range(1000) for b in range(1000) for c in range(1000)]",
        "[[[[0]*1000]*1000]*1000]*1000",
        "[[x]*1000 for x in range(100000)]",
        "[d for a in [[0,0]] for b in [[a]*1000] for c in [[b]*1000] for d in [[c]*1000]]",
        "[a == b for a in [[0]*90000] for b in [[0]*90000] for i in range(90000)]",
        "['%1000000000d' % 1]",
        "'%*d' % (10**9, 1)",
        "round(5, -10**9)",
        "(" * 5000 + ")" * 5000,
        "[" * 150 + "]" * 150,
        "-" * 20000 + "1",
        "not " * 20000 + "1",
        "1+" * 20000 + "1",
        "1" * 5000,
        "int('1' * 5000)",
        "[" + "1," * 200_000 + "]",
        "[" + "[]," * 100_000 + "]",
        "x" * 10_000_000,
        "str(" * 150 + "1" + ")" * 150,
    ],
)
def test_what_would_grow_fails_at_once(text: str) -> None:
    with at_most(2), pytest.raises(ExpressionError):
        evaluate(text)
        # without bounds, minutes or all of the memory


def test_what_would_grow_takes_little_memory() -> None:
    for text in ("[0]*10**9", "range(10**9)", "[[[[0]*1000]*1000]*1000]*1000", "9**9**9", "'%1000000000d' % 1"):
        tracemalloc.start()
        with pytest.raises(ExpressionError):
            evaluate(text)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 50e6


def test_a_deep_caller_gets_an_expression_error_too() -> None:
    def down(depth: int) -> str:
        try:
            return down(depth - 1) if depth else str(evaluate("1+" * 60 + "1"))
        except ExpressionError as error:
            return str(error)

    room = sys.getrecursionlimit() - len(inspect.stack(0))
    assert down(0) == "61"
    assert down(room - 100) in ("would grow too large", "is nested too deeply")


def test_a_large_literal_is_fine() -> None:
    rows = [{"opt": "sgd", "lr": i / 7, "seed": i} for i in range(5000)]
    with at_most(2):
        assert evaluate(repr(rows)) == rows


_ATOMS = st.sampled_from(["1", "0.5", "x", "y", "[1, 2]", "'ab'", "None", "range(3)", "{'a': 1}", "10**8", "[0] * 9"])
_SIGNS = ["+", "-", "*", "/", "//", "%", "**", "<", "==", "in", "and", "or", "is", "<<"]
_TREES = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(_SIGNS), inner).map(" ".join),
        inner.map(lambda text: f"[{text} for x in range(50)]"),
        inner.map(lambda text: f"({text},)"),
        inner.map(lambda text: f"str({text})"),
        inner.map(lambda text: f"({text}).x"),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(_TREES, st.text(max_size=60), st.text(alphabet="()[]{}'\"\\,.:=<>*+-/%0123456789abx \n\t#", max_size=60))
)
def test_any_text_gives_plain_data_or_an_expression_error(text: str) -> None:
    try:
        value = evaluate(text, {"x": 3, "y": "s"})
    except ExpressionError as error:
        assert str(error)
    else:
        assert type(value) in (int, float, str, bool, type(None), list, tuple, dict)


@settings(deadline=None)
@given(
    st.recursive(
        st.one_of(
            st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False), st.text(), st.booleans()
        ),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
        max_leaves=20,
    )
)
def test_every_literal_is_itself(value: object) -> None:
    assert evaluate(repr(value)) == ast.literal_eval(repr(value)) == value


def test_names_are_known_and_shadowed_inside_a_comprehension_only() -> None:
    assert evaluate("[[x for x in range(2)], x]", {"x": 9}) == [[0, 1], 9]
    assert evaluate("[x for x in x]", {"x": [1]}) == [1]
    with pytest.raises(ExpressionError, match="'x'"):
        evaluate("[x for x in range(2)] + [x]")
    with pytest.raises(ExpressionError, match="plain data"):
        evaluate("x", {"x": object()})


def test_condition_tells_what_is_wrong() -> None:
    row = {"lr": 0.01, "opt": "sgd", "lambda_": 1, "on": True}
    assert condition('lr < 0.1 and opt == "sgd"', row)
    assert not condition("lr * 10 > 1", row)
    assert condition("on", row)
    assert condition("opt in ['sgd', 'adam'] and not lr == 1", row)
    assert condition("opt == 'a=b' or True", row)
    with pytest.raises(ExpressionError, match="has = where == is meant"):
        condition("lr = 0.01", row)
    with pytest.raises(ExpressionError, match="has = where == is meant"):
        condition('opt = "sgd" and lr == 1', row)
    with pytest.raises(ExpressionError, match=r"'lrr'.*did you mean lr\?.*lambda_, lr, on, opt"):
        condition("lrr < 1", row)
    with pytest.raises(ExpressionError, match="unknown name 'momentum'"):
        condition("lr < 1 or momentum", row)
    with pytest.raises(ExpressionError, match="a number and a string"):
        condition("lr < opt", row)
    with pytest.raises(ExpressionError, match="no condition"):
        condition("opt", row)
    with pytest.raises(ExpressionError, match="and, or, not"):
        condition("lr < 1 && on", row)
    with pytest.raises(ExpressionError, match="empty"):
        condition(" ", row)


def test_a_condition_is_quick_over_many_rows() -> None:
    wanted = Condition("lr * 10 < wd and opt == 'sgd' or lr > 9990")
    assert wanted.names == {"lr", "wd", "opt"}
    rows = [{"lr": i, "wd": 200, "opt": "sgd"} for i in range(10_000)]
    with at_most(2):
        assert sum(map(wanted.holds, rows)) == 20 + 9


def test_a_condition_is_as_new_after_an_error() -> None:
    wanted = Condition("[x for x in [a] if 1 / x] == [a]")
    with pytest.raises(ExpressionError):
        wanted.holds({"a": 0})
    assert wanted.holds({"a": 1})
    slow = Condition("[i for i in range(n)] != []")
    for _ in range(5):
        assert slow.holds({"n": 50_000})  # the budget is for one row


def test_a_condition_may_have_a_budget_for_all_rows() -> None:
    wanted = Condition("[i for i in range(n)] != []", effort=1_000_000)
    assert wanted.holds({"n": 1000})
    with pytest.raises(ExpressionError, match="too l"):
        for _ in range(1000):
            wanted.holds({"n": 1000})


def test_longest_takes_the_longest_prefix_that_has_a_value() -> None:
    text = "[1, 2] // x // y"
    assert longest(text, [len(text), 12, 7]) == ([1, 2], 7)
    assert longest("4 // 2 // x", [11, 7, 2]) == (2, 7)
    with pytest.raises(ExpressionError):
        longest("x y z", [1, 3, 5])
