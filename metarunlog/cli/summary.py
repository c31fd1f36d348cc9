"""`mrl summary [EXP]`."""

from __future__ import annotations

import argparse
from typing import Any

from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.errors import InputError


def configure(parser: argparse.ArgumentParser) -> None:
    options.experiment(parser)
    parser.add_argument("--csv", action="store_true", help="comma-separated values")
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    experiment = common.project().experiment(args.exp)
    if not experiment.subs:
        raise InputError(f"experiment {experiment.name} has no sub-experiments; `mrl makebatch` makes them")
    from metarunlog import logs

    found = logs.summary(experiment.dir)
    states = [sub.state or "not run" for sub in experiment.subs]
    if args.json:
        metrics = list(dict.fromkeys(column.rpartition(".")[0] for column in found.columns))
        rows = []
        for sub, state in zip(experiment.subs, states, strict=True):
            values = {m: {s: _value(found, sub.id, f"{m}.{s}") for s in ("last", "min", "max")} for m in metrics}
            rows.append({"id": sub.id, "params": dict(sub.params), "state": state, "metrics": values})
        common.print_json({"expId": experiment.name, "rows": rows})
        return 0
    import pandas as pd

    names = list(dict.fromkeys(name for sub in experiment.subs for name in sub.params))
    params = {name: [sub.params.get(name) for sub in experiment.subs] for name in names}
    state = "state" if "state" not in names else "run state"
    before = pd.DataFrame({**params, state: states}, index=found.index)
    frame = pd.concat([before, found], axis=1)
    if args.csv:
        print(frame.to_csv(index_label="id" if "id" not in names else "subExpId"), end="")
    else:
        frame.index.name = None
        print(frame.to_string(na_rep="-", float_format=lambda value: f"{value:.6g}"))
    return 0


def _value(frame: Any, row: str, column: str) -> float | None:
    value = frame.at[row, column]
    return None if value != value else float(value)
