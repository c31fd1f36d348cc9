"""`mrl prune` and `mrl restore`: a sub-experiment comes back bit for bit, with its run record, logs and traces; and a
kill on the way loses nothing. The short setting takes some of the moments, `MRL_LONG=1` all."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from faults import copy_of, killed_at
from support import ProjectDir, new_project, tree

LONG = bool(os.environ.get("MRL_LONG"))
EXP = "exp/0001"
TEMPLATE = "lr: {{ lr }}\nlayers: 2\nout: {{ subExpId }}\n# MRL:grid['lr'] = [0.1, 0.01, 0.001]\n"
WITHOUT = TEMPLATE.replace(", 0.01", "")
RUN = (
    "printf 'step,loss\\n0,1\\n1,{{ lr }}\\n' > metrics.csv; mkdir -p out; head -c 9 /dev/urandom > out/model; "
    "echo {{ lr }}"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ProjectDir:
    """Three runs, done and analysed; the second has left the grid, and makebatch and analyze know it."""
    project = new_project(tmp_path_factory.mktemp("prune") / "project", {"conf.yaml": TEMPLATE})
    project.configure(run=RUN)
    project.commit("run")
    project.mrl("new")
    project.mrl("makebatch")
    project.mrl("run")
    project.write({f"{EXP}/conf.yaml": WITHOUT})
    assert project.mrl("makebatch").out == "2 unchanged, 1 orphan\n"
    assert len(project.analyze()) == 11
    return project


@pytest.fixture
def pruned(whole: ProjectDir, tmp_path: Path) -> ProjectDir:
    """The same, with the orphan in the archive."""
    project = copy_of(whole, tmp_path)
    assert project.mrl("prune", "--yes").out.splitlines()[-1].startswith("1 archived (002); `mrl restore 1/2`")
    return project


def state(project: ProjectDir, sub: str = "002") -> dict[str, tuple[bytes, int, int]]:
    """Content, mode and time of the files of a sub-experiment."""
    folder = project.root / EXP / sub
    stats = {name: (folder / name).stat() for name in tree(folder)}
    return {name: (data, stats[name].st_mode, stats[name].st_mtime_ns) for name, data in tree(folder).items()}


def test_it_lists_first_and_acts_with_yes(whole: ProjectDir, tmp_path: Path) -> None:
    project = copy_of(whole, tmp_path)
    before = tree(project.root / EXP)
    done = project.mrl("prune")
    assert done.out == "002  done, lr=0.01\n" and "mrl prune --yes" in done.err
    assert project.mrl("prune", "-n").out == "002  done, lr=0.01\n"
    expected = {"schema": 1, "expId": "0001", "orphans": ["002"], "archived": False, "kept": []}
    assert project.mrl("prune", "--json").json == expected
    assert project.at_terminal("archive this one?", b"n\n", "prune") == 0
    assert {k: v for k, v in tree(project.root / EXP).items() if k in before} == before
    assert project.at_terminal("archive this one?", b"y\n", "prune") == 0
    assert not (project.root / EXP / "002").exists()
    assert project.mrl("prune").out == "no orphans\n"
    assert project.mrl("prune", "--yes", "--json").json["archived"] is False


def test_it_comes_back_bit_for_bit(whole: ProjectDir, pruned: ProjectDir) -> None:
    before, status = state(pruned_before := whole), whole.mrl("status", "--json").json
    assert {".mrl", ".mrl.run", "run.log", "metrics.csv", "out/model", "conf.yaml"} <= set(before)
    assert pruned.mrl("restore", "1/2").out == f"{EXP}/002\n"
    after = state(pruned)
    assert {name: (data, mode) for name, (data, mode, _) in after.items()} == {
        name: (data, mode) for name, (data, mode, _) in before.items()
    }
    assert pruned.mrl("status", "--json").json == status == pruned_before.mrl("status", "--json").json
    assert pruned.analyze() == []
    assert "archived are" not in pruned.mrl("restore", "1/2", code=3).err


def test_traces_come_back_after_an_analyze_without_it(pruned: ProjectDir) -> None:
    ran = pruned.analyze()
    assert "parse:0001/001" not in ran and "report:0001" in ran
    assert not (pruned.root / EXP / "analysis/parsed/002.pkl").exists()
    assert "002" not in [row["id"] for row in pruned.mrl("summary", "--json").json["rows"]]
    before = {name: times[2] for name, times in state(pruned, ".mrl.d/archive/1/002").items()}
    pruned.mrl("restore", f"{EXP}/002", "-q")
    assert {name: times[2] for name, times in state(pruned).items()} == before
    assert not [task for task in pruned.analyze() if task.startswith(("parse", "section"))], "nothing of it is redone"
    assert (pruned.root / EXP / "analysis/parsed/002.pkl").exists()


def test_params_that_return_bring_it_back(pruned: ProjectDir) -> None:
    archived = tree(pruned.root / EXP / ".mrl.d/archive/1/002")
    pruned.write({f"{EXP}/conf.yaml": TEMPLATE})
    done = pruned.mrl("makebatch", "-n", "--json").json
    assert (done["unchanged"], done["new"], done["restored"]) == (["001", "002", "003"], [], ["002"])
    assert not (pruned.root / EXP / "002").exists(), "-n changes nothing"
    assert "makebatch:0001/002" in pruned.mrl("status", "-v").out
    assert pruned.mrl("makebatch").out == "3 unchanged; 1 came back from the archive (002)\n"
    assert tree(pruned.root / EXP / "002") == archived
    assert pruned.mrl("run").out.startswith("nothing to run")


def test_a_new_axis_takes_over_what_is_archived(pruned: ProjectDir) -> None:
    grown = TEMPLATE.replace("layers: 2", "layers: {{ layers }}") + "# MRL:grid['layers'] = [2, 3]\n"
    pruned.write({f"{EXP}/conf.yaml": grown})
    done = pruned.mrl("makebatch", "--json").json
    assert (done["adopted"], done["restored"]) == (["001", "002", "003"], ["002"])
    assert len(done["new"]) == 3 and not done["orphans"]
    assert pruned.mrl("run", "--json").json["ran"] == done["new"]


def test_a_changed_template_keeps_what_comes_back(pruned: ProjectDir) -> None:
    pruned.write({f"{EXP}/conf.yaml": TEMPLATE.replace("layers: 2", "layers: 3")})
    done = pruned.mrl("makebatch", "--json", code=1).json
    assert [item["id"] for item in done["kept"]] == ["001", "002", "003"] and done["restored"] == ["002"]
    assert "layers: 2" in pruned.read(f"{EXP}/002/conf.yaml")


def test_doit_brings_it_back_too(pruned: ProjectDir) -> None:
    pruned.write({f"{EXP}/conf.yaml": TEMPLATE})
    pruned.doit("makebatch")
    assert (pruned.root / EXP / "002/.mrl.run").exists()
    assert pruned.mrl("makebatch").out == "3 unchanged\n"


@pytest.mark.parametrize("lost", ["batch.json", "batch.json .mrl.d/batch.json"])
def test_the_archive_survives_a_lost_ledger(pruned: ProjectDir, lost: str) -> None:
    for name in lost.split():
        (pruned.root / EXP / name).unlink()
    pruned.write({f"{EXP}/conf.yaml": TEMPLATE.replace("0.1,", "0.1, 0.5,")})
    done = pruned.mrl("makebatch", "--json")
    assert (done.json["restored"], done.json["new"]) == (["002"], ["004"])
    assert "batch.json was missing" in done.err


def test_a_broken_ledger_is_rebuilt_and_put_aside(whole: ProjectDir, tmp_path: Path) -> None:
    project = copy_of(whole, tmp_path)
    project.write({f"{EXP}/001/conf.yaml": "by hand\n"})
    project.mrl("makebatch", "--keep")
    good = project.read(f"{EXP}/batch.json")
    project.write({f"{EXP}/batch.json": good.replace('"params"', "<<<<<<< mine")})
    orphans = [sub["orphan"] for sub in project.mrl("status", "--json").json["experiments"][0]["subExps"]]
    assert orphans == [False, True, False], "also without makebatch"
    done = project.mrl("makebatch")
    assert done.out == "2 unchanged, 1 orphan\n" and "batch.json was broken; it is rebuilt" in done.err
    assert project.read(f"{EXP}/batch.json") == good, "what is kept and what is an orphan is not forgotten"
    assert "<<<<<<< mine" in project.read(f"{EXP}/.mrl.d/replaced/batch.json.1")


def test_what_is_replaced_can_be_restored_where_its_number_is_free(whole: ProjectDir, tmp_path: Path) -> None:
    project = copy_of(whole, tmp_path)
    before = state(project, "003")
    project.write({f"{EXP}/conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [5]\n"})
    assert project.mrl("makebatch", "-replace").out == "1 new (001)\n"
    assert (
        "001 is there, so nothing is to do; an older one is in exp/0001/.mrl.d/archive/1/001"
        in project.mrl("restore", "1/1", code=3).err
    )
    project.mrl("restore", "last/003")
    assert state(project, "003") == before
    assert project.mrl("makebatch").out == "1 unchanged, 1 orphan\n"
    project.write({f"{EXP}/conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [5, 0.01]\n"})
    assert project.mrl("makebatch").out == "1 unchanged, 1 new (004), 1 orphan\n", "-replace starts anew"
    assert "has the params of 004" in project.mrl("restore", "1/2", code=3).err


def test_errors_say_what_is_there(pruned: ProjectDir) -> None:
    for word, message in (
        ("1/1", "exp/0001/001 is there"),
        ("1/77", "exp/0001/077 is not archived; archived are 002"),
        ("1/x", "exp/0001/x is not archived"),
        ("7/1", "there is no experiment 7"),
        ("1", "'1' names no sub-experiment; write EXP/SUB"),
    ):
        err = pruned.mrl("restore", word, code=3).err
        assert message in err and len(err.splitlines()) == 1
    pruned.mrl("restore", code=2)
    assert pruned.mrl("restore", "1/2", "-n", "--json").json["restored"] is False
    assert not (pruned.root / EXP / "002").exists()


def test_a_running_orphan_stays(whole: ProjectDir, tmp_path: Path) -> None:
    project = copy_of(whole, tmp_path)
    record = project.root / EXP / "002/.mrl.run"
    record.write_text(json.dumps({**json.loads(record.read_text()), "state": "running", "pid": os.getpid()}))
    done = project.mrl("prune", "--yes", "--json", code=1).json
    assert done["orphans"] == [] and re.search("002 is running", done["kept"][0]["why"])
    assert record.exists()


def check(project: ProjectDir, before: dict[str, bytes]) -> None:
    """After a kill: the folder is whole, in its place or in the archive, and all can go on."""
    places = [project.root / EXP / "002", project.root / EXP / ".mrl.d/archive/1/002"]
    found = [tree(place) for place in places if place.exists()]
    assert found == [before]


@pytest.mark.parametrize("command", ["prune", "restore", "makebatch"])
def test_a_kill_at_any_write_loses_nothing(whole: ProjectDir, pruned: ProjectDir, tmp_path: Path, command: str) -> None:
    start = copy_of(whole if command == "prune" else pruned, tmp_path / "start")
    if command == "makebatch":
        start.write({f"{EXP}/conf.yaml": TEMPLATE})
    before = tree(whole.root / EXP / "002")
    argv = {"prune": ("prune", "--yes"), "restore": ("restore", "1/2"), "makebatch": ("makebatch",)}[command]
    total = killed_at(0, copy_of(start, tmp_path / "0"), tmp_path / "fault-0", *argv)[1]
    assert total > 8
    for at in range(1, total + 1) if LONG else range(1, total + 1, 4):
        project = copy_of(start, tmp_path / str(at))
        assert killed_at(at, project, tmp_path / f"fault-{at}", *argv)[0] == -9
        check(project, before)
        project.mrl("status")
        project.mrl(*argv, code=None)  # nothing to do any more, where the kill came late
        check(project, before)
        assert (project.root / EXP / "002").exists() == (command != "prune")
        project.write({f"{EXP}/conf.yaml": TEMPLATE})
        project.mrl("makebatch")
        check(project, before)
        project.mrl("analyze", "-q")
        assert project.analyze() == []
        assert len(project.mrl("summary", "--json").json["rows"]) == 3
