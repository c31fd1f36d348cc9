"""Text logs: what many tools print, and what is no log."""

from __future__ import annotations

import math
import os
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
    "numbers and units glued": (
        "".join(
            f"step {i} loss 0.5 {i}.5img/s ckpt_{i:05d}.pt 5h{i % 60:02d}m5s ({i / 7:+.2f}z)\n" for i in range(300)
        ),
        {"step": list(range(300)), "img/s": [i + 0.5 for i in range(300)]},
    ),
    "hashes": (
        "".join(f"step {i} batch {i * 40503 * 65521 + 2**31:08x} loss {i}.5\n" for i in range(300)),
        {"step": list(range(300)), "loss": [i + 0.5 for i in range(300)]},
    ),
    "names that differ in a digit": (
        "".join(f"epoch {i} acc1: {i}.1 acc5: {i}.5 layer1 loss {i}.2 layer2 loss {i}.3\n" for i in range(9)),
        {"acc1": [i + 0.1 for i in range(9)], "acc5": [i + 0.5 for i in range(9)]},
    ),
    "commas of thousands": (
        "".join(f"step {i * 250:,}, loss {i}.5, reward {i * 999.5:,.1f}; x\n" for i in range(12)),
        {"step": [i * 250 for i in range(12)], "reward": [i * 999.5 for i in range(12)]},
    ),
    "commas of decimals": (
        "".join(f"step {i} loss {9 - i},{123 * (i + 1)}\n" for i in range(6)) + "step 7 acc 1.5\nstep 8 acc 2.5\n",
        {"step": [7, 8], "acc": [1.5, 2.5]},
    ),
    "a constant x": (
        "".join(f"Epoch 1 step {i} loss {i}.5\nEpoch 1 batch {i} acc {i}.5\n" for i in range(4)),
        {"Epoch": [1] * 4, "batch": [0, 1, 2, 3], "acc": [0.5, 1.5, 2.5, 3.5]},
    ),
    "a clock among columns": (
        "epoch  train_loss  acc  time\n0      0.75  0.5  00:12\n1   0.5    0.75   00:13\n2   0.25  0.8  01:13\n",
        {"epoch": [0, 1, 2], "train_loss": [0.75, 0.5, 0.25], "acc": [0.5, 0.75, 0.8]},
    ),
    "names above of several words": (
        "Epoch  Train Loss  Val Acc\n-----  ----------  -------\n    1        0.75     0.50\n2  0.50  0.75\n",
        {"Epoch": [1, 2], "Train Loss": [0.75, 0.5], "Val Acc": [0.5, 0.75]},
    ),
    "columns between bars": (
        "ep | train | val\n1 | 0.75 | 0.5\n2 | 0.5 | 0.25\n3 | 0.25 | 0.2\n",
        {"ep": [1, 2, 3], "train": [0.75, 0.5, 0.25], "val": [0.5, 0.25, 0.2]},
    ),
    "two results of a run": (
        "".join(f"s:{i} trl:{i}.5\n" for i in range(5)) + "s:0 tel:9.5\ns:4 tel:8.5\n",
        {"s": [0, 4], "tel": [9.5, 8.5]},
    ),
    "no number yet": (
        "step 0 loss 0.5 acc=None\nstep 1 loss 0.4 acc=None\nstep 2 loss 0.3 acc=0.5\nstep 3 loss 0.2 acc=0.6\n",
        {"step": [0, 1, 2, 3], "acc": [math.nan, math.nan, 0.5, 0.6]},
    ),
    "the step at the end of a block": (
        "".join(f"reward: {i}.5\nlen: {i}\ntraining_iteration: {i + 1}\n" for i in range(4)),
        {"training_iteration": [1, 2, 3, 4], "reward": [0.5, 1.5, 2.5, 3.5]},
    ),
    "a result before the first step": (
        "val loss 9.5\n" + "".join(f"step {i} loss {i}.5\n" + "val loss 8.5\n" * (i % 3 == 0) for i in range(1, 10)),
        {"step": [math.nan, 3.0, 6.0, 9.0], "val loss": [9.5, 8.5, 8.5, 8.5]},
    ),
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


def test_lines_that_a_word_tells_apart_are_several_tables() -> None:
    text = "".join(f"epoch {i} | train | loss {i}.5\nepoch {i} | valid | loss {i}.25 | f1 0.{i}\n" for i in range(4))
    found = tables(text)
    assert sorted(columns["loss"] for columns in found.values()) == [
        [i + 0.25 for i in range(4)],
        [i + 0.5 for i in range(4)],
    ]


def test_the_clock_is_that_of_all_lines() -> None:
    text = "".join(f"step {i} loss {i}.5{' lr 0.1 warm' * (i < 4)}\n" + "result: 0.5\n" * (i % 2) for i in range(10))
    assert [columns["step"] for columns in tables(text).values() if "result" in columns] == [[1, 3, 5, 7, 9]]


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
        ("tokens 1,234,567 loss 0.5", ["tokens", "loss"]),
        ("step 3/10 00:12 loss 0.5 00:13", ["step", "step_total", "loss"]),
        ("loss 2,2345 acc 0,93 n 5", ["n"]),
        ("size (1,234) n 5", ["n"]),
        ("Epoch 3 mAP@0.5: 0.3 mAP@0.5:0.95 = 0.2", ["Epoch", "mAP@0.5", "mAP@0.5:0.95"]),
        ("error@0.7: 0.5 map@3-: 0.25 R^2 0.5 ROUGE-L: 0.1", ["error@0.7", "map@3", "R^2", "ROUGE-L"]),
        ("[Thread-5] epoch-3 loss 0.5", ["epoch", "loss"]),
        ("epoch_3: loss=0.5", ["epoch", "loss"]),
        ("time (ms): 1.0 loss(train)=2.0 D(G(z)): 0.5", ["time (ms)", "loss(train)", "D(G(z))"]),
        ("- f1-score (micro avg)  0.79", ["f1-score (micro avg)"]),
        ("log p(x) = 1.5, KL(q||p) = 0.5", ["log p(x)", "KL(q||p)"]),
        ("1 loss 1.0 acc 0.1", ["step", "loss", "acc"]),
        ("0 steps, 2.0 loss, 0.5 reward", ["steps", "loss", "reward"]),
        ("on 40000 raw words (11178 effective words) took 0.5s", ["on", "effective words", "took"]),
        ("step 3 | 1226.40 ms | 45.1% bf16 MFU | 428 tok/s", ["step", "ms", "bf16 MFU", "tok/s"]),
        ("loss: 0.5 - 61ms/epoch - 5ms/step", ["loss", "time per epoch", "time per step"]),
        ("iter 3 time 0.1 s loss 2.0 120 img/s lr 0.1", ["iter", "time", "loss", "img/s", "lr"]),
        ("for minibatches 0-99 is 0.5", ["is"]),
        ("| number of nan iterations:   0 |", ["nan iterations"]),
        ("Train loss 0 2.3 Grad Norm 1.50", ["Train loss", "value", "Grad Norm"]),
        ("iter 1 | 1.0 | 0.1", ["iter", "column2", "column3"]),
        ("Time 0.5 (0.6) Loss 2.0 (2.1)", ["Time", "", "Loss", ""]),
        ("1: 790.0, 789.5 avg loss, 0.001 rate, 3.2 seconds", ["step", "value", "avg loss", "rate", "seconds"]),
        ("[1,  2000] loss: 0.667", ["epoch", "batch", "loss"]),
        ("[12345] Epoch 1 loss 0.5", ["", "Epoch", "loss"]),
        ("2024-05-01 10:00:00,123 INFO epoch 3 loss 0.5", ["epoch", "loss"]),
        ("2026-11-24T23:12:08.469301Z step 3 loss 0.5", ["step", "loss"]),
        ("[03/04 10:00:00 d2.utils.events]:  eta: 1 day, 2:03:04  iter: 19", ["iter"]),
        ("05/01/2023 10:00:00 AM - INFO - __main__ -   step 3", ["step"]),
        ("01 May 2023 10:00:01 INFO step 3", ["step"]),
        ("May  1 10:00:01 host train: step 3", ["step"]),
        ("Mon May  1 10:00:01 2023 step 3", ["step"]),
        ("INFO 05-01 10:00:00 [core.py:1] step 3", ["step"]),
        ("[I 230501 10:00:01 train:55] step 3", ["step"]),
        ("2023-05-01 10:00:00,123 train.py line 123 INFO: step 3", ["step"]),
        ("train.py(55): step 3, (main.py 230) loss 0.5 [line:123]", ["step", "loss"]),
        ("(RayTrainWorker pid=1234, ip=10.0.0.1) step 3", ["step"]),
        ("epoch 1 loss tensor(0.5, device='cuda:0')", ["epoch", "loss tensor"]),
        ("step 3 eta 1h02m speed 2.5k/3.00k", ["step", "speed", "speed_total"]),
        ("(0): Conv2d(3, 64, kernel_size=(3, 3), stride=(1, 1))", []),
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
@example(["1" * 1999 + "q", "step 1 " + "1a/" * 600, "[I 230501 " + "1" * 1900, "1-" * 900, "May " * 500, "ab1" * 600])
@example(["[" * 2000, "=" * 2000 + "1", "1" * 5000, "a|" * 1000 + "1", "\0\x01 1", "%|" * 500])
def test_any_text_gives_tables_or_a_reason(rows: list[str]) -> None:
    try:
        found, _ = read_lines("\n".join([*rows, *rows, ""]).encode(errors="replace"))
    except NoTable:
        return
    for _, table in found:
        assert len({len(column.values) for column in table.columns}) == 1 and len(table.columns[0].values) > 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("loss 0.5 took 12:30", "loss 0.25 took 12:345"),  # a time, and two numbers
        (" loss 0 gpu1000 loss 0 loss 0", " loss 0 gpu0 loss 0 loss 1"),  # any digits of a word, and those of a name
        ("step 3 layer1 loss 0.5", "step 3 layer2 loss 0.25"),
        ("iter 5 loss 0.5", "ite5r  loss 0.5"),
    ],
)
def test_what_differs_in_digits_only_may_be_of_two_shapes(one: str, other: str) -> None:
    text = "".join(f"{line}\n" for line in [one, one, other, other] * lines.MANY).encode()
    found = []
    for many in (lines.MANY, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, "MANY", many)
            made = lines.read_rows(text)
        found.append({row.shape.key: sorted(zip(row.places, *row.columns, strict=True)) for row in made})
    assert found[0] == found[1]


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
    [
        *(" loss ", " loss=", ": ", " acc5: ", " acc1: ", "|", " - ", " ", "train:", "e", " (", ")", ", lr: ", "."),
        *(" gpu0 ", " gpu", " gpu: ", " 5gpu: ", " (é) ", "%, "),
    ]
)


@settings(max_examples=12_000 if os.environ.get("MRL_LONG") else 150, deadline=None)
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
