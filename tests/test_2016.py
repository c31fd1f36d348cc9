"""An experiment made by the 2016 version: numbers by position, no ledger, directives inside the rendered configs, its
own `.mrl` and `.mrl.cfg`. It is read as it is, its numbers are kept, and nothing in it is overwritten."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
from jinja2 import Template
from support import ProjectDir, clean_environment, tree

CONFIG = {
    "name": "lo",
    "outdir": "output",
    "singleExpFormat": "{expId:04d}",
    "subExpFormat": "{subExpId:03d}",
    "gitFailUntrackedDefault": "no",
    "copyFiles": ["conf.lua", "models.lua"],
    "confTemplFile": "conf.lua",
    "giturl": "git@localhost:lo.git",
    "analysis_overview": {"bestPerf": []},
    "analysis_subexp": {"plotSinglePerf": ["loss"]},
    "analysis_outdir": "analysis",
    "analysis_outfn": "index.html",
    "analysis_webdir": "",
    "note_fn": ".mrl.note",
    "hooks": {"after_new": {}, "score": {"epoch": None, "langid": "swb"}},
}
TEMPLATE = """\
learning_rate = {{ lr }}
wdecay = {{ wdecay }}
momentum = 0.9
layers = {{'{{'}}1, 2}} -- braces
-- MRL:grid['lr'] = [0.01, 0.04]
-- MRL:grid['wdecay'] = [0.1, 1.0]
"""
META = {
    "expId": 1,
    "basedir": "/home/me/lo",
    "gitFailUntracked": "no",
    "gitHash": "1a2b3c4-sloppy",
    "gitDescription": "a commit",
    "timestamp": "2016-10-07T12:34:56",
    "user": "me",
    "description": "the first",
}
ANALYZE = """\
def bestPerf(expDir, outdir, subExpIds, Dparams):
    return [(Dparams[["lr", "wdecay"]], "table", "best")]


def plotSinglePerf(subExpDir, outdir, Dparams, subExpId, column):
    return [(f"{subExpId} {column}", "text", None)]
"""


def dump(path: Path, value: object) -> None:
    """As Python 2 wrote JSON with an indent: a blank after each comma."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, separators=(", ", ": ")).replace(",\n", ", \n") + "\n")


@pytest.fixture
def old(tmp_path: Path) -> ProjectDir:
    """A project of 2016 with one experiment of four runs; the axis of the first line varies fastest."""
    project = ProjectDir(tmp_path / "project", clean_environment())
    project.root.mkdir()
    project.git("init", "-q", "-b", "main")
    dump(project.root / ".mrl.cfg", CONFIG)
    project.write({"mrl_analyze.py": ANALYZE, ".gitignore": "/output/\n/last\n"})
    project.commit()
    exp = project.root / "output/0001"
    dump(exp / ".mrl", META)
    project.write({"output/0001/conf.lua": TEMPLATE, "output/0001/models.lua": "return {}\n"})
    project.write({"output/0001/.mrl.cfg": "{\n}\n", "output/0001/.mrl.note": "### the first\n#### Goal\n"})
    for number, (wdecay, lr) in enumerate(itertools.product([0.1, 1.0], [0.01, 0.04]), 1):
        params = {"wdecay": wdecay, "lr": lr}
        sub = exp / f"{number:03d}"
        dump(sub / ".mrl", {"params": params})
        (sub / "conf.lua").write_text(Template(TEMPLATE).render(params) + "\n")
        (sub / "models.lua").write_text("return {}\n")
        (sub / "log.csv").write_text(f"step,loss\n0,1\n1,{lr}\n")
    os.symlink("output/0001", project.root / "last")
    return project


def runs(project: ProjectDir) -> dict[str, bytes]:
    """All that stands in the sub-experiments."""
    kept = tree(project.root / "output/0001")
    return {name: data for name, data in kept.items() if name[:3].isdigit()}


def test_it_is_read_as_it_is(old: ProjectDir) -> None:
    before = tree(old.root / "output")
    assert "MRL:grid" in old.read("output/0001/002/conf.lua")
    assert "0001" in old.mrl("ls", "-tm", "-ghash", "-gdesc", "-desc").out
    assert "the first" in old.mrl("info").out
    rows = old.mrl("summary", "--json").json["rows"]
    assert [(row["id"], row["params"]["lr"], row["params"]["wdecay"]) for row in rows] == [
        ("001", 0.01, 0.1),
        ("002", 0.04, 0.1),
        ("003", 0.01, 1.0),
        ("004", 0.04, 1.0),
    ]
    assert rows[1]["metrics"]["loss"]["last"] == 0.04
    status = old.mrl("status", "--json").json["experiments"][0]
    assert not [task for task in status["tasks"] if task["name"].startswith("makebatch")]
    assert tree(old.root / "output") == before, "questions write nothing"
    old.mrl("analyze")
    assert "001 loss" in old.read("output/0001/analysis/index.html")
    assert runs(old) == {name[5:]: data for name, data in before.items() if name[5:8].isdigit()}


def test_makebatch_keeps_numbers_and_files(old: ProjectDir) -> None:
    before = runs(old)
    assert old.mrl("makebatch", "-n").out == "4 unchanged\n"
    assert old.mrl("makebatch").out == "4 unchanged\n"
    assert runs(old) == before
    ledger = json.loads(old.read("output/0001/batch.json"))
    assert ledger["subExps"]["002"]["params"] == {"wdecay": 0.1, "lr": 0.04}
    assert old.mrl("makebatch").out == "4 unchanged\n"


def test_its_grid_grows(old: ProjectDir) -> None:
    before = runs(old)
    grown = TEMPLATE.replace("0.04]", "0.04, 0.1]").replace("momentum = 0.9", "momentum = {{ momentum }}")
    old.write({"output/0001/conf.lua": grown + "-- MRL:grid['momentum'] = [0.9, 0.99]\n"})
    done = old.mrl("makebatch", "--json").json
    assert done["adopted"] == ["001", "002", "003", "004"]
    assert done["new"] == [f"{n:03d}" for n in range(5, 13)] and done["orphans"] == []
    after = runs(old)
    assert {name: data for name, data in after.items() if name in before and not name.endswith(".mrl")} == {
        name: data for name, data in before.items() if not name.endswith(".mrl")
    }
    assert json.loads(after["002/.mrl"]) == {"params": {"wdecay": 0.1, "lr": 0.04, "momentum": 0.9, "subExpId": "002"}}
    assert b"MRL" not in after["005/conf.lua"]
    assert old.mrl("makebatch").out == "12 unchanged\n"


def test_a_changed_template_keeps_what_ran(old: ProjectDir) -> None:
    (old.root / "output/0001/004/log.csv").unlink()
    before = runs(old)
    old.write({"output/0001/conf.lua": TEMPLATE.replace("braces", "curly braces")})
    kept = old.mrl("makebatch", "--json", code=1).json["kept"]
    assert [item["id"] for item in kept] == ["001", "002", "003", "004"]
    assert kept[0]["why"] == "it holds log.csv, and conf.lua would change"
    assert kept[3]["why"] == "conf.lua is of unknown origin, and would change"
    assert runs(old) == before


def test_folders_that_do_not_say_their_params_get_them_by_their_config(old: ProjectDir) -> None:
    exp = old.root / "output/0001"
    for sub in ("001", "002", "003", "004"):
        (exp / sub / ".mrl").unlink()
    before = runs(old)
    assert [sub["id"] for sub in old.mrl("status", "--json").json["experiments"][0]["subExps"]] == [
        "001",
        "002",
        "003",
        "004",
    ]
    assert old.mrl("makebatch").out == "4 adopted (001-004)\n"
    after = runs(old)
    assert json.loads(after["002/.mrl"])["params"] == {"lr": 0.04, "wdecay": 0.1, "subExpId": "002"}
    assert {name: data for name, data in after.items() if name in before} == before
    assert old.mrl("makebatch").out == "4 unchanged\n"


def test_a_folder_of_unknown_origin_is_left_alone(old: ProjectDir) -> None:
    exp = old.root / "output/0001"
    (exp / "003/.mrl").unlink()
    (exp / "003/conf.lua").write_text("something else\n")
    (exp / "200").mkdir()  # no config: not a sub-experiment, but its number is taken
    (exp / "200/data.bin").write_text("mine")
    done = old.mrl("makebatch", "--json").json
    assert (done["new"], done["orphans"]) == (["201"], ["003"])
    assert (exp / "003/conf.lua").read_text() == "something else\n" and not (exp / "003/.mrl").exists()
    assert (exp / "200/data.bin").read_text() == "mine"
    old.mrl("prune", "--yes")
    assert old.mrl("restore", "1/3").out == "output/0001/003\n"
    assert (exp / "003/conf.lua").read_text() == "something else\n"
