"""Logs to tables: each shape of a log is a literal here; what is read is compared cell by cell."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import math
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metarunlog import logs
from metarunlog.logs import LogFile, UnreadablePickle, find, metrics_of, parse, summary_frame
from metarunlog.logs.cells import Table, frame
from metarunlog.logs.delimited import read_delimited
from metarunlog.logs.fastrows import read_numbers
from metarunlog.logs.find import base_name
from metarunlog.logs.jsonlines import read_json
from metarunlog.logs.rows import read_rows
from metarunlog.logs.sniff import Layout
from metarunlog.logs.source import NoTable

nan, inf = math.nan, math.inf
CSV = "step,loss,acc\n1,0.5,0.25\n2,0.25,0.5\n3,0.125,0.75\n"
Reader = Callable[..., pd.DataFrame]


packed = partial(gzip.compress, mtime=0)  # the same bytes at any time


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Write one log and read it; the table."""

    def read_one(content: str | bytes, name: str = "metrics.csv", **log: Any) -> pd.DataFrame:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        files = [LogFile("t", name, **log)] if log else find(tmp_path, None, ())
        parsed = parse(tmp_path, files)
        assert len(parsed.tables) == 1, dict(parsed.notes)
        return next(iter(parsed.tables.values()))

    return read_one


@pytest.fixture
def refuse(tmp_path: Path) -> Callable[..., str]:
    """Write one log that gives no table; the reason."""

    def refuse_one(content: str | bytes, name: str = "metrics.csv", **log: Any) -> str:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        parsed = parse(tmp_path, [LogFile("t", name, **log)])
        assert not parsed.tables
        assert parsed.notes[name].startswith("no table: ")
        return parsed.notes[name].removeprefix("no table: ")

    return refuse_one


def cells(table: pd.DataFrame) -> dict[str, list[Any]]:
    """The table as lists, NaN as None so that it compares."""
    return {name: [None if cell != cell else cell for cell in table[name].tolist()] for name in table}


def tree(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(CSV)


# --- which files ---------------------------------------------------------------------------------------------------


def test_find_takes_known_kinds_in_natural_order(tmp_path: Path) -> None:
    tree(tmp_path, "fold10.csv", "fold2.csv", "a/b/c.jsonl", "x.TSV", "m.csv.gz", "n.log.xz", "log", "model.pt", "gz")
    tree(tmp_path, ".hidden.csv", ".cache/x.csv", "conf.json", "cfg/m.json", "events.out.tfevents.1.host", ".csv")
    found = [log.path for log in find(tmp_path, None, {"conf.json", "cfg/m.json"})]
    assert found == [
        *("a/b/c.jsonl", "events.out.tfevents.1.host", "fold2.csv", "fold10.csv"),
        *("log", "m.csv.gz", "n.log.xz", "x.TSV"),
    ]


def test_find_goes_four_levels_deep(tmp_path: Path) -> None:
    tree(tmp_path, "a/b/c/in.csv", "a/b/c/d/out.csv")
    assert [log.path for log in find(tmp_path, None, ())] == ["a/b/c/in.csv"]


def test_find_puts_run_log_last_as_a_fallback(tmp_path: Path) -> None:
    tree(tmp_path, "run.log", "z.csv", "sub/run.log")
    assert [(log.path, log.fallback) for log in find(tmp_path, None, ())] == [
        ("sub/run.log", False),
        ("z.csv", False),
        ("run.log", True),
    ]


def test_find_leaves_large_files_out_unless_named(tmp_path: Path) -> None:
    with (tmp_path / "big.csv").open("wb") as f:
        f.truncate((256 << 20) + 1)
    assert find(tmp_path, None, ()) == []
    assert [log.path for log in find(tmp_path, {"big": "big.csv"}, ())] == ["big.csv"]


def test_find_follows_links_inside_only_and_once(tmp_path: Path) -> None:
    sub = tmp_path / "001"
    tree(tmp_path, "outside.csv", "elsewhere/x.csv", "001/a/b/c/d/deep.csv", "001/run-1/m.csv")
    (sub / "out.csv").symlink_to(tmp_path / "outside.csv")
    (sub / "dir").symlink_to(tmp_path / "elsewhere")
    (sub / "latest").symlink_to("run-1")
    (sub / "latest.csv").symlink_to("run-1/m.csv")
    (sub / "deep").symlink_to("a/b/c/d")
    (sub / "loop").symlink_to(".")
    (sub / "broken.csv").symlink_to("nowhere.csv")
    assert [log.path for log in find(sub, None, ())] == ["deep/deep.csv", "run-1/m.csv"]


def test_find_named_takes_exactly_these(tmp_path: Path) -> None:
    tree(tmp_path, "metrics.csv", "out/b10.log", "out/b9.log", "out/.c.log", "other.csv")
    spec = {"train": "metrics.csv", "b": {"path": "out/*.log", "format": "csv", "sep": ";"}, "later": "not/yet.csv"}
    assert find(tmp_path, spec, {"metrics.csv"}) == [
        LogFile("train", "metrics.csv", named=True),
        LogFile("b:out/b9", "out/b9.log", "csv", {"sep": ";"}, named=True),
        LogFile("b:out/b10", "out/b10.log", "csv", {"sep": ";"}, named=True),
    ]
    assert [log.table for log in find(tmp_path, {"one": "out/b1*.log"}, ())] == ["one"]
    assert find(tmp_path, {}, ()) == []
    assert find(tmp_path / "missing", None, ()) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("metrics.csv", "metrics"),
        ("out/train.jsonl", "out/train"),
        ("0.monitor.csv", "0.monitor"),
        ("p.csv.gz", "p"),
        ("log", "log"),
        ("run.log.json", "run.log"),
        ("v0.9/log", "v0.9/log"),
    ],
)
def test_base_name_drops_the_suffix(path: str, name: str) -> None:
    assert base_name(path) == name


# --- csv and tsv ---------------------------------------------------------------------------------------------------


def test_csv_plain(read: Reader) -> None:
    table = read(CSV)
    assert cells(table) == {"step": [1, 2, 3], "loss": [0.5, 0.25, 0.125], "acc": [0.25, 0.5, 0.75]}
    assert [dtype.kind for dtype in table.dtypes] == ["i", "f", "f"]
    assert table.attrs == {"partial": False, "source": "metrics.csv", "sparse": [], "last_nan": [], "x": "step"}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (CSV.replace("\n", "\r\n"), "m.csv"),
        (CSV.replace("\n", "\r"), "m.csv"),
        ("\ufeff" + CSV, "m.csv"),
        (CSV.replace(",", ", ").replace("\n", " \n"), "m.csv"),
        (CSV.replace(",", "\t"), "m.tsv"),
        (CSV.replace(",", "\t"), "m.csv"),
        (CSV.replace(",", "\t"), "scores.txt"),
        (CSV, "train.log"),
        (CSV.replace(",", ";"), "m.csv"),
        (CSV.replace(",", ";").replace(".", ","), "m.csv"),
        (CSV.replace(",", "|"), "m.csv"),
        (CSV.replace(",", "   "), "m.txt"),
        ("# np.savetxt\n# step loss acc\n" + "\n".join(CSV.replace(",", " ").split("\n")[1:]), "m.txt"),
        ("#step,loss,acc\n" + "\n".join(CSV.split("\n")[1:]), "m.csv"),
        ('#{"t_start": 1.5, "env_id": "x"}\n' + CSV.replace("\n", "\r\n"), "0.monitor.csv"),
        (CSV.replace("2,0.25,0.5\n", "# resumed\n\n2,0.25,0.5\n\n"), "m.csv"),
        (CSV.replace("2,", "step,loss,acc\nstep,loss,acc\n2,"), "m.csv"),
        (CSV.replace(",", '","').replace("\n", '"\n"')[:-1].join(['"', ""]), "m.csv"),
        (CSV.replace("\n", ",\n"), "m.csv"),
        (CSV.replace("step,loss,acc", "step,loss,acc,"), "m.csv"),
        (CSV.encode("utf-16"), "m.csv"),
        (CSV.encode("utf-16-le"), "m.csv"),
        (CSV.encode("utf-16-be"), "m.csv"),
        (CSV.encode("utf-32"), "m.csv"),
        (packed(CSV.encode()), "m.csv.gz"),
        (packed(CSV[:20].encode()) + packed(CSV[20:].encode()), "m.csv.gz"),
        (packed(CSV.encode()), "m.csv"),
        (lzma.compress(CSV.encode()), "m.csv.xz"),
    ],
)
def test_csv_shapes_give_the_same_table(read: Reader, content: str | bytes, name: str) -> None:
    table = read(content, name)
    assert cells(table) == {"step": [1, 2, 3], "loss": [0.5, 0.25, 0.125], "acc": [0.25, 0.5, 0.75]}
    assert not table.attrs["partial"]


def test_csv_sparse_columns_keep_nan_apart_from_empty(read: Reader) -> None:
    table = read("step,train,val,none\n1,0.5,,\n1,,0.9,\n2,nan,,\n2,,0.8,\n")
    assert cells(table)["train"] == [0.5, None, None, None]
    assert table.attrs["sparse"] == ["none", "train", "val"]
    assert table.attrs["last_nan"] == ["train"]
    metrics = metrics_of({"t": table})
    assert math.isnan(metrics["t", "train"].last)
    assert metrics["t", "train"][1:] == (0.5, 0.5)
    assert metrics["t", "val"] == (0.8, 0.8, 0.9)
    assert all(map(math.isnan, metrics["t", "none"]))


def test_csv_words_for_numbers(read: Reader) -> None:
    table = read("a,b,c\n1e-3,nan,inf\n-1.5E+2,-nan(ind),-Infinity\n.5,NaN,1.#INF\n5.,nan,+inf\n")
    assert cells(table) == {"a": [1e-3, -150, 0.5, 5], "b": [None] * 4, "c": [inf, -inf, inf, inf]}
    assert table.attrs["sparse"] == []


def test_csv_text_and_booleans(read: Reader) -> None:
    table = read('run,done,note,id,part\na,True,"x, ""y""\nz",1_000,True\nb,False,,2_0,\n')
    assert cells(table) == {
        "run": ["a", "b"],
        "done": [True, False],
        "note": ['x, "y"\nz', None],
        "id": ["1_000", "2_0"],
        "part": ["True", None],
    }
    assert table["done"].dtype.kind == "b"
    assert "x" not in table.attrs


def test_csv_numbers_are_exact(read: Reader) -> None:
    words = ["0.1000000000000000055511151231257827", "2.2250738585072011e-308", "0.30000001192092896", "1e23"]
    wide = ["9223372036854775807", "-9223372036854775808", "1", "2"]
    over = ["9223372036854775808", "99999999999999999999", "1", "2"]
    text = "a,b,c\n" + "\n".join(map(",".join, zip(words, wide, over))) + "\n"
    for copies in (1, 500):  # the second one is long enough for pandas
        table = read(text + text.partition("\n")[2] * (copies - 1))
        assert table["a"].tolist()[:4] == [float(word) for word in words]
        assert table["b"].tolist()[-4:] == [int(word) for word in wide]
        assert table["c"].tolist()[:4] == [float(word) for word in over]


def test_csv_names(read: Reader) -> None:
    assert list(read(" loss ,loss,loss.1,,loss\n1,2,3,4,5\n")) == ["loss", "loss.2", "loss.1", "column4", "loss.3"]
    table = read(",loss\n0,2\n1,3\n")
    assert list(table) == ["index", "loss"]
    assert table.attrs["x"] == "index"


def test_csv_without_a_header(read: Reader) -> None:
    assert cells(read("1,2\n3,4\n")) == {"column1": [1, 3], "column2": [2, 4]}
    assert cells(read("a,0.5\nb,0.25\n")) == {"column1": ["a", "b"], "column2": [0.5, 0.25]}


def test_csv_header_only_is_a_table_without_rows(read: Reader) -> None:
    table = read("step,loss\n")
    assert table.shape == (0, 2)
    assert [dtype.kind for dtype in table.dtypes] == ["f", "f"]
    assert all(map(math.isnan, metrics_of({"t": table})["t", "loss"]))


@pytest.mark.parametrize("copies", [1, 3000])
def test_csv_rows_of_a_wrong_length_are_left_out_and_told(tmp_path: Path, copies: int) -> None:
    (tmp_path / "m.csv").write_text("a,b\n" + "1,0.5\n2,0.53,0.7\n3\n4,0.25\n" * copies)
    parsed = parse(tmp_path, find(tmp_path, None, ()))
    assert cells(parsed.tables["m"]) == {"a": [1, 4] * copies, "b": [0.5, 0.25] * copies}
    assert f"{2 * copies} lines left out that do not have 2 fields" in parsed.notes["m.csv"]


def test_csv_last_line_with_too_few_fields_is_half_written(read: Reader) -> None:
    table = read("a,b\n1,0.5\n2\n")
    assert cells(table) == {"a": [1], "b": [0.5]}
    assert table.attrs["partial"]


def test_csv_open_quote_at_the_end_is_half_written(read: Reader) -> None:
    for rows in (1, 3000):
        table = read("a,b\n" + '1,"x\ny"\n' * rows + '2,"open\n')
        assert len(table) == rows
        assert table.attrs["partial"]
        assert table["b"].tolist()[-1] == "x\ny"


def test_csv_options_of_the_config(read: Reader, refuse: Callable[..., str]) -> None:
    assert list(read("a:b\n1:2\n", "m.dat", format="csv", options={"sep": ":"})) == ["a", "b"]
    latin = "größe,b\n1,2\n".encode("latin-1")
    assert list(read(latin)) == ["größe", "b"]
    assert list(read("größe,b\n1,2\n")) == ["größe", "b"]
    assert list(read("损失,b\n1,2\n".encode("gbk"), options={"encoding": "gbk"})) == ["损失", "b"]
    assert "no-such" in refuse(latin, options={"encoding": "no-such"})
    assert '"sepp" is not known' in refuse(CSV, options={"sepp": ","})
    assert '"regexp" is not known' in refuse(CSV, format="regexp")


def test_text_is_no_table(refuse: Callable[..., str]) -> None:
    for text in (
        "2018-01-01 10:00:00,123 INFO start\n2018-01-01 10:00:01,456 INFO stop\n",
        "step 1, 0.5, 0.6\nstep 2, 0.25, 0.5\n",
        "Using device: cuda\n",
        "{'loss': 0.5}\n{'loss': 0.25}\n",
        "[2018-01-01 10:00] loss 0.5\n[2018-01-01 10:01] loss 0.25\n",
        '{"lr": 0.1}\nepoch 1 of 9\nepoch 2 of 9\n',
    ):
        assert refuse(text, "train.log").startswith("text, but neither columns, json lines nor lines with numbers")


# --- json ----------------------------------------------------------------------------------------------------------

LINES = '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n'


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (LINES, "m.jsonl"),
        (LINES, "m.json"),
        (LINES, "m.log"),
        (LINES, "m.txt"),
        (LINES, "m.csv"),
        (LINES[:-1], "m.ndjson"),
        (LINES.replace("\n", "\r\n"), "m.jsonl"),
        (LINES.replace("}\n", "},\n"), "m.json"),
        (LINES.replace("\n", ""), "m.json"),
        ("[" + LINES.replace("}\n{", "},\n{") + "]", "log"),
        (json.dumps(json.loads("[" + LINES.replace("}\n{", "},\n{") + "]"), indent=4), "m.json"),
        ("".join(json.dumps(json.loads(line), indent=2) + "\n" for line in LINES.splitlines()), "m.json"),
        ("starting\n" + LINES, "m.log"),
        ("[INFO] starting\n" + LINES, "m.log"),
        (LINES.replace("\n{", "\nTraceback {\n{"), "m.log"),
        (json.dumps({"step": [1, 2], "loss": [0.5, 0.25]}), "history.json"),
        (json.dumps({"best": None, "log_history": [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]}), "m.json"),
        (LINES.encode("utf-16"), "m.jsonl"),
        (packed(LINES.encode()), "m.jsonl.gz"),
    ],
)
def test_json_shapes_give_the_same_table(read: Reader, content: str | bytes, name: str) -> None:
    table = read(content, name)
    assert cells(table) == {"step": [1, 2], "loss": [0.5, 0.25]}
    assert not table.attrs["partial"]
    assert table.attrs["x"] == "step"


def test_json_records_that_differ(read: Reader) -> None:
    table = read(
        '{"env": "x"}\n{"step": 1, "loss": 0.5, "lr": null}\n{"val": NaN, "step": 1}\n{"step": 2, "loss": -Infinity}\n',
        "m.json",
    )
    assert cells(table) == {
        "env": ["x", None, None, None],
        "step": [None, 1, 1, 2],
        "loss": [None, 0.5, None, -inf],
        "lr": [None] * 4,
        "val": [None] * 4,
    }
    assert table.attrs["sparse"] == ["env", "loss", "lr", "step", "val"]
    assert table.attrs["last_nan"] == ["val"]
    assert table.attrs["x"] == "step"


def test_json_nested_lists_and_odd_values(read: Reader) -> None:
    record = {
        "a": {"b": {"c": 1}, "d": 2},
        "a/d": 3,
        "list": [1, {"x": 2}],
        "n": "0.5",
        "t": True,
        "big": 10**30,
        "e": {},
        "mixed": 1,
    }
    other = {**record, "n": "nan", "t": False, "mixed": "one"}
    table = read("\n".join(map(json.dumps, (record, other))), "m.jsonl")
    assert cells(table) == {
        "a/b/c": [1, 1],
        "a/d": [2, 2],
        "a/d.1": [3, 3],
        "list": ['[1, {"x": 2}]'] * 2,
        "n": [0.5, None],
        "t": [True, False],
        "big": [1e30, 1e30],
        "mixed": ["1", "one"],
    }


def test_json_bare_words_of_c(read: Reader) -> None:
    table = read('{"a": nan, "b": -inf, "c": [nan]}\n{"a": 1, "b": +inf, "c": "x"}\n', "m.jsonl")
    assert cells(table)["a"] == [None, 1]
    assert cells(table)["b"] == [-inf, inf]


def test_json_broken_line_between_is_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(LINES + '{"step": 3, "lo{"step": 3, "loss": 0.125}\n{"step": 4, "loss": 0.1}\n')
    parsed = parse(tmp_path, find(tmp_path, None, ()))
    assert cells(parsed.tables["m"])["step"] == [1, 2, 4]
    assert "1 lines left out" in parsed.notes["m.jsonl"]
    assert not parsed.tables["m"].attrs["partial"]


def test_json_single_object_is_a_row_unless_it_is_settings(read: Reader, refuse: Callable[..., str]) -> None:
    assert cells(read('{"loss": 0.5, "_step": 7}', "wandb-summary.json")) == {"loss": [0.5], "_step": [7]}
    assert "settings" in refuse('{"lr": 0.5}', "params.json")
    assert "settings" in refuse('{"lr": 0.5}', "my_config.v2.json")
    assert "without numbers" in refuse('{"host": "a"}', "info.json")
    assert "2001 values" in refuse(json.dumps({f"w{i}": i for i in range(2001)}), "words.json")
    assert cells(read('{"lr": 0.5}', "params.json", named=True)) == {"lr": [0.5]}
    assert refuse("[1, 2, 3]", "m.json") == "no json records"
    assert refuse("text\n", "m.json") == "no json records"


# --- cut at every byte ---------------------------------------------------------------------------------------------


def shown(table: pd.DataFrame) -> str:
    return repr(cells(table))


def plain(table: Table) -> str:
    """A table before it is a DataFrame, which takes ten times as long to make."""
    columns = [column.values if isinstance(column.values, list) else column.values.tolist() for column in table.columns]
    return repr((list(table.names), columns, [column.last for column in table.columns]))


def height(table: Table) -> int:
    return len(table.columns[0].values)


cell = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=True).map(repr),
    st.sampled_from(["", "a b", "x,y", 'say "hi"', "two\nlines", "é", "🙂"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_csv_cut_at_every_byte_gives_the_complete_records(rows: list[tuple[str, ...]], end: str) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator=end)
    ends = [0]
    for row in (("step", "loss", "note"), *rows):
        writer.writerow(row)
        ends.append(len(buffer.getvalue().encode()))
    data = buffer.getvalue().encode()
    whole = {n: plain(read_delimited(data[: ends[n]], named=True, prefer=",")[0]) for n in range(1, len(ends))}
    for cut in range(1, len(data) + 1):
        complete = sum(stop <= cut for stop in ends[1:])
        text = data[:cut].decode(errors="ignore").encode()  # the character cut in two is the matter of the source
        try:
            table, _ = read_delimited(text, named=True, prefer=",")
        except NoTable:
            assert complete == 0
            continue
        if not complete:  # a header cut between \r and \n
            assert not height(table)
            continue
        assert plain(table) == whole[complete]
        assert height(table) == complete - 1
        assert table.partial == (len(text) > ends[complete])


value = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2)
)
record = st.dictionaries(
    st.text(max_size=5), st.one_of(value, st.dictionaries(st.text(max_size=3), value, max_size=2)), max_size=4
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(record, min_size=1, max_size=4), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_json_lines_cut_at_every_byte_give_the_complete_records(
    records: list[dict[str, Any]], ascii_only: bool, end: str
) -> None:
    records = [{"step": i, **one} for i, one in enumerate(records)]
    data, ends = b"", []
    for one in records:
        line = json.dumps(one, ensure_ascii=ascii_only).encode(errors="replace")
        ends.append(len(data) + len(line))  # the brace closes the record, the line end may be missing
        data += line + end.encode()
    whole = [plain(read_json(data[:stop])[0]) for stop in ends]
    for cut in range(1, len(data) + 1):
        complete = sum(stop <= cut for stop in ends)
        text = data[:cut].decode(errors="ignore").encode()
        try:
            table, _ = read_json(text)
        except NoTable:
            assert complete == 0
            continue
        assert plain(table) == whole[complete - 1]
        assert height(table) == complete
        assert table.partial == bool(text[ends[complete - 1] :].strip())


@pytest.mark.parametrize("pack", [packed, lzma.compress, lambda data: data.decode().encode("utf-16")])
def test_archives_and_utf16_cut_at_every_byte_give_a_prefix(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    text = "step,loss\n" + "".join(f"{i},{i / 7}\n" for i in range(15))
    data = pack(text.encode())
    whole = [f"{i}" for i in range(15)]
    for cut in range(len(data)):
        (tmp_path / "m.csv").write_bytes(data[:cut])
        parsed = parse(tmp_path, [LogFile("m", "m.csv")])
        for table in parsed.tables.values():
            steps = [str(int(step)) for step in table["step"]]
            assert steps == whole[: len(steps)]
            assert table["loss"].tolist() == [i / 7 for i in range(len(steps))]
            assert table.attrs["partial"] or data[:2] == b"\xff\xfe"
        assert "Error" not in parsed.notes["m.csv"]


# --- the two ways to read rows are one ------------------------------------------------------------------------------

word = st.sampled_from(
    [
        *("", "1", "2.5", "-3e-5", "nan", "NaN", "inf", "-Infinity", " 4", "5 ", "None", "NA", "True", "false", "abc"),
        *("1_0", "0x1", "99999999999999999999", "9223372036854775807", "-0.0", "1e400", "+7", '"q"', '"a,b"', '"l\n2"'),
        *('"x""y"', '5" disk', '"open', ".5", "5.", "1e", "007", "é", "#c", " ", "\t", "nan ", "1;2", "1.#IND", "null"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(*[st.lists(word, min_size=3, max_size=3)] * 3, st.lists(word, min_size=2, max_size=4)), max_size=8
    ),
    st.sampled_from([",", "\t", ";"]),
    st.lists(st.sampled_from(["\n", "\n", "\r\n", "\n\n", "\r"]), min_size=9, max_size=9),
    st.booleans(),
)
def test_rows_read_by_pandas_equal_rows_read_exactly(
    rows: list[list[str]], sep: str, ends: list[str], mixed: bool
) -> None:
    text = "".join(
        sep.join(row) + (end if mixed else ends[0]) for row, end in zip([["a", "b", "c"], *rows], ends)
    ).encode()

    def result(short: int) -> Any:
        try:
            table, how = read_delimited(text, named=True, prefer=sep, short=short)
        except NoTable as e:
            return str(e)
        made = frame(table, "f")
        return how, shown(made), list(made.dtypes), made.attrs

    assert result(0) == result(1 << 30)


cell = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(["1", "2.50", "-3e-5", "+7", ".5", "5.", "007", " 4 ", "nan", "NaN", "-inf", "Infinity", "1e400"]),
    st.sampled_from(["", " ", "1_0", "0x1", "1e", "1d5", "1j", "true", "é", "\u0661", "1#", "9" * 30, "-0", "1\x0b"]),
)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from([",", "\t", " "]), st.lists(st.booleans(), min_size=2, max_size=3))
def test_numbers_read_by_numpy_equal_numbers_read_exactly(data: st.DataObject, sep: str, whole: list[bool]) -> None:
    kinds = [st.integers(-(2**70), 2**70).map(str) if one else cell for one in whole]
    rows = data.draw(st.lists(st.tuples(*[st.one_of(kind, kind, st.just("3")) for kind in kinds]), max_size=6))
    text = "\n".join(map(sep.join, rows)) + data.draw(st.sampled_from(["", "\n", "\n\n", "\n \n", "\n1"]))
    layout = Layout(sep, tuple(f"column{i}" for i in range(len(whole))), header=False)
    quick = read_numbers(text.encode(), layout)
    if quick is not None:
        exact = read_rows(text.encode(), layout)
        assert quick.bad == exact.bad and quick.cut == exact.cut
        for one, other in zip(quick.columns, exact.columns, strict=True):
            assert one.values.dtype == other.values.dtype and one.values.tobytes() == other.values.tobytes()
            assert (one.last, one.worded) == (other.last, other.worded)
    elif all(re.fullmatch("-?[0-9]{1,18}", one) for row in rows for one in row):
        assert not rows or "\n1" in text or "\n " in text, "plain numbers were not taken"


# --- bad logs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"\x00" * 100, "empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00", "binary"),
        (bytes(range(256)) * 20, "binary"),
        (b"\x80\x04\x95\x01\x02\x03\x04\x05\x06\x07", "binary"),
        (b"step,loss", "no complete line yet"),
        (b"# only\n# comments\n", "only comments"),
        (packed(CSV.encode())[:5], "empty"),
        (b"\x1f\x8b\x08garbage, not gzip", "damaged gz data"),
        (packed(CSV.encode())[:-8] + b"01234567", "damaged gz data"),
        (packed(CSV.encode()) + b"trailing", "damaged gz data"),
        (b"\xfd7zXZ\x00garbage, garbage", "damaged xz data"),
        (
            b"just some words\nand more\n",
            "no separator found: neither comma, tab, semicolon, bar nor blanks make columns",
        ),
        (b"a,b\n" + b"1,2,3\n" * 5 + b"1,2\n", "5 of 6 lines do not have 2 fields"),
        (b"a" * (9 << 20) + b",b\n1,2\n", "its first line is over 8 MB long"),
    ],
    ids=repr,
)
def test_bad_log_gives_a_reason(refuse: Callable[..., str], content: bytes, reason: str) -> None:
    assert refuse(content) == reason


def test_folder_pipe_and_missing_file_give_a_reason(tmp_path: Path) -> None:
    (tmp_path / "d.csv").mkdir()
    os.mkfifo(tmp_path / "p.csv")
    named = {"d": "d.csv", "p": "p.csv"}
    parsed = parse(tmp_path, [*find(tmp_path, named, ()), LogFile("gone", "gone.csv")])
    assert dict(parsed.notes) == {
        "d.csv": "no table: a folder, not a file",
        "p.csv": "no table: not a regular file",
        "gone.csv": "no table: cannot be read (No such file or directory)",
    }
    assert find(tmp_path, None, ()) == []


def test_unreadable_file_gives_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.csv").write_text(CSV)

    def denied(path: str, *_: Any) -> int:  # permission bits do not stop root
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr("metarunlog.logs.source.os.open", denied)
        parsed = parse(tmp_path, [LogFile("m", "m.csv")])
    assert dict(parsed.notes) == {"m.csv": "no table: cannot be read (Permission denied)"}


def test_archive_that_unpacks_to_too_much_gives_a_reason(
    refuse: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metarunlog.logs.source.MAX_UNPACKED", 1 << 20)
    assert "more than" in refuse(packed(b"1,2\n" * (1 << 20)), "m.csv.gz")
    assert "more than" in refuse(lzma.compress(b"1,2\n" * (1 << 20)), "m.csv.xz")


def test_many_columns_and_a_long_line(read: Reader) -> None:
    names = ",".join(f"c{i}" for i in range(10_000))
    table = read(names + "\n" + ",".join("0.5" for _ in range(10_000)) + "\n")
    assert table.shape == (1, 10_000)
    table = read("a,b\n1,2\n" + "x" * 5_000_000 + "\n3,4\n")
    assert cells(table) == {"a": [1, 3], "b": [2, 4]}


# --- names, the pickle ---------------------------------------------------------------------------------------------


def test_parse_names_tables_and_loses_none(tmp_path: Path) -> None:
    tree(tmp_path, "metrics.csv", "metrics.log", "out/train.csv", "text.csv", "run.log")
    (tmp_path / "text.log").write_text("no table\n")
    parsed = parse(tmp_path, find(tmp_path, None, ()))
    assert list(parsed.tables) == ["metrics.csv", "metrics.log", "out/train", "text"]
    assert parsed.notes["metrics.csv"] == "csv, ',' between columns; 3 rows, 3 columns"
    assert "run.log" not in parsed.notes
    assert list(parse(tmp_path, find(tmp_path, {"a": "*.csv", "b": "run.log"}, ())).tables) == [
        "a:metrics",
        "a:text",
        "b",
    ]


def test_parse_reads_run_log_where_nothing_else_gives_a_table(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text(LINES)
    (tmp_path / "notes.txt").write_text("no table\n")
    assert list(parse(tmp_path, find(tmp_path, None, ())).tables) == ["run"]


MIXED = "step,loss,note,done\n1,0.5,a,True\n2,nan,,False\n3,0.25,a,True\n"


def test_dump_and_read_give_the_same_tables(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(MIXED)
    (tmp_path / "n.csv").write_text("a,b\n")
    parsed = parse(tmp_path, find(tmp_path, None, ()))
    data = logs.dump(parsed)
    tables = logs.read(data)
    assert list(tables) == ["m", "n"]
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, parsed.tables[name])
        assert table.attrs == parsed.tables[name].attrs
        assert json.loads(json.dumps(table.attrs)) == table.attrs
    (tmp_path / "p.pkl").write_bytes(data)
    plain = pd.read_pickle(tmp_path / "p.pkl")
    pd.testing.assert_frame_equal(plain["m"], tables["m"])
    assert logs.dump(logs.Parsed(tables)) == data
    assert logs.dump(logs.Parsed()) == logs.dump(parse(tmp_path, []))
    assert logs.read(logs.dump(logs.Parsed())) == {}


def test_dump_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(MIXED)
    (tmp_path / "l.csv").write_text(MIXED + MIXED.partition("\n")[2] * 2000)  # read by pandas
    (tmp_path / "j.jsonl").write_text('{"step": 1, "axes": "step", "x": {"loss": 1}}\n{"axes": "axes", "step": 2}\n')
    code = (
        "import sys; from pathlib import Path; from metarunlog import logs; d = Path(sys.argv[1]);"
        "sys.stdout.buffer.write(logs.dump(logs.parse(d, logs.find(d, None, ()))))"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(logs.__file__).parents[2])},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    made.add(logs.dump(parse(tmp_path, find(tmp_path, None, ()))))
    assert len(made) == 1


def test_dump_does_not_depend_on_the_way_a_table_was_read() -> None:
    text = (MIXED + MIXED.partition("\n")[2] * 50).encode()
    tables = [frame(read_delimited(text, named=True, short=short)[0], "m.csv") for short in (0, 1 << 30)]
    assert logs.dump(logs.Parsed({"m": tables[0]})) == logs.dump(logs.Parsed({"m": tables[1]}))


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"garbage", pickle.dumps([1]), pickle.dumps({"t": 1}), pickle.dumps({1: pd.DataFrame()})),
        *(pickle.dumps({"t": Evil()}), pickle.dumps({"t": pd.DataFrame({"a": [Evil()]})}), pickle.dumps(eval)),
        b"\x80\x04\x8c\x06pandas\x8c\x0eDataFrame.eval\x93.",
    ],
)
def test_read_refuses_everything_else(content: bytes) -> None:
    with pytest.raises(UnreadablePickle):
        logs.read(content)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_read_of_a_damaged_pickle_never_crashes(data: st.DataObject) -> None:
    table = frame(read_delimited(MIXED.encode(), named=True)[0], "m.csv")
    content = logs.dump(logs.Parsed({"m": table}))
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(UnreadablePickle):
        logs.read(content[:cut])


# --- load and summary ----------------------------------------------------------------------------------------------


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment with three sub-experiments; the last has no log."""
    exp = tmp_path / "0001"
    tree(exp, "001/metrics.csv", "002/metrics.csv")
    (exp / "002/val.csv").write_text("epoch,loss,f1\n1,0.75,nan\n")
    (exp / "003").mkdir()
    params = {sub: {"lr": lr, "opt": "sgd"} for sub, lr in (("001", 0.1), ("002", 0.01), ("003", 1))}

    def settings_of(folder: Path) -> SimpleNamespace:
        derived = (folder if folder == exp else folder.parent) / "analysis"
        return SimpleNamespace(
            analysis_dir=derived,
            logs=None,
            skip=frozenset({"conf.yaml"}),
            sub_ids=list(params),
            params=params,
            sub_pattern="[0-9]*",
        )

    monkeypatch.setattr("metarunlog.project.settings_of", settings_of)
    monkeypatch.delenv("MRL_FROZEN", raising=False)
    return exp


def analyze(exp: Path, sub: str, *more: str) -> Path:
    """Write the pickle of a sub-experiment, with other numbers than the log's so that it can be told from it."""
    target = logs.pickle_path(exp / "analysis", sub)
    target.parent.mkdir(parents=True, exist_ok=True)
    tables = dict(parse(exp / sub, find(exp / sub, None, ())).tables)
    tables["metrics"].loc[0, "loss"] = 99.0
    target.write_bytes(logs.dump(logs.Parsed(tables)))
    later(target, 10)
    return target


def later(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() + seconds,) * 2)


def test_load_parses_where_there_is_no_pickle(experiment: Path) -> None:
    assert logs.load(experiment / "001")["metrics"]["loss"].tolist() == [0.5, 0.25, 0.125]
    assert logs.load(str(experiment / "003")) == {}
    assert not (experiment / "analysis").exists()


def test_load_takes_the_pickle_while_it_is_newer(experiment: Path) -> None:
    analyze(experiment, "001")
    assert logs.load(experiment / "001")["metrics"]["loss"][0] == 99
    later(experiment / "001/metrics.csv", 20)
    assert logs.load(experiment / "001")["metrics"]["loss"][0] == 0.5


def test_load_sees_added_and_removed_files(experiment: Path) -> None:
    pkl = analyze(experiment, "002")
    assert logs.load(experiment / "002")["metrics"]["loss"][0] == 99
    later(pkl, -1)
    (experiment / "002/more.csv").write_text(CSV)
    later(experiment / "002/more.csv", -1000)  # a file copied with its time
    assert set(logs.load(experiment / "002")) == {"metrics", "more", "val"}
    (experiment / "002/more.csv").unlink()
    later(pkl, 10)
    (experiment / "002/val.csv").unlink()
    assert logs.load(experiment / "002")["metrics"]["loss"][0] == 0.5


def test_load_parses_where_the_pickle_is_broken(experiment: Path) -> None:
    analyze(experiment, "001").write_bytes(b"broken")
    later(experiment / "analysis/parsed/001.pkl", 10)
    assert logs.load(experiment / "001")["metrics"]["loss"][0] == 0.5


def test_load_frozen_looks_at_no_log(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analyze(experiment, "001")
    later(experiment / "001/metrics.csv", 20)
    monkeypatch.setenv("MRL_FROZEN", str(experiment))
    monkeypatch.setenv("MRL_FROZEN_OUTDIR", str(experiment / "analysis"))
    assert logs.load(experiment / "001")["metrics"]["loss"][0] == 99
    assert logs.load(experiment / "002") == {}
    assert logs.summary(experiment)["loss.last"].tolist()[0] == 0.125
    other = experiment.parent / "0002"  # of another experiment there may be no pickles
    tree(other, "001/metrics.csv")
    assert logs.load(other / "001")["metrics"]["loss"][0] == 0.5


def test_load_with_its_own_settings(experiment: Path) -> None:
    tables = logs.load(experiment / "002", analysis_dir=experiment / "analysis", logs={"v": "val.csv"})
    assert list(tables) == ["v"]
    assert list(logs.load(experiment / "002", analysis_dir=experiment / "analysis", skip={"val.csv"})) == ["metrics"]


def test_summary_has_a_row_for_every_sub_experiment(experiment: Path) -> None:
    table = logs.summary(experiment)
    assert table.index.name == "subExpId"
    assert table.index.tolist() == ["001", "002", "003"]
    assert list(table) == [
        f"{metric}.{what}" for metric in ("metrics/loss", "acc", "val/loss", "f1") for what in ("last", "min", "max")
    ]
    assert cells(table)["metrics/loss.last"] == [0.125, 0.125, None]
    assert cells(table)["acc.max"] == [0.75, 0.75, None]
    assert cells(table)["val/loss.min"] == [None, 0.75, None]
    assert cells(table)["f1.last"] == [None] * 3


def test_summary_with_params(experiment: Path) -> None:
    table = logs.summary(experiment, params=True)
    assert list(table)[:3] == ["lr", "opt", "metrics/loss.last"]
    assert table["lr"].tolist() == [0.1, 0.01, 1]
    assert logs.summary(experiment).shape == (3, 12)


def test_summary_frame_of_nothing() -> None:
    assert summary_frame({}).shape == (0, 0)
    assert summary_frame({}, {}).index.name == "subExpId"
    assert summary_frame({"001": {}, "002": {}}).shape == (2, 0)


def test_metrics_of_leaves_out_the_axis_and_what_is_no_number(read: Reader) -> None:
    table = read("epoch,time,done,note,loss\n1,5,True,a,inf\n2,6,False,b,3\n3,7,True,c,nan\n")
    metrics = metrics_of({"t": table})
    assert list(metrics) == [("t", "time"), ("t", "loss")]
    assert metrics["t", "time"] == (7, 5, 7)
    assert math.isnan(metrics["t", "loss"].last)
    assert metrics["t", "loss"][1:] == (3, 3)


@pytest.mark.parametrize(
    ("names", "axis"),
    [
        (["epoch", "Step", "loss"], "Step"),
        (["loss", "epoch", "iteration"], "iteration"),
        (["trainer/global_step", "loss"], "trainer/global_step"),
        (["_step", "x/epoch"], "_step"),
        (["loss", "Training Iteration"], "Training Iteration"),
        (["loss", "time"], None),
    ],
)
def test_x_axis(read: Reader, names: list[str], axis: str | None) -> None:
    assert read(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n").attrs.get("x") == axis


def test_x_axis_is_rather_a_column_without_gaps(read: Reader) -> None:
    assert read("step,epoch,loss\n,1,2\n5,2,3\n").attrs["x"] == "epoch"
    assert read("step,epoch,loss\n,1,2\n5,,3\n").attrs["x"] == "step"


# --- speed ---------------------------------------------------------------------------------------------------------


def test_import_is_light() -> None:
    code = "import sys, metarunlog.logs; print([m for m in ('pandas', 'numpy', 'yaml', 'jinja2') if m in sys.modules])"
    path = str(Path(logs.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout.strip() == "[]"


# --- restarts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("step,loss\n1,5\n2,4\n1,3\n2,2\n1,1\n", [0, 0, 1, 1, 2]),
        ("step,loss\n1,5\n1,4\n2,3\n", None),
        ("epoch,iter,loss\n1,50,5\n1,100,4\n2,50,3\n2,100,2\n", None),
        ("epoch,iter,loss\n1,50,5\n2,50,4\n1,50,3\n2,50,2\n", [0, 0, 1, 1]),
        ("step,loss,acc\n1,5,\n,4,\n2,3,1\n,2,\n1,1,\n", [0, 0, 0, 0, 1]),
        ("loss,acc\n3,2\n2,1\n3,0\n", None),
    ],
)
def test_a_restart_is_counted(read: Reader, text: str, segments: list[int] | None) -> None:
    table = read(text)
    assert ("segment" in table.columns, table.attrs.get("segment")) == (
        (True, "segment") if segments else (False, None)
    )
    if segments:
        assert table["segment"].tolist() == segments and list(table.columns)[-1] == "segment"
        assert not any("segment" in key for key in metrics_of({"t": table}))
