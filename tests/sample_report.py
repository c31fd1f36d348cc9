"""Reports for the tests to show: one of all kinds of content, made from files as runs leave them, and a hostile one."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from metarunlog import analysis
from metarunlog.analysis.plots import plots, text
from metarunlog.report import blocks, pages
from metarunlog.report.model import Report, SubExp

HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>\"'`{{7*7}}<!--\u2028"
LONG = 1000  # sub-experiments of a long report
STATES = {"004": "failed", "008": "failed", "011": "waiting", "012": "waiting"}
NOTE = """\
### What this sweep asks

Does *Adam* keep its lead over SGD once the learning rate is tuned? The grid crosses `opt`, `lr` and `wd`.

| run | remark |
|----:|--------|
| 004 | diverged, `lr` too high |
| 008 | machine rebooted |
"""


def experiment(root: Path) -> Path:
    """Twelve sub-experiments of a project as mrl and a training run leave them: one diverged, two not started."""
    folder = root / "exp" / "0003"
    folder.mkdir(parents=True)
    (root / ".mrl.cfg").write_text(
        '{"name": "digits", "outdir": "exp", "run": "python train.py", "logs": {"log": "metrics.csv"}}'
    )
    (folder / ".mrl").write_text('{"expId": 3}')
    (folder / ".mrl.cfg").write_text("{}")
    for number, (id, params) in enumerate(grid().items()):
        sub = folder / id
        sub.mkdir()
        (sub / ".mrl").write_text(json.dumps({"params": {**params, "subExpId": id}}))
        (sub / "conf.yaml").write_text("".join(f"{key}: {value}\n" for key, value in params.items()))
        if STATES.get(id) != "waiting":
            train(sub, params, number)
    return folder


def grid() -> dict[str, dict[str, Any]]:
    points = [(opt, lr, wd) for opt in ("sgd", "adam") for lr in (0.003, 0.03, 0.3) for wd in (0.0, 0.0001)]
    points[2:4], points[4:6] = points[4:6], points[2:4]
    return {
        f"{number:03d}": {"opt": opt, "lr": lr, "wd": wd, "hidden": 64, "epochs": 40}
        for number, (opt, lr, wd) in enumerate(points, 1)
    }


def train(sub: Path, params: dict[str, Any], number: int) -> None:
    rng = random.Random(number)
    speed = {0.003: 0.04, 0.03: 0.14, 0.3: 0.3}[params["lr"]] * (1.5 if params["opt"] == "adam" else 1)
    rows = ["epoch,train_loss,val_loss,val_acc,seconds"]
    for epoch in range(1, 41):
        loss = 0.08 + 2.2 * math.exp(-speed * epoch) + rng.gauss(0, 0.015)
        if sub.name == "004" and epoch > 12:
            loss = 2.4 * 3 ** (epoch - 12) if epoch < 22 else math.nan
        if sub.name == "008" and epoch > 25:
            break
        val = loss + 0.05 + 0.004 * epoch * speed + rng.gauss(0, 0.02)
        acc = 0.1 if not loss < 3 else max(0.1, 1 - val / 2.6)
        rows.append(f"{epoch},{loss:.5f},{val:.5f},{acc:.4f},{epoch * 1.31:.2f}")
    (sub / "metrics.csv").write_text("\n".join(rows) + "\n")
    bars = "".join(f"\rbatch {i}/90 " for i in range(90))
    log = [f"\x1b[32mINFO\x1b[0m epoch {row.split(',')[0]}: loss {row.split(',')[1]}" for row in rows[1:]]
    tail = ["Traceback (most recent call last):", '  File "train.py", line 88, in <module>', "KeyboardInterrupt"]
    (sub / "run.log").write_text("\n".join([bars, *log, *(tail if sub.name == "008" else [])]) + "\n")
    record = {
        "state": STATES.get(sub.name, "done"),
        "command": f"python ../code/train.py --conf conf.yaml --out {sub.name}",
        "started": f"2026-03-02T09:{number:02d}:00+01:00",
        "ended": f"2026-03-02T09:{number:02d}:52+01:00",
        "exitCode": 1 if sub.name in ("004", "008") else 0,
        "host": "node07",
    }
    (sub / ".mrl.run").write_text(json.dumps(record))


def sample(root: Path) -> tuple[Report, Path]:
    """A report of all kinds of content, and its analysis folder (figures are written there)."""
    import pandas as pd
    from bokeh.plotting import figure
    from matplotlib.figure import Figure

    folder = experiment(root)
    outdir = folder / "analysis"
    ids = sorted(grid())
    frame = pd.DataFrame.from_dict(grid(), orient="index")
    frame["subExpId"] = ids

    def made(returned: Any, stem: str) -> tuple[dict[str, Any], ...]:
        return tuple(blocks.load_section(blocks.dump_section(blocks.to_blocks(returned, outdir, stem)[0], stem))[1])

    confusion = pd.DataFrame(
        [[0.991234567, 12, "ok"], [math.nan, 3, "few samples"], [0.25, 1200, None]],
        columns=["recall", "count", "remark"],
        index=pd.Index(["zero", "one", "two"], name="digit"),
    )
    picture = Figure(figsize=(5, 3))
    axes = picture.subplots()
    axes.plot([1, 2, 3, 4], [1, 4, 2, 3], label="weights")
    axes.legend()
    bokeh = figure(width=600, height=260, title="Margins", sizing_mode="stretch_width")
    bokeh.line([1, 2, 3, 4], [3, 1, 4, 2], line_width=2)
    html = "<p id=own>My own <b>HTML</b></p><script>document.body.append('script ran: ' + (6 * 7))</script>"
    user = [
        (confusion, "table", "Recall by digit"),
        (picture, "plot", "Weights"),
        (bokeh, "bokeh", "Margins (Bokeh)"),
        (html, "html", "Free HTML"),
        ("Some *Markdown* from a function.\n\n```\ncode\n```", "text"),
    ]
    failed = blocks.error_block(
        "embedding",
        "ValueError: perplexity must be less than n_samples",
        'Traceback (most recent call last):\n  File "mrl_analyze.py", line 31, in embedding\n    tsne.fit(x)\n',
    )
    overview = [
        *((name, made(function(str(folder), ids, frame), name)) for name, function in analysis.OVERVIEW.items()),
        ("confusion", made(user, "confusion")),
        ("embedding", (failed,)),
    ]
    subexps = []
    for id, params in grid().items():
        state = STATES.get(id, "done")
        sections: list[Any] = []
        if state != "waiting":
            sections = [("card", made(analysis.card(str(folder / id), id, {**params, "subExpId": id}), f"{id}.card"))]
        if id in ("001", "002", "007"):
            drawn = Figure(figsize=(3, 2))
            drawn.subplots().bar(["a", "b"], [int(id), params["lr"]])
            sections.append(("weights", made([(drawn, "plot", "Weights")], f"{id}.weights")))
        subexps.append(SubExp(id, params, state, sections=tuple(sections), partial=id == "008", orphan=id == "010"))
    report = Report(
        project="digits",
        expId=3,
        description="Adam against SGD on the handwritten digits",
        gitHash="3f9c2d17ab5e8d9c0f1e2d3c4b5a69788796a5b4",
        gitDescription="Anneal the learning rate",
        dirty=True,
        timestamp="2026-03-02T08:58:12+01:00",
        user="sinclair",
        note=NOTE,
        overview=tuple(overview),
        subexps=tuple(subexps),
        stale=("effects",),
    )
    return report, outdir


def sweep(count: int, names: Sequence[str] = ("lr", "opt", "seed")) -> Report:
    """A results table of so many sub-experiments with three params, as from logs with two metrics."""
    import pandas as pd

    from metarunlog.analysis import overview

    ids = [f"{n:03d}" for n in range(1, count + 1)]
    points = [(lr, opt, seed) for seed in range(count) for lr in (0.1, 0.01, 0.001) for opt in ("adam", "sgd")]
    params = {id: dict(zip(names, point)) for id, point in zip(ids, points)}
    loss = [round(1 / (n + 1) + n % 7, 4) for n in range(count)]
    found = {"loss": dict(zip(overview.sweep.STATS, (loss, [x / 2 for x in loss], [math.inf] + [9.5] * (count - 1))))}
    found["acc"] = {name: [math.nan] + [n / count for n in range(1, count)] for name in overview.sweep.STATS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overview.sweep, "metrics", lambda *_: found)
        made = overview.results("", ids, pd.DataFrame.from_dict(params, orient="index"))
    block = blocks.load_section(blocks.dump_section([{"type": "view", "header": None, "data": made[0][0]}], "results"))
    subexps = tuple(SubExp(id, params[id], "done" if int(id) % 3 else "failed") for id in ids)
    return Report("p", 1, overview=(("results", tuple(block[1])),), subexps=subexps)


def whole(report: Report) -> dict[str, bytes]:
    """All files of a report."""
    made = pages.build(report)
    shared = pages.assets(frozenset[str]().union(*(page.scripts for page in made)))
    shared[pages.VERSION] = pages.version({name: "1" for page in made for name in page.files if name.endswith(".html")})
    return {**shared, **{name: content for page in made for name, content in page.files.items()}}


def write(report: Report, outdir: Path) -> str:
    """The address of the first page."""
    for name, content in whole(report).items():
        path = outdir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return (outdir / report.outfn).as_uri()


def hostile_report(outdir: Path) -> Report:
    """Markup that would set window.pwned wherever text can come from outside."""
    import pandas as pd

    frame = pd.DataFrame({HOSTILE: [HOSTILE, 1]}, index=pd.Index([HOSTILE, "b"], name=HOSTILE))
    returned = [(frame, "table", HOSTILE), (HOSTILE, "text", HOSTILE)]
    made, _ = blocks.to_blocks(returned, outdir, "s")
    params: list[Any] = [[HOSTILE, [HOSTILE, 2]], [f"{HOSTILE}2", ["a", HOSTILE]]]
    line = {"id": "001", "y": [1, 2]}
    metric = {"name": HOSTILE, "goal": "low", "xlabel": HOSTILE, "grids": [[1, 2]], "lines": [line]}
    data = {"ids": text(["001"]), "params": text(params), "metrics": text([metric])}
    curves = plots("curves", [HOSTILE], data, [HOSTILE])
    metric = {"name": HOSTILE, "stat": "min", "goal": "low", "values": [1, 2]}
    data = {"ids": text(["001", "002"]), "params": text(params), "metrics": text([metric])}
    points = {view: plots(view, [HOSTILE], data) for view in ("effects", "parallel")}
    rows = [[id, [HOSTILE], [[1, 2, 3]]] for id in ("001", "002")]
    heads = [{"name": HOSTILE, "goal": "low", "best": [1, None, None]}]
    columns = {"params": text([[HOSTILE, [HOSTILE, 2]]]), "ids": text(["001", "002"])}
    columns["metrics"] = text([{**heads[0], "stats": [[1, 2], [2, 2], [3, 3]]}])
    results = {**plots("results", [], columns), "params": [HOSTILE], "same": [[HOSTILE, HOSTILE]]}
    results |= {"metrics": heads, "rows": rows, "total": 2}
    card = {"id": "001", "params": [[HOSTILE, HOSTILE]], "config": [{"name": HOSTILE, "text": HOSTILE}]}
    card |= {"log": {"lines": [HOSTILE, "\x00\x1b[0m"], "cut": True}, "curves": curves}
    card["run"] = {
        "state": HOSTILE,
        "command": HOSTILE,
        "started": HOSTILE,
        "ended": HOSTILE,
        "seconds": 1.0,
        "exitCode": HOSTILE,
        "host": HOSTILE,
        "gitHash": HOSTILE,
    }

    def view(name: str, data: dict[str, Any]) -> dict[str, Any]:
        return {"type": "view", "header": HOSTILE, "data": {"view": name, **data}}

    overview: list[tuple[str, tuple[dict[str, Any], ...]]] = [
        ("results", (view("results", results),)),
        ("curves", (view("curves", curves),)),
        ("effects", (view("effects", points["effects"]),)),
        ("parallel", (view("parallel", points["parallel"]),)),
        ("mine", tuple(made)),
        ("bad", (blocks.error_block(HOSTILE, HOSTILE, HOSTILE), blocks.waiting_block(HOSTILE))),
    ]
    subexps = (
        SubExp("001", {HOSTILE: HOSTILE}, "failed", True, (HOSTILE,), True, (("card", (view("card", card),)),)),
        SubExp("002", {HOSTILE: 2}, HOSTILE),
    )
    texts = (HOSTILE,) * 3
    return Report(HOSTILE, 1, *texts, True, *(HOSTILE,) * 5, tuple(overview), subexps, ("curves",))
