"""Batches under any sequence of edits: numbers stay with their params, and nothing that was started is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from metarunlog import batch, config
from metarunlog.experiment import Experiment
from metarunlog.grid import canonical
from metarunlog.ledger import Ledger

VALUES = st.lists(st.integers(1, 5), min_size=1, max_size=4, unique=True)


class Batches(RuleBasedStateMachine):
    """Grid edits, deleted folders, started runs, hand edits and a lost ledger, in any order."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.root = Path(tempfile.mkdtemp())
        self.dir = self.root / "exp/0001"
        self.dir.mkdir(parents=True)
        self.numbers: dict[str, str] = {}  # params -> number, as first given
        self.frozen: dict[Path, str] = {}  # configs that must not change
        self.text = "a={{ a }} b={{ b }}\n"
        self.grid = ([1], [1])
        self.make()

    def teardown(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def experiment(self) -> Experiment:
        return Experiment(self.root, self.dir, 1, config.Config(outdir="exp", confTemplFile=("c.txt",)))

    def make(self) -> batch.Plan:
        a, b = self.grid
        (self.dir / "c.txt").write_text(f"{self.text}# MRL:grid['a'] = {a}\n# MRL:grid['b'] = {b}\n")
        plan = batch.plan(self.experiment)
        plan.apply([row for row in plan.rows if not row.is_done])
        plan.settle()
        return plan

    @rule(a=VALUES, b=VALUES)
    def edit_grid(self, a: list[int], b: list[int]) -> None:
        self.grid = (a, b)
        self.make()

    @rule(suffix=st.sampled_from(["", " # comment", " more"]))
    def edit_text(self, suffix: str) -> None:
        self.text = "a={{ a }} b={{ b }}" + suffix + "\n"
        self.make()

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        sub = self.dir / data.draw(st.sampled_from(self.existing()))
        (sub / "log.csv").write_text("x\n")
        self.frozen[sub / "c.txt"] = (sub / "c.txt").read_text()

    @rule(data=st.data())
    def edit_by_hand(self, data: st.DataObject) -> None:
        path = self.dir / data.draw(st.sampled_from(self.existing())) / "c.txt"
        path.write_text("by hand\n")
        self.frozen[path] = "by hand\n"

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        sub = self.dir / data.draw(st.sampled_from(self.existing()))
        shutil.rmtree(sub)
        self.frozen.pop(sub / "c.txt", None)
        self.make()

    @rule()
    def lose_the_ledger(self) -> None:
        (self.dir / "batch.json").unlink()
        there = set(self.existing())
        self.numbers = {params: number for params, number in self.numbers.items() if number in there}
        self.make()

    def existing(self) -> list[str]:
        return sorted(p.name for p in self.dir.iterdir() if p.is_dir() and p.name.isdigit())

    @invariant()
    def numbers_stay_with_their_params(self) -> None:
        if not hasattr(self, "dir"):
            return
        for id_, entry in Ledger.read(self.experiment).entries.items():
            key = canonical(entry.params)
            assert self.numbers.setdefault(key, id_) == id_, "the same params got another number"
        assert len(set(self.numbers.values())) == len(self.numbers), "a number was given twice"

    @invariant()
    def what_was_started_or_edited_is_as_it_was(self) -> None:
        for path, text in getattr(self, "frozen", {}).items():
            assert path.read_text() == text

    @invariant()
    def folders_are_the_grid_and_the_orphans(self) -> None:
        if not hasattr(self, "dir"):
            return
        a, b = self.grid
        wanted = [{"a": x, "b": y} for x in a for y in b]
        subs = {sub.id: sub for sub in Ledger.read(self.experiment).existing()}
        assert {canonical(s.params) for s in subs.values() if not s.orphan} == {canonical(p) for p in wanted}
        for id_ in self.existing():
            assert json.loads((self.dir / id_ / ".mrl").read_text())["params"]["subExpId"] == id_
        plan = batch.plan(self.experiment)
        assert {row.verdict for row in plan.rows} <= {"unchanged", "keep"}, (
            "makebatch twice does nothing the second time"
        )


TestBatches = Batches.TestCase
TestBatches.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
