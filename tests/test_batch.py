"""Batches under any sequence of edits, prunes and restores: numbers stay with their params, and what was started or
edited by hand stays as it is, wherever it is."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support import tree

from metarunlog import batch, config, pruning
from metarunlog.errors import InputError, NoSuchError
from metarunlog.experiment import Experiment
from metarunlog.grid import canonical
from metarunlog.ledger import Ledger

LONG = bool(os.environ.get("MRL_LONG"))
VALUES = st.lists(st.integers(1, 5), min_size=1, max_size=4, unique=True)
MOMENTA = st.sampled_from([None, [1], [1, 2], [2]])  # None: not an axis, the template says 1
AXES = ("a", "b", "momentum")


class Batches(RuleBasedStateMachine):
    """Edits of grid and template, runs, hand edits, deleted folders, prunes, restores, -replace and lost ledgers.

    The model is naive: it renders by itself, and remembers every number that was given."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.dir = self.root / "exp/0001"
        self.dir.mkdir(parents=True)
        self.numbers: dict[str, str] = {}  # params -> number, as they should be
        self.given: set[str] = set()
        self.frozen: dict[str, dict[str, bytes]] = {}  # number -> the files of a folder that must not change
        self.unknown: set[str] = set()  # numbers of folders whose origin was forgotten
        self.closed: list[dict[str, dict[str, bytes]]] = []  # the same of batches that were replaced
        self.text, self.numbered = "", False
        self.grid: tuple[list[int], list[int], list[int] | None] = ([1], [1], None)
        self.make()

    def teardown(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def experiment(self) -> Experiment:
        return Experiment(self.root, self.dir, 1, config.Config(outdir="exp", confTemplFile=("c.txt",)))

    @property
    def archive(self) -> Path:
        return self.dir / ".mrl.d/archive"

    def points(self) -> list[dict[str, int]]:
        a, b, momenta = self.grid
        more: list[dict[str, int]] = [{}] if momenta is None else [{"momentum": m} for m in momenta]
        return [{"a": x, "b": y, **z} for x in a for y in b for z in more]

    def rendered(self, point: dict[str, int], id_: str) -> bytes:
        out = f" out={id_}" if self.numbered else ""
        return f"a={point['a']} b={point['b']} momentum={point.get('momentum', 1)}{out}{self.text}\n".encode()

    def where(self, id_: str) -> Path | None:
        generation = len(self.closed) + 1
        return next((p for p in (self.dir / id_, self.archive / str(generation) / id_) if p.exists()), None)

    def existing(self) -> list[str]:
        return sorted(p.name for p in self.dir.iterdir() if p.is_dir() and p.name.isdigit())

    def orphans(self) -> list[str]:
        wanted = {self.numbers.get(canonical(point)) for point in self.points()}
        return [id_ for id_ in self.existing() if id_ not in wanted]

    def make(self) -> None:
        momentum = "1" if self.grid[2] is None else "{{ momentum }}"
        out = " out={{ subExpId }}" if self.numbered else ""
        lines = [f"# MRL:grid['{name}'] = {values}" for name, values in zip(AXES, self.grid) if values]
        (self.dir / "c.txt").write_text(
            "\n".join([f"a={{{{ a }}}} b={{{{ b }}}} momentum={momentum}{out}{self.text}", *lines, ""])
        )
        expected = self.expected()
        plan = batch.plan(self.experiment)
        assert {canonical(row.params): row.id for row in plan.rows} == expected
        plan.apply([row for row in plan.rows if not row.is_done])
        plan.settle()
        self.numbers |= expected
        self.given |= set(expected.values())

    def expected(self) -> dict[str, str]:
        """The number of each point: what its params had, that of an orphan with the same bytes, or a new one."""
        points = {canonical(point): point for point in self.points()}
        found = {key: self.numbers[key] for key in points if key in self.numbers}
        free = [id_ for id_ in sorted(self.given) if id_ not in found.values() and self.where(id_)]
        free.sort(key=lambda id_: not (self.dir / id_).exists())  # those that are in their place first
        last = max(map(int, self.given), default=0)
        for key, point in points.items():
            if key in found:
                continue
            same = [i for i in free if (self.where(i) / "c.txt").read_bytes() == self.rendered(point, i)]
            if same:
                free.remove(same[0])
                self.numbers = {params: i for params, i in self.numbers.items() if i != same[0]}
                self.frozen.get(same[0], {}).pop(".mrl", None)
                found[key] = same[0]
            else:
                last += 1
                found[key] = f"{last:03d}"
        return found

    @rule(a=VALUES, b=VALUES, momenta=MOMENTA)
    def edit_grid(self, a: list[int], b: list[int], momenta: list[int] | None) -> None:
        self.grid = (a, b, momenta)
        self.make()

    @rule(momenta=MOMENTA)
    def add_or_remove_an_axis(self, momenta: list[int] | None) -> None:
        self.grid = (*self.grid[:2], momenta)
        self.make()

    @rule(text=st.sampled_from(["", " # comment", " more"]), numbered=st.booleans())
    def edit_text(self, text: str, numbered: bool) -> None:
        self.text, self.numbered = text, numbered
        self.make()

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        sub = data.draw(st.sampled_from(self.existing()))
        (self.dir / sub / "log.csv").write_text("x\n")
        self.frozen[sub] = tree(self.dir / sub)

    @rule(data=st.data())
    def edit_by_hand(self, data: st.DataObject) -> None:
        sub = data.draw(st.sampled_from(self.existing()))
        (self.dir / sub / "c.txt").write_text("by hand\n")
        self.frozen[sub] = tree(self.dir / sub)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        sub = data.draw(st.sampled_from(self.existing()))
        shutil.rmtree(self.dir / sub)
        self.frozen.pop(sub, None)
        self.unknown.discard(sub)
        self.make()

    @precondition(lambda self: self.orphans())
    @rule()
    def prune(self) -> None:
        orphans = self.orphans()
        assert list(batch.plan(self.experiment).orphans) == orphans
        subs = [sub for sub in Ledger.read(self.experiment).existing() if sub.id in orphans]
        done = [(sub.id, why) for sub, why in pruning.prune(self.experiment, subs, lambda id_: ([], b""))]
        assert done == [(id_, None) for id_ in orphans]
        assert not set(orphans) & set(self.existing())

    @rule(number=st.integers(1, 30))
    def restore(self, number: int) -> None:
        id_ = f"{number:03d}"
        try:
            found = pruning.find(self.experiment, str(number))
        except (NoSuchError, InputError):
            place = self.where(id_)
            assert place is None or place.parent == self.dir, "what is archived can be brought back"
            return
        if found.entry is not None:  # of a batch that was replaced: that is tried elsewhere
            return
        found.restore()
        assert id_ in self.existing()

    @rule()
    def replace(self) -> None:
        folder = batch.archive_all(self.experiment)
        assert folder is not None and folder == self.archive / str(len(self.closed) + 1)
        self.closed.append(self.frozen)
        self.numbers, self.given, self.frozen, self.unknown = {}, set(), {}, set()
        self.make()

    @rule(broken=st.sampled_from([None, b"", b"{", b"[]", b'{"subExps": {"001": 1}}']))
    def lose_the_ledger(self, broken: bytes | None) -> None:
        before = Ledger.read(self.experiment)
        self.put(self.dir / "batch.json", broken)
        after = Ledger.read(self.experiment)
        assert (after.entries, after.last) == (before.entries, before.last), "its copy knows all"
        self.make()

    @rule(broken=st.sampled_from([None, b"\xff"]))
    def lose_ledger_and_copy(self, broken: bytes | None) -> None:
        for folder in (self.dir, self.dir / ".mrl.d"):
            self.put(folder / "batch.json", broken)
        self.given = {id_ for id_ in self.given if self.where(id_)}
        self.numbers = {params: id_ for params, id_ in self.numbers.items() if id_ in self.given}
        self.unknown |= set(self.orphans())  # nothing says what mrl wrote there: not overwritten if it differs
        self.make()

    @staticmethod
    def put(path: Path, data: bytes | None) -> None:
        path.unlink() if data is None else path.write_bytes(data)

    @invariant()
    def what_was_started_or_edited_is_as_it_was(self) -> None:
        for id_, contents in getattr(self, "frozen", {}).items():
            place = self.where(id_)
            assert place is not None
            assert {name: data for name, data in tree(place).items() if name in contents} == contents
        for number, batch_ in enumerate(getattr(self, "closed", []), 1):
            for id_, contents in batch_.items():
                found = tree(self.archive / str(number) / id_)
                assert {name: data for name, data in found.items() if name in contents} == contents

    @invariant()
    def folders_are_the_grid_and_the_orphans(self) -> None:
        if not hasattr(self, "dir"):
            return
        subs = {sub.id: sub for sub in Ledger.read(self.experiment).existing()}
        wanted = {self.numbers[canonical(point)]: canonical(point) for point in self.points()}
        assert {id_: canonical(sub.params) for id_, sub in subs.items() if not sub.orphan} == wanted
        for id_, sub in subs.items():
            said = json.loads((self.dir / id_ / ".mrl").read_text())["params"]
            assert (said["subExpId"], canonical(said)) == (id_, canonical(sub.params))
            if id_ in wanted and id_ not in self.frozen and id_ not in self.unknown:
                point = json.loads(wanted[id_])
                assert (self.dir / id_ / "c.txt").read_bytes() == self.rendered(point, id_)
        plan = batch.plan(self.experiment)
        assert {row.verdict for row in plan.rows} <= {"unchanged", "keep"}, "makebatch twice does nothing more"


TestBatches = Batches.TestCase
TestBatches.settings = settings(
    max_examples=1500 if LONG else 40, stateful_step_count=30 if LONG else 20, deadline=None
)
