"""The demo's project: its script trains for real, and its analysis functions return what the contract asks for."""

from __future__ import annotations

import ast
import gzip
import hashlib
import importlib
import inspect
import itertools
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import pytest

PROJECT = Path(__file__).parents[1] / "metarunlog" / "demo" / "project"
QUICK = {"hidden": 8, "momentum": 0.9, "lr": 0.1}
PLAIN = {"hidden": 8, "momentum": 0, "lr": 0.1}
DIVERGING = {"hidden": 32, "momentum": 0.9, "lr": 1}
KNOWN = ["expDir", "subExpDir", "outdir", "subExpIds", "subExpId", "Dparams", "params"]


def render(folder: Path, params: dict[str, Any], epochs: int = 40) -> None:
    """What makebatch does, in two lines; the tests of the template are elsewhere."""
    text = re.split(r"^# MRL:", (PROJECT / "conf.yaml").read_text(), flags=re.M)[0]
    text = jinja2.Template(text, undefined=jinja2.StrictUndefined, keep_trailing_newline=True).render(params)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conf.yaml").write_text(re.sub(r"epochs: \d+", f"epochs: {epochs}", text))


def train(folder: Path) -> str:
    """Run the script as a launch does, in an empty environment; what it printed."""
    command = [sys.executable, "-B", "-W", "error", str(PROJECT / "train.py")]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str], pd.DataFrame]:
    """expDir, subExpIds and Dparams of: two finished runs, one that diverged, one that has not begun."""
    exp = tmp_path_factory.mktemp("demo") / "0001"
    rows = {"001": PLAIN, "002": QUICK, "003": DIVERGING, "004": QUICK | {"lr": 0.01}}
    for name, params in rows.items():
        render(exp / name, params, epochs=5 if name == "001" else 40)
        if name != "004":
            train(exp / name)
    (exp / "code").mkdir()
    shutil.copy(PROJECT / "digits.csv.gz", exp / "code")
    table = pd.DataFrame([{**params, "subExpId": name} for name, params in rows.items()], index=list(rows))
    return str(exp), list(rows), table


@pytest.fixture
def analyze(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module mrl_analyze, imported from the project's folder."""
    monkeypatch.syspath_prepend(PROJECT)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr("metarunlog.load", stand_in, raising=False)
    yield importlib.import_module("mrl_analyze")
    del sys.modules["mrl_analyze"]


def stand_in(folder: str) -> dict[str, pd.DataFrame]:
    """metarunlog.load for these folders, which no mrl command made; the real one is tested with the whole demo."""
    path = Path(folder, "metrics.csv")
    return {"metrics": pd.read_csv(path)} if path.exists() else {}


def check_shapes(result: Any) -> list[str]:
    """Hold a result to section 5 of the contract; its types, in order."""
    from bokeh.embed import json_item
    from bokeh.plotting import figure

    wanted: dict[str, Any] = {"table": pd.DataFrame, "text": str, "plot": figure}
    for data, rtype, header in result:
        assert isinstance(data, wanted[rtype])
        assert header is None or isinstance(header, str)
        if rtype == "plot":
            json_item(data)
    return [rtype for _, rtype, _ in result]


def metrics(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics.csv")


# The data and the grid


def test_data_is_the_file_that_its_statement_describes() -> None:
    raw = (PROJECT / "digits.csv.gz").read_bytes()
    statement = (PROJECT / "DATA.md").read_text()
    assert hashlib.sha256(raw).hexdigest() in statement
    assert len(raw) < 100_000
    lines = gzip.decompress(raw).decode().split()
    assert len(lines) == 1797
    assert all(line.count(",") == 64 for line in lines)
    for text in (statement, (PROJECT.parent / "DATA.md").read_text()):
        assert "10.24432/C50P49" in text and "Creative Commons Attribution 4.0" in text


def test_grid_has_16_runs_and_one_that_diverges() -> None:
    template = (PROJECT / "conf.yaml").read_text()
    found = re.findall(r"^# MRL:grid\['(\w+)'\] = (\[.*?\])", template, re.M)
    axes = {name: ast.literal_eval(values) for name, values in found}
    where = re.search(r'^# MRL:where = "(.*?)"', template, re.M)
    assert where and list(axes) == ["hidden", "momentum", "lr"]
    points = [dict(zip(axes, values)) for values in itertools.product(*axes.values())]
    kept = [point for point in points if eval(where[1], {}, dict(point))]
    assert len(kept) == 16
    assert [point for point in kept if point["lr"] * point["momentum"] >= 0.5] == [DIVERGING]


# Training


def test_run_learns_and_logs_a_row_an_epoch(experiment: Any) -> None:
    table = metrics(Path(experiment[0], "002"))
    assert list(table) == ["epoch", "train_loss", "train_acc", "val_loss", "val_acc"]
    assert table["epoch"].tolist() == list(range(1, 41))
    assert table["val_acc"].iloc[-1] > 0.85
    assert table["train_loss"].iloc[-1] < table["train_loss"].iloc[0] / 2


def test_run_saves_predictions_that_agree_with_its_log(experiment: Any) -> None:
    folder = Path(experiment[0], "002")
    with np.load(folder / "predictions.npz") as arrays:
        share = (arrays["digit"] == arrays["read_as"]).mean()
        assert arrays["row"].tolist() == list(range(1347, 1797))
    assert share == pytest.approx(metrics(folder)["val_acc"].iloc[-1], abs=1e-5)
    assert {path.name for path in folder.iterdir()} == {"conf.yaml", "metrics.csv", "predictions.npz"}


def test_diverging_run_logs_nan_and_ends_well(experiment: Any) -> None:
    folder = Path(experiment[0], "003")
    assert "diverged" in train(folder).splitlines()[-1]
    table = metrics(folder)
    assert table["train_loss"].isna().tolist() == [False] * (len(table) - 1) + [True]
    assert 1 < len(table) < 40
    assert not (folder / "predictions.npz").exists()


def test_same_config_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        render(tmp_path / name, QUICK, epochs=3)
        out = train(tmp_path / name)
        assert len(out.splitlines()) == 4
    for file in ("metrics.csv", "predictions.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_log_grows_while_training_goes_on_and_a_new_run_begins_anew(tmp_path: Path) -> None:
    render(tmp_path, QUICK, epochs=100_000)
    log = tmp_path / "metrics.csv"
    with subprocess.Popen([sys.executable, str(PROJECT / "train.py")], cwd=tmp_path, stdout=subprocess.DEVNULL) as run:
        end = time.monotonic() + 30
        while time.monotonic() < end and not (log.exists() and log.read_text().count("\n") > 3):
            time.sleep(0.02)
        assert run.poll() is None
        run.terminate()
    assert len(metrics(tmp_path)) >= 3
    render(tmp_path, QUICK, epochs=2)
    train(tmp_path)
    assert metrics(tmp_path)["epoch"].tolist() == [1, 2]


# Analysis functions


def test_functions_take_known_names_first(analyze: ModuleType) -> None:
    for name, extra in (("hardest", ["top"]), ("accuracy_by_lr", []), ("confusion", [])):
        names = list(inspect.signature(getattr(analyze, name)).parameters)
        assert [word for word in names if word not in KNOWN] == extra


def test_hardest_tells_best_diverged_and_unfinished(analyze: ModuleType, experiment: Any) -> None:
    result = analyze.hardest(*experiment, 3)
    assert check_shapes(result) == ["text", "table", "plot"]
    text, table = result[0][0], result[1][0]
    assert "**Best: 002**" in text and "Diverged: 003." in text and "No log yet: 004." in text
    assert list(table) == ["digit", "read_as", "times", "share of all mistakes"]
    assert len(table) == 3 and table["times"].is_monotonic_decreasing
    assert (table["digit"] != table["read_as"]).all()
    pd.testing.assert_frame_equal(table, analyze.hardest(*experiment, 3)[1][0])


def test_accuracy_by_lr_draws_finished_runs_only(analyze: ModuleType, experiment: Any) -> None:
    result = analyze.accuracy_by_lr(*experiment)
    assert check_shapes(result) == ["plot"]
    assert len(result[0][0].renderers) == 4  # line and dots of 001 and of 002


def test_overviews_cope_with_no_results_at_all(analyze: ModuleType, experiment: Any) -> None:
    expDir, _, Dparams = experiment
    for ids in (["004"], ["003"], ["003", "004"], []):
        assert check_shapes(analyze.hardest(expDir, ids, Dparams.loc[ids])) == ["text"]
        assert check_shapes(analyze.accuracy_by_lr(expDir, ids, Dparams.loc[ids])) == ["plot"]


def test_confusion_counts_every_image(analyze: ModuleType, experiment: Any) -> None:
    result = analyze.confusion(str(Path(experiment[0], "002")), QUICK)
    assert check_shapes(result) == ["plot"]
    labels = result[0][0].renderers[0].data_source.data["label"]
    assert len(labels) == 100
    assert sum(int(label or 0) for label in labels) == 450


@pytest.mark.parametrize(("name", "said"), [("003", "diverged with lr = 1"), ("004", "has not come to its end")])
def test_confusion_says_why_there_is_nothing(analyze: ModuleType, experiment: Any, name: str, said: str) -> None:
    result = analyze.confusion(str(Path(experiment[0], name)), DIVERGING)
    assert check_shapes(result) == ["text"]
    assert said in result[0][0]


def test_readme_names_what_is_there(analyze: ModuleType) -> None:
    readme = (PROJECT / "README.md").read_text()
    for name in ("train.py", "conf.yaml", "mrl_analyze.py", "digits.csv.gz", "DATA.md"):
        assert f"`{name}`" in readme and (PROJECT / name).is_file()
    source = inspect.getsource(analyze.confusion).rstrip()
    assert '"Confusion"' in source.splitlines()[-1], "the README's first step changes this line"
    assert "\nLEAK = " in (PROJECT / "train.py").read_text()
