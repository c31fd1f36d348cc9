"""What `mrl status` says in short, as plain data that is kept from one decision to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metarunlog import files
from metarunlog.engine.spec import State, Verdict, short_name
from metarunlog.experiment import Experiment

STATES: tuple[State, ...] = ("up-to-date", "stale", "waiting", "failed", "kept")
_ERRORS = 5  # that are shown


@dataclass(frozen=True)
class Short:
    """The tasks of an experiment that are not up to date, and the newest runs of its sub-experiments."""

    path: str
    total: int
    open: Mapping[str, list[str | None]]  # task -> state and error
    runs: Mapping[str, str]  # sub-experiment -> state, of those that were launched
    subs: int
    orphans: int

    @classmethod
    def of(cls, experiment: Experiment, verdicts: Mapping[str, Verdict]) -> Short:
        open_ = {name: [v.state, v.error] for name, v in verdicts.items() if v.state != "up-to-date"}
        subs = experiment.subs
        runs = {sub.id: state for sub in subs if (state := sub.state) is not None}
        return cls(experiment.path, len(verdicts), open_, runs, len(subs), sum(sub.orphan for sub in subs))

    def after(
        self,
        experiment: Experiment,
        subs: Collection[str],
        verdicts: Mapping[str, Verdict],
        left: Callable[[str], bool],
    ) -> Short:
        """The same after something of `subs` has changed: `verdicts` are those on all tasks but for those that are
        `left` as they were, by their names in the journal, and those of the batch."""
        kept = {n: one for n, one in self.open.items() if n.startswith("makebatch:") or left(short_name(n))}
        new = {name: [v.state, v.error] for name, v in verdicts.items() if v.state != "up-to-date"}
        now = {sub.id: sub.state for sub in experiment.subs if sub.id in subs}
        runs = {id_: state for id_, state in {**self.runs, **now}.items() if state is not None}
        return replace(self, open={**kept, **new}, runs=runs)

    @property
    def bad(self) -> bool:
        """Whether anything is stale or failed."""
        return any(state in ("stale", "failed") for state, _ in self.open.values())

    @property
    def running(self) -> set[str]:
        """The sub-experiments whose run is going on: it may end without a file that changes."""
        return {id_ for id_, state in self.runs.items() if state == "running"}

    @property
    def counts(self) -> dict[str, int]:
        """Tasks by state."""
        found = Counter(state for state, _ in self.open.values())
        return {"up-to-date": self.total - len(self.open), **{state: found[state] for state in STATES[1:]}}

    def head(self) -> Iterator[str]:
        """Counts of tasks, runs, orphans."""
        counts = ", ".join(f"{n} {state}" for state, n in self.counts.items() if n) or "no tasks"
        yield f"{self.path}: {counts}"
        runs = Counter(self.runs.values())
        runs["not run"] += self.subs - len(self.runs)
        if self.subs:
            yield "  runs     " + ", ".join(f"{n} {state}" for state, n in sorted(runs.items()) if n)
        if self.orphans:
            yield f"  orphans  {self.orphans}, whose params left the grid; `mrl prune` archives them"

    def lines(self) -> Iterator[str]:
        """What `status` prints without options."""
        yield from self.head()
        kinds = Counter((state, name.partition(":")[0]) for name, (state, _) in self.open.items())
        for state in STATES[1:]:
            parts = [f"{n} {kind}" for (s, kind), n in kinds.items() if s == state]
            if parts:
                yield f"  {state:8} {', '.join(parts)}"
        errors = dict.fromkeys(error for state, error in self.open.values() if state == "failed")
        yield from (f"           {error}" for error in list(errors)[:_ERRORS])

    def asks_batch(self, experiment: Experiment, subs: Collection[str], changed: Collection[str]) -> bool:
        """Whether makebatch may have something else to do after files of `subs` have changed."""
        config = experiment.config
        made = (files.META, *config.confTemplFile, *config.copyFiles)
        mine = {f"makebatch:{experiment.name}/{id_}" for id_ in subs}
        ends = tuple(f"/{name}" for name in made)
        return any(path.endswith(ends) for path in changed) or not mine.isdisjoint(self.open)


def kept_as(short: Short, mark: Sequence[int] = ()) -> dict[str, Any]:
    """It as the answer of a decision, with what is printed, of a journal that is at `mark`."""
    said = {"lines": list(short.lines()), "bad": short.bad}
    return {**said, "running": sorted(short.running), "short": vars(short), "journal": mark}
