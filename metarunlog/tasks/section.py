"""section: one function's part of a sub-experiment's page, a task a sub-experiment and function."""

from __future__ import annotations

from collections.abc import Sequence

from metarunlog import analysis as builtin
from metarunlog import files
from metarunlog.config import Analysis
from metarunlog.engine.spec import Spec
from metarunlog.experiment import Experiment, SubExperiment
from metarunlog.tasks import function
from metarunlog.tasks.names import SECTION, Names, Part


def spec(
    experiment: Experiment,
    sub: SubExperiment,
    entry: Analysis,
    functions: function.Functions,
    names: Names,
    parse: Spec,
    before: Sequence[str],
) -> Spec:
    """One section; waiting while the sub-experiment has no log, unless the config says `always`.

    `before` are the sections of the functions written before it: what these make, it may read.
    """
    params = dict(sub.params)
    if entry.function == "card" and not entry.args and functions.is_builtin("card", builtin.SUBEXP):
        entry = entry._replace(args=experiment.config.confTemplFile)  # it shows the config, whatever its name
    run_files = (files.RUN, files.RUN_LOG, *experiment.config.confTemplFile)
    return function.spec(
        names,
        functions,
        entry,
        builtin.SUBEXP,
        builtin.VERSIONS,
        kind="section",
        inner=f"{sub.id}/{entry.function}",
        doc=f"{entry.function} of {experiment.path}/{sub.id}",
        args={"params": params},
        known={"expDir": str(experiment.dir), "outdir": str(names.outdir), "subExpId": sub.id, "params": params},
        inputs=() if parse.waiting else (names.parsed(sub.id),),
        builtin_inputs=[f"{sub.id}/{name}" for name in dict.fromkeys((*run_files, *map(str, entry.args)))],
        folder=sub.id,
        after=(parse.name, *before[-1:]),
        stage=SECTION,
        waiting=parse.waiting,
    )


def part(names: Names, sub_id: str, entry: Analysis, waiting: str | None) -> Part:
    """What such a task is for the page, whose sub-experiment waits for something, or not."""
    return Part(entry.function, names.section(f"{sub_id}.{entry.function}"), None if entry.always else waiting)
