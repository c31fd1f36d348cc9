"""What a reader does with the overview: sort, filter, pick, average, share a link; in Chromium, from file://."""

from __future__ import annotations

import base64
import math
import random
import time
from pathlib import Path
from typing import Any

import axe_core_python
import numpy as np
import pytest
from browser import Page, needs_chromium, scroll_through
from sample_report import grid, sample, sweep, write

from metarunlog.report import pages
from metarunlog.report.markup import format_number

pytestmark = needs_chromium

TYPE = """const box = document.querySelector('.chooser input');
    box.value = arguments[0]; box.dispatchEvent(new Event('input'))"""
SCROLL = "document.querySelector('table.results').closest('.scroll').scrollTop = arguments[0]"
COUNT = 1000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(*sample(tmp_path_factory.mktemp("project")))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(sweep(COUNT), tmp_path_factory.mktemp("long"))


def ids(page: Page) -> list[str]:
    return list(page.js("return [...document.querySelectorAll('table.results tr[data-id]')].map(r => r.dataset.id)"))


def ready(page: Page) -> None:
    page.wait("return document.querySelector('[data-view=results].drawn')")


# The language of the filter


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


def test_cells_of_scripts_are_those_of_python(page: Page, url: str) -> None:
    page.open(url)
    draw = random.Random(1)
    values = [draw.uniform(-1, 1) * 10.0 ** draw.randint(-12, 12) for _ in range(500)]
    values += [0.0, 1.0, -3.0, 999999.5, 99999.96, 0.0001, 0.00009999996, 1e9, 1e15, 123456789.0, 5e-324, 1.7e308]
    for digits in (5, 6):
        script = "return arguments[0].map(v => mrl.cell(v, arguments[1]))"
        assert page.js(script, values, digits) == [format_number(value, digits) for value in values]
    assert page.js("return [true, null, {n: 'nan'}, 'x', 2**40].map(v => mrl.cell(v, 6, 1e15))") == [
        *("True", "–", "nan", "x", "1099511627776")
    ]


# The results


def test_only_rows_in_view_are_in_the_page(page: Page, long: str) -> None:
    page.open(long)
    ready(page)
    assert ids(page)[0] == "001" and len(ids(page)) < 80
    wide = "return [...document.querySelectorAll('table.results th[data-name]')].map(th => th.offsetWidth)"
    before = page.js(wide)
    page.js(SCROLL, 10**7)
    page.wait("return document.querySelector('tr[data-id=\"1000\"]')")
    assert len(ids(page)) < 80
    assert page.js(wide) == before
    row = "const r = document.querySelector('tr[data-id=\"1000\"]').getBoundingClientRect();"
    box = "const b = document.querySelector('table.results').closest('.scroll').getBoundingClientRect();"
    assert page.js(row + box + "return r.bottom <= b.bottom + 1 && r.top > b.top")
    assert page.js("return document.querySelector('table.results').getAttribute('aria-rowcount')") == str(COUNT + 1)
    link = page.js("return document.querySelector('tr[data-id=\"1000\"] a').getAttribute('href')")
    assert link == "page-10.html#sub-1000"
    assert page.errors() == []


def test_sorting_takes_all_rows_and_is_told_by_the_address(page: Page, long: str) -> None:
    page.open(long)
    ready(page)
    page.js("document.querySelector('th[data-name=\"acc.last\"] button').click()")
    assert ids(page)[:2] == ["002", "003"]
    page.js("document.querySelector('th[data-name=\"acc.last\"] button').click()")
    assert ids(page)[0] == "1000"
    page.js(SCROLL, 10**7)
    page.wait("return document.querySelector('tr[data-id=\"001\"]')")  # nan is last either way
    address = page.js("return location.href")
    assert address.endswith("#sort=-acc.last")
    page.open(address)
    ready(page)
    assert ids(page)[0] == "1000"
    page.js("document.querySelector('th[data-name=\"loss.max\"] button').click()")
    page.js("document.querySelector('th[data-name=\"loss.max\"] button').click()")
    assert ids(page)[0] == "001" and page.js("return document.querySelector('td.odd').textContent") == "inf"


def test_a_filter_leaves_rows_and_is_told_by_the_address(page: Page, long: str) -> None:
    page.open(long)
    ready(page)
    page.js(TYPE, "state == failed and acc.max > 0.9")
    wanted = [f"{n:03d}" for n in range(1, COUNT + 1) if n % 3 == 0 and (n - 1) / COUNT > 0.9]
    assert ids(page) == wanted
    count = "return document.querySelector('.chooser .count').textContent"
    assert page.js(count) == f"{len(wanted)} of {COUNT}"
    address = page.js("return location.href")
    page.js(TYPE, "acc.max >")
    assert "missing" in page.js(count) and ids(page) == wanted
    assert page.js("return document.querySelector('.chooser input').getAttribute('aria-invalid')") == "true"
    page.open(address)
    ready(page)
    assert ids(page) == wanted
    page.js(TYPE, "")
    assert page.js("return location.href") == long and len(ids(page)) > 20


def test_a_click_while_the_filter_is_half_typed(page: Page, long: str) -> None:
    page.open(long)
    ready(page)
    page.js(TYPE, "lr < 0.05")
    page.js(TYPE, "lr < 0.05 and")
    count = "return document.querySelector('.chooser .count').textContent"
    assert page.js(count) == "something is missing at the end (shown: lr < 0.05)"
    page.js("mrl.narrow.to('opt', 'sgd')")
    assert page.js("return document.querySelector('.chooser input').value") == 'lr < 0.05 and opt == "sgd"'


def test_a_place_on_the_page_keeps_the_settings(page: Page, long: str) -> None:
    page.open(f"{long}#where=lr+%3D%3D+0.1&pick=001,nobody")
    ready(page)
    assert page.js("return document.querySelector('.chooser button').textContent") == "1 picked ✕"
    page.js("document.querySelector('.contents a[href=\"#sub-experiments\"]').click()")
    assert "where=lr" in page.js("return location.hash") and page.js("return location.hash").endswith(
        "at=sub-experiments"
    )
    top = "return document.querySelector('#sub-experiments').getBoundingClientRect().top"
    assert 0 <= page.js(top) < 200
    page.driver.refresh()
    ready(page)
    page.wait(f"return (() => {{ {top} }})() < 200")
    assert page.js("return document.querySelector('.chooser input').value") == "lr == 0.1"
    page.open(f"{long}#sub-950")
    page.wait("return location.pathname.endsWith('page-10.html') && document.querySelector('#sub-950')")


def test_columns_are_chosen_and_copied(page: Page, url: str) -> None:
    page.open(url)
    ready(page)
    choose = """const labels = [...document.querySelectorAll('.menu label')];
        labels.find(l => l.textContent.trim() === arguments[0]).querySelector('input').click()"""
    for part in ("train_loss", "val_loss", "seconds", "min", "wd", "state"):
        page.js(choose, part)
    named = "[...document.querySelectorAll('table.results th[data-name]')].filter(th => !th.hidden)"
    heads = page.js(f"return {named}.map(th => th.dataset.name)")
    assert heads == ["id", "opt", "lr", "val_acc.last", "val_acc.max"]
    assert len(page.column("table.results", 4)) == 12
    page.js(TYPE, "opt == adam and state == waiting")
    header, *rows = page.js("return mrl.csv()").splitlines()
    assert header == "id,opt,lr,val_acc.last,val_acc.max"
    assert rows == ["011,adam,0.3,,", "012,adam,0.3,,"]
    assert page.js("return location.hash").startswith("#hide=")
    page.driver.refresh()
    ready(page)
    assert page.js("return mrl.csv()").splitlines() == [header, *rows]


def test_orphans_are_marked_and_can_be_filtered(page: Page, url: str) -> None:
    page.open(url)
    ready(page)
    assert page.js("return document.querySelector('tr[data-id=\"010\"]').textContent").count("orphan") == 1
    assert page.js("return document.querySelector('header .counts').textContent").count("1 orphan") == 1
    page.js(TYPE, "orphan")
    assert ids(page) == ["010"]
    page.js(TYPE, "not orphan and opt == adam")
    assert ids(page) == ["007", "008", "009", "011", "012"]


def test_params_named_as_other_columns(page: Page, tmp_path: Path) -> None:
    page.open(write(sweep(4, names=("id", "loss", "state")), tmp_path))
    ready(page)
    page.js(TYPE, "id == 0.1 and loss == sgd and loss.min < 1")  # the params
    assert ids(page) == ["002"]
    choose = """const labels = [...document.querySelectorAll('.menu label')];
        labels.filter(l => l.textContent.trim() === arguments[0])[arguments[1]].querySelector('input').click()"""
    heads = """return [...document.querySelectorAll('table.results th[data-name]')].filter(th => !th.hidden)
        .map(th => th.dataset.name)"""
    page.js(choose, "loss", 0)
    page.js(choose, "min", 0)
    assert page.js(heads) == ["id", "id", "state", "loss.last", "loss.max", "acc.last", "acc.max"]
    page.js(choose, "loss", 1)
    assert page.js(heads) == ["id", "id", "state", "acc.last", "acc.max"]
    page.js("document.querySelectorAll('th[data-name=id] button')[1].click()")
    assert page.errors() == []


def test_csv_has_all_digits_and_quotes(page: Page, long: str) -> None:
    page.open(long)
    ready(page)
    lines = page.js("return mrl.csv()").splitlines()
    assert lines[0] == "id,lr,opt,seed,state,loss.last,loss.min,loss.max,acc.last,acc.min,acc.max"
    assert lines[1] == "001,0.1,adam,0,done,1,0.5,inf,,,"
    assert len(lines) == COUNT + 1


# One choice for all views


def test_a_filter_holds_in_all_views(page: Page, url: str) -> None:
    page.open(f"{url}#where=lr+%3C+0.1+and+opt+%3D%3D+adam&effects.logy=yes")
    ready(page)
    page.wait("return document.querySelector('#fn-curves .view.drawn')")
    label = "return document.querySelector('#fn-curves .canvas').getAttribute('aria-label')"
    page.wait(f"return (() => {{ {label} }})().includes('4 lines')")
    page.show("#fn-parallel")
    page.wait("return document.querySelectorAll('#fn-parallel path.run:not(.left)').length === 4")
    assert page.js("return document.querySelectorAll('#fn-parallel path.left').length") == 8
    assert page.js("return document.querySelector('#fn-effects .tools input').checked")
    assert ids(page) == ["007", "008", "009", "010"]
    page.show("#fn-curves")
    page.js(TYPE, "lr > 5")
    page.wait("return document.querySelector('#fn-curves').textContent.includes('No run is left')")
    assert page.errors() == []


def test_a_click_on_a_row_picks_it_everywhere(page: Page, url: str) -> None:
    page.open(url)
    ready(page)
    page.wait("return document.querySelector('#fn-curves .layer')")
    page.js("document.querySelector('tr[data-id=\"003\"] td').click()")
    page.js("document.querySelector('tr[data-id=\"007\"] td').click()")
    assert page.js("return location.hash") == "#pick=003%2C007"
    page.driver.refresh()
    ready(page)
    assert page.js("return [...document.querySelectorAll('tr.picked')].map(r => r.dataset.id)") == ["003", "007"]
    page.wait("return document.querySelector('#fn-curves .layer')?.width > 100")
    assert page.wait_ink("#fn-curves .layer") > 100
    page.show("#fn-parallel")
    page.wait("return document.querySelectorAll('#fn-parallel path.picked').length === 2")
    assert page.js("return document.querySelector('.chooser button').textContent") == "2 picked ✕"
    page.js("document.querySelector('.chooser button').click()")
    assert page.js("return [document.querySelectorAll('.picked').length, location.hash]") == [0, ""]


def test_a_row_is_picked_by_the_keyboard(page: Page, url: str) -> None:
    from selenium.webdriver.common.keys import Keys

    page.open(url)
    ready(page)
    link = page.driver.find_element("css selector", 'tr[data-id="003"] a')
    link.send_keys(Keys.SPACE)
    assert page.js("return location.hash") == "#pick=003"
    link.send_keys(Keys.SPACE)
    assert page.js("return location.hash") == ""


def test_a_legend_and_an_axis_narrow_the_filter(page: Page, url: str) -> None:
    page.open(url)
    ready(page)
    page.wait("return document.querySelector('#fn-curves .legend button')")
    said = "return document.querySelector('.chooser input').value"
    page.js("document.querySelector('#fn-curves .legend button').click()")
    assert page.js(said) == 'opt == "adam"'
    page.show("#fn-parallel")
    page.wait("return document.querySelector('#fn-parallel .hand')")
    drag(page, axis=1, start=1.0, end=0.45)
    assert page.js(said) == 'opt == "adam" and lr in [0.03, 0.3]'
    drag(page, axis=1, start=-0.02, end=0.6)
    assert page.js(said) == 'opt == "adam" and lr in [0.003, 0.03]'
    drag(page, axis=3, start=0.0, end=0.5)
    assert " <= val_loss.min <= " in page.js(said) and set(ids(page)) < {"007", "008", "009", "010"}
    page.js("document.querySelectorAll('#fn-curves .legend button')[0].click()")
    assert page.js(said).startswith("lr in [0.003, 0.03] and ")


def drag(page: Page, axis: int, start: float, end: float) -> None:
    """Along an axis of the parallel coordinates, from one share of its height to another, from below."""
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    time.sleep(0.3)  # plots follow the filter after a pause
    page.show("#fn-parallel")
    hand = page.driver.find_elements(By.CSS_SELECTOR, "#fn-parallel .hand")[axis]
    inner = hand.size["height"] - 24
    at = [round((0.5 - share) * inner) for share in (start, end)]
    chain = ActionChains(page.driver, duration=0).move_to_element_with_offset(hand, 0, at[0]).click_and_hold()
    chain.move_by_offset(0, at[1] - at[0]).release().perform()


# Curves


def test_means_and_medians_are_those_of_numpy(page: Page, url: str) -> None:
    page.open(url)
    draw = np.random.default_rng(1)
    lines = draw.normal(size=(7, 5))
    script = "return mrl.groups.spread([1, 2, 3, 4, 5], arguments[0], arguments[1])"
    mean, low, high, counts = page.js(script, lines.tolist(), False)
    assert counts == [7] * 5
    std = lines.std(axis=0, ddof=1)
    assert np.allclose(mean, lines.mean(axis=0)) and np.allclose(high, lines.mean(axis=0) + std)
    assert np.allclose(low, lines.mean(axis=0) - std)
    found = page.js(script, lines.tolist(), True)[:3]
    assert np.allclose(found, np.percentile(lines, [50, 25, 75], axis=0))


def test_a_mean_of_lines_with_other_positions(page: Page, url: str) -> None:
    page.open(url)
    script = "const u = undefined, n = null; return mrl.groups.spread([0, 1, 2, 4], [%s], false)[0].map(y => y ?? null)"
    assert page.js(script % "[0, u, 2, 4], [0, 2, u, u]") == [0, 1.5, 2, 4]  # the second ends at 1
    assert page.js(script % "[0, u, 2, 4], [1, u, u, 5]") == [0.5, None, 2.5, 4.5]  # at 2 it is taken as straight
    assert page.js(script % "[0, n, 2, 4], [0, 4, n, n]") == [0, 4, 2, 4]  # over a gap it is not


def test_smoothing_starts_without_a_bias(page: Page, url: str) -> None:
    page.open(url)
    found = page.js("return mrl.groups.smooth([4, 4, undefined, 4, null, 1, 2], 0.5)")
    assert found[:2] == [4, 4] and found[3:6] == [4, None, 1] and math.isclose(found[6], (0.25 + 1) / 0.75)


def test_runs_that_differ_in_the_seed_only_are_averaged(page: Page, url: str) -> None:
    page.open(url)
    data = {"ids": list("abcd"), "params": [["lr", [1, 1, 2, 2]], ["seed", [1, 2, 1, 2]]]}
    rows = "return mrl.groups.rows(arguments[0], arguments[1], arguments[2])"
    assert page.js(rows, data, "1", "0") == [[0, 1], [2, 3]]
    assert page.js(rows, data, "", "0") == [[0], [1], [2], [3]]
    assert page.js(rows, data, "colour", "1") == [[0, 2], [1, 3]]
    assert page.js(rows, data, "colour", "") == [[0, 1, 2, 3]]
    lines: list[dict[str, Any]] = [{"id": id, "y": [at, at + 2, at * 3]} for at, id in enumerate("abcd", 1)]
    metric = {"name": "m", "goal": "low", "xlabel": "step", "grids": [[1, 2, 3]], "lines": lines}
    page.js(
        """const root = document.createElement('div'); document.body.append(root); root.id = 'mine';
        mrl.views.curves(root, arguments[0])""",
        {"view": "curves", **data, "metrics": [metric]},
    )
    label = "return document.querySelector('#mine .canvas').getAttribute('aria-label')"
    assert page.js(label) == "m over step, 2 lines"
    page.js(
        "const s = document.querySelectorAll('#mine select')[1]; s.value = 'none'; s.dispatchEvent(new Event('change'))"
    )
    assert page.js(label) == "m over step, 4 lines"
    assert page.js("return location.hash") == "#curves.mean=none"
    assert page.errors() == []


def test_a_mean_tells_of_how_many_runs_and_has_no_colour_of_its_own(page: Page, url: str) -> None:
    page.open(url)
    data = {"view": "curves", "ids": list("abc"), "params": [["lr", [1, 1, 1]], ["seed", [1, 2, 3]]]}
    lines: list[dict[str, Any]] = [{"id": "a", "y": [1, 2, 3]}, {"id": "b", "y": [2, 3, 4]}]
    lines.append({"id": "c", "y": [3], "grid": 1})
    metric = {"name": "m", "goal": "low", "xlabel": "step", "grids": [[1, 2, 3], [1]], "lines": lines}
    page.js(
        """const root = document.createElement('div'); document.body.prepend(root); root.id = 'mine';
        mrl.views.curves(root, arguments[0])""",
        {**data, "metrics": [metric]},
    )
    time.sleep(0.3)
    seen = set()
    for share in (0.05, 0.5, 0.95):
        for height in range(5, 100, 5):
            page.js(
                """const over = document.querySelector('#mine .u-over'), r = over.getBoundingClientRect();
                const y = r.top + arguments[1] * r.height / 100;
                const at = {clientX: r.left + arguments[0] * r.width, clientY: y};
                over.dispatchEvent(new MouseEvent('mousemove', at));
                over.dispatchEvent(new PointerEvent('pointermove', at))""",
                share,
                height,
            )
            tip = page.js(
                "return [...document.querySelectorAll('#mine .tip:not([hidden]) div')].map(d => d.textContent)"
            )
            seen.add(tuple(tip[:2]))
    assert ("3 runs", "m 2 ± 1 at step 1") in seen
    assert ("2 of 3 runs: the others have no value here", "m 3.5 ± 0.707 at step 3") in seen
    choose = (
        "const s = document.querySelectorAll('#mine select')[0]; s.value = '1'; s.dispatchEvent(new Event('change'))"
    )
    assert page.js("return document.querySelectorAll('#mine .legend').length") == 1
    page.js(choose)
    assert page.js("return document.querySelectorAll('#mine .legend').length") == 0


def test_many_metrics_are_shown_when_they_are_asked_for(page: Page, url: str) -> None:
    page.open(url)
    metric = {"goal": "low", "xlabel": "step", "grids": [[1, 2]], "lines": [{"id": "a", "y": [1, 2]}]}
    data = {"view": "curves", "ids": ["a"], "params": [], "metrics": [{**metric, "name": f"m{n}"} for n in range(40)]}
    page.js(
        """const root = document.createElement('div'); document.body.prepend(root); root.id = 'mine';
        mrl.views.curves(root, arguments[0])""",
        data,
    )
    assert page.js("return document.querySelectorAll('#mine figure').length") == 6
    page.js("document.querySelector('#mine button').click()")
    assert page.js("return document.querySelectorAll('#mine figure').length") == 40
    assert page.js("return document.querySelector('#mine button').hidden")


def test_ticks_of_a_logarithmic_axis(page: Page, url: str) -> None:
    page.open(url)
    splits = "return mrl.plot.logSplits(arguments[0], arguments[1])"
    assert page.js(splits, 0.9, 60) == [1, 2, 5, 10, 20, 50]
    assert page.js(splits, 0.5, 3e34) == [10.0**k for k in range(4, 35, 5)]
    assert page.js(splits, 1e-3, 1e3) == [0.001, 0.01, 0.1, 1, 10, 100, 1000]


def test_labels_are_told_apart(page: Page, url: str) -> None:
    page.open(url)
    texts = "return mrl.colours.texts(arguments[0])"
    assert page.js(texts, [0.1, 0.01, None, "a", True]) == ["0.1", "0.01", "–", "a", "True"]
    assert page.js(texts, [1000000000, 1000000001]) == ["1000000000", "1000000001"]


def test_lines_that_diverge_do_not_flatten_the_others(page: Page, url: str) -> None:
    page.open(url)
    lines = "[...Array(20).keys()].map(k => [2.2, 1 - k / 100, 0.5])"
    assert page.js(f"return mrl.plot.lineLimits({lines})") is None
    assert page.js(f"return mrl.plot.lineLimits([...{lines}, [2, 1e9, 1e9], [2, 50, 60]])") == [0.5, 2.2]


def test_settings_of_curves_are_in_the_address(page: Page, url: str) -> None:
    page.open(f"{url}#curves.logy=yes&curves.smooth=much&curves.by=2")
    page.wait("return document.querySelector('#fn-curves .view.drawn')")
    tools = "#fn-curves .tools"
    values = f"return [...document.querySelectorAll('{tools} select')].map(s => s.value)"
    assert page.js(values) == ["2", "none", "much", "step"]
    labels = f"[...document.querySelectorAll('{tools} label')].filter(l => l.querySelector(':checked[type=checkbox]'))"
    checks = f"return {labels}.map(l => l.textContent.trim())"
    assert page.js(checks) == ["log y"]


def test_curves_over_a_clock(page: Page, url: str) -> None:
    page.open(url)
    clock = {"name": "wall_time", "grids": [[1, 3]], "lines": [{"id": "a", "y": [10, 30]}, {"id": "b", "y": [0, 40]}]}
    loss = {"name": "loss", "xlabel": "step", "grids": [[1, 2, 3]]}
    loss["lines"] = [{"id": "a", "y": [4, 2, 0]}, {"id": "b", "y": [4, None, 8], "end": {"kind": "nan", "x": 2}}]
    loss["lines"].append({"id": "c", "y": [1, 1, 1]})
    found = page.js("return mrl.groups.over(arguments[0], arguments[1], 5)", loss, clock)
    assert found["xlabel"] == "wall_time" and found["grids"] == [[10, 20, 30], [0, 10, 20, 30, 40]]
    assert [line["id"] for line in found["lines"]] == ["a", "b"]  # c has no clock
    assert found["lines"][0]["y"] == [4, 2, 0]
    assert found["lines"][1]["y"] == [4, None, None, None, 8] and found["lines"][1]["end"]["x"] == 20
    names = ("loss", "wall_time", "seconds", "lifetime", "sec", "back_time")
    metrics = [{**clock, "name": name} for name in names]
    metrics[-1]["lines"] = [{"id": "a", "y": [2, 1]}]
    assert page.js("return mrl.groups.clocks(arguments[0]).map(m => m.name)", metrics) == [
        "wall_time",
        "seconds",
        "sec",
    ]


def test_curves_of_the_page_over_a_clock(page: Page, url: str) -> None:
    page.open(f"{url}#curves.over=seconds")
    page.wait("return document.querySelector('#fn-curves .view.drawn canvas')")
    labels = "return [...document.querySelectorAll('#fn-curves .canvas')].map(c => c.getAttribute('aria-label'))"
    assert page.js(labels) == [f"{name} over seconds, 10 lines" for name in ("train_loss", "val_loss", "val_acc")]
    assert page.wait_ink("#fn-curves figure canvas") > 300
    assert page.errors() == []


# Two params at once


def test_a_heat_map_shows_medians_and_narrows_the_filter(page: Page, url: str) -> None:
    page.open(url)
    page.show("#fn-effects")
    page.wait("return document.querySelector('#fn-effects .heat')")
    text = "return [...document.querySelectorAll('.heat tr')].map(r => [...r.cells].map(c => c.textContent))"
    table = page.js(text)
    assert [row[0] for row in table] == ["opt \\ lr", "sgd", "adam"] and table[0][1:] == ["0.003", "0.03", "0.3"]
    values = page.js("return mrl.known('effects.0').metrics[0].values")
    for label, row in zip(("sgd", "adam"), table[1:]):
        for lr, cell in zip((0.003, 0.03, 0.3), row[1:]):
            of = [v for v, p in zip(values, grid().values()) if (p["opt"], p["lr"]) == (label, lr) and v is not None]
            assert cell == ("" if not of else page.js("return mrl.number(arguments[0], 3)", float(np.median(of))))
    assert table[2][3] == ""  # its runs wait
    page.js("document.querySelector('.heat tbody tr td').click()")
    assert page.js("return document.querySelector('.chooser input').value") == 'lr == 0.003 and opt == "sgd"'
    choose = (
        "const s = document.querySelectorAll('.pair select')[0]; s.value = '2'; s.dispatchEvent(new Event('change'))"
    )
    page.js(choose)
    assert page.js(text)[0][0] == "wd \\ lr" and "heat.y=wd" in page.js("return location.hash")


def test_many_values_go_into_ranges(page: Page, url: str) -> None:
    page.open(url)
    data = {
        "ids": [str(n) for n in range(100)],
        "params": [["a", list(range(100))], ["b", [n % 2 for n in range(100)]]],
    }
    metric = {"name": "m", "stat": "min", "goal": "low", "values": list(range(100))}
    page.js("document.body.append(mrl.heatmap(arguments[0], arguments[1], 0, 1))", data, metric)
    heads = page.js("return [...document.querySelectorAll('body > .scroll thead th')].map(h => h.textContent)")
    assert len(heads) == 13 and heads[1] == "0 … 7" and heads[-1] == "92 … 99"


# People who read it otherwise


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, url: str, scheme: str) -> None:
    page.open(url, scheme)
    scroll_through(page)
    page.wait("return document.querySelectorAll('.view[data-key]:not(.drawn)').length === 0")
    page.js((Path(axe_core_python.__file__).parent / "axe.min.js").read_text())
    page.driver.set_script_timeout(60)
    found = page.driver.execute_async_script(
        """const done = arguments[arguments.length - 1];
        axe.run(document, {iframes: false}).then(r => done(r.violations), e => done(String(e)))"""
    )
    assert isinstance(found, list), found
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert {v["id"]: [node["html"][:200] for node in v["nodes"][:3]] for v in serious} == {}


# One sub-experiment, and the page as a whole


def test_a_config_is_compared_with_that_of_another(page: Page, url: str) -> None:
    page.open(url)
    page.js("const d = document.querySelector('#sub-001 details.config'); d.open = true; d.scrollIntoView()")
    page.wait("return document.querySelector('#sub-001 details.config select')")
    choose = "const s = document.querySelector('#sub-001 details.config select'); s.value = arguments[0];"
    page.js(choose + "s.dispatchEvent(new Event('change'))", "009")
    page.wait("return document.querySelector('#sub-001 .diff del')")
    mine, other = grid()["001"], grid()["009"]
    differ = [key for key in mine if mine[key] != other[key]]
    found = "return [...document.querySelectorAll('#sub-001 .diff ' + arguments[0])].map(e => e.textContent).join('')"
    assert page.js(found, "ins").splitlines() == [f"+ {key}: {mine[key]}" for key in differ]
    assert page.js(found, "del").splitlines() == [f"- {key}: {other[key]}" for key in differ]
    page.js(choose + "s.dispatchEvent(new Event('change'))", "")
    assert page.js("return document.querySelector('#sub-001 .diff').hidden")
    assert page.errors() == []


def test_pictures_of_a_function_side_by_side(page: Page, url: str) -> None:
    page.open(f"{url}#side=weights")
    ready(page)
    shown = "return [...document.querySelectorAll('.gallery figure')].map(f => f.textContent.trim())"
    assert [text.split()[0] for text in page.js(shown)] == ["001", "002", "007"]
    assert page.js(shown)[2] == "007 opt adam, lr 0.003, wd 0"
    page.show(".gallery")
    page.wait("return [...document.querySelectorAll('.gallery img')].every(i => i.complete && i.naturalWidth > 100)")
    page.js(TYPE, "opt == adam")
    page.wait("return document.querySelectorAll('.gallery figure').length === 1")
    page.js(
        "const s = document.querySelector('.subs > .tools select'); s.value = ''; s.dispatchEvent(new Event('change'))"
    )
    assert page.js(shown) == [] and "side" not in page.js("return location.hash")
    assert page.errors() == []


def test_an_open_page_tells_that_it_was_made_anew(page: Page, tmp_path: Path) -> None:
    page.open(write(sweep(3), tmp_path))
    ready(page)
    page.js("mrl.lookForNewer()")
    time.sleep(0.3)
    assert not page.js("return document.querySelector('.newer')")
    (tmp_path / "data/version.js").write_bytes(pages.version({"index.html": "2"}))
    page.js("mrl.lookForNewer()")
    page.wait("return document.querySelector('.newer')")
    page.js("document.querySelector('.newer button').click()")
    page.wait("return !document.querySelector('.newer') && document.querySelector('[data-view=results].drawn')")
    page.js("mrl.lookForNewer()")
    time.sleep(0.3)
    assert not page.js("return document.querySelector('.newer')")
    assert page.errors() == []


def test_plots_are_printed_also_where_nobody_looked(page: Page, url: str) -> None:
    page.open(url)
    page.wait("return document.querySelectorAll('.view[data-key]:not(.drawn)').length === 0")
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    plots = page.js("return document.querySelectorAll('figure canvas:not(.layer)').length")
    assert base64.b64decode(printed).count(b"/Subtype /Image") >= plots > 40


def test_all_rows_are_printed(page: Page, long: str) -> None:
    page.open(long)
    ready(page)
    page.js(TYPE, "opt == sgd")
    page.js("dispatchEvent(new Event('beforeprint'))")
    assert len(ids(page)) == COUNT // 2 and not page.js("return document.querySelector('tr.space')")
    page.js("dispatchEvent(new Event('afterprint'))")
    assert len(ids(page)) < 80
