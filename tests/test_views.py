"""What a reader does with the overview: sort, filter, pick, share a link, print; in Chromium, from file://."""

from __future__ import annotations

import base64
import random
import time
from pathlib import Path

import axe_core_python
import pytest
from browser import Page, needs_chromium, scroll_through
from sample_report import LONG, grid, sweep, write

from metarunlog.report import pages
from metarunlog.report.markup import format_number

pytestmark = needs_chromium

SCROLL = "document.querySelector('table.results').closest('.scroll').scrollTop = arguments[0]"


# The results


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


def test_only_rows_in_view_are_in_the_page(page: Page, long: str) -> None:
    page.open(long)
    page.ready()
    assert page.ids()[0] == "001" and len(page.ids()) < 80
    wide = "return [...document.querySelectorAll('table.results th[data-name]')].map(th => th.offsetWidth)"
    before = page.js(wide)
    page.js(SCROLL, 10**7)
    page.wait("return document.querySelector('tr[data-id=\"1000\"]')")
    assert len(page.ids()) < 80
    assert page.js(wide) == before
    row = "const r = document.querySelector('tr[data-id=\"1000\"]').getBoundingClientRect();"
    box = "const b = document.querySelector('table.results').closest('.scroll').getBoundingClientRect();"
    assert page.js(row + box + "return r.bottom <= b.bottom + 1 && r.top > b.top")
    assert page.js("return document.querySelector('table.results').getAttribute('aria-rowcount')") == str(LONG + 1)
    link = page.js("return document.querySelector('tr[data-id=\"1000\"] a').getAttribute('href')")
    assert link == "page-10.html#sub-1000"
    assert page.errors() == []


def test_sorting_takes_all_rows_and_is_told_by_the_address(page: Page, long: str) -> None:
    page.open(long)
    page.ready()
    page.js("document.querySelector('th[data-name=\"acc.last\"] button').click()")
    assert page.ids()[:2] == ["002", "003"]
    page.js("document.querySelector('th[data-name=\"acc.last\"] button').click()")
    assert page.ids()[0] == "1000"
    page.js(SCROLL, 10**7)
    page.wait("return document.querySelector('tr[data-id=\"001\"]')")  # nan is last either way
    address = page.js("return location.href")
    assert address.endswith("#sort=-acc.last")
    page.open(address)
    page.ready()
    assert page.ids()[0] == "1000"
    page.js("document.querySelector('th[data-name=\"loss.max\"] button').click()")
    page.js("document.querySelector('th[data-name=\"loss.max\"] button').click()")
    assert page.ids()[0] == "001" and page.js("return document.querySelector('td.odd').textContent") == "inf"


def test_a_filter_leaves_rows_and_is_told_by_the_address(page: Page, long: str) -> None:
    page.open(long)
    page.ready()
    page.filter("state == failed and acc.max > 0.9")
    wanted = [f"{n:03d}" for n in range(1, LONG + 1) if n % 3 == 0 and (n - 1) / LONG > 0.9]
    assert page.ids() == wanted
    count = "return document.querySelector('.chooser .count').textContent"
    assert page.js(count) == f"{len(wanted)} of {LONG}"
    address = page.js("return location.href")
    page.filter("acc.max >")
    assert "missing" in page.js(count) and page.ids() == wanted
    assert page.js("return document.querySelector('.chooser input').getAttribute('aria-invalid')") == "true"
    page.open(address)
    page.ready()
    assert page.ids() == wanted
    page.filter("")
    assert page.js("return location.href") == long and len(page.ids()) > 20


def test_a_click_while_the_filter_is_half_typed(page: Page, long: str) -> None:
    page.open(long)
    page.ready()
    page.filter("lr < 0.05")
    page.filter("lr < 0.05 and")
    count = "return document.querySelector('.chooser .count').textContent"
    assert page.js(count) == "something is missing at the end (shown: lr < 0.05)"
    page.js("mrl.narrow.to('opt', 'sgd')")
    assert page.js("return document.querySelector('.chooser input').value") == 'lr < 0.05 and opt == "sgd"'


def test_a_place_on_the_page_keeps_the_settings(page: Page, long: str) -> None:
    page.open(f"{long}#where=lr+%3D%3D+0.1&pick=001,nobody")
    page.ready()
    assert page.js("return document.querySelector('.chooser button').textContent") == "1 picked ✕"
    page.js("document.querySelector('.contents a[href=\"#sub-experiments\"]').click()")
    assert "where=lr" in page.js("return location.hash") and page.js("return location.hash").endswith(
        "at=sub-experiments"
    )
    top = "return document.querySelector('#sub-experiments').getBoundingClientRect().top"
    assert 0 <= page.js(top) < 200
    page.driver.refresh()
    page.ready()
    page.wait(f"return (() => {{ {top} }})() < 200")
    assert page.js("return document.querySelector('.chooser input').value") == "lr == 0.1"
    page.open(f"{long}#sub-950")
    page.wait("return location.pathname.endsWith('page-10.html') && document.querySelector('#sub-950')")


def test_columns_are_chosen_and_copied(page: Page, url: str) -> None:
    page.open(url)
    page.ready()
    choose = """const labels = [...document.querySelectorAll('.menu label')];
        labels.find(l => l.textContent.trim() === arguments[0]).querySelector('input').click()"""
    for part in ("train_loss", "val_loss", "seconds", "min", "wd", "state"):
        page.js(choose, part)
    named = "[...document.querySelectorAll('table.results th[data-name]')].filter(th => !th.hidden)"
    heads = page.js(f"return {named}.map(th => th.dataset.name)")
    assert heads == ["id", "opt", "lr", "val_acc.last", "val_acc.max"]
    assert len(page.column("table.results", 4)) == 12
    page.filter("opt == adam and state == waiting")
    header, *rows = page.js("return mrl.csv()").splitlines()
    assert header == "id,opt,lr,val_acc.last,val_acc.max"
    assert rows == ["011,adam,0.3,,", "012,adam,0.3,,"]
    assert page.js("return location.hash").startswith("#hide=")
    page.driver.refresh()
    page.ready()
    assert page.js("return mrl.csv()").splitlines() == [header, *rows]


def test_orphans_are_marked_and_can_be_filtered(page: Page, url: str) -> None:
    page.open(url)
    page.ready()
    assert page.js("return document.querySelector('tr[data-id=\"010\"]').textContent").count("orphan") == 1
    assert page.js("return document.querySelector('header .counts').textContent").count("1 orphan") == 1
    page.filter("orphan")
    assert page.ids() == ["010"]
    page.filter("not orphan and opt == adam")
    assert page.ids() == ["007", "008", "009", "011", "012"]


def test_params_named_as_other_columns(page: Page, tmp_path: Path) -> None:
    page.open(write(sweep(4, names=("id", "loss", "state")), tmp_path))
    page.ready()
    page.filter("id == 0.1 and loss == sgd and loss.min < 1")  # the params
    assert page.ids() == ["002"]
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
    page.ready()
    lines = page.js("return mrl.csv()").splitlines()
    assert lines[0] == "id,lr,opt,seed,state,loss.last,loss.min,loss.max,acc.last,acc.min,acc.max"
    assert lines[1] == "001,0.1,adam,0,done,1,0.5,inf,,,"
    assert len(lines) == LONG + 1


# One choice for all views


def test_a_filter_holds_in_all_views(page: Page, url: str) -> None:
    page.open(f"{url}#where=lr+%3C+0.1+and+opt+%3D%3D+adam&effects.logy=yes")
    page.ready()
    page.wait("return document.querySelector('#fn-curves .view.drawn')")
    label = "return document.querySelector('#fn-curves .canvas').getAttribute('aria-label')"
    page.wait(f"return (() => {{ {label} }})().includes('4 lines')")
    page.show("#fn-parallel")
    page.wait("return document.querySelectorAll('#fn-parallel path.run:not(.left)').length === 4")
    assert page.js("return document.querySelectorAll('#fn-parallel path.left').length") == 8
    assert page.js("return document.querySelector('#fn-effects .tools input').checked")
    assert page.ids() == ["007", "008", "009", "010"]
    page.show("#fn-curves")
    page.filter("lr > 5")
    page.wait("return document.querySelector('#fn-curves').textContent.includes('No run is left')")
    assert page.errors() == []


def test_a_click_on_a_row_picks_it_everywhere(page: Page, url: str) -> None:
    page.open(url)
    page.ready()
    page.wait("return document.querySelector('#fn-curves .layer')")
    page.js("document.querySelector('tr[data-id=\"003\"] td').click()")
    page.js("document.querySelector('tr[data-id=\"007\"] td').click()")
    assert page.js("return location.hash") == "#pick=003%2C007"
    page.driver.refresh()
    page.ready()
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
    page.ready()
    link = page.driver.find_element("css selector", 'tr[data-id="003"] a')
    link.send_keys(Keys.SPACE)
    assert page.js("return location.hash") == "#pick=003"
    link.send_keys(Keys.SPACE)
    assert page.js("return location.hash") == ""


def test_a_legend_and_an_axis_narrow_the_filter(page: Page, url: str) -> None:
    page.open(url)
    page.ready()
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
    assert " <= val_loss.min <= " in page.js(said) and set(page.ids()) < {"007", "008", "009", "010"}
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
    page.ready()
    shown = "return [...document.querySelectorAll('.gallery figure')].map(f => f.textContent.trim())"
    assert [text.split()[0] for text in page.js(shown)] == ["001", "002", "007"]
    assert page.js(shown)[2] == "007 opt adam, lr 0.003, wd 0"
    page.show(".gallery")
    page.wait("return [...document.querySelectorAll('.gallery img')].every(i => i.complete && i.naturalWidth > 100)")
    page.filter("opt == adam")
    page.wait("return document.querySelectorAll('.gallery figure').length === 1")
    page.js(
        "const s = document.querySelector('.subs > .tools select'); s.value = ''; s.dispatchEvent(new Event('change'))"
    )
    assert page.js(shown) == [] and "side" not in page.js("return location.hash")
    assert page.errors() == []


def test_an_open_page_tells_that_it_was_made_anew(page: Page, tmp_path: Path) -> None:
    page.open(write(sweep(3), tmp_path))
    page.ready()
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
    page.ready()
    page.filter("opt == sgd")
    page.js("dispatchEvent(new Event('beforeprint'))")
    assert len(page.ids()) == LONG // 2 and not page.js("return document.querySelector('tr.space')")
    page.js("dispatchEvent(new Event('afterprint'))")
    assert len(page.ids()) < 80
