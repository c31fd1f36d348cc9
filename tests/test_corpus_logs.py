"""Logs that others wrote, read without any config: the tables that their facts tell are found."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from metarunlog.logs.find import find
from metarunlog.logs.parsed import parse

CORPUS = Path(__file__).parent / "corpus/logs"
CASES = [
    (folder.name, table["name"])
    for folder in sorted(CORPUS.iterdir())
    for table in json.loads((folder / "facts.json").read_text())["facts"]["tables"]
    if (folder.name, table["name"]) != ("mlperf_gnmt", "all_tags")  # a count of lines, which have no numbers
]
#: Not as a table of its own: the rows in a table of all that have a value in this column.
ELSEWHERE = {
    ("hf_mt5_az", "train"): "loss",
    ("hf_mt5_az", "eval"): "eval_loss",
    ("mmseg_pcpvt_b", "train"): "loss",
    ("mmseg_pcpvt_b", "val"): "mIoU",
}


def facts_of(name: str, table: str) -> dict[str, Any]:
    tables = json.loads((CORPUS / name / "facts.json").read_text())["facts"]["tables"]
    found: dict[str, Any] = next(one for one in tables if one["name"] == table)
    return found


def fits(series: pd.Series[Any], known: dict[str, Any]) -> bool:
    """Whether a column has these numbers: first and last of the cells that are filled, lowest and highest."""
    values = pd.to_numeric(series, errors="coerce")
    finite = values[values.abs() < math.inf]
    if not len(finite):
        return False
    ends = [(values.dropna().iloc[0], known["first"]), (values.dropna().iloc[-1], known["last"])]
    near = [(finite.min(), known["min"]), (finite.max(), known["max"])]
    near += [(value, end) for value, end in ends if end != "nan"]
    return all(math.isclose(value, end, rel_tol=1e-12) for value, end in near)


@pytest.mark.parametrize(("name", "table"), CASES)
def test_the_tables_are_found(name: str, table: str) -> None:
    facts = facts_of(name, table)
    parsed = parse(CORPUS / name, find(CORPUS / name, None, ["facts.json"]))
    metrics = {metric: known for metric, known in facts["metrics"].items() if known["n"]}
    if (name, table) in ELSEWHERE:
        key = ELSEWHERE[name, table]
        (made,) = parsed.tables.values()
        assert made[key].notna().sum() == facts["n_rows"]
        candidates = [made]
    else:
        rows = facts.get("n_steps", facts["n_rows"])
        candidates = [made for made in parsed.tables.values() if len(made) == rows]
    lacking = [
        [metric for metric, known in metrics.items() if not any(fits(made[c], known) for c in made.columns)]
        for made in candidates
    ]
    assert [] in lacking, (parsed.notes, lacking)
