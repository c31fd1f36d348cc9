"""Text logs: what many tools print, and what is no log."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metarunlog.logs import lines
from metarunlog.logs.cells import frame
from metarunlog.logs.shapes import shape_of
from metarunlog.logs.source import NoTable
from metarunlog.logs.text import read_lines


def tables(text: str) -> dict[str | None, dict[str, list[Any]]]:
    """Columns by name, by part."""
    return {part: frame(table, "f").to_dict("list") for part, table in read_lines(text.encode())[0]}


TOOLS = {
    "xgboost": (
        "[0]\ttrain-rmse:1.5\ttest-rmse:1.75\n[1]\ttrain-rmse:1.25\ttest-rmse:1.5\n[2]\ttrain-rmse:1\ttest-rmse:nan\n",
        {"step": [0, 1, 2], "train-rmse": [1.5, 1.25, 1.0]},
    ),
    "lightgbm": (
        "[LightGBM] [Info] Total Bins 10\n[10]\ttraining's l2: 0.5\tvalid_1's l2: 0.75\n"
        "[20]\ttraining's l2: 0.25\tvalid_1's l2: 0.5\n",
        {"step": [10, 20], "training's l2": [0.5, 0.25], "valid_1's l2": [0.75, 0.5]},
    ),
    "catboost": (
        "Learning rate set to 0.5\n0:\tlearn: 0.75\ttest: 0.8\tbest: 0.8 (0)\ttotal: 900ms\tremaining: 9s\n"
        "1:\tlearn: 0.5\ttest: 0.6\tbest: 0.6 (1)\ttotal: 1.5s\tremaining: 8.5s\n"
        "2:\tlearn: 0.25\ttest: 0.5\tbest: 0.5 (2)\ttotal: 2.5s\tremaining: 900ms\n"
        "3:\tlearn: 0.2\ttest: 0.4\tbest: 0.4 (3)\ttotal: 2.75s\tremaining: 10us\n"
        "4:\tlearn: 0.1\ttest: 0.3\tbest: 0.3 (4)\ttotal: 3s\tremaining: 0us\n"
        "5:\tlearn: 0.1\ttest: 0.3\tbest: 0.3 (4)\ttotal: 950ms\tremaining: 1s\n"
        "6:\tlearn: 0.1\ttest: 0.2\tbest: 0.2 (6)\ttotal: 3s\tremaining: 950ms\n",
        {
            "step": [0, 1, 2, 3, 4, 5, 6],
            "total (s)": [0.9, 1.5, 2.5, 2.75, 3.0, 0.95, 3.0],
            "learn": [0.75, 0.5, 0.25, 0.2, 0.1, 0.1, 0.1],
        },
    ),
    "keras": (
        "Epoch 1/2\n1875/1875 [==============================] - 3s 2ms/step - loss: 0.5 - accuracy: 0.8\n"
        "Epoch 2/2\n1875/1875 [==============================] - 3s 1ms/step - loss: 0.25 - accuracy: 0.9\n",
        {"Epoch": [1, 2], "loss": [0.5, 0.25], "accuracy": [0.8, 0.9]},
    ),
    "tqdm": (
        "Epoch 1:  50%|#####     | 5/10 [00:01<00:01,  4.5it/s, loss=0.5]\r"
        "Epoch 1: 100%|##########| 10/10 [00:02<00:00, 4.5it/s, loss=0.25]\n"
        "Epoch 2:  50%|\u2588\u2588\u258f  | 5/10 [00:01<00:01,  14.5it/s, loss=nan]\n",
        {"Epoch": [1, 1, 2], "n": [5, 10, 5], "total": [10, 10, 10], "loss": [0.5, 0.25, math.nan]},
    ),
    "python logging": (
        "2024-05-01 10:00:00,123 - INFO - train - epoch=1 loss=1e-3 lr=.5\n"
        "2024-05-01 11:30:01,007 - INFO - train - epoch=2 loss=-2E+2 lr=.25\n",
        {"epoch": [1, 2], "loss": [0.001, -200.0], "lr": [0.5, 0.25]},
    ),
    "colours": (
        "\x1b[32mstep 1\x1b[0m loss \x1b[1m0.5\x1b[0m\n\x1b[32mstep 2\x1b[0m loss \x1b[1m0.25\x1b[0m\n",
        {"step": [1, 2], "loss": [0.5, 0.25]},
    ),
    "pytorch example": (
        "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.3\nTrain Epoch: 1 [640/60000 (1%)]\tLoss: 1.7\n"
        "Train Epoch: 2 [0/60000 (0%)]\tLoss: 0.5\n",
        {"Train Epoch": [1, 1, 2], "Loss": [2.3, 1.7, 0.5]},
    ),
    "fairseq": (
        "| epoch 001 | loss 9.5 | nll_loss 9.25 | ppl 600 | num_updates 100 |\n"
        "| epoch 002 | loss 8.5 | nll_loss 8.25 | ppl 400 | num_updates 200 |\n",
        {"epoch": [1, 2], "loss": [9.5, 8.5], "ppl": [600, 400]},
    ),
    "one number a line": ("0.5\n0.25\n0.125\n", {"column1": [0.5, 0.25, 0.125]}),
    "names above": ("some words\nround err time\n1 0.5 3\n2 0.25 6\n", {"round": [1, 2], "err": [0.5, 0.25]}),
    "counted": ("Epoch #1: loss 0.5\nEpoch #2: loss 0.25\nEpoch #3: loss 0.5\n", {"loss": [0.5, 0.25, 0.5]}),
    "stable-baselines3": (
        "--------------------\n| rollout/       |      |\n|    ep_rew_mean | 21.5 |\n| time/          |      |\n"
        "|    fps         | 1200 |\n--------------------\n--------------------\n| rollout/       |      |\n"
        "|    ep_rew_mean | 23   |\n| time/          |      |\n|    fps         | 1100 |\n--------------------\n",
        {"rollout/ep_rew_mean": [21.5, 23.0], "time/fps": [1200, 1100]},
    ),
    "a json object behind a tag": (
        'start\nRESULT: {"epoch": 1, "acc": 0.5}\nnoise\nRESULT: {"epoch": 2, "acc": 0.75}\n',
        {"epoch": [1, 2], "acc": [0.5, 0.75]},
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_what_tools_print(tool: str) -> None:
    text, expected = TOOLS[tool]
    found = tables(text)
    fitting = [made for made in found.values() if expected.keys() <= made.keys()]
    assert fitting, found
    for name, values in expected.items():
        assert [str(v) for v in fitting[0][name]] == [str(v) for v in values] or fitting[0][name] == values


def test_several_kinds_of_lines_are_several_tables() -> None:
    text = "".join(
        f"[train] iter {i}: loss {2 / (i + 1)}\n" + (f"[eval] iter {i}: acc {i / 10}\n" if i % 5 == 0 else "")
        for i in range(20)
    )
    found = tables(text)
    assert {part: len(columns["iter"]) for part, columns in found.items()} == {"train": 20, "eval": 4}


def test_lines_with_some_numbers_more_are_rows_of_one_table() -> None:
    text = "step 1 loss 0.5\nstep 2 loss 0.4 acc 0.9\nstep 3 loss 0.3\nstep 4 loss 0.2 acc 0.95\n"
    made = frame(read_lines(text.encode())[0][0][1], "f")
    assert made["step"].tolist() == [1, 2, 3, 4] and made["loss"].tolist() == [0.5, 0.4, 0.3, 0.2]
    assert made["acc"].dropna().tolist() == [0.9, 0.95] and made.attrs["sparse"] == ["acc"]


def test_units_of_time_become_one() -> None:
    (made,) = tables("step 1 took 900ms\nstep 2 took 800ms\nstep 3 took 1.5s\nstep 4 took 2s\n").values()
    assert made == {"step": [1, 2, 3, 4], "took (s)": [0.9, 0.8, 1.5, 2.0]}
    (made,) = tables("step 1 took 900ms, 5%, 3k\nstep 2 took 800ms, 6%, 2k\n").values()
    assert made["took (ms)"] == [900, 800]
    (made,) = tables("step 1 mem 900MB size 5 \nstep 2 mem 1.5GB size 3ms\n").values()
    assert made == {"step": [1, 2], "mem (B)": [9e8, 1.5e9]}, "5 and 3ms do not go together"


def test_results_have_the_step_of_the_line_before() -> None:
    text = "".join(
        f"Iteration {i * 100}, Testing net (#0)\n  Test net output: accuracy = 0.{i}5\n" for i in range(1, 5)
    )
    (made,) = tables(text).values()
    assert made == {"Iteration": [100, 200, 300, 400], "accuracy": [0.15, 0.25, 0.35, 0.45]}


@pytest.mark.parametrize(
    "text",
    [
        "hello\nworld\n",
        "lr: 0.1\nbatch_size: 32\nepochs: 10\nseed: 1\nmomentum: 0.9\n",
        "lr = 0.1\nwd = 0.2\n" * 3,
        "Saved model_1.pt\nSaved model_2.pt\nSaved model_3.pt\n",
        "layer 1: conv 3x3, 64 filters\nlayer 2: conv 3x3, 128 filters\n",
        "loading 3 files\n" * 10,
        "Downloading 10 MB\nDownloading 20 MB\nDownloading 30 MB\n",
        "2024-01-01 10:00:00 started\n2024-01-01 10:00:01 stopped\n2024-01-01 10:00:02 started\n",
        "final accuracy: 0.93\n",
    ],
)
def test_what_is_no_log_gives_no_table(text: str) -> None:
    with pytest.raises(NoTable):
        read_lines(text.encode())


TEXT = TOOLS["python logging"][0] + "noise 12\n" + TOOLS["python logging"][0]


def test_cut_at_every_byte_only_whole_lines_count() -> None:
    ends = [i + 1 for i, c in enumerate(TEXT) if c == "\n" and "epoch=" in TEXT[: i + 1].splitlines()[-1]]
    for cut in range(len(TEXT) + 1):
        done = sum(end <= cut for end in ends)
        try:
            ((_, table),) = read_lines(TEXT[:cut].encode())[0]
        except NoTable:
            assert done < 2
            continue
        values = [0.001, -200.0, 0.001, -200.0][:done]
        assert frame(table, "f")["loss"].tolist() == values
        assert table.partial == (TEXT[cut - 1] != "\n")


def test_a_shape_that_comes_late_is_found_in_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 2000)
    rows = [f"step {i} loss {1 / (i + 1):.5f}" for i in range(1000)]
    for i in (100, 600, 900):
        rows.insert(i, f"checkpoint score {i / 1000}")
    found = tables("\n".join(rows) + "\n")
    assert {part: len(next(iter(c.values()))) for part, c in found.items()} == {"loss": 1000, "checkpoint score": 3}
    assert found["checkpoint score"] == {"step": [99, 598, 897], "checkpoint score": [0.1, 0.6, 0.9]}


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"it {i} loss {i / 7:.4f}" + (f" acc 0.{i}" if i % 3 else "") for i in range(500)]
    text = "\n".join(rows) + "\n"
    whole = tables(text)
    for size in (100, 1000, 5000):
        monkeypatch.setattr(lines, "BLOCK", size)
        assert str(tables(text)) == str(whole)


def test_a_cell_that_is_no_number_costs_its_row() -> None:
    text = "step 1 loss 0.5\nstep 2 loss 0.4\nstep 3 loss nana\nstep 4 loss 1e5e\nstep 5 loss -\nstep 6 loss 0.3\n"
    (made,) = tables(text).values()
    assert made == {"step": [1, 2, 6], "loss": [0.5, 0.4, 0.3]}


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("step:1/100 val_loss:2.5 train_time:12ms", ["step", "step_total", "val_loss", "train_time"]),
        ("I0814 00:26:01.123456 123 solver.cpp:228] Iteration 0, loss = 2.3", ["Iteration", "loss"]),
        ("[2019/05/05 10:00:00] ppocr INFO: acc:0.9", ["acc"]),
        ("Test net output #0: Accuracy = 0.1", ["Accuracy"]),
        ("eval:   3%|#5  | 3/81 [00:00<00:05, 13.5it/s]", ["eval", "n", "total"]),
        ("layer12 conv2d v1.2.3 GPU0", []),
        ("time: 12:30:01 on 2020-01-02", []),
        ("tokens 1,234,567 loss 0.5", ["loss"]),
    ],
)
def test_names_of_numbers(line: str, names: list[str]) -> None:
    shape = shape_of(line)
    assert list(shape.names if shape else ()) == names


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.text(alphabet="step loss:=|[](){}#%/,.0123456789e+-naif\t", max_size=40),
            st.sampled_from([line for text, _ in TOOLS.values() for line in text.splitlines()]),
        ),
        max_size=30,
    )
)
@example(["[" * 2000, "=" * 2000 + "1", "1" * 5000, "a|" * 1000 + "1", "\0\x01 1", "%|" * 500])
def test_any_text_gives_tables_or_a_reason(rows: list[str]) -> None:
    try:
        found, _ = read_lines("\n".join([*rows, *rows, ""]).encode(errors="replace"))
    except NoTable:
        return
    for _, table in found:
        assert len({len(column.values) for column in table.columns}) == 1 and len(table.columns[0].values) > 1


NUMBER = st.one_of(
    st.integers(-5, 10**9 - 1).map(str),  # from 10**9 on they may be times
    st.floats(-1e9, 1e9, exclude_min=True, exclude_max=True).map(repr),
    st.sampled_from(["+1", ".5", "-0", "007", "1e5", "1E-05", "1e", "--1", "1.2.3", "-", ".", "nan", "-inf", "3-5"]),
    st.sampled_from(
        [
            "",
            str(10**20),
            "2e300",
            "0x10",
            "1_0",
            "1,234",
            "5ms",
            "12:30:01",
            "2024-01-02 10:00:00,123",
            "50%",
            "1/10",
            "1e400",
        ]
    ),
)
WORD = st.sampled_from(
    [" loss ", " loss=", ": ", " acc5: ", " acc1: ", "|", " - ", " ", "train:", "e", " (", ")", ", lr: "]
)


@settings(max_examples=12000, deadline=None)
@given(
    st.lists(st.tuples(WORD, st.lists(NUMBER, min_size=1, max_size=4)), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=3, max_size=12),
    st.sampled_from(["", "step ", "  ", "[", "INFO 2024-01-02 "]),
)
def test_lines_that_are_alike_are_cut_as_each_alone(
    cells: list[tuple[str, list[str]]], picks: list[list[int]], start: str
) -> None:
    rows = [
        start + "".join(word + some[pick % len(some)] for (word, some), pick in zip(cells, one, strict=False))
        for one in picks
    ]
    text = "\n".join([*rows, ""]).encode()
    found = []
    for many in (1, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, "MANY", many)
            made = {one.shape.key: one for one in lines.read_rows(text)}
        order = {key: np.argsort(one.places, kind="stable") for key, one in made.items()}
        found.append({k: [c[order[k]].astype(float) for c in (one.places, *one.columns)] for k, one in made.items()})
    assert found[0].keys() == found[1].keys()
    for key, columns in found[0].items():
        np.testing.assert_array_equal(columns, found[1][key])
