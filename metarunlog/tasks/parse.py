"""parse: logs -> one pickle of DataFrames, a task a sub-experiment."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from metarunlog import files, hooks, logs
from metarunlog.engine.spec import NO_CODE, VERIFY, Job, Spec
from metarunlog.experiment import Experiment, SubExperiment
from metarunlog.hooks import CallError
from metarunlog.logs.find import LogFile, find, readers
from metarunlog.tasks.function import Functions, import_failure, imported_modules
from metarunlog.tasks.names import Names, package_versions

#: Part of what decides staleness: raise it when the tables of the same logs change.
VERSION = 4


NO_LOG = "no log yet"


def spec(experiment: Experiment, sub: SubExperiment, functions: Functions, names: Names) -> Spec:
    """The parse of one sub-experiment; waiting while it has no log."""
    found = find(sub.dir, experiment.config.logs, experiment.log_skip)
    target = names.parsed(sub.id)
    own = readers(experiment.config.logs)
    job: dict[str, Any] = {"sub_dir": str(sub.dir), "log_files": [vars(log) for log in found]}
    return Spec(
        name=names.task("parse", sub.id),
        doc=f"parse the logs of {experiment.path}/{sub.id}",
        inputs=tuple(f"{sub.id}/{log.path}" for log in found),
        targets=(target,),
        args={"logs": experiment.config.logs},
        code=functions.code(own, names.place) if own else NO_CODE,
        versions={**names.versions("parse", VERSION), **made_by(), **(names.user_versions if own else {})},
        waiting=None if found else NO_LOG,
        action=Job(
            "metarunlog.tasks.parse:run",
            {**job, "target": names.path(target), "root": str(experiment.root)},
            isolated=bool(own),
        ),
    )


def made_by() -> dict[str, str]:
    """The packages whose objects are in the pickles: others may not be able to read them."""
    return package_versions(("numpy", "pandas"))


def run(
    sub_dir: str,
    log_files: list[dict[str, Any]],
    target: str,
    root: str,
    import_error: str | None = None,
    recorder: object = None,
) -> dict[str, Any]:
    """The action, in a worker. Where a function of the user's fails, the tables of the other logs are kept."""
    found = [LogFile(**log) for log in log_files]
    refresh = partial(logs.refresh, Path(sub_dir), pickle=Path(target), version=VERSION, trust=VERIFY not in os.environ)
    try:
        if import_error is not None and any(log.function for log in found):
            raise CallError(f"{files.ANALYZE} cannot be imported: {import_failure(import_error, root)}")
        return {"targets": list(map(str, refresh(found, functions=hooks.find)))}
    except (Exception, SystemExit) as error:
        if not any(log.function for log in found):
            raise
        line, _ = hooks.describe_failure(error, root)
        made = refresh([log for log in found if not log.function])
        reads = imported_modules(root) if import_error is not None else []
        return {"state": "failed", "error": line, "targets": list(map(str, made)), "reads": reads}
