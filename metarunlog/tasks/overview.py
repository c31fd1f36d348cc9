"""overview: one function's part of the first page, over all sub-experiments."""

from __future__ import annotations

from collections.abc import Sequence

from metarunlog import analysis as builtin
from metarunlog import files
from metarunlog.config import Analysis
from metarunlog.engine.spec import Spec
from metarunlog.experiment import Experiment
from metarunlog.tasks import function
from metarunlog.tasks.names import OVERVIEW, Names, Waits
from metarunlog.tasks.parse import NO_LOG


def spec(
    experiment: Experiment,
    entry: Analysis,
    functions: function.Functions,
    names: Names,
    waits: Waits,
    after: Sequence[str],
) -> Spec:
    """One overview function. It waits while no sub-experiment has a log, unless the config says `always`."""
    rows = {sub.id: dict(sub.params) for sub in experiment.subs}
    waiting = [sub for sub in experiment.subs if waits[sub.id]]
    ready = [id_ for id_, wait in waits.items() if not wait]
    return function.spec(
        names,
        functions,
        entry,
        builtin.OVERVIEW,
        builtin.VERSIONS,
        kind="overview",
        inner=entry.function,
        doc=f"{entry.function} over {experiment.path}",
        args={f"params of {id_}": params for id_, params in rows.items()},
        known={
            "expDir": str(experiment.dir),
            "outdir": str(names.outdir),
            "subExpIds": list(rows),
            "Dparams": rows,
        },
        inputs=(),
        builtin_inputs=[*(names.parsed(i) for i in ready), *(f"{i}/{files.RUN}" for i in rows)],
        folder="",
        after=tuple(after),
        stage=OVERVIEW,
        waiting=None if ready else NO_LOG,
        waiting_dirs=[str(sub.dir) for sub in waiting],
    )
