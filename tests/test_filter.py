"""The language of the report's filter, and the clicks that write into it; in Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from browser import Page, needs_chromium

pytestmark = needs_chromium

COLUMNS = {
    "lr": [0.1, 0.01, 0.001],
    "opt": ["adam", "SGD", "adam w"],
    "loss.min": [1.5, {"n": "nan"}, None],
    "top-1 acc": [0.5, 0.75, {"n": "inf"}],
    "nesterov": [True, False, True],
    "in": [1, 2, 3],
    "id": ["001", "002", "003"],
    "betas": ["[1, 2]", "[3]", None],
}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [0, 1, 2]),
        ("lr < 0.1", [1, 2]),
        ("lr<0.1", [1, 2]),
        ("lr < 0.1 and opt == 'SGD'", [1]),
        ('opt == "adam w" or lr == 0.1', [0, 2]),
        ('opt == "sgd"', []),
        ("opt == sgd", [1]),
        ("opt=adam", [0]),
        ("not opt == adam", [1, 2]),
        ("lr<0.05 adam", [2]),
        ("sgd", [1]),
        ("0.01 <= lr <= 0.1", [0, 1]),
        ("lr * 10 == 1", [0]),
        ("1e-3 == lr", [2]),
        ("lr > -1 + 1.05", [0]),
        ("2 ** -1 > lr", [0, 1, 2]),
        ("lr in [0.1, 0.001]", [0, 2]),
        ("lr not in (0.1, 0.001)", [1]),
        ("opt in ['adam', 'x']", [0]),
        ("loss.min < 2", [0]),
        ("loss.min != 1.5", [1, 2]),
        ("loss.min == nan", [1]),
        ("loss.min == None", [2]),
        ("top-1 acc > 0.6", [1, 2]),
        ("`top-1 acc` > 1e300", [2]),
        ("nesterov", [0, 2]),
        ("nesterov == False", [1]),
        ("nesterov and lr < 0.01", [2]),
        ("`in` > 1", [1, 2]),
        ("id = 1", [0]),
        ("id = 001,003", [0, 2]),
        ("id != 001,003", [1]),
        ("(lr < 0.1 or opt == adam) and nesterov", [0, 2]),
        (r'opt == "ad\"am"', []),
        ("lr < 0.1 && opt == sgd || lr == 0.1", [0, 1]),
        ("id = 2-3", [1, 2]),
        ("id != 1,3-9", [1]),
        ("id in range(1, 3)", [0, 1]),
        ("1 in betas", [0]),
        ("1 not in betas", [1, 2]),
        ("betas == [1, 2]", [0]),
        ("betas in [[3, 0.9], []]", []),
        ("nesterov == true", [0, 2]),
    ],
)
def test_filter_language(page: Page, url: str, text: str, rows: list[int]) -> None:
    open_once(page, url)
    found = page.js(
        """const columns = new Map(Object.entries(arguments[1]));
        const of = (row) => [...columns.values()].map(c => mrl.cell(c[row], 6)).join(' ').toLowerCase();
        const test = mrl.filter(arguments[0], columns, of);
        return [0, 1, 2].filter(test);""",
        text,
        COLUMNS,
    )
    assert found == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr <", "something is missing at the end"),
        ("lr in 3", "in needs a list, such as [1, 2]"),
        ("lrr < 1", "there is no column lrr; did you mean lr?"),
        ("LR < 1", "there is no column LR; did you mean lr?"),
        ("loss > 0.9", "there is no column loss; did you mean loss.min?"),
        ("beta_one in [1]", "there is no column beta_one; there are betas, id, in, loss.min, lr, …"),
        ("lr < 'a'", "lr is never text such as a"),
        ("opt ~ ad", "~ is not understood"),
        ("id = 7-3", "7-3 is no range"),
        ("id in range(1e9)", "range needs one to three numbers, and may have a million values"),
        ("(lr < 1", ") is missing at the end"),
        ("opt == 'adam", "' is not closed"),
        ("lr < 1)", ") is not expected here"),
        ("lr < * 3", "* is not expected here"),
        ("`no such` < 1", "there is no column no such"),
    ],
)
def test_filter_says_what_is_wrong(page: Page, url: str, text: str, message: str) -> None:
    open_once(page, url)
    columns = "new Map(Object.entries(arguments[1]))"
    script = f"try {{ mrl.filter(arguments[0], {columns}, () => '')(0); }} catch (e) {{ return e.message; }}"
    assert page.js(script, text, COLUMNS) == message


@pytest.mark.parametrize(
    ("said", "wanted", "becomes"),
    [
        ("", [["lr", "to", [0.1]]], "lr == 0.1"),
        ("lr == 0.1", [["lr", "to", [0.1]]], ""),
        ("lr == 0.1", [["lr", "to", [0.01]]], "lr == 0.01"),
        ("lr == 1 or lr == 2", [["opt", "to", ["a"]]], '(lr == 1 or lr == 2) and opt == "a"'),
        ("(lr == 1 or lr == 2) and x == 3", [["opt", "to", ["a"]]], '(lr == 1 or lr == 2) and x == 3 and opt == "a"'),
        ("lr == 1", [["lr", "to", [1]], ["h", "to", [32]]], "lr == 1 and h == 32"),
        ("lr == 1 and h == 32", [["lr", "to", [1]], ["h", "to", [32]]], ""),
        ("x > 1 and 1 <= lr <= 2 and y", [["lr", "between", [1e-12, 0.5]]], "x > 1 and y and 1e-12 <= lr <= 0.5"),
        ("", [["a`b", "to", [1]]], "`a``b` == 1"),
        ("`a``b` == 1", [["a`b", "to", [1]]], ""),
        ("", [["top 1", "to", ["a b", None, True]]], '`top 1` in ["a b", None, True]'),
    ],
)
def test_clicks_write_into_the_filter(page: Page, url: str, said: str, wanted: list[Any], becomes: str) -> None:
    open_once(page, url)
    script = """let made = null;
        const on = (event) => { event.stopImmediatePropagation(); made = event.detail(arguments[0], []); };
        window.addEventListener('mrl-filter', on, {capture: true, once: true});
        mrl.narrow.all(arguments[1]); return made"""
    assert page.js(script, said, wanted) == becomes


def open_once(page: Page, url: str) -> None:
    if page.js("return location.href").split("#")[0] != url:
        page.open(url)
