"""Directive lines and the grid that comes of them."""

from __future__ import annotations

import itertools
import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import at_most

from metarunlog.grid import IDS, JINJA_WORDS, Directive, DirectiveError, canonical, expand, read


def grid(name: str, value: object, line: int = 1) -> Directive:
    return Directive(line, "grid", name, value)


def params(value: object, line: int = 1) -> Directive:
    return Directive(line, "params", None, value)


def where(value: object, line: int = 1) -> Directive:
    return Directive(line, "where", None, value)


# Lines


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("# MRL:grid['a'] = [0.01, 0.1]", [0.01, 0.1]),
        ('\t  # \t MRL: grid [ "a" ]=[1]  ', [1]),
        ("<!-- MRL:grid['a'] = [\"5\"] -->", ["5"]),
        ("/* MRL:grid['a'] = [1] */", [1]),
        ("(* MRL:grid['a'] = [(1, 2), [3]] *)", [(1, 2), [3]]),
        ("--[[ MRL:grid['a'] = [1, 2] ]]", [1, 2]),
        ("{# MRL:grid['a'] = [1] #}", [1]),
        ("{- MRL:grid['a'] = [{'b': 1}] -}", [{"b": 1}]),
        ("{{/* MRL:grid['a'] = [1] */}}", [1]),
        ("<%-- MRL:grid['a'] = [1] --%>", [1]),
        ('""" MRL:grid[\'a\'] = [1] """', [1]),
        ("% MRL:grid['a'] = [7 % 4] % rest", [3]),
        ("// MRL:grid['a'] = [0.01, 0.1] // more of them", [0.01, 0.1]),
        ("// MRL:grid['a'] = [4] // 2", [4]),
        ("-- MRL:grid['a'] = [1, 2] -- x", [1, 2]),
        ("-- MRL:grid['a'] = [1, 2] --3", [1, 2]),
        ("- MRL:grid['a'] = [1] - 2", [1]),
        ("# MRL:grid['a'] = [1, 2]  # don't", [1, 2]),
        ("# MRL:grid['a'] = ['a # b', \"c 'd' -->\"]", ["a # b", "c 'd' -->"]),
        ("; MRL:grid['a'] = [1] ; one", [1]),
        ("! MRL:grid['a'] = range(2) ! one", [0, 1]),
        ("REM MRL:grid['a'] = [1] REM one", [1]),
        ("dnl MRL:grid['a'] = [1] dnl one", [1]),
        ("' MRL:grid['a'] = [1] ' isn't", [1]),
        ("\" MRL:grid['a'] = ['b'] \" vim", ["b"]),
        ("# MRL:grid['a'] = [1, 2],", [1, 2]),
        ("# MRL:grid['a'] = [1]]", [1]),
        ("# MRL:grid['a'] = []", []),
        ("# MRL:grid['a'] = [''] ;", [""]),
        ("# MRL:grid['a'] = ['''it's''']", ["it's"]),
    ],
)
def test_any_comment_syntax(line: str, value: object) -> None:
    assert read(line, 7) == Directive(7, "grid", "a", value)


def test_the_other_kinds() -> None:
    assert read('/* MRL:where = "lr * 10 < wd" */', 1) == where("lr * 10 < wd")
    assert read("# MRL:params = [{'opt': 'sgd', 'lr': 1}]", 1) == params([{"opt": "sgd", "lr": 1}])
    assert read("# MRL:delimiters = ['<<', '>>']", 1) == Directive(1, "delimiters", None, ["<<", ">>"])


@pytest.mark.parametrize(
    "line", ["", "lr: 1", "#MRL:grid['a'] = [1]", "MRL:grid['a'] = [1]", "# see MRL:grid", "# mrl:grid"]
)
def test_other_lines_are_no_directives(line: str) -> None:
    assert read(line, 1) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("# MRL:gird['a'] = [1]", r"MRL:gird is no directive; did you mean MRL:grid\['lr'\]"),
        ("# MRL:xyz = [1]", "the directives are grid, params, where, delimiters"),
        ("# MRL:", "the directives are"),
        ("# MRL:grid = [1]", "write it like MRL:grid"),
        ("# MRL:grid[a] = [1]", "write it like MRL:grid"),
        ("# MRL:grid.a = [1]", "write it like MRL:grid"),
        ("# MRL:grid['a'] [1]", "write it like MRL:grid"),
        ("# MRL:params['a'] = [1]", "write it like MRL:params"),
        ("# MRL:where == 'a'", "write it like MRL:where"),
        ("# MRL:where = lr < 1", "text stands in quotes"),
        ("# MRL:grid['a'] =", "is empty"),
        ("# MRL:grid['a'] = # later", "is empty"),
        ("# MRL:grid['a'] = 1, 2", "followed by ', 2'"),
        ("# MRL:grid['a'] = [1, 2", "bracket that is never closed"),
        ("<!-- MRL:grid['a'] = [1, 2 -->", "bracket that is never closed"),
        ("# MRL:grid['a'] = ['b", "quote that is never closed"),
        ("# MRL:grid['a'] = [1] foo", "cannot be read at 'foo'"),
        ("// MRL:grid['a'] = [1] # foo", "followed by '# foo'"),
        ("# MRL:grid['a'] = [9**9**9]", r"MRL:grid\['a'\] would grow too large"),
        ("<!-- MRL:grid['a'] = [1e999] -->", "infinity"),
        ("# MRL:grid['a'] = [sgd]", "'sgd'"),
        ("# MRL:grid['a'] = __import__('os').getcwd()", "not available|calls"),
    ],
)
def test_a_broken_directive_says_what_to_do(line: str, message: str) -> None:
    with pytest.raises(DirectiveError, match=message) as caught:
        read(line, 3)
    assert caught.value.line == 3


@pytest.mark.parametrize("tail", ["", " -->", " # it's a 'comment'", "  #"])
@settings(deadline=None)
@given(
    value=st.lists(st.one_of(st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
)
def test_the_value_ends_where_it_ends(tail: str, value: list[object]) -> None:
    one = read(f"# MRL:grid['a'] = {value!r}{tail}", 1)
    assert one is not None and repr(one.value) == repr(value)


def test_a_long_line_is_read_in_time() -> None:
    rows = [{"opt": "sgd", "lr": i} for i in range(5000)]
    with at_most(3):
        one = read(f"<!-- MRL:params = {rows!r} -->", 1)
        assert one is not None and one.value == rows
    for text in ("[" + "1," * 3_000_000, "(" * 3_000_000 + "a", "#" * 300_000, "!@" * 150_000 + "a"):
        with at_most(2), pytest.raises(DirectiveError):
            read(f"# MRL:grid['a'] = {text}", 1)


# Expansion


def test_no_directives_are_one_point() -> None:
    assert expand([]) == [{}]
    assert expand([Directive(1, "delimiters", None, ["<<", ">>"])]) == [{}]


def test_params_are_outermost_then_axes_as_written() -> None:
    points = expand([grid("b", [1, 2]), params([{"o": "x", "w": 1}, {"o": "y", "w": 2}]), grid("a", [3, 4])])
    assert [tuple(point.values()) for point in points] == [
        (o, w, b, a) for o, w in (("x", 1), ("y", 2)) for b in (1, 2) for a in (3, 4)
    ]
    assert list(points[0]) == ["o", "w", "b", "a"]


def test_where_lines_are_anded() -> None:
    points = expand([grid("a", [1, 2, 3]), where("a > 1"), grid("b", [1, 2]), where("a * b < 5", 4)])
    assert points == [{"a": 2, "b": 1}, {"a": 2, "b": 2}, {"a": 3, "b": 1}]


def test_tuples_become_lists_as_json_gives_them_back() -> None:
    points = expand([grid("layers", ((64, 32), [16])), grid("o", [{"a": (1,)}])])
    assert points[0] == {"layers": [64, 32], "o": {"a": [1]}}
    assert json.loads(json.dumps(points)) == points


@pytest.mark.parametrize(
    ("directives", "line", "message"),
    [
        ([grid("a", [1], 1), grid("a", [2], 2)], 2, "a is given twice, in line 1 too"),
        ([grid("a", [1], 1), params([{"a": 2}], 2)], 2, "given twice"),
        ([params([{"a": 2}], 1), params([{"b": 2}], 2)], 2, "MRL:params is given twice"),
        ([Directive(1, "delimiters", None, ["<", ">"]), Directive(2, "delimiters", None, ["<", ">"])], 2, "twice"),
        ([grid("a", [])], 1, "empty"),
        ([params([])], 1, "empty"),
        ([params([{}])], 1, "empty"),
        ([grid("a", [1, 2, 1])], 1, "has 1 twice"),
        ([grid("a", [(1,), [1]])], 1, r"has \[1\] twice"),
        ([params([{"a": 1, "b": 2}, {"b": 2, "a": 1}])], 1, "twice"),
        ([grid("subExpId", [1])], 1, "subExpId"),
        ([params([{"expId": 1}])], 1, "expId"),
        ([grid("a b", [1])], 1, "no name"),
        ([grid("", [1])], 1, "no name"),
        ([grid("1a", [1])], 1, "no name"),
        ([grid("not", [1])], 1, "meaning"),
        ([grid("true", [1])], 1, "meaning"),
        ([params([{"a": 1}, {"b": 1}])], 1, "differ in a, b"),
        ([params({"a": 1})], 1, "list of dicts"),
        ([params([1])], 1, "list of dicts"),
        ([grid("a", 1)], 1, "list of values"),
        ([grid("a", "abc")], 1, "list of values"),
        ([grid("a", [{1: 2}])], 1, "no string"),
        ([params([{1: 2}])], 1, "no string"),
        ([grid("a", ["\ud800"])], 1, "surrogate"),
        ([grid("a", [float("inf")])], 1, "JSON"),
        ([grid("a", [object()])], 1, "JSON"),
        ([grid("a", [1]), where("a = 1", 2)], 2, "=="),
        ([grid("a", [1]), where("b > 1", 2)], 2, "'b'"),
        ([grid("a", [1]), where("a > 'x'", 2)], 2, "a number and a string"),
        ([grid("a", [1]), where(True, 2)], 2, "quotes"),
        ([grid("a", [1]), where("a > 1", 2)], 2, "keeps none of the 1 combinations"),
        ([grid(name, list(range(11)), 1) for name in "abcde"], 1, "161051 combinations"),
    ],
)
def test_a_wrong_grid_is_an_error_with_its_line(directives: list[Directive], line: int, message: str) -> None:
    with pytest.raises(DirectiveError, match=message) as caught:
        expand(directives)
    assert caught.value.line == line


def test_values_that_only_compare_equal_are_different() -> None:
    points = expand([grid("a", [1, 1.0, True, "1", None, "None", 0.0, False])])
    assert len({canonical(point) for point in points}) == 8


def test_python_keywords_are_fine_as_names() -> None:
    assert expand([grid("lambda", [1, 2])]) == [{"lambda": 1}, {"lambda": 2}]


def test_canonical_is_fixed_for_all_times() -> None:
    assert canonical({"b": 1, "a": [1.0, True, None], "subExpId": "001", "é": {"z": "1", "a": 1e-05}}) == (
        '{"a":[1.0,true,null],"b":1,"é":{"a":1e-05,"z":"1"}}'
    )
    assert canonical({}) == canonical({"subExpId": "001"}) == "{}"


_NAMES = st.text(alphabet=string.ascii_letters + "_é", min_size=1, max_size=5).filter(
    lambda name: name not in JINJA_WORDS | {*IDS, "p_"}
)
_VALUES = st.lists(
    st.one_of(
        st.integers(), st.text(max_size=3), st.floats(allow_nan=False, allow_infinity=False), st.none(), st.booleans()
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda value: canonical({"v": value}),
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(_NAMES, _VALUES, max_size=4), _VALUES, st.integers(0, 4))
def test_count_and_order_of_any_grid(axes: dict[str, list[object]], rows: list[object], at: int) -> None:
    directives = [grid(name, values) for name, values in axes.items()]
    directives.insert(at, params([{"p_": value} for value in rows]))
    points = expand(directives)
    assert [list(point) for point in points[:1]] == [["p_", *axes]]
    assert [list(point.values()) for point in points] == [list(p) for p in itertools.product(rows, *axes.values())]
    assert len({canonical(point) for point in points}) == len(points)
    assert [json.loads(canonical(point)) for point in points] == points


def test_ten_thousand_points_are_quick() -> None:
    with at_most(3):
        points = expand([grid(name, list(range(10))) for name in "abcd"] + [where("a + b < c + d + 100")])
        assert len(points) == 10_000
        assert len({canonical(point) for point in points}) == 10_000
