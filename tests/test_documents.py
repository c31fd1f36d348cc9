"""One JSON document: histories, series, data frames, and what is none of them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import at_most
from test_events import event, field, fixed, record, simple

from metarunlog.logs.documents import is_metadata, read_parts
from metarunlog.logs.events import is_events
from metarunlog.logs.find import LogFile
from metarunlog.logs.jsonlines import read_json
from metarunlog.logs.parsed import parse
from metarunlog.logs.records import table_of

T = 1_700_000_000.5  # seconds since 1970


def read(tmp_path: Path, document: Any, name: str = "metrics.json") -> tuple[pd.DataFrame, str]:
    (tmp_path / name).write_text(document if isinstance(document, str) else json.dumps(document))
    parsed = parse(tmp_path, [LogFile("t", name)])
    assert len(parsed.tables) == 1, dict(parsed.notes)
    return parsed.tables["t"], parsed.notes[name]


def cells(table: pd.DataFrame) -> dict[str, list[Any]]:
    return {name: [None if cell != cell else cell for cell in table[name].tolist()] for name in table}


FRAME = pd.DataFrame({"epoch": [1, 2, 3], "loss": [0.5, None, 0.25]})
FORMS = [
    # sacred
    (
        {
            "train.loss": {"steps": [1, 2], "timestamps": ["a", "b"], "values": [0.5, 0.25]},
            "val.acc": {"steps": [2, 3], "timestamps": ["a", "b"], "values": [0.75, 1]},
        },
        {"step": [1, 2, 3], "train.loss": [0.5, 0.25, None], "val.acc": [None, 0.75, 1.0]},
        "step",
    ),
    # a step that came twice, and one that a restart did again
    (
        {"loss": {"steps": [1, 2, 2, 1, 2], "values": [5.0, 4.0, 3.0, 2.0, 1.0]}, "acc": {"steps": [2], "values": [9]}},
        {
            "step": [1, 2, 2, 1, 2],
            "loss": [5.0, 4.0, 3.0, 2.0, 1.0],
            "acc": [None, 9.0, None, None, None],
            "segment": [0, 0, 0, 1, 1],
        },
        "step",
    ),
    # tensorboardX
    (
        {"run/loss": [[T, 1, 0.5], [T + 1, 3, 0.25]], "run/acc": [[T, 2, 0.75]]},
        {"step": [1, 2, 3], "run/loss": [0.5, None, 0.25], "run/acc": [None, 0.75, None]},
        "step",
    ),
    ([[T, 10, 0.5], [T + 1, 20, 0.25]], {"wall_time": [T, T + 1], "step": [10, 20], "value": [0.5, 0.25]}, "step"),
    # histories
    (
        {"train": {"loss": [0.5, 0.25], "acc": [0, 1]}, "val": {"loss": [0.75, None], "acc": [0, 1]}},
        {"train/loss": [0.5, 0.25], "train/acc": [0, 1], "val/loss": [0.75, None], "val/acc": [0, 1]},
        None,
    ),
    (
        {"epoch": [1, 2], "loss": [0.5, 0.25], "best": 0.25, "note": "x"},
        {"epoch": [1, 2], "loss": [0.5, 0.25]},
        "epoch",
    ),
    ({"losses": [0.5, 0.25], "lr": 0.1, "test_acc": 0.75}, {"losses": [0.5, 0.25], "test_acc": [None, 0.75]}, None),
    # lists of records
    (
        {"meta": {"n": 2}, "epochs": [{"epoch": 1, "loss": 0.5}, {"epoch": 2}]},
        {"epoch": [1, 2], "loss": [0.5, None]},
        "epoch",
    ),
    (
        {"run": "a", "out": [{"step": 1, "acc": 0.5}, {"step": 2, "acc": 1}]},
        {"step": [1, 2], "acc": [0.5, 1.0]},
        "step",
    ),
    (
        {"history": [{"iteration": 0, "learn": [0.5, 0.25]}, {"iteration": 1, "learn": [0.25, 0.5]}]},
        {"iteration": [0, 1], "learn.0": [0.5, 0.25], "learn.1": [0.25, 0.5]},
        "iteration",
    ),
    (
        {
            "meta": {
                "learn_sets": ["learn"],
                "test_sets": ["test", "test1"],
                "learn_metrics": [{"name": "Logloss", "best_value": "Min"}],
                "test_metrics": [{"name": "AUC"}, {"name": "Logloss"}],
            },
            "iterations": [
                {"learn": [0.5], "iteration": 0, "test": [0.1, 0.2], "test1": [0.3, 0.4]},
                {"learn": [0.4], "iteration": 1, "test": [0.5, 0.6], "test1": [0.7, 0.8]},
            ],
        },
        {
            "learn/Logloss": [0.5, 0.4],
            "iteration": [0, 1],
            "test/AUC": [0.1, 0.5],
            "test/Logloss": [0.2, 0.6],
            "test1/AUC": [0.3, 0.7],
            "test1/Logloss": [0.4, 0.8],
        },
        "iteration",
    ),
    # keys that count
    (
        {"0": {"loss": 0.5}, "10": {"loss": 0.1}, "2": {"loss": 0.2}},
        {"step": [0, 2, 10], "loss": [0.5, 0.2, 0.1]},
        "step",
    ),
    ({"epoch_2": {"acc": 1}, "epoch_1": {"acc": 0}}, {"epoch": [1, 2], "acc": [0, 1]}, "epoch"),
    ({"Epoch 1": 0.5, "Epoch 2": 0.25}, {"epoch": [1, 2], "value": [0.5, 0.25]}, "epoch"),
    (
        {"loss": {"1": 0.5, "5": 0.25}, "acc": {"5": 1}},
        {"step": [1, 5], "loss": [0.5, 0.25], "acc": [None, 1.0]},
        "step",
    ),
    # data frames
    *(
        (FRAME.to_json(orient=orient), cells(FRAME), "epoch")
        for orient in ("columns", "index", "split", "records", "table")
    ),
    (
        FRAME.set_index(pd.Index([5, 6, 8])).to_json(orient="split"),
        {"index": [5, 6, 8], **cells(FRAME)},
        "epoch",
    ),
    (FRAME[["loss"]].to_json(), {"step": [0, 1, 2], "loss": [0.5, None, 0.25]}, "step"),
    # lists without names
    ([["epoch", "loss"], [1, 0.5], [2, None]], {"epoch": [1, 2], "loss": [0.5, None]}, "epoch"),
    ([[0, 0.5], [1, 0.25]], {"column1": [0, 1], "column2": [0.5, 0.25]}, "column1"),
    ([0.5, 0.25, 1, None], {"column1": [0.5, 0.25, 1.0, None]}, None),
    ("[0.5, NaN]\n", {"column1": [0.5, None]}, None),
]


@pytest.mark.parametrize(("document", "expected", "x"), FORMS)
def test_documents(tmp_path: Path, document: Any, expected: dict[str, list[Any]], x: str | None) -> None:
    table, _ = read(tmp_path, document)
    made = cells(table)
    made.pop("index", None) if "index" not in expected else None  # pandas' table has it as a column of its own
    assert made == expected
    assert table.attrs.get("x") == x


SETTINGS = [
    {"lr": 0.1, "betas": [0.9, 0.999], "layers": [512, 256, 10]},
    {"optimizer": {"betas": [0.9, 0.999]}, "schedule": {"milestones": [30, 60], "gamma": 0.1}},
    {"loss_weights": [1.0, 0.5], "lr": 0.1},
    {"loss": "mse", "layers": [{"units": 64, "dropout": 0.5}, {"units": 32, "dropout": 0.5}]},
    {"schedule": [{"epoch": 0, "lr": 0.1}, {"epoch": 30, "lr": 0.01}], "seed": 1},
    {"0": {"name": "cat", "id": 1}, "1": {"name": "dog", "id": 2}},
    {"0": 0.5, "1": 1.5, "2": 1.0},
    {"fold_1": {"acc": 0.5}, "fold_2": {"acc": 0.75}},
    {"accuracy": 0.9, "per_class_accuracy": [0.5, 0.75], "loss": 0.1},
    {"cv_scores": [0.5, 0.75], "mean": 0.625},
    {"accuracy": 0.9, "confusion": [[1, 2], [3, 4]]},
    {"image_mean": [0.5, 0.25, 0.125], "image_std": [0.5, 0.25, 0.125], "size": 224, "crop": 0.5},
]


@pytest.mark.parametrize("document", SETTINGS)
def test_settings_and_summaries_are_no_histories(document: dict[str, Any]) -> None:
    table, how = read_json(json.dumps(document).encode(), single=True)
    assert how == "json object"
    assert len(table.columns[0].values) == 1


@pytest.mark.parametrize(
    "document", [[1, 2, 3], ["a", "b"], [[1, 2], [3, 4]], [[0.9, 0.1], [0.2, 0.8]], [[1, 0.5], [2]], [True, 0.5], [[]]]
)
def test_lists_that_are_no_logs(tmp_path: Path, document: list[Any]) -> None:
    (tmp_path / "m.json").write_text(json.dumps(document))
    assert parse(tmp_path, [LogFile("t", "m.json")]).notes["m.json"] == "no table: no json records"


def test_lists_of_other_lengths_are_no_rows_of_the_same_table() -> None:
    document = {"loss": [5.0, 4.0, 3.0, 2.0], "acc": [1, 2, 3, 4], "val_loss": [4.5, 2.5], "seed": 1}
    data = json.dumps(document).encode()
    table, how = read_json(data, single=True)
    assert list(table.names) == ["loss", "acc"]
    assert how == "json object of lists, without val_loss, seed"
    parts = read_parts(data)
    assert parts is not None
    assert [(part, list(one.names)) for part, one in parts[0]] == [
        ("loss", ["loss", "acc"]),
        ("val_loss", ["val_loss"]),
    ]
    assert parts[1] == "json object of lists, without seed"
    assert read_parts(b'{"loss": [1, 2]}') is None
    assert read_parts(b"{") is None


def test_several_lists_of_records_are_several_tables() -> None:
    document = {
        "train": [{"step": i, "loss": i / 2} for i in range(4)],
        "val": [{"step": i, "loss": 0.5} for i in (1, 3)],
    }
    parts = read_parts(json.dumps(document).encode())
    assert parts is not None
    assert [(part, list(one.names), len(one.columns[0].values)) for part, one in parts[0]] == [
        ("train", ["step", "loss"], 4),
        ("val", ["step", "loss"], 2),
    ]


def test_a_record_of_a_run_is_metadata() -> None:
    run = {"host": {"cpu": "x", "os": ["Linux"], "python": "3.11"}, "command": "main", "status": "RUNNING", "id": None}
    options = {f"--{name}": False for name in ("debug", "force", "help", "queue")}
    assert is_metadata(table_of([{**run, "options": options, "result": 0.5}], False))
    assert not is_metadata(table_of([{"model": "a", "data": "b", "host": "c", "test_acc": 0.5}], False))
    assert not is_metadata(table_of([{f"m{i}": i for i in range(20)}], False))


def test_a_long_data_frame_is_read_in_time(tmp_path: Path) -> None:
    frame = pd.DataFrame({name: [i / 7 for i in range(20_000)] for name in "abcde"})
    for orient in ("columns", "index"):
        with at_most(5):
            table, _ = read(tmp_path, frame.to_json(orient=orient) + "\n")
            assert len(table) == 20_000


# --- event files without a version, which CatBoost writes beside its document ---------------------------------------


def test_an_event_file_need_not_tell_its_version(tmp_path: Path) -> None:
    data = event(1, simple("RMSE", 0.5)) + event(2, simple("RMSE", 0.25))
    (tmp_path / "events.out.tfevents").write_bytes(data)
    parsed = parse(tmp_path, [LogFile("t", "events.out.tfevents")])
    assert cells(parsed.tables["t"]) == {"step": [1, 2], "RMSE": [0.5, 0.25]}


def test_records_of_other_messages_are_no_events() -> None:
    wall = fixed(1, struct.pack("<d", 1.5e9))
    assert is_events(record(wall + field(2, 1)))
    example = field(1, field(1, field(1, b"x") + field(2, field(2, struct.pack("<f", 0.5)))))
    for message in (b"", example, wall[:5], wall + field(2, b"x"), wall + field(11, 1), wall + field(5, field(2, 1))):
        assert not is_events(record(message)), message
    assert not is_events(record(fixed(1, struct.pack("<d", -1.0)) + field(2, 1)))
    whole = record(wall + field(2, 1))
    assert not any(is_events(whole[:end]) for end in range(len(whole)))
    for at in range(len(whole)):
        assert not is_events(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]), at
