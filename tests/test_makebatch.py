"""`mrl makebatch` from outside: bytes, the ledger, what is kept, adopted and shown."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from faults import killed_at
from support import TEMPLATE, ProjectDir, one_line, tree

LONG = bool(os.environ.get("MRL_LONG"))
Make = Callable[[Mapping[str, str | bytes]], ProjectDir]
EXP = "exp/0001"


def test_it_ends_with_one_line(project: ProjectDir) -> None:
    assert project.mrl("makebatch").out == "4 unchanged\n"
    project.write({"exp/0001/conf.yaml": TEMPLATE.replace("[1, 2]", "[1, 3]")})
    done = project.mrl("makebatch", "-n", "--json").json
    assert (done["new"], done["orphans"], done["unchanged"]) == (["005", "006"], ["002", "004"], ["001", "003"])
    assert project.mrl("makebatch", "-n").out == "2 unchanged, 2 new (005-006), 2 orphans\n"
    assert not (project.root / "exp/0001/005").exists()
    assert project.mrl("makebatch").out == "2 unchanged, 2 new (005-006), 2 orphans\n"
    assert project.read("exp/0001/005/conf.yaml") == "lr: 0.1\nlayers: 3\n"
    assert json.loads(project.read("exp/0001/005/.mrl")) == {"params": {"lr": 0.1, "layers": 3, "subExpId": "005"}}


def test_it_keeps_what_was_started_or_edited(project: ProjectDir) -> None:
    project.log("001")
    project.write({"exp/0001/002/conf.yaml": "by hand\n"})
    project.write({"exp/0001/conf.yaml": TEMPLATE.replace("lr:", "rate:")})
    done = project.mrl("makebatch", "--json", code=1).json
    assert [k["id"] for k in done["kept"]] == ["001", "002"] and done["rendered"] == ["003", "004"]
    assert "metrics.csv" in done["kept"][0]["why"] and "by hand" in done["kept"][1]["why"]
    assert project.read("exp/0001/001/conf.yaml").startswith("lr:")
    assert project.read("exp/0001/002/conf.yaml") == "by hand\n"
    assert project.mrl("makebatch", code=1).out == "2 unchanged, 2 kept (001-002)\n"
    assert project.mrl("makebatch", "--keep").out == "4 unchanged\n"
    assert project.mrl("makebatch").out == "4 unchanged\n"


def test_force_keeps_the_old_file_aside(project: ProjectDir) -> None:
    project.write({"exp/0001/002/conf.yaml": "by hand\n"})
    project.mrl("makebatch", code=1)
    assert project.mrl("makebatch", "--force").out == "3 unchanged, 1 rendered (002)\n"
    assert project.read("exp/0001/002/conf.yaml") == "lr: 0.1\nlayers: 2\n"
    assert project.read("exp/0001/.mrl.d/replaced/002/conf.yaml.1") == "by hand\n"


def test_it_adopts_finished_runs_when_an_axis_is_added(project: ProjectDir) -> None:
    project.log("003")
    frozen = TEMPLATE.replace("# MRL:grid['lr']", "# MRL:grid['wd'] = ['']\n# MRL:grid['lr']").replace(
        "lr }}", "lr }}{{ wd }}"
    )
    project.write({"exp/0001/conf.yaml": frozen})
    done = project.mrl("makebatch", "--json").json
    assert (done["adopted"], done["new"], done["orphans"]) == (["001", "002", "003", "004"], [], [])
    assert json.loads(project.read("exp/0001/003/.mrl"))["params"]["wd"] == ""
    assert (project.root / "exp/0001/003/metrics.csv").exists()


def test_replace_archives_all(project: ProjectDir) -> None:
    project.log("001")
    project.write({"exp/0001/002/conf.yaml": "by hand\n"})
    project.mrl("makebatch", "--force")
    project.write({"exp/0001/conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [7]\n"})
    assert project.mrl("makebatch", "-replace").out == "1 new (001)\n"
    assert project.read("exp/0001/001/conf.yaml") == "lr: 7\n" and not (project.root / "exp/0001/002").exists()
    assert (project.root / "exp/0001/.mrl.d/archive/1/001/metrics.csv").exists()
    assert project.read("exp/0001/.mrl.d/archive/1/replaced/002/conf.yaml.1") == "by hand\n"
    assert not (project.root / "exp/0001/.mrl.d/replaced").exists(), "what it holds is of other sub-experiments"


def test_a_diff_shows_the_change(project: ProjectDir) -> None:
    project.write({"exp/0001/conf.yaml": TEMPLATE.replace("lr:", "rate:")})
    out = project.mrl("makebatch", "-n", "--diff").out
    assert "-lr: 0.1\n+rate: 0.1\n" in out and "exp/0001/001/conf.yaml" in out
    assert project.read("exp/0001/001/conf.yaml").startswith("lr:")


@pytest.mark.parametrize(
    ("template", "line", "says"),
    [
        ("lr: {{ rate }}\n# MRL:grid['lr'] = [1]\n", 1, "rate"),
        ("lr: {{ lr }\n# MRL:grid['lr'] = [1]\n", 1, ""),
        ("lr: {{ lr }}\n# MRL:grid['lr'] = [1,\n", 2, ""),
        ("lr: {{ lr }}\n# MRL:grid['lr'] = []\n", 2, "empty"),
        ("lr: {{ lr }}\n# MRL:grid['lr'] = [open('x')]\n", 2, "open"),
    ],
)
def test_a_broken_template_names_the_line(project: ProjectDir, template: str, line: int, says: str) -> None:
    before = sorted(os.listdir(project.root / "exp/0001"))
    project.write({"exp/0001/conf.yaml": template})
    message = one_line(project.mrl("makebatch", code=3).err)
    assert f"exp/0001/conf.yaml:{line}: " in message and says in message
    assert sorted(os.listdir(project.root / "exp/0001")) == before or ".mrl.d" in os.listdir(project.root / "exp/0001")


def test_there_is_no_template(make_project: Make) -> None:
    project = make_project({"x": ""})
    project.mrl("new")
    assert "conf.yaml" in one_line(project.mrl("makebatch", code=3).err)


def test_it_survives_a_broken_ledger(project: ProjectDir) -> None:
    project.write({"exp/0001/batch.json": "{ broken"})
    assert project.mrl("makebatch").out == "4 unchanged\n"
    assert sorted(json.loads(project.read("exp/0001/batch.json"))["subExps"]) == ["001", "002", "003", "004"]


# --- bytes ---


@pytest.mark.parametrize(
    ("codec", "end"), [("utf-8", "\r\n"), ("utf-8-sig", "\n"), ("utf-16", "\r\n"), ("latin-1", "\n"), ("utf-8", "\r")]
)
def test_encoding_and_line_ends_are_those_of_the_template(make_project: Make, codec: str, end: str) -> None:
    body = f"name: é{end}\tlr: {{}}{end}{end}last: 1"
    block = f"{end}# MRL:grid['lr'] = ['1e-3', '0.00006']"
    project = make_project({"conf.yaml": (body.format("{{ lr }}") + block).encode(codec)})
    project.mrl("new")
    project.mrl("makebatch")
    made = [(project.root / EXP / sub / "conf.yaml").read_bytes() for sub in ("001", "002")]
    assert made == [body.format(value).encode(codec) for value in ("1e-3", "0.00006")]


def test_a_diff_is_text_in_any_encoding(make_project: Make) -> None:
    text = "name: é\r\nlr: {{ lr }}\r\n# MRL:grid['lr'] = [1]\r\n"
    project = make_project({"conf.yaml": text.encode("utf-16")})
    project.mrl("new")
    project.mrl("makebatch")
    project.write({f"{EXP}/conf.yaml": text.replace("é", "ü").encode("utf-16")})
    done = project.mrl("makebatch", "-n", "--diff", "--json").json
    assert "-name: é" in done["diff"] and "+name: ü" in done["diff"] and done["rendered"] == ["001"]
    assert (project.root / EXP / "001/conf.yaml").read_bytes().decode("utf-16").startswith("name: é")


def test_several_templates_and_copies(make_project: Make) -> None:
    project = make_project({"a.lua": "lr = {{ lr }}\n-- MRL:grid['lr'] = [1, 2]\n", "b/run.sh": "echo {{ lr }}\n"})
    project.write({"data.bin": b"\xff\x00{{ x }}"})
    project.configure(confTemplFile=["a.lua", "b/run.sh"], copyFiles=["a.lua", "b/run.sh", "data.bin"])
    (project.root / "b/run.sh").chmod(0o755)
    project.commit()
    project.mrl("new")
    assert project.mrl("makebatch").out == "2 new (001-002)\n"
    sub = project.root / EXP / "002"
    assert (sub / "a.lua").read_text() == "lr = 2\n" and (sub / "data.bin").read_bytes() == b"\xff\x00{{ x }}"
    assert (sub / "b/run.sh").read_text() == "echo 2\n" and os.access(sub / "b/run.sh", os.X_OK)
    project.write({f"{EXP}/data.bin": b"new"})
    assert project.mrl("makebatch").out == "2 rendered (001-002)\n"


# --- the ledger ---


def test_an_axis_with_the_old_value_keeps_finished_runs(make_project: Make) -> None:
    """The commonest day: momentum becomes an axis after nine runs have finished."""
    text = "lr: {{ lr }}\nwd: {{ wd }}\nmomentum: 0.9\nout: runs/{{ subExpId }}\n"
    grid = "# MRL:grid['lr'] = [0.1, 0.01, 0.001]\n# MRL:grid['wd'] = [0, 1, 2]\n"
    project = make_project({"conf.yaml": text + grid})
    project.configure(run="printf 'step,loss\\n0,{{ lr }}\\n' > metrics.csv")
    project.commit()
    project.mrl("new")
    project.mrl("makebatch")
    project.mrl("run")
    before = {name: data for name, data in tree(project.root / EXP).items() if name[:3].isdigit()}
    axis = "# MRL:grid['momentum'] = [0.9, 0.99]\n"
    project.write({f"{EXP}/conf.yaml": text.replace("0.9", "{{ momentum }}") + grid + axis})
    assert project.mrl("makebatch", "-n").out == "9 new (010-018), 9 adopted (001-009)\n"
    assert project.mrl("makebatch").out == "9 new (010-018), 9 adopted (001-009)\n"
    after = tree(project.root / EXP)
    assert {name: after[name] for name in before if not name.endswith("/.mrl")} == {
        name: data for name, data in before.items() if not name.endswith("/.mrl")
    }
    assert json.loads(after["004/.mrl"])["params"] == {"lr": 0.01, "wd": 0, "momentum": 0.9, "subExpId": "004"}
    assert project.mrl("run", "--json").json["ran"] == [f"{n:03d}" for n in range(10, 19)], "nothing is run again"
    assert project.mrl("makebatch").out == "18 unchanged\n"


def test_reordering_and_new_values_never_renumber(project: ProjectDir) -> None:
    times = {p: p.stat().st_mtime_ns for p in (project.root / EXP).glob("00?/*")}
    grid = "# MRL:grid['layers'] = [3, 2, 1]\n# MRL:grid['lr'] = [0.01, 5, 0.1]\n"
    project.write({f"{EXP}/conf.yaml": "lr: {{ lr }}\nlayers: {{ layers }}\n" + grid})
    assert project.mrl("makebatch").out == "4 unchanged, 5 new (005-009)\n"
    assert {p: p.stat().st_mtime_ns for p in times} == times
    assert json.loads(project.read(f"{EXP}/002/.mrl"))["params"]["layers"] == 2


def test_a_deleted_number_is_not_given_again(project: ProjectDir) -> None:
    project.write({f"{EXP}/conf.yaml": TEMPLATE.replace("[1, 2]", "[1]")})
    project.mrl("makebatch")
    for sub in ("002", "004"):
        shutil.rmtree(project.root / EXP / sub)
    project.write({f"{EXP}/conf.yaml": TEMPLATE.replace("[1, 2]", "[1, 3]")})
    assert project.mrl("makebatch").out == "2 unchanged, 2 new (005-006)\n"
    project.write({f"{EXP}/conf.yaml": TEMPLATE})
    assert project.mrl("makebatch", "--json").json["rendered"] == ["002", "004"], "params keep their number"


def test_a_folder_copied_by_hand_is_an_orphan(project: ProjectDir) -> None:
    shutil.copytree(project.root / EXP / "002", project.root / EXP / "009")
    (project.root / EXP / "009/log.txt").write_text("mine")
    assert project.mrl("makebatch").out == "4 unchanged, 1 orphan\n"
    shutil.rmtree(project.root / EXP / "002")
    project.mrl("makebatch")
    assert (project.root / EXP / "009/log.txt").read_text() == "mine"


def test_another_format_of_the_folders_is_refused(project: ProjectDir) -> None:
    before = project.read(f"{EXP}/batch.json")
    project.configure(subExpFormat="{subExpId:04d}")
    for argv in (["makebatch"], ["makebatch", "-n"], ["makebatch", "-replace"], ["prune", "--yes"]):
        error = one_line(project.mrl(*argv, code=3).err)
        assert f"{EXP}/batch.json: names 001, but subExpFormat is '{{subExpId:04d}}'; set it back" in error
    assert "names 001" in project.mrl("status").out
    assert project.read(f"{EXP}/batch.json") == before
    project.configure(subExpFormat="{subExpId:03d}")
    assert project.mrl("makebatch").out == "4 unchanged\n"


def test_keep_is_of_one_content(project: ProjectDir) -> None:
    project.write({f"{EXP}/002/conf.yaml": "by hand\n"})
    assert "not allowed with" in project.mrl("makebatch", "--keep", "--force", code=2).err
    assert project.mrl("makebatch", "--keep").out == "4 unchanged\n"
    project.write({f"{EXP}/002/conf.yaml": "by hand, and once more\n"})
    assert [item["id"] for item in project.mrl("makebatch", "--json", code=1).json["kept"]] == ["002"]
    assert project.read(f"{EXP}/002/conf.yaml") == "by hand, and once more\n"


@pytest.mark.parametrize("name", [".mrl.done", ".mrl.run", "checkpoint.pt", ".hidden"])
def test_what_has_started_is_kept(project: ProjectDir, name: str) -> None:
    project.write({f"{EXP}/001/{name}": "{}", f"{EXP}/conf.yaml": TEMPLATE.replace("lr:", "rate:")})
    done = project.mrl("makebatch", code=1)
    assert done.out == "3 rendered (002-004), 1 kept (001)\n" and f"kept {EXP}/001: " in done.err
    assert project.read(f"{EXP}/001/conf.yaml").startswith("lr:")
    assert project.mrl("makebatch", "--force").out == "3 unchanged, 1 rendered (001)\n"
    assert project.read(f"{EXP}/.mrl.d/replaced/001/conf.yaml.1").startswith("lr:")


def test_where_passes_over_orphans_that_lack_the_name(project: ProjectDir) -> None:
    project.configure(run="true")
    project.log("001")
    axis = TEMPLATE.replace("layers }}", "layers }}\nwd: {{ wd }}") + "# MRL:grid['wd'] = [1, 2]\n"
    project.write({f"{EXP}/conf.yaml": axis})
    assert project.mrl("makebatch").out == "8 new (005-012), 4 orphans\n"
    where = "lr < 0.05 and wd == 2"
    assert project.mrl("run", "-n", "--where", where, "--json").json["ran"] == ["010", "012"]
    assert project.mrl("analyze", "--where", where, "-q").out == ""
    for wrong in ("wdd == 2", "wd = 2"):
        assert "--where" in one_line(project.mrl("run", "--where", wrong, code=2).err)
        assert "--where" in one_line(project.mrl("analyze", "--where", wrong, code=2).err)


def test_a_param_that_only_the_launch_uses_is_not_mixed_up(make_project: Make) -> None:
    """The files of two seeds are the same: what ran with one is not taken for the other."""
    project = make_project({"conf.yaml": "lr: 1\n# MRL:grid['seed'] = [1, 2]\n"})
    project.configure(run="printf 'step,loss\\n0,{{ seed }}\\n' > metrics.csv")
    project.mrl("new", "-nc")
    assert "never used" not in project.mrl("makebatch").err
    project.mrl("run")
    project.write({f"{EXP}/conf.yaml": "lr: 1\n# MRL:grid['seed'] = [3, 2, 1]\n"})
    assert project.mrl("makebatch").out == "2 unchanged, 1 new (003)\n"
    project.write({f"{EXP}/conf.yaml": "lr: {{ lr }}\n# MRL:grid['seed'] = [3, 2, 1]\n# MRL:grid['lr'] = [1, 5]\n"})
    assert project.mrl("makebatch").out == "3 new (004-006), 3 adopted (001-003)\n"
    params = {sub: json.loads(project.read(f"{EXP}/{sub}/.mrl"))["params"]["seed"] for sub in ("001", "002", "003")}
    assert params == {"001": 1, "002": 2, "003": 3}


def test_force_overwrites_what_was_accepted_and_never_what_runs(project: ProjectDir) -> None:
    project.log("001")
    project.write({f"{EXP}/conf.yaml": TEMPLATE.replace("lr:", "rate:")})
    assert project.mrl("makebatch", "--keep").out == "1 unchanged, 3 rendered (002-004)\n"
    record = {"state": "running", "pid": os.getpid(), "host": socket.gethostname()}
    project.write({f"{EXP}/001/.mrl.run": json.dumps(record)})
    done = project.mrl("makebatch", "--force", "--json", code=1).json
    assert [(one["id"], one["why"]) for one in done["kept"]] == [("001", "it is running, and conf.yaml would change")]
    assert project.read(f"{EXP}/001/conf.yaml").startswith("lr:")
    (project.root / EXP / "001/.mrl.run").unlink()
    assert project.mrl("makebatch", "--force").out == "3 unchanged, 1 rendered (001)\n"
    assert project.read(f"{EXP}/001/conf.yaml").startswith("rate:")


def test_files_that_mrl_wrote_are_no_start(make_project: Make) -> None:
    project = make_project({"conf.yaml": TEMPLATE, "a.txt": "a"})
    project.configure(copyFiles=["conf.yaml", "a.txt"])
    project.commit()
    project.mrl("new")
    project.mrl("makebatch")
    project.configure(copyFiles=["conf.yaml"])
    for word in ("rate:", "speed:"):
        project.write({f"{EXP}/conf.yaml": TEMPLATE.replace("lr:", word)})
        assert project.mrl("makebatch").out == "4 rendered (001-004)\n"
    project.write({f"{EXP}/001/a.txt": "changed by a run", f"{EXP}/conf.yaml": TEMPLATE})
    assert project.mrl("makebatch", code=1).out == "3 rendered (002-004), 1 kept (001)\n"


def test_killed_twice_our_own_files_are_still_ours(make_project: Make, tmp_path: Path) -> None:
    project = make_project({"conf.yaml": "v: 0\na: {{ a }}\n# MRL:grid['a'] = range(8)\n"})
    project.mrl("new")
    project.mrl("makebatch")
    for version in (1, 2):
        conf = project.read(f"{EXP}/conf.yaml").replace(f"v: {version - 1}", f"v: {version}")
        project.write({f"{EXP}/conf.yaml": conf})
        assert killed_at(6 + 6 * version, project, tmp_path / f"fault-{version}", "makebatch")[0] == -9
    versions = {project.read(f"{EXP}/{n:03d}/conf.yaml")[:4] for n in range(1, 9)}
    assert len(versions) > 1, "some were written before the kill"
    project.write({f"{EXP}/conf.yaml": project.read(f"{EXP}/conf.yaml").replace("v: 2", "v: 3")})
    assert project.mrl("makebatch").out == "8 rendered (001-008)\n"


def test_a_kept_config_does_not_stop_doit(project: ProjectDir) -> None:
    for sub in ("001", "002"):
        project.log(sub)
    project.write({f"{EXP}/conf.yaml": TEMPLATE.replace("lr:", "rate:")})
    assert f"{EXP}/001 is kept" in project.mrl("doit", code=1).out
    assert (project.root / EXP / "analysis/index.html").exists()
    assert project.analyze() == []


def test_what_is_no_file_is_told(project: ProjectDir) -> None:
    project.configure(copyFiles=["conf.yaml", "sub", "missing.txt"])
    (project.root / EXP / "sub").mkdir()
    assert f"{EXP}/sub: is no file; put" in one_line(project.mrl("makebatch", code=3).err)
    (project.root / EXP / "sub").rmdir()
    os.mkfifo(project.root / EXP / "sub")
    assert f"{EXP}/sub: is no file; put" in one_line(project.mrl("makebatch", code=3).err)
    (project.root / EXP / "sub").unlink()
    (project.root / EXP / "005").write_text("a file where a folder would be")
    project.write({f"{EXP}/conf.yaml": TEMPLATE.replace("[1, 2]", "[1, 2, 3]")})
    done = project.mrl("makebatch")
    assert done.out == "4 unchanged, 2 new (006-007)\n"
    assert f"mrl: warning: {EXP}/missing.txt: copyFiles names it, but it is not there" in done.err


def test_the_second_template_gets_its_advice_for_the_first(make_project: Make) -> None:
    project = make_project({"a.sh": "lr={{ lr }}\n# MRL:grid['lr'] = [1]\n", "b.json": '{"a": {{"b": 1}}}\n'})
    project.configure(confTemplFile=["a.sh", "b.json"], copyFiles=["a.sh", "b.json"])
    project.commit()
    project.mrl("new")
    error = one_line(project.mrl("makebatch", code=3).err)
    assert f"{EXP}/b.json:1: " in error
    assert error.endswith(f"add the line to {EXP}/a.sh: # MRL:delimiters = ['<<', '>>']")


def test_dry_runs_tell_what_the_command_would_refuse(project: ProjectDir) -> None:
    assert "would be archived: 001-004" in project.mrl("makebatch", "-replace", "-n").err
    record = {"state": "running", "pid": os.getpid(), "host": socket.gethostname()}
    project.write({f"{EXP}/001/.mrl.run": json.dumps(record)})
    assert "001 is running" in one_line(project.mrl("makebatch", "-replace", "-n", code=3).err)
    project.write({f"{EXP}/conf.yaml": TEMPLATE.replace("0.1, ", "")})
    assert "001 is running" in project.mrl("prune", "-n", code=1).err


def test_only_takes_the_numbers_there_are(project: ProjectDir) -> None:
    project.configure(run="true")
    shutil.rmtree(project.root / EXP / "002")
    assert project.mrl("run", "-n", "--only", "1-3", "--json").json["ran"] == ["001", "003"]
    assert "no sub-experiment 2" in one_line(project.mrl("run", "--only", "2", code=3).err)
    assert "from 7 to 9" in one_line(project.mrl("run", "--only", "7-9", code=3).err)
    assert "no number or range" in one_line(project.mrl("run", "--only", "1" * 5000, code=2).err)


def test_where_leaves_orphans_out_of_a_run(make_project: Make) -> None:
    project = make_project({"conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [1, 2, 3, 'x']\n"})
    project.configure(run="true")
    project.commit()
    project.mrl("new")
    project.mrl("makebatch")
    project.write({f"{EXP}/conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [3, 4]\n"})
    project.mrl("makebatch")
    assert project.mrl("run", "-n", "--where", "lr < 9", "--json").json["ran"] == ["003", "005"]
    assert project.mrl("run", "-n", "--only", "1-3", "--where", "lr < 9", "--json").json["ran"] == ["001", "002", "003"]


# --- scale ---


def seconds(project: ProjectDir, *argv: str) -> float:
    """Of the processor, in `mrl`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    project.mrl(*argv)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def test_growth_is_linear(tmp_path: Path, make_project: Make) -> None:
    """Four times as many cost about four times as much: new, unchanged, one value more, an axis that adopts all."""
    text = "lr: {{ lr }}\nseed: {{ seed }}\nwd: 1\nout: {{ subExpId }}\n"
    project = make_project({"conf.yaml": text})
    times = []
    for number, seeds in enumerate((1000, 4000) if LONG else (150, 600), 1):
        project.mrl("new")
        conf = project.root / f"exp/{number:04d}/conf.yaml"
        grid = f"# MRL:grid['lr'] = [0.1, 0.2]\n# MRL:grid['seed'] = range({seeds})\n"
        conf.write_text(text + grid)
        took = [seconds(project, "makebatch"), seconds(project, "makebatch")]
        conf.write_text(text + grid.replace("0.2]", "0.2, 0.3]"))
        took.append(seconds(project, "makebatch"))
        conf.write_text(
            text.replace("1\n", "{{ wd }}\n") + grid.replace("0.2]", "0.2, 0.3]") + "# MRL:grid['wd'] = [1, 2]\n"
        )
        took.append(seconds(project, "makebatch"))
        done = json.loads((conf.parent / "batch.json").read_text())
        assert len(done["subExps"]) == 6 * seeds and not any(entry.get("orphan") for entry in done["subExps"].values())
        times.append(took)
    assert all(large < 8 * small for small, large in zip(*times, strict=True)), times
