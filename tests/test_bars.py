"""Tables drawn with bars in text."""

from __future__ import annotations

from typing import Any

import pytest
from support import at_most

from metarunlog.logs.bars import has_rows, read_bars
from metarunlog.logs.boxes import read_boxes
from metarunlog.logs.cells import frame


def tables(text: str) -> list[dict[str, list[Any]]]:
    found = []
    for _, table in read_bars(text.encode())[0]:
        made = frame(table, "x")
        found.append({name: [None if cell != cell else cell for cell in made[name].tolist()] for name in made})
    return found


TWO = {"epoch": [1, 2], "loss": [0.5, 0.25]}
MARKDOWN = "| epoch | loss |\n|------:|:-----|\n|     1 | 0.5  |\n|     2 | 0.25 |\n"
GRID = "+-------+------+\n| epoch | loss |\n+-------+------+\n|     1 | 0.5  |\n|     2 | 0.25 |\n+-------+------+\n"
RICH = "┏━━━━━━━┳━━━━━━┓\n┃ epoch ┃ loss ┃\n┡━━━━━━━╇━━━━━━┩\n│ 1     │ 0.5  │\n│ 2     │ 0.25 │\n└───────┴──────┘\n"
DOUBLE = "╔═══════╦══════╗\n║ epoch ║ loss ║\n╠═══════╬══════╣\n║ 1     ║ 0.5  ║\n║ 2     ║ 0.25 ║\n╚═══════╩══════╝\n"
LIGHT = "┌───────┬──────┐\n│ epoch │ loss │\n├───────┼──────┤\n│ 1     │ 0.5  │\n│ 2     │ 0.25 │\n└───────┴──────┘\n"
PLAIN = "| epoch | loss |\n----------------\n| 1 | 0.5 |\n| 2 | 0.25 |\n================\n"
BARE = "| epoch | loss |\n| 1 | 0.5 |\n| 2 | 0.25 |\n"


@pytest.mark.parametrize("text", [MARKDOWN, GRID, RICH, DOUBLE, LIGHT, PLAIN, BARE])
def test_bars_are_columns_under_the_names_of_the_header(text: str) -> None:
    assert tables(text) == [TWO]
    assert read_bars(text.encode())[1] == b""
    assert tables(f"loading\n\n  {text.replace(chr(10), chr(10) + '  ').rstrip(' ')}done: 1\n") == [TWO]
    assert read_bars(b"a: 1\n" + text.encode() + b"b: 2\n")[1] == b"a: 1\nb: 2\n"


def test_rows_go_on_below_other_lines_and_a_repeated_header_is_no_row() -> None:
    text = (
        MARKDOWN
        + "saved\n| 3 | 0.125 |\n| a note | of words |\n| 1 | 2 | 3 |\n"
        + MARKDOWN.replace("|     1 |", "|     4 |")
    )
    assert tables(text) == [
        {"epoch": [1, 2, 3, 4, 2], "loss": [0.5, 0.25, 0.125, 0.5, 0.25], "segment": [0, 0, 0, 0, 1]}
    ]
    left = read_bars(text.encode())[1]
    assert left == b"saved\n| a note | of words |\n| 1 | 2 | 3 |\n"


def test_tables_of_other_headers_are_other_tables() -> None:
    other = MARKDOWN.replace("loss", "acc ")
    assert tables(MARKDOWN + "\n" + other) == [TWO, {"epoch": [1, 2], "acc": [0.5, 0.25]}]
    assert tables(MARKDOWN + other) == [TWO, {"epoch": [1, 2], "acc": [0.5, 0.25]}]
    assert tables(GRID + GRID.replace("loss", "acc ")) == [TWO, {"epoch": [1, 2], "acc": [0.5, 0.25]}]


def test_cells_without_numbers() -> None:
    text = "| it | a | b | c | d |\n|-|-|-|-|-|\n| 1 | - | 50% | x | nan |\n"
    text += "| 2 | 0.5 | 25.5% | y | 1 |\n| mean | 1 | 2 | z | 3 |\n"
    assert tables(text) == [
        {"it": [1, 2], "a": [None, 0.5], "b": [50.0, 25.5], "c": ["x", "y"], "d": [None, 1.0]},
    ]


def test_a_number_that_is_cut_is_none() -> None:
    rule = "-" * 37 + "\n"
    head = "|   iter    |  target   |     x     |\n" + rule
    rows = "| 1         | -4.361e-0 | 1.0       |\n"
    rows += "| 2         | -1.02e-06 | -4.361e-1 |\n| 3         | 0.5       | 1.5e-05   |\n"
    assert tables(head + rows + "=" * 37 + "\n") == [
        {"iter": [1, 2, 3], "target": [None, -1.02e-06, 0.5], "x": [1.0, None, 1.5e-05]}
    ]
    assert tables("| a | lr |\n|---|----|\n| 1 | 1e-4 |\n| 2 | 0.123… |\n") == [{"a": [1, 2], "lr": [1e-4, None]}]


def test_words_first_are_columns_where_the_table_comes_again() -> None:
    drawn = "---- [Epoch {0}/9, Batch 0/9] ----\n| Metric | train | val |\n|---|---|---|\n"
    drawn += "| loss | 0.{0}5 | 1.{0} |\n| acc | 0.{0} | - |\n"
    assert tables("".join(drawn.format(i) for i in (1, 2))) == [
        {"epoch": [1, 2], "loss/train": [0.15, 0.25], "loss/val": [1.1, 1.2], "acc/train": [0.1, 0.2]}
    ]
    pairs = "+---+---+\n| Name | Value |\n+---+---+\n| loss | 0.{0} |\n| note | x |\n+---+---+\n"
    assert tables("".join(pairs.format(i) for i in (1, 2))) == [{"loss": [0.1, 0.2]}]


SETTINGS = [
    "| Parameter | Value |\n|---|---|\n| lr | 0.1 |\n| batch size B | 64 |\n",
    "+---+---+\n| Parameter | Value |\n+---+---+\n| lr | 0.1 |\n+---+---+\n| batch size B | 64 |\n+---+---+\n",
    "| class | AP |\n|---|---|\n| cat | 0.5 |\n| dog | 0.25 |\n",
    "| lr | batch |\n|---|---|\n| 0.1 | 64 |\n",
    "| a | a |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n",
    "| 1 | 2 |\n|---|---|\n| 3 | 4 |\n| 5 | 6 |\n",
    "| epoch 1 | loss 0.5 |\n--------------------\n| epoch 2 | loss 0.25 |\n--------------------\n",
    " 45%|####     | 45/100 [00:10<00:12, 4.5it/s]\n|####|\n",
    "a | b\n",
    "",
]


@pytest.mark.parametrize("text", SETTINGS)
def test_what_is_no_table_stays_as_it_is(text: str) -> None:
    assert read_bars(text.encode()) == ([], text.encode())


def test_boxes_of_baselines_are_no_bars() -> None:
    rule = "-" * 19 + "\n"
    box = f"{rule}| rollout/ |      |\n|    reward | {{0}} |\n| run | a |\n| step | {{0}}00 |\n{rule}"
    text = "".join(box.format(i) for i in (1, 2)).encode()
    assert read_bars(text) == ([], text)
    table, left = read_boxes(text)
    assert table is not None
    assert list(table.names) == ["rollout/reward", "rollout/step"]
    assert left == b""


def test_boxes_of_settings_are_no_table() -> None:
    text = b"+-----+----+\n| batch size B | 64 |\n| lr | 0.1 |\n+-----+----+\n| layers | 12 |\n+-----+----+\n"
    assert read_boxes(text) == (None, text)


def test_rows_are_seen_in_a_piece() -> None:
    assert has_rows(b"x\n | 1 | 2 |\n")
    assert has_rows("│ 1 │ 2 │\n".encode())
    assert not has_rows(b"10%|## | 1/2\n| open\nplain\n-----\n")


@pytest.mark.parametrize(
    "text",
    [
        "|" + " " * 2_000_000 + "\n",
        "|" * 500_000 + "\n",
        "-" * 2_000_000 + "x\n",
        "│" * 300_000 + "x\n",
        MARKDOWN * 5_000,
        "epoch: 1\n".join([MARKDOWN] * 5_000),
        "".join(MARKDOWN.replace("loss", f"loss{i}") for i in range(3_000)),
        "x: 1\n".join(f"| {i} | 0.5 |\n" for i in range(20_000)),
    ],
    ids=range(8),
)
def test_bars_take_time_as_the_text_is_long(text: str) -> None:
    with at_most(3):
        _, left = read_bars(text.encode())
        read_boxes(left)
