"""Logs by a regular expression of the user's."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from support import ProjectDir, one_line

from metarunlog.logs.find import find
from metarunlog.logs.parsed import Parsed, parse

TEXT = "start\nstep 1 loss=2.5\nnoise\nstep 2 loss=nan acc=0.5\r\nstep 3 loss=1e-3\n"
PATTERN = r"^step (?P<step>\d+) loss=(?P<loss>\S+)(?: acc=(?P<acc>\S+))?"


def read(folder: Path, text: str, pattern: str = PATTERN, **more: str) -> Parsed:
    (folder / "out").write_bytes(text.encode(more.get("encoding", "utf-8")))
    return parse(folder, find(folder, {"train": {"path": "out", "format": "regex", "pattern": pattern, **more}}, []))


def test_a_row_a_match_and_a_column_a_named_group(tmp_path: Path) -> None:
    parsed = read(tmp_path, TEXT)
    table = parsed.tables["train"]
    assert table["step"].tolist() == [1, 2, 3] and table["loss"].tolist()[::2] == [2.5, 1e-3]
    assert math.isnan(table["loss"][1]) and table["acc"][1] == 0.5
    assert table.attrs["x"] == "step" and table.attrs["sparse"] == ["acc"] and not table.attrs["partial"]
    assert parsed.notes["out"] == "regex; 3 rows, 3 columns"


def test_cut_at_every_character_only_whole_lines_count(tmp_path: Path) -> None:
    ends = [TEXT.index(line) + len(line) for line in ("loss=2.5\n", "acc=0.5\r\n", "1e-3\n")]
    for cut in range(len(TEXT) + 1):
        parsed = read(tmp_path, TEXT[:cut])
        done = sum(end <= cut for end in ends)
        assert [len(table) for table in parsed.tables.values()] == ([done] if done else [])
        if done:
            assert parsed.tables["train"]["loss"].tolist()[0] == 2.5


def test_a_pattern_over_lines_and_another_encoding(tmp_path: Path) -> None:
    text = "épochs\nepoch: 1\n  loss: 0.5\nepoch: 2\n  loss: 0.25\n"
    parsed = read(tmp_path, text, r"epoch: (?P<epoch>\d+)\n +loss: (?P<loss>\S+)", encoding="utf-16")
    assert parsed.tables["train"]["loss"].tolist() == [0.5, 0.25]
    assert parsed.notes["out"] == "regex, utf-16; 2 rows, 2 columns"


def test_no_match_is_no_table(tmp_path: Path) -> None:
    assert read(tmp_path, "nothing\n").notes["out"] == "no table: the pattern matches nothing"
    assert read(tmp_path, "step 1 loss=2").notes["out"] == "no table: the pattern matches no whole line"


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("loss=(\\S+", "no regular expression"),
        ("loss=(\\S+)", "without a named group"),
        (5, "needs a pattern"),
        (None, "needs a pattern"),
    ],
)
def test_a_wrong_pattern_is_an_error_of_the_config(project: ProjectDir, pattern: object, says: str) -> None:
    project.configure(logs={"train": {"path": "out", "format": "regex", "pattern": pattern}})
    error = one_line(project.mrl("analyze", code=3).err)
    assert '.mrl.cfg:1: "logs" of table "train"' in error and says in error


def test_a_changed_pattern_is_parsed_anew(project: ProjectDir) -> None:
    for sub in ("001", "002", "003", "004"):
        project.write({f"exp/0001/{sub}/out.txt": TEXT})
    spec = {"path": "out.txt", "format": "regex", "pattern": r"loss=(?P<loss>\S+)"}
    project.configure(logs={"train": spec})
    project.analyze()
    project.configure(logs={"train": {**spec, "pattern": PATTERN}})
    assert "parse:0001/001" in project.analyze()
    rows = project.mrl("summary", "--json").json["rows"]
    assert rows[0]["metrics"]["acc"]["last"] == 0.5


def test_analyze_says_how_each_log_was_read(logged: ProjectDir) -> None:
    logged.write({"exp/0001/002/notes.txt": "nothing\n"})
    err = logged.mrl("analyze", "-v", "--only", "1-2").err
    assert "exp/0001/001/metrics.csv: csv, ',' between columns; 3 rows, 2 columns\n" in err
    assert "exp/0001/002/notes.txt: no table: text, but neither columns" in err and "exp/0001/003" not in err
    assert "between columns" not in logged.mrl("analyze").err
