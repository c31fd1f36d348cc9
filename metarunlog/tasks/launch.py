"""launch: the run of one sub-experiment. Only where it is named: nothing depends on it, and logs are no targets."""

from __future__ import annotations

from metarunlog import launch
from metarunlog.engine.spec import Reason, Spec, Verdict
from metarunlog.errors import MrlError
from metarunlog.experiment import Experiment, SubExperiment
from metarunlog.tasks.names import Names


def spec(experiment: Experiment, sub: SubExperiment, names: Names) -> Spec:
    """Up to date once it has run, whatever came of it: `mrl run --failed` is for those that failed."""

    def action() -> None:
        outcome = launch.launch(experiment, sub)
        if outcome.state != "done":
            raise MrlError(f"{experiment.path}/{sub.id} {outcome.state}: see {experiment.path}/{sub.id}/run.log")

    ran = sub.state is not None
    verdict = Verdict("up-to-date") if ran else Verdict("stale", (Reason("never_built", sub.id),))
    return Spec(
        name=names.task("launch", sub.id), doc=f"run {experiment.path}/{sub.id}", action=action, decided=verdict
    )
