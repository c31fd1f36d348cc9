"""The built-in analysis functions on small data: the shapes that the report relies on."""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metarunlog import analysis
from metarunlog.analysis import goals, logtail, thin, values
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
    assert view["params"] == ["lr", "opt", "seed"] and view["varying"] == 2
    assert view["metrics"] == [{"name": "loss", "goal": "low"}, {"name": "acc", "goal": "high"}]
    first, second, third = view["rows"]
    assert first == {
        "id": "001",
        "state": "done",
        "params": [0.1, "sgd", 1],
        "metrics": [[0.5, 0.5, 2.0], [0.8, 0.1, 0.8]],
    }
    assert second["metrics"][0] == [{"n": "nan"}, 2.5, 9e9] and second["state"] is None
    assert third["metrics"] == [[None] * 3, [None] * 3]


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
    assert view_of(analysis.curves(str(exp), list(PARAMS), dparams))["metrics"] == []
    assert view_of(analysis.effects(str(exp), list(PARAMS), dparams))["metrics"] == []


def test_curves_share_an_axis_and_show_where_a_run_ended(exp: Path, dparams: pd.DataFrame) -> None:
    view = view_of(analysis.curves(str(exp), list(PARAMS), dparams))
    assert view["ids"] == ["001", "002", "003"] and view["partial"] == []
    assert view["params"] == [["lr", [0.1, 0.01, 0.01]], ["opt", ["sgd", "sgd", "adam"]]]
    loss, acc = view["metrics"]
    assert (loss["name"], loss["xlabel"], loss["x"]) == ("loss", "step", [1, 2, 3])
    assert loss["lines"] == [
        {"id": "001", "y": [2, 1, 0.5]},
        {"id": "002", "y": [2.5, 9e9], "end": {"x": 3, "kind": "nan"}},
    ]
    assert "end" not in acc["lines"][1]


def test_curves_of_sparse_columns_of_several_tables(exp: Path, dparams: pd.DataFrame) -> None:
    for id in LOGS:
        (exp / id / "log.csv").write_text("step,loss,val\n1,3,\n2,2,0.5\n3,1,\n4,1,0.4\n5,1,\n")
        (exp / id / "eval.csv").write_text("loss\n7\n8\n")
    config = exp.parents[1] / ".mrl.cfg"
    config.write_text('{"name": "p", "outdir": "exp", "logs": {"log": "log.csv", "eval": "eval.csv"}}')
    view = view_of(analysis.curves(str(exp), list(PARAMS), dparams))
    plots = {plot["name"]: plot for plot in view["metrics"]}
    assert list(plots) == ["log/loss", "val", "eval/loss"]
    assert plots["val"]["x"] == [2, 4]
    assert plots["val"]["lines"][0] == {"id": "001", "y": [0.5, 0.4]}  # an empty cell is not the end of a run
    assert (plots["eval/loss"]["xlabel"], plots["eval/loss"]["x"]) == ("row", [1, 2])


def test_effects_start_with_the_metric_that_matters(exp: Path, dparams: pd.DataFrame) -> None:
    view = view_of(analysis.effects(str(exp), list(PARAMS), dparams))
    assert [name for name, _ in view["params"]] == ["lr", "opt"]
    assert view["metrics"][0] == {"name": "loss", "stat": "min", "goal": "low", "values": [0.5, 2.5, None]}
    assert view["metrics"][1]["stat"] == "max"
    assert view_of(analysis.parallel(str(exp), list(PARAMS), dparams))["metrics"] == view["metrics"]


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
    assert [plot["name"] for plot in view["curves"]["metrics"]] == ["loss", "acc"]


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


def thinned(*series: thin.Series, limit: int = 300) -> dict[str, Any]:
    made = thin.thin(list(series), limit)
    json.dumps(made, allow_nan=False)
    return made


def xs(n: int) -> Any:
    return np.arange(1, n + 1, dtype=float)


def test_thin_keeps_spikes() -> None:
    y = np.sin(xs(100_000) / 5000)
    y[43_210] = 77.0
    y[60_001] = -55.0
    made = thinned(thin.Series("a", xs(100_000), y))
    [line] = made["lines"]
    assert len(made["x"]) <= 300 and len(line["y"]) <= 300
    assert 77 in line["y"] and -55 in line["y"]
    assert made["x"] == sorted(made["x"]) and made["x"][0] == 1 and made["x"][-1] == 100_000
    spike = made["x"][line["i"][line["y"].index(77)] if "i" in line else line["y"].index(77)]
    assert abs(spike - 43_211) < 100_000 / 150


def test_thin_shows_divergence_and_gaps() -> None:
    y = np.linspace(1, 2, 5000)
    y[2000:2100] = np.nan
    y[4000:] = np.inf
    made = thinned(thin.Series("a", xs(5000), y), thin.Series("b", xs(700), np.ones(700)))
    a, b = made["lines"]
    assert a["end"] == {"x": 4001, "kind": "inf"} and None in a["y"]
    assert "end" not in b and max(b.get("i", range(len(b["y"])))) < 300 * 700 / 4000 + 2


def test_thin_of_a_resumed_run_takes_the_newest() -> None:
    made = thinned(thin.Series("a", np.array([1.0, 2, 3, 2, 3, 4]), np.array([9.0, 9, 9, 1, 2, 3])))
    assert made["x"] == [1, 2, 3, 4] and made["lines"][0]["y"] == [9, 1, 2, 3]


def test_thin_of_nothing_but_nan() -> None:
    made = thinned(thin.Series("a", xs(2), np.array([np.nan, np.nan])), thin.Series("b", xs(0), xs(0)))
    assert made["lines"][0] == {"id": "a", "y": [], "end": {"x": 1, "kind": "nan"}}
    assert made["lines"][1] == {"id": "b", "y": []}
    assert thinned() == {"x": [], "lines": []}


@pytest.mark.parametrize("seed", range(20))
def test_thin_never_loses_an_extreme(seed: int) -> None:
    rng = np.random.default_rng(seed)
    series = []
    for name in "abc":
        x = np.unique(rng.integers(0, 5000, rng.integers(1, 3000))).astype(float)
        y = rng.normal(size=len(x))
        y[rng.random(len(x)) < 0.2] = np.nan
        series.append(thin.Series(name, x, y))
    made = thinned(*series, limit=80)
    assert len(made["x"]) <= 80
    for one, line in zip(series, made["lines"]):
        found = [y for y in line["y"] if y is not None]
        at = line.get("i", list(range(len(line["y"]))))
        assert len(at) == len(line["y"]) and at == sorted(set(at))
        assert math.isclose(max(found), np.nanmax(one.y), rel_tol=1e-4)
        assert math.isclose(min(found), np.nanmin(one.y), rel_tol=1e-4)


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
    for number, short in zip(numbers, thin._all_short(np.array(numbers, dtype=float), digits), strict=True):
        alone = thin._short(number, digits)
        if short is None or alone is None:
            assert short is alone
        elif short != alone:  # halfway between two
            unit = 10.0 ** (math.floor(math.log10(abs(number))) + 1 - digits)
            assert abs(abs(short - number) - abs(alone - number)) <= 1e-6 * unit
            assert len(repr(abs(float(short)))) <= len(repr(abs(float(alone)))) + 2
