"""The built-in analysis functions on small data: the shapes that the report relies on."""

from __future__ import annotations

import inspect
import json
import math
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metarunlog import analysis
from metarunlog.analysis import goals, learning_curves, logtail, overview, thin, values
from metarunlog.errors import MrlError

PARAMS = {
    "001": {"seed": 1, "lr": 0.1, "opt": "sgd"},
    "002": {"seed": 1, "lr": 0.01, "opt": "sgd"},
    "003": {"seed": 1, "lr": 0.01, "opt": "adam"},
}
LOGS = {
    "001": "step,loss,acc\n1,2.0,0.1\n2,1.0,0.5\n3,0.5,0.8\n",
    "002": "step,loss,acc\n1,2.5,0.1\n2,9e9,0.2\n3,nan,0.1\n",
}


@pytest.fixture
def exp(tmp_path: Path) -> Path:
    """An experiment of three: one done, one diverged, one without a log."""
    folder = tmp_path / "exp" / "0001"
    folder.mkdir(parents=True)
    (tmp_path / ".mrl.cfg").write_text('{"name": "p", "outdir": "exp", "logs": {"log": "log.csv"}}')
    (folder / ".mrl").write_text('{"expId": 1}')
    (folder / ".mrl.cfg").write_text("{}")
    for id, params in PARAMS.items():
        (folder / id).mkdir()
        (folder / id / ".mrl").write_text(json.dumps({"params": {**params, "subExpId": id}}))
        if id in LOGS:
            (folder / id / "log.csv").write_text(LOGS[id])
    (folder / "001" / ".mrl.run").write_text('{"state": "done"}')
    return folder


@pytest.fixture
def dparams() -> pd.DataFrame:
    frame = pd.DataFrame.from_dict(PARAMS, orient="index")
    return frame.assign(subExpId=frame.index)


def view_of(returned: Any) -> dict[str, Any]:
    [(data, rtype, header)] = returned
    assert (rtype, header) == ("view", None)
    json.dumps(data, allow_nan=False)
    return dict(data)


def drawn(view: dict[str, Any]) -> dict[str, Any]:
    """What the script of a view gets."""
    found: dict[str, Any] = json.loads(view["json"])
    assert found["view"] == view["view"] and [metric["name"] for metric in found["metrics"]] == view["metrics"]
    return found


def test_exported_functions_have_a_version_and_known_parameters() -> None:
    functions = {**analysis.OVERVIEW, **analysis.SUBEXP}
    assert list(functions) == ["results", "curves", "effects", "parallel", "card"] == list(analysis.VERSIONS)
    known = {"expDir", "subExpDir", "outdir", "subExpIds", "subExpId", "Dparams", "params"}
    for function in functions.values():
        named = [p for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert {p.name for p in named} <= known


def test_import_is_light() -> None:
    heavy = {"pandas", "numpy", "bokeh", "jinja2", "markdown", "nh3", "matplotlib"}
    code = (
        "import sys, metarunlog.analysis, metarunlog.report.pages, metarunlog.report.blocks;"
        f" print(sorted({heavy} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert done.stdout.strip() == "[]"


def test_results_has_a_row_each_and_varying_params_first(exp: Path, dparams: pd.DataFrame) -> None:
    view = view_of(analysis.results(str(exp), list(PARAMS), dparams))
    assert view["params"] == ["lr", "opt"] and view["same"] == [["seed", 1]] and view["total"] == 3
    loss = {"name": "loss", "goal": "low", "best": [None, 0.5, None]}
    acc = {"name": "acc", "goal": "high", "best": [0.8, None, 0.8]}
    assert view["metrics"] == [loss, acc]
    assert view["rows"] == [
        ["001", [0.1, "sgd"], [[0.5, 0.5, 2.0], [0.8, 0.1, 0.8]]],
        ["002", [0.01, "sgd"], [[{"n": "nan"}, 2.5, 9e9], [0.1, 0.1, 0.2]]],
        ["003", [0.01, "adam"], [[None] * 3, [None] * 3]],
    ]
    assert json.loads(view["json"]) == {
        "view": "results",
        "ids": list(PARAMS),
        "params": [["lr", [0.1, 0.01, 0.01]], ["opt", ["sgd", "sgd", "adam"]]],
        "metrics": [
            {**loss, "stats": [[0.5, {"n": "nan"}, None], [0.5, 2.5, None], [2.0, 9e9, None]]},
            {**acc, "stats": [[0.8, 0.1, None], [0.1, 0.1, None], [0.8, 0.2, None]]},
        ],
    }


def test_best_values_are_the_lowest_loss_and_the_highest_score_where_values_differ() -> None:
    nan = {"n": "nan"}
    assert overview._best("low", [[3.0, 2.0, nan, None], [1.0, 1.0], [9.0, 8.0]]) == [2.0, None, None]
    assert overview._best("high", [[1.0, nan], [0.0, 1.0], [5.0, 7.0, {"n": "inf"}]]) == [None, None, 7.0]
    assert overview._best(None, [[1.0, 2.0]] * 3) == [None] * 3


def test_only_the_first_rows_stand_in_the_page(
    exp: Path, dparams: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "FIRST_ROWS", 2)
    view = view_of(analysis.results(str(exp), list(PARAMS), dparams))
    assert [row[0] for row in view["rows"]] == ["001", "002"] and view["total"] == 3
    assert json.loads(view["json"])["ids"] == list(PARAMS)


def test_results_restricted_to_named_metrics(exp: Path, dparams: pd.DataFrame) -> None:
    view = view_of(analysis.results(str(exp), list(PARAMS), dparams, "acc"))
    assert [metric["name"] for metric in view["metrics"]] == ["acc"]
    with pytest.raises(MrlError, match="no log has a metric 'los'; there are: loss, acc"):
        analysis.results(str(exp), list(PARAMS), dparams, "los")


def test_results_without_any_log(exp: Path, dparams: pd.DataFrame) -> None:
    for id in LOGS:
        (exp / id / "log.csv").unlink()
    view = view_of(analysis.results(str(exp), list(PARAMS), dparams, "acc"))
    assert view["metrics"] == [] and len(view["rows"]) == 3
    assert drawn(view_of(analysis.curves(str(exp), list(PARAMS), dparams)))["metrics"] == []
    assert drawn(view_of(analysis.effects(str(exp), list(PARAMS), dparams)))["metrics"] == []


def test_curves_share_an_axis_and_show_where_a_run_ended(exp: Path, dparams: pd.DataFrame) -> None:
    view = view_of(analysis.curves(str(exp), list(PARAMS), dparams))
    data = drawn(view)
    assert data["ids"] == ["001", "002", "003"] and view["partial"] == []
    assert data["params"] == [["lr", [0.1, 0.01, 0.01]], ["opt", ["sgd", "sgd", "adam"]]]
    loss, acc = data["metrics"]
    assert (loss["name"], loss["xlabel"], loss["grids"]) == ("loss", "step", [[1, 2, 3], [1, 2]])
    assert loss["lines"] == [
        {"id": "001", "y": [2, 1, 0.5]},
        {"id": "002", "y": [2.5, 9e9], "end": {"x": 3, "kind": "nan"}, "grid": 1},
    ]
    assert "end" not in acc["lines"][1]


def test_curves_of_sparse_columns_of_several_tables(exp: Path, dparams: pd.DataFrame) -> None:
    for id in LOGS:
        (exp / id / "log.csv").write_text("step,loss,val\n1,3,\n2,2,0.5\n3,1,\n4,1,0.4\n5,1,\n")
        (exp / id / "eval.csv").write_text("loss\n7\n8\n")
    config = exp.parents[1] / ".mrl.cfg"
    config.write_text('{"name": "p", "outdir": "exp", "logs": {"log": "log.csv", "eval": "eval.csv"}}')
    view = view_of(analysis.curves(str(exp), list(PARAMS), dparams))
    plots = {plot["name"]: plot for plot in drawn(view)["metrics"]}
    assert list(plots) == ["log/loss", "val", "eval/loss"]
    assert plots["val"]["grids"] == [[2, 4]]
    assert plots["val"]["lines"][0] == {"id": "001", "y": [0.5, 0.4]}  # an empty cell is not the end of a run
    assert (plots["eval/loss"]["xlabel"], plots["eval/loss"]["grids"]) == ("row", [[1, 2]])


def test_curves_go_by_row_where_one_has_no_axis(exp: Path, dparams: pd.DataFrame) -> None:
    (exp / "002" / "log.csv").write_text("loss,acc\n3,0.1\n4,0.2\n")
    [loss] = drawn(view_of(analysis.curves(str(exp), list(PARAMS), dparams, "loss")))["metrics"]
    assert (loss["xlabel"], loss["grids"]) == ("row", [[1, 2, 3], [1, 2]])
    assert [line["y"] for line in loss["lines"]] == [[2, 1, 0.5], [3, 4]]


def test_curves_of_runs_that_share_no_x_are_put_on_one_axis() -> None:
    rng = np.random.default_rng(1)

    def run(by_row: bool) -> learning_curves.Run:
        x = np.sort(rng.random(50) * 1000)
        frame = pd.DataFrame({"time": x, "loss": x * 2})
        frame.attrs["x"] = "time"
        return learning_curves.run_of({"log": frame}, 60, by_row=by_row)

    def runs(ids: Sequence[str], by_row: bool) -> dict[str, learning_curves.Run]:
        return {id: run(by_row) for id in ids}

    data = drawn(learning_curves.plots_of([f"{i:03}" for i in range(200)], runs, 60))
    [loss] = data["metrics"]
    positions = sorted(set().union(*loss["grids"]))
    assert len(positions) <= 60 and positions[0] >= 0 and positions[-1] <= 1016 and len(loss["lines"]) == 200
    for line in loss["lines"]:
        grid = loss["grids"][line.get("grid", 0)]
        assert len(grid) == len(line["y"]) and grid == sorted(set(grid))
        assert all(abs(y - 2 * x) <= 2 * (positions[1] - positions[0]) * 2 for x, y in zip(grid, line["y"]))


@pytest.mark.parametrize(("runs", "each"), [(1, 300), (400, 300), (401, 150), (1000, 74), (10_000, 60)])
def test_a_plot_of_many_lines_has_fewer_points_each(runs: int, each: int) -> None:
    assert learning_curves.points(runs) == each


def test_effects_start_with_the_metric_that_matters(exp: Path, dparams: pd.DataFrame) -> None:
    view = drawn(view_of(analysis.effects(str(exp), list(PARAMS), dparams)))
    assert [name for name, _ in view["params"]] == ["lr", "opt"]
    assert view["metrics"][0] == {"name": "loss", "stat": "min", "goal": "low", "values": [0.5, 2.5, None]}
    assert view["metrics"][1]["stat"] == "max"
    assert drawn(view_of(analysis.parallel(str(exp), list(PARAMS), dparams)))["metrics"] == view["metrics"]


def test_card_collects_what_a_run_left(exp: Path) -> None:
    folder = exp / "001"
    (folder / "conf.yaml").write_text("lr: 0.1\n")
    (folder / "run.log").write_bytes(
        b"start\n" + b"\r10%\r\x1b[31m100%\x1b[0m\n" + b"\xff bytes\n" + b"x" * 900 + b"\n"
    )
    record = {
        "state": "failed",
        "command": ["python", "train.py"],
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:01:30+00:00",
        "exitCode": 2,
    }
    (folder / ".mrl.run").write_text(json.dumps(record))
    view = view_of(analysis.card(str(folder), "001", {**PARAMS["001"], "subExpId": "001"}))
    assert view["params"] == [["seed", 1], ["lr", 0.1], ["opt", "sgd"]]
    assert view["run"]["command"] == "python train.py" and view["run"]["seconds"] == 90 and view["run"]["exitCode"] == 2
    assert view["config"] == [{"name": "conf.yaml", "text": "lr: 0.1\n"}]
    assert view["log"]["lines"][:3] == ["start", "100%", "\ufffd bytes"] and not view["log"]["cut"]
    assert view["log"]["lines"][3] == "x" * 300 + "…"
    assert drawn(view["curves"])["metrics"][0]["grids"] == [[1, 2, 3]] and view["curves"]["metrics"] == ["loss", "acc"]


def test_card_of_a_run_from_elsewhere(exp: Path) -> None:
    view = view_of(analysis.card(str(exp / "003"), "003", PARAMS["003"], "net.json"))
    assert view["run"] is None and view["log"] is None and view["curves"]["metrics"] == []
    assert view["config"] == [{"name": "net.json", "text": None}]
    assert view_of(analysis.card(str(exp / "003"), "003", PARAMS["003"]))["config"] == []
    (exp / "003" / ".mrl.run").write_text('{"state": "run')
    assert view_of(analysis.card(str(exp / "003"), "003", PARAMS["003"]))["run"] is None


def test_log_end_of_a_long_log(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_text("".join(f"line {n} {'.' * 100}\n" for n in range(9000)))
    found = logtail.log_end(path)
    assert found is not None and found["cut"] and len(found["lines"]) == 40
    assert found["lines"][-1].startswith("line 8999 ") and found["lines"][0].startswith("line 8960 ")
    path.write_text("")
    assert logtail.log_end(path) == {"lines": [], "cut": False}


def xs(n: int) -> Any:
    return np.arange(1, n + 1, dtype=float)


def test_thin_keeps_spikes() -> None:
    y = np.sin(xs(100_000) / 5000)
    y[43_210] = 77.0
    y[60_001] = -55.0
    line = thin.thin(thin.Series(xs(100_000), y))
    assert len(line.x) == len(line.y) <= 300 and line.end is None
    assert 77 in line.y and -55 in line.y
    assert (np.diff(line.x) > 0).all() and line.x[0] <= 1 and 100_000 <= line.x[-1] <= 100_128
    assert abs(line.x[list(line.y).index(77)] - 43_211) < 100_000 / 100


def test_thin_shows_divergence_and_gaps() -> None:
    y = np.linspace(1, 2, 5000)
    y[2000:2100] = np.nan
    y[4000:] = np.inf
    line = thin.thin(thin.Series(xs(5000), y))
    assert line.end == {"x": 4001, "kind": "inf"} and np.isnan(line.y).any() and line.x[-1] <= 4004
    short = thin.thin(thin.Series(xs(3), np.array([1.0, np.inf, 3.0])))
    assert np.array_equal(short.y, [1, np.nan, 3], equal_nan=True)


def test_thin_of_a_resumed_run_takes_the_newest() -> None:
    line = thin.thin(thin.Series(np.array([1.0, 2, 3, 2, 3, 4]), np.array([9.0, 9, 9, 1, 2, 3])))
    assert line.x.tolist() == [1, 2, 3, 4] and line.y.tolist() == [9, 1, 2, 3]


def test_thin_of_nothing_but_nan() -> None:
    line = thin.thin(thin.Series(xs(2), np.array([np.nan, np.nan])))
    assert (line.x.tolist(), line.y.tolist(), line.end) == ([], [], {"x": 1, "kind": "nan"})
    empty = thin.thin(thin.Series(xs(0), xs(0)))
    assert (empty.x.tolist(), empty.y.tolist(), empty.end) == ([], [], None)


def test_what_goes_down_steadily_is_drawn_so() -> None:
    """And in no steps: a value stands near where it was logged."""
    for scale in (1.0, 0.01):
        line = thin.thin(thin.Series(xs(10_000) * scale, 10_000 - xs(10_000)), 100)
        off = np.abs(line.y - (10_000 - line.x / scale)).max()
        assert off <= thin.width_of(0, 10_000 * scale, 100) / scale / 8 + 1


def test_long_series_share_their_positions() -> None:
    """Whatever their lengths: so what is made of one depends on no other, and the axis of all stays short."""
    lines = [thin.thin(thin.Series(xs(n), np.sin(xs(n))), 60) for n in range(1000, 2000, 7)]
    assert len(set().union(*(line.x.tolist() for line in lines))) <= 5 * 60
    assert all(float(x).is_integer() for line in lines for x in line.x)


@example([*map(float, range(-6, 5)), 1e-196, -(2.0**423)], 4, random.Random(21))
@example([*map(float, range(6)), 2.0**50, 0.5, 0.25, 0.125, 0.0625, -1.0, -2.0], 4, random.Random(0))
@given(
    st.lists(st.floats(-thin.FAR, thin.FAR), min_size=13, max_size=200, unique=True),
    st.sampled_from([4, 8, 12]),
    st.randoms(use_true_random=False),
)
def test_thin_never_loses_an_extreme(x: list[float], limit: int, draw: Any) -> None:
    y = np.array([draw.choice([draw.gauss(0, 1), math.nan, math.inf]) for _ in x])
    line = thin.thin(thin.Series(np.sort(np.array(x)), y), limit)
    assert len(line.x) == len(line.y) <= limit and (np.diff(line.x) > 0).all() and np.isfinite(line.x).all()
    finite = y[np.isfinite(y)]
    if len(finite):
        assert np.nanmax(line.y) == finite.max() and np.nanmin(line.y) == finite.min()


@pytest.mark.parametrize(
    ("metric", "goal", "stat"),
    [
        *((name, "low", "min") for name in ("loss", "valLoss", "train/err", "top1_error", "NLL", "perplexity", "rmse")),
        *((name, "high", "max") for name in ("acc", "val_accuracy", "reward", "f1", "mAP")),
        *((name, None, "last") for name in ("lr", "learning_rate", "time", "grad_norm", "seconds", "epoch")),
    ],
)
def test_goal_by_name(metric: str, goal: str | None, stat: str) -> None:
    assert (goals.goal(metric), goals.stat(metric)) == (goal, stat)


def test_values_become_json() -> None:
    assert [values.number(v) for v in (0.5, None, math.inf, math.nan)] == [0.5, None, {"n": "inf"}, {"n": "nan"}]
    assert values.param([1, {"b": 2, "a": 1}]) == '[1, {"a": 1, "b": 2}]'
    assert [values.param(v) for v in (math.nan, True, "x", 3)] == [None, True, "x", 3]
    assert values.distinct([1, True, "1"]) == 3


@given(
    st.lists(st.one_of(st.floats(), st.integers(-(10**16), 10**16).map(float), st.floats(-1, 1))),
    st.sampled_from([5, 10]),
)
def test_numbers_are_short_alike_one_by_one_and_all_at_once(numbers: list[float], digits: int) -> None:
    for number, short in zip(numbers, thin.short(np.array(numbers, dtype=float), digits), strict=True):
        alone = thin._short(number, digits)
        if short is None or alone is None:
            assert short is alone
        elif short != alone:  # halfway between two
            unit = 10.0 ** (math.floor(math.log10(abs(number))) + 1 - digits)
            assert abs(abs(short - number) - abs(alone - number)) <= 1e-6 * unit
            assert len(repr(abs(float(short)))) <= len(repr(abs(float(alone)))) + 2
