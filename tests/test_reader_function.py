"""Logs that a function of the user's reads."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import ProjectDir

from metarunlog import hooks
from metarunlog.logs.find import LogFile
from metarunlog.logs.function import read_by_function

ANALYZE = """
import struct
import pandas as pd

def read_blob(path):
    data = open(path, "rb").read()
    values = [struct.unpack_from("<if", data, at) for at in range(0, len(data) - len(data) % 8, 8)]
    return pd.DataFrame(values, columns=["step", "loss"])

def loss(subExpDir):
    import metarunlog
    return str(metarunlog.load(subExpDir)["train"]["loss"].tolist()), "text", "loss"
"""


@pytest.fixture
def blobs(project: ProjectDir) -> ProjectDir:
    """A project whose logs no reader knows, with a function that does."""
    exp = project.root / "exp/0001"
    (project.root / "mrl_analyze.py").write_text(ANALYZE)
    config = {
        "logs": {"train": {"path": "out.blob", "function": "read_blob"}, "more": "m.csv"},
        "analysis_subexp": {"loss": []},
    }
    (exp / ".mrl.cfg").write_text(json.dumps(config))
    for sub in ("001", "002"):
        (exp / sub / "out.blob").write_bytes(b"\0\0\0\0\0\0\0\x40\x01\0\0\0\0\0\x80\x3f" + b"half")
        (exp / sub / "m.csv").write_text("step,acc\n1,0.5\n2,0.75\n")
    return project


def test_a_log_that_a_function_reads(blobs: ProjectDir) -> None:
    exp = blobs.root / "exp/0001"
    blobs.mrl("analyze")
    tables = pd.read_pickle(exp / "analysis/parsed/001.pkl")
    assert tables["train"].to_dict("list") == {"step": [0, 1], "loss": [2.0, 1.0]}
    assert tables["train"].attrs["x"] == "step" and tables["more"]["acc"].tolist() == [0.5, 0.75]
    assert "[2.0, 1.0]" in (exp / "analysis/sections/001.loss.json").read_text()
    assert "stale" not in blobs.mrl("status").out
    # from a notebook: what is newer than the pickle is read by the function, too
    (exp / "002/out.blob").write_bytes(b"\0\0\0\0\0\0\0\x41")
    code = "import metarunlog; print(metarunlog.load('exp/0001/002')['train'])"
    assert "8.0" in blobs.run(sys.executable, "-c", code, code=0).out


def test_a_notebook_that_knows_two_projects(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mrl_analyze.py").write_text(f"def read(path):\n    return {name!r} + path\n")
    assert [hooks.load(tmp_path / name, "read")("!") for name in ("a", "b", "a")] == ["a!", "b!", "a!"]
    (tmp_path / "a/mrl_analyze.py").write_text("def read(path):\n    return 'new'\n")
    os.utime(tmp_path / "a/mrl_analyze.py", (1, 1))
    assert hooks.load(tmp_path / "a", "read")("!") == "new"
    for name, error in (("a", "has no function other"), ("c", "is missing")):
        with pytest.raises(hooks.CallError, match=error):
            hooks.load(tmp_path / name, "other")


def test_its_code_counts(blobs: ProjectDir) -> None:
    exp = blobs.root / "exp/0001"
    blobs.mrl("analyze")
    (blobs.root / "mrl_analyze.py").write_text(ANALYZE.replace('"loss"', '"cost"'))
    why = blobs.mrl("why", "parse:0001/001", code=None).out
    assert "mrl_analyze.py" in why and "read_blob" in why
    blobs.mrl("analyze")
    assert list(pd.read_pickle(exp / "analysis/parsed/001.pkl")["train"]) == ["step", "cost"]


def test_one_that_fails_is_told_and_costs_the_other_logs_nothing(blobs: ProjectDir) -> None:
    exp = blobs.root / "exp/0001"
    (exp / "002/out.blob").write_bytes(b"")
    (blobs.root / "mrl_analyze.py").write_text(
        ANALYZE.replace("    data = open", "    assert path.endswith('7')\n    data = open")
    )
    done = blobs.mrl("analyze", code=1)
    assert "parse:0001/001" in done.err and "mrl_analyze.py:6: AssertionError" in done.err
    assert list(pd.read_pickle(exp / "analysis/parsed/001.pkl")) == ["more"]
    (blobs.root / "mrl_analyze.py").write_text(ANALYZE)
    blobs.mrl("analyze")
    assert list(pd.read_pickle(exp / "analysis/parsed/001.pkl")) == ["train", "more"]


def test_a_module_that_cannot_be_imported(blobs: ProjectDir) -> None:
    (blobs.root / "mrl_analyze.py").write_text("import no_such_module\n" + ANALYZE)
    done = blobs.mrl("analyze", code=1)
    assert "mrl_analyze.py:1: ModuleNotFoundError" in done.err
    (blobs.root / "mrl_analyze.py").write_text(ANALYZE)
    blobs.mrl("analyze")


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"path": "m", "function": "no name"}, "name of a function"),
        ({"path": "m", "function": "f", "format": "csv"}, "no room for format"),
    ],
)
def test_a_wrong_entry_is_refused(project: ProjectDir, spec: dict[str, str], error: str) -> None:
    (project.root / "exp/0001/.mrl.cfg").write_text(json.dumps({"logs": {"train": spec}}))
    assert error in project.mrl("analyze", code=3).err


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, {}),
        ([{"a": 1, "b": None}, {"a": 2, "b": "x"}], {None: {"a": [1, 2], "b": [None, "x"]}}),
        ({"a": [1, 2], "b": [True, False]}, {None: {"a": [1, 2], "b": [True, False]}}),
        (pd.DataFrame({"a": pd.array([1, None], "Int64")}), {None: {"a": [1.0, None]}}),
        (pd.DataFrame({"v": [0.5]}, index=pd.Index([3], name="step")), {None: {"step": [3], "v": [0.5]}}),
        ({"t": pd.DataFrame({"a": [1]}), "v": pd.DataFrame({"b": [2]})}, {"t": {"a": [1]}, "v": {"b": [2]}}),
        (pd.DataFrame({"a": [2**63]}), {None: {"a": [float(2**63)]}}),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), {None: {"a": [1], "a.1": [2]}}),
    ],
)
def test_what_a_function_may_return(returned: Any, expected: dict[str | None, Any]) -> None:
    found = read_by_function(lambda path: returned, "p", LogFile("t", "p", function="f"))
    made = {part: one.astype(object).where(one.notna(), None).to_dict("list") for part, one in found}
    assert made == expected


def test_what_it_may_not_return() -> None:
    with pytest.raises(TypeError, match="must return a DataFrame"):
        read_by_function(lambda path: 3, "p", LogFile("t", "p", function="read"))
