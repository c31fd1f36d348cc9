"""The report in a real browser, opened from file:// with the network off."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from browser import Page, needs_chromium, scroll_through
from sample_report import HOSTILE, grid, hostile_report, write

pytestmark = needs_chromium


def test_nothing_is_wrong_and_nothing_leaves_the_machine(page: Page, url: str) -> None:
    page.open(url)
    scroll_through(page)
    page.wait("return document.querySelectorAll('.view[data-key]:not(.drawn)').length === 0")
    assert page.js("return document.querySelectorAll('#sub-003 canvas').length") > 0
    assert page.errors() == []
    assert page.requests() == []


def test_plots_are_loaded_when_they_come_into_view(page: Page, url: str) -> None:
    page.open(url)
    page.wait("return document.querySelector('#fn-curves .view.drawn')")
    assert page.js("return document.querySelector('#sub-012') && !document.querySelector('#sub-006 .view.drawn')")
    page.show("#sub-006 .view")
    page.wait("return document.querySelector('#sub-006 .view.drawn canvas')")


def test_curves_are_drawn(page: Page, url: str) -> None:
    page.open(url)
    canvas = "#fn-curves figure canvas"
    page.wait("return document.querySelector('#fn-curves .view.drawn')")
    page.wait(f"return document.querySelector('{canvas}').width > 100")
    time.sleep(0.2)
    before = page.ink(canvas)
    assert before > 500
    labels = "[...document.querySelectorAll('#fn-curves .tools label')]"
    page.js(f"{labels}.find(l => l.textContent.includes('log y')).querySelector('input').click()")
    time.sleep(0.2)
    assert page.ink(canvas) != before and page.ink(canvas) > 500
    assert page.js("return document.querySelectorAll('#fn-curves figure').length") == 4


def test_effects_are_drawn_and_parallel_has_a_line_a_run(page: Page, url: str) -> None:
    page.open(url)
    page.show("#fn-effects")
    page.wait("return document.querySelector('#fn-effects .view.drawn') && document.querySelector('#fn-parallel svg')")
    time.sleep(0.2)
    assert page.ink("#fn-effects figure canvas") > 50
    assert page.js("return document.querySelectorAll('#fn-parallel path.run').length") == 10
    assert page.js("return document.querySelectorAll('#fn-parallel path.lost').length") == 2


def test_a_diverged_run_does_not_flatten_the_others(page: Page, url: str) -> None:
    page.open(url)
    assert page.js("return mrl.plot.farLimits([0.2, 0.3, 0.25, 0.4, 0.8, 3260])") == [0.2, 0.8]
    assert page.js("return mrl.plot.farLimits([0.2, 0.3, 0.25, 0.4, 0.8])") is None
    curve = "[...Array(40).keys()].map(k => 2 / (k + 1))"
    assert page.js(f"return mrl.plot.outlierLimits({curve})") is None
    assert page.js(f"return mrl.plot.outlierLimits([...{curve}, 1e9])[1]") < 10


def test_pointer_on_a_curve_names_the_run_everywhere(page: Page, url: str) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    page.open(url)
    page.wait("return document.querySelector('#fn-curves .u-over')")
    page.show("#fn-curves figure")
    over = page.driver.find_element(By.CSS_SELECTOR, "#fn-curves figure .u-over")
    left, bottom = -over.size["width"] // 2 + 8, over.size["height"] // 2
    for up in range(20, bottom * 2, 12):
        ActionChains(page.driver, duration=0).move_to_element_with_offset(over, left, bottom - up).perform()
        if page.js("return document.querySelector('#fn-curves .tip:not([hidden])')"):
            break
    tip = page.js("return [...document.querySelectorAll('#fn-curves .tip:not([hidden]) div')].map(d => d.textContent)")
    assert tip[0] in grid() and tip[1].startswith("train_loss ") and tip[2].startswith("opt ")
    assert page.js("return document.querySelector('tr.hover').dataset.id") == tip[0]


def test_a_click_on_a_header_sorts(page: Page, url: str) -> None:
    page.open(url)
    table = "table.results"
    click = "document.querySelectorAll('table.results th[data-name=\"train_loss.last\"] button')[0].click()"
    assert page.column(table, 0) == sorted(grid())
    assert page.js("return document.querySelector('th[data-name=lr]').getAttribute('aria-sort')") == "none"
    page.js(click)
    losses = page.column(table, 5)
    assert [float(x) for x in losses[:9]] == sorted(float(x) for x in losses[:9])
    assert set(losses[9:]) == {"nan", "–"}
    page.js(click)
    losses = page.column(table, 5)
    assert [float(x) for x in losses[:9]] == sorted((float(x) for x in losses[:9]), reverse=True)
    assert set(losses[9:]) == {"nan", "–"}
    state = "return document.querySelector('th[data-name=\"train_loss.last\"]').getAttribute('aria-sort')"
    assert page.js(state) == "descending"


def test_filter_keeps_what_matches(page: Page, url: str) -> None:
    page.open(url)
    for words, ids in [
        ("lr<0.1 opt=adam", ["007", "008", "009", "010"]),
        ("wait", ["011", "012"]),
        ("state!=done", ["004", "008", "011", "012"]),
        ("val_acc.max>=0.96", ["009", "010"]),
        ("", sorted(grid())),
    ]:
        page.filter(words)
        assert page.column("table.results", 0) == ids, words


def test_rows_lead_to_their_sub_experiments(page: Page, url: str) -> None:
    page.open(url)
    page.js("document.querySelector('tr[data-id=\"005\"] a').click()")
    assert page.js("return location.hash") == "#sub-005"
    page.wait("const r = document.querySelector('#sub-005').getBoundingClientRect(); return r.top >= 0 && r.top < 200")


def test_bokeh_and_html_are_drawn_in_their_frames(page: Page, url: str) -> None:
    from selenium.webdriver.common.by import By

    page.open(url)
    page.show("#fn-confusion iframe")
    bokeh, html = page.driver.find_elements(By.CSS_SELECTOR, "#fn-confusion iframe")
    assert {frame.get_attribute("sandbox") for frame in (bokeh, html)} == {"allow-scripts"}
    page.driver.switch_to.frame(bokeh)
    drawn = """const canvas = []; const look = (n) => { n.querySelectorAll('*').forEach(e => {
        if (e.tagName === 'CANVAS') canvas.push(e); if (e.shadowRoot) look(e.shadowRoot); }) }; look(document);
        const colours = c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size;
        return canvas.some(c => c.width > 100 && colours(c) > 9)"""
    page.wait(drawn)
    page.driver.switch_to.default_content()
    page.driver.switch_to.frame(html)
    assert "script ran: 42" in page.js("return document.body.textContent")
    assert page.js("try { return parent.document.title } catch (e) { return 'refused' }") == "refused"
    page.driver.switch_to.default_content()
    page.wait("return document.querySelectorAll('#fn-confusion iframe')[1].clientHeight < 200")
    assert page.errors() == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 390), ("dark", 1300)])
def test_page_does_not_overflow(page: Page, url: str, scheme: str, width: int) -> None:
    page.open(url, scheme, width)
    scroll_through(page)
    assert page.js("return document.documentElement.scrollWidth") <= width
    ground = page.js("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")


def test_everything_but_plots_is_there_without_scripts(page: Page, url: str) -> None:
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.driver.get(url)
        text = page.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": "document.body.textContent"})
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    shown = text["result"]["value"]
    for part in (
        "What this sweep asks",
        "0.991235",
        "embedding failed",
        "python ../code/train.py",
        "plots need JavaScript",
    ):
        assert part in shown


def test_a_hostile_report_runs_nothing(page: Page, tmp_path: Path) -> None:
    page.open(write(hostile_report(tmp_path), tmp_path))
    scroll_through(page)
    page.wait("return document.querySelector('#fn-curves .drawn') && document.querySelector('#fn-parallel .drawn')")
    # names and values come back as text where scripts put them
    assert page.js("return document.querySelector('#fn-curves figcaption').textContent") == HOSTILE
    page.wait("return document.querySelector('.heat')")
    assert HOSTILE in page.js("return document.querySelector('.heat').textContent")
    page.js("document.querySelectorAll('details').forEach(d => { d.open = true })")
    # what is clicked goes into the filter and the address, and back
    page.js("document.querySelectorAll('#fn-curves .legend button, .heat button, .heat td').forEach(b => b.click())")
    page.js("document.querySelector('table.results tr[data-id] td').click()")
    page.js(
        "document.querySelectorAll('.menu input')[1].click(); document.querySelector('th[data-name] button').click()"
    )
    page.filter(HOSTILE)
    page.js("mrl.narrow.to(arguments[0], arguments[0])", HOSTILE)
    assert page.js("return document.querySelectorAll('table.results tr[data-id]').length") == 1
    page.driver.refresh()
    page.ready()
    scroll_through(page)
    assert page.js("return window.pwned") is None
    assert page.js("return document.querySelectorAll('main script, [onerror]').length") == 0
    # nothing got so far that the policy had to stop it
    assert not [line for line in page.errors() if "Content Security Policy" in line]


def test_missing_data_is_told(page: Page, tmp_path: Path) -> None:
    address = write(hostile_report(tmp_path), tmp_path)
    (tmp_path / "data" / "curves.js").unlink()
    page.open(address)
    page.show("#fn-curves")
    page.wait(
        "return document.querySelector('#fn-curves .view').textContent === 'Not shown: data/curves.js is missing.'"
    )
