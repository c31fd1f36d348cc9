"""The plots of the overview: means, medians, smoothing, clocks, axes, the heat map; in Chromium."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from browser import Page, needs_chromium
from sample_report import grid

pytestmark = needs_chromium


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
    rows = "return mrl.groups.alike(4, arguments[0])"
    assert page.js(rows, [[1, 1, 2, 2]]) == [[0, 1], [2, 3]]
    assert page.js(rows, [[1, 1, 2, 2], ["a", "b", "a", "a"]]) == [[0], [1], [2, 3]]
    assert page.js(rows, []) == [[0, 1, 2, 3]]
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
        "const s = document.querySelectorAll('#mine select')[1]; s.value = '-'; s.dispatchEvent(new Event('change'))"
    )
    assert page.js(label) == "m over step, 4 lines"
    assert page.js("return location.hash") == "#curves.mean=-"
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
        "const s = document.querySelectorAll('#mine select')[0]; s.value = 'seed'; s.dispatchEvent(new Event('change'))"
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
    page.open(f"{url}#curves.logy=yes&curves.smooth=much&curves.by=wd&curves.mean=no+such")
    page.wait("return document.querySelector('#fn-curves .view.drawn')")
    tools = "#fn-curves .tools"
    values = f"return [...document.querySelectorAll('{tools} select')].map(s => s.value)"
    assert page.js(values) == ["wd", "-", "much", "-"]
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
