"""parse: logs -> one pickle of DataFrames, a task a sub-experiment."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from metarunlog import logs
from metarunlog.engine.spec import VERIFY, Job, Spec
from metarunlog.experiment import Experiment, SubExperiment
from metarunlog.logs.find import LogFile, find
from metarunlog.tasks.names import Names

#: Part of what decides staleness: raise it when the tables of the same logs change.
VERSION = 3


def spec(experiment: Experiment, sub: SubExperiment, names: Names) -> Spec:
    """The parse of one sub-experiment; waiting while it has no log."""
    found = find(sub.dir, experiment.config.logs, experiment.log_skip)
    target = names.parsed(sub.id)
    return Spec(
        name=names.task("parse", sub.id),
        doc=f"parse the logs of {experiment.path}/{sub.id}",
        inputs=tuple(f"{sub.id}/{log.path}" for log in found),
        targets=(target,),
        args={"logs": experiment.config.logs},
        versions=names.versions("parse", VERSION),
        waiting=None if found else "no log yet",
        action=Job(
            "metarunlog.tasks.parse:run",
            {"sub_dir": str(sub.dir), "log_files": [asdict(log) for log in found], "target": names.path(target)},
        ),
    )


def run(sub_dir: str, log_files: list[dict[str, Any]], target: str) -> dict[str, list[str]]:
    """The action, in a worker."""
    found = [LogFile(**log) for log in log_files]
    trust = VERIFY not in os.environ
    return {"targets": list(map(str, logs.refresh(Path(sub_dir), found, Path(target), VERSION, trust=trust)))}
