"""overview: one function's part of the first page, over all sub-experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metarunlog import analysis as builtin
from metarunlog.config import Analysis
from metarunlog.engine.spec import Json, Spec
from metarunlog.experiment import Experiment
from metarunlog.tasks import function
from metarunlog.tasks.names import OVERVIEW, Names, Waits
from metarunlog.tasks.parse import NO_LOG


@dataclass(frozen=True)
class Everything:
    """What all overview functions get and read: put together once."""

    known: Mapping[str, Any]
    args: Mapping[str, Any]
    inputs: Sequence[str]
    waiting: str | None
    waiting_dirs: Sequence[str]

    @classmethod
    def of(cls, experiment: Experiment, names: Names, waits: Waits) -> Everything:
        rows = {sub.id: dict(sub.params) for sub in experiment.subs}
        ready = [id_ for id_, waiting in waits.items() if not waiting]
        return cls(
            known={
                "expDir": str(experiment.dir),
                "outdir": str(names.outdir),
                "subExpIds": list(rows),
                "Dparams": rows,
            },
            args={f"params of {id_}": Json.of(params) for id_, params in rows.items()},
            inputs=list(map(names.parsed, ready)),
            waiting=None if ready else NO_LOG,
            waiting_dirs=[str(sub.dir) for sub in experiment.subs if waits[sub.id]],
        )


def spec(
    experiment: Experiment,
    entry: Analysis,
    functions: function.Functions,
    names: Names,
    everything: Everything,
    after: Sequence[str],
) -> Spec:
    """One overview function. It waits while no sub-experiment has a log, unless the config says `always`."""
    return function.spec(
        names,
        functions,
        entry,
        builtin.OVERVIEW,
        builtin.VERSIONS,
        kind="overview",
        inner=entry.function,
        doc=f"{entry.function} over {experiment.path}",
        args=everything.args,
        known=everything.known,
        inputs=(),
        builtin_inputs=everything.inputs,
        folder="",
        after=tuple(after),
        stage=OVERVIEW,
        waiting=everything.waiting,
        waiting_dirs=everything.waiting_dirs,
    )
