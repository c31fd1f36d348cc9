"""makebatch: template -> configs, a task a sub-experiment. It judges itself by the bytes that it would write."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from metarunlog import batch, files
from metarunlog.batch import Plan, Row
from metarunlog.engine.spec import Reason, Spec, Verdict
from metarunlog.errors import MrlError
from metarunlog.tasks.names import Names


class KeptError(MrlError):
    """A config that was edited, or whose run has started, is not overwritten."""


def specs(plan: Plan, names: Names) -> Iterator[Spec]:
    """A task for each point of the grid."""
    templates = plan.experiment.config.confTemplFile
    shared = _Batch(plan)
    for row in plan.rows:
        written = (*templates, *plan.sources.copies, files.META)
        yield Spec(
            name=names.task("makebatch", row.id),
            doc=f"render the config of {plan.experiment.path}/{row.id}",
            inputs=tuple(dict.fromkeys((*templates, *plan.sources.copies))),
            targets=tuple(f"{row.id}/{name}" for name in written),
            decided=_verdict(plan, row),
            action=partial(shared.apply, row.id),
        )


def broken(names: Names, error: MrlError) -> Spec:
    """In place of the tasks of a template that cannot be read, so that other experiments can be worked on."""

    def fail() -> None:
        raise error

    verdict = Verdict("failed", (Reason("failed_before", names.task("makebatch"), old=str(error)),), error=str(error))
    return Spec(name=names.task("makebatch", "template"), doc=str(error), decided=verdict, action=fail)


class _Batch:
    """The plan that the tasks share. It was made before the lock was got: where another has changed the batch since, it
    is made anew."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._certain = False

    def apply(self, id_: str) -> None:
        """Write one sub-experiment. KeptError where its config is not to be overwritten."""
        if not self._certain:
            if not self._plan.is_current():
                self._plan = batch.plan(self._plan.experiment)
            self._certain = True
        row = next((row for row in self._plan.rows if row.id == id_), None)
        path = f"{self._plan.experiment.path}/{id_}"
        if row is None:
            raise MrlError(f"{path} is not in the grid any more; run it again")
        if not row.is_done:
            self._plan.apply([row])
        if row.verdict == "keep":
            raise KeptError(f"{path} is kept: {row.why}; see `mrl makebatch -h`")


def _verdict(plan: Plan, row: Row) -> Verdict:
    if row.is_done:
        return Verdict("up-to-date")
    if row.archived is not None:
        return Verdict("stale", (Reason("target_missing", row.id, new="in the archive", is_path=True),))
    if row.verdict == "keep":
        return Verdict("kept", note=row.why)
    if row.verdict == "new":
        return Verdict("stale", (Reason("never_built", names_of(row)),))
    if row.verdict == "adopt":
        return Verdict("stale", (Reason("params_changed", "params", new=names_of(row)),))
    if not row.differs:
        return Verdict("stale", (Reason("target_edited", f"{row.id}/{files.META}", is_path=True),))
    gone = row.why.startswith("its folder")
    return Verdict(
        "stale",
        tuple(
            Reason("target_missing", f"{row.id}/{name}", is_path=True)
            if gone
            else Reason("template_changed", name, old=row.old.get(name, "")[:8], new=row.hashes[name][:8], is_path=True)
            for name in row.differs
        ),
    )


def names_of(row: Row) -> str:
    """The params of a row in a few words."""
    return ", ".join(f"{name}={value}" for name, value in row.params.items()) or row.id
