"""A test for each fault that was found from outside, named after what went wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support import BIN, TEMPLATE, ProjectDir, clean_environment

Make = Callable[[Mapping[str, str | bytes]], ProjectDir]


def test_a_failing_function_fails_doit_too(logged: ProjectDir) -> None:
    logged.write({"mrl_analyze.py": "def bad(expDir):\n    raise ValueError('x')\n"})
    logged.configure(analysis_overview={"bad": []})
    for _ in range(2):
        assert "overview:0001/bad" in logged.mrl("doit", code=1).out
        assert "overview:0001/bad" in logged.doit(code=1).out
    assert (logged.root / "exp/0001/analysis/index.html").exists()
    logged.mrl("doit", "run", "overview:0001/bad", code=1)
    logged.mrl("doit", "run", "parse:0001/001")
    logged.configure(analysis_overview={})
    logged.mrl("doit")


def test_an_outdir_on_another_disk(tmp_path: Path) -> None:
    project = ProjectDir(tmp_path / "project", clean_environment())
    project.root.mkdir()
    (tmp_path / "scratch").mkdir()
    (project.root / "exp").symlink_to(tmp_path / "scratch")
    project.git("init", "-q")
    project.write({"conf.yaml": TEMPLATE})
    project.mrl("init", "exp")
    project.commit()
    assert project.git("ls-files", "exp") == "", "the link is ignored"
    project.mrl("new")
    project.mrl("makebatch")
    project.log("001")
    assert project.mrl("summary", "--json").json["rows"][0]["metrics"]["loss"]["last"] == 1.0
    project.analyze()
    inside = project.root / "exp/0001"
    assert project.mrl("-C", "exp/0001", "status", "--json").json["experiments"][0]["expId"] == "0001"
    assert (
        project.mrl("status", "--json", cwd=inside, env={"PWD": str(inside)}).json["experiments"][0]["expId"] == "0001"
    )


def test_a_deleted_or_edited_mrl_of_a_sub_experiment_is_mended(project: ProjectDir) -> None:
    before = project.read("exp/0001/003/.mrl")
    (project.root / "exp/0001/003/.mrl").unlink()
    assert "makebatch:0001/003" in project.mrl("status", "-v").out
    assert project.mrl("makebatch").out == "3 unchanged, 1 rendered (003)\n"
    project.write({"exp/0001/003/.mrl": '{"params": {"lr": 77}}'})
    project.mrl("makebatch")
    assert project.read("exp/0001/003/.mrl") == before


@pytest.mark.parametrize("outdir", ["exp/0001/001", "exp/0001/code/x", ".", "conf.yaml", "exp/0001/.mrl.d", "/proc/x"])
def test_a_report_is_not_made_among_the_users_files(logged: ProjectDir, outdir: str) -> None:
    done = logged.mrl("analyze", "-outdir", outdir, code=3)
    assert len(done.err.splitlines()) == 1 and "-outdir" in done.err
    assert logged.analyze() != []


@pytest.mark.parametrize(
    "keys",
    [
        {"analysis_outdir": "001"},
        {"analysis_outdir": "code"},
        {"analysis_outdir": ".mrl.d/x"},
        {"analysis_outfn": "../../../x.html"},
        {"note_fn": "../n"},
        {"note_fn": ""},
        {"confTemplFile": ["conf.yaml", "conf.yaml"]},
        {"confTemplFile": ".mrl"},
        {"confTemplFile": {}},
        {"copyFiles": False},
        {"singleExpFormat": "{expId:x}"},
        {"subExpFormat": "{subExpId:.2f}"},
        {"Run": "x"},
    ],
    ids=str,
)
def test_a_config_that_would_do_harm_is_refused(project: ProjectDir, keys: Mapping[str, object]) -> None:
    project.configure(**keys)
    assert project.mrl("status", code=3).err.startswith("mrl: error: .mrl.cfg:1: ")


@pytest.mark.parametrize("text", ["? [a, b]\n: 1", "a: !!int abc", "a: 1e999"])
def test_odd_yaml_is_a_mistake_and_no_fault(project: ProjectDir, text: str) -> None:
    project.write({".mrl.cfg": f"outdir: exp\n{text}\n"})
    assert project.mrl("status", code=3).err.startswith("mrl: error: .mrl.cfg:")


def test_a_patch_that_cannot_hold_a_submodule_is_refused(make_project: Make, tmp_path: Path) -> None:
    project = make_project({"x": "y"})
    library = ProjectDir(tmp_path / "library", project.env)
    library.root.mkdir()
    library.git("init", "-q")
    library.write({"lib.txt": "one\n"})
    library.commit()
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.root), "lib")
    project.commit()
    project.write({"lib/untracked.txt": "x"})
    project.mrl("new")
    project.write({"lib/lib.txt": "two\n"})
    assert "submodule lib" in project.mrl("new", "-nc", code=3).err
    (project.root / "lib/lib.txt").write_text("one\n")
    project.write({"inner/a": "x"})
    project.run("git", "init", "-q", cwd=project.root / "inner", code=0)
    project.mrl("new", "-nc")
    assert json.loads(project.read("exp/0002/.mrl"))["untrackedTooLarge"] == ["inner/"]


def test_new_does_not_mind_the_users_git_settings(make_project: Make, tmp_path: Path) -> None:
    project = make_project({"a.txt": "".join(f"{n}\n" for n in range(50))})
    (tmp_path / "gitconfig").write_text(
        '[diff]\nnoprefix = true\ncontext = 0\nmnemonicPrefix = true\n[protocol "file"]\nallow = never\n'
        "[core]\nhooksPath = /nowhere\n[init]\ntemplateDir = /nowhere\n"
    )
    project.write({"a.txt": project.read("a.txt").replace("25\n", "twenty-five\n")})
    settings = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "GIT_DIFF_OPTS": "-u0", "GIT_DIR": "/nowhere"}
    project.mrl("new", "-nc", env=settings)
    assert "twenty-five\n" in project.read("exp/0001/code/a.txt")


def test_lists_are_sorted_by_number(make_project: Make) -> None:
    project = make_project({"conf.yaml": "a: {{ a }}\n# MRL:grid['a'] = range(12)\n"})
    project.configure(subExpFormat="{subExpId}", run="test {{ a }} != 1 -a {{ a }} != 10")
    project.git("commit", "-qam", "format")
    project.mrl("new")
    project.mrl("makebatch")
    done = project.mrl("run", "--json", "-j", "2", code=1).json
    assert done["ran"] == [str(n) for n in range(1, 13)] and done["failed"] == ["2", "11"]


@pytest.mark.parametrize("word", ["²", "3-1", "1-", "-3", "", "1,,2"])
def test_odd_ids_are_usage_errors(project: ProjectDir, word: str) -> None:
    project.configure(run="true")
    assert len(project.mrl("run", f"--only={word}", code=2).err.splitlines()) == 1


def test_a_huge_range_of_ids_is_no_wait(project: ProjectDir) -> None:
    project.configure(run="true")
    begun = time.monotonic()
    assert len(project.mrl("run", "-n", "--only", "1-9999999999", "--json").json["ran"]) == 4
    assert time.monotonic() - begun < 60  # it would be hours


def test_a_description_that_is_no_text(project: ProjectDir) -> None:
    folder = subprocess.run(
        [str(BIN / "mrl").encode(), b"new", b"caf\xe9"],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        check=True,
    )
    assert folder.stdout == b"exp/0002\n"
    project.mrl("ls")


def test_dry_run_and_new_agree_on_the_number(project: ProjectDir) -> None:
    (project.root / "exp/0009").mkdir()
    assert project.mrl("new", "-n").out == project.mrl("new").out == "exp/0010\n"


def test_init_where_outdir_is_a_file_writes_nothing(tmp_path: Path) -> None:
    project = ProjectDir(tmp_path, clean_environment())
    project.git("init", "-q")
    project.write({"exp": "a file"})
    project.mrl("init", "exp", code=3)
    project.mrl("init", ".git/x", code=3)
    assert sorted(os.listdir(tmp_path)) == [".git", "exp"]


def test_two_runs_of_what_failed_launch_each_once(project: ProjectDir) -> None:
    project.configure(run="echo x >> ../launches; sleep 0.3; false")
    project.mrl("run", "-j", "4", code=1)
    both = [
        subprocess.Popen(
            [str(BIN / "mrl"), "run", "--failed"], cwd=project.root, env=project.env, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in both:
        process.communicate(timeout=60)
    assert project.read("exp/0001/launches").count("x") == 8


def test_the_mode_of_a_template_is_kept(make_project: Make) -> None:
    project = make_project({"run.sh": "#!/bin/sh\necho {{ a }}\n# MRL:grid['a'] = [1]\n"})
    (project.root / "run.sh").chmod(0o755)
    project.configure(copyFiles=["run.sh"], confTemplFile="run.sh", run="./run.sh")
    project.commit()
    project.mrl("new")
    project.mrl("makebatch")
    project.mrl("run")
    assert project.read("exp/0001/001/run.log") == "1\n"


def test_a_broken_run_record_can_be_launched_again(project: ProjectDir) -> None:
    project.configure(run="true")
    project.write({"exp/0001/001/.mrl.run": "{"})
    assert "001" not in project.mrl("run", "--json").json["ran"]
    assert project.mrl("run", "--failed", "--json").json["ran"] == ["001"]


def test_what_a_launch_replaces_is_kept(project: ProjectDir) -> None:
    project.mrl("run", "1/1", "--", "echo", "first")
    project.mrl("run", "1/1", "--", "echo", "second")
    assert project.read("exp/0001/001/run.log") == "second\n"
    assert project.read("exp/0001/.mrl.d/replaced/001/run.log.1") == "first\n"
    assert json.loads(project.read("exp/0001/.mrl.d/replaced/001/.mrl.run.1"))["state"] == "done"
    done = project.mrl("run", "1/2", "--", "nosuchprogram", code=127)
    assert "nosuchprogram" in done.err


def test_replace_is_refused_while_a_run_goes_on(project: ProjectDir) -> None:
    project.configure(run="sleep 30")
    running = subprocess.Popen([str(BIN / "mrl"), "run"], cwd=project.root, env=project.env, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not (project.root / "exp/0001/001/run.log").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert "001 is running" in project.mrl("makebatch", "-replace", code=3).err
    finally:
        running.terminate()
        running.wait()
    assert "archive/1" in project.mrl("makebatch", "-replace").err


def test_a_template_that_was_named_late_is_found(make_project: Make) -> None:
    project = make_project({"settings.lua": "x = 1\n"})
    assert "conf.yaml" in project.mrl("new").err
    project.configure(copyFiles=["settings.lua"], confTemplFile="settings.lua")
    project.git("commit", "-qam", "name the template")
    project.mrl("new")
    assert project.read("exp/0002/settings.lua") == "x = 1\n"


def test_a_mistake_in_a_helper_names_the_helper_once(logged: ProjectDir) -> None:
    logged.write({"mrl_analyze.py": "import helper\n\ndef f(subExpDir):\n    pass\n", "helper.py": "x = 1\ndef g(\n"})
    logged.configure(analysis_subexp={"f": []}, analysis_overview={})
    lines = [line for line in logged.mrl("analyze", code=1).err.splitlines() if line.startswith(("section", "f "))]
    assert "helper.py:2: SyntaxError" in lines[0] and "(imported by mrl_analyze.py)" in lines[0]
    assert lines[1:] == ["f failed in the same way in 3 more"]


def test_a_new_file_in_the_experiment_makes_no_summary_stale(logged: ProjectDir) -> None:
    logged.write(
        {"mrl_analyze.py": "import metarunlog\ndef f(expDir):\n    return metarunlog.summary(expDir), 'table'\n"}
    )
    logged.configure(analysis_overview={"f": []})
    logged.analyze()
    logged.write({"exp/0001/opt.json": "{}"})
    assert logged.analyze() == []


def test_a_library_that_lists_what_is_installed_makes_no_function_stale(logged: ProjectDir) -> None:
    text = """\
        import importlib.metadata
        import os

        def f(expDir):
            return str(len(list(importlib.metadata.distributions())) > 3), "text"

        def g(expDir):
            return str(sorted(os.listdir("."))), "text"
        """
    logged.write({"mrl_analyze.py": text})
    logged.configure(analysis_overview={"f": [], "g": []})
    logged.analyze()
    logged.write({"a-new-file": ""})
    assert logged.analyze() == ["overview:0001/g", "report:0001"], "but a function that lists the folder is"


def test_params_named_as_columns_of_ours_are_not_mixed_up(make_project: Make) -> None:
    axes = "".join(
        f"# MRL:grid['{name}'] = [{value}]\n" for name, value in (("state", "'solid'"), ("id", 7), ("code", "'x'"))
    )
    text = "{{ state }} {{ id }} {{ code }}\n" + axes
    project = make_project({"conf.yaml": text})
    project.configure(run="echo {{ code }}")
    project.git("commit", "-qam", "run")
    project.mrl("new")
    project.mrl("makebatch")
    assert project.mrl("summary", "--csv").out.splitlines() == [
        "subExpId,state,id,code,run state",
        "001,solid,7,x,not run",
    ]
    assert 'named "code"' in project.mrl("run", code=3).err


def test_folders_in_the_place_of_targets_are_moved_away(logged: ProjectDir) -> None:
    logged.analyze()
    for name in ("index.html", "parsed/001.pkl", "sections/results.json"):
        path = logged.root / "exp/0001/analysis" / name
        path.unlink()
        path.mkdir()
        (path / "mine.txt").write_text(name)
    done = logged.mrl("analyze", "--json")
    assert done.json["failed"] == [] and done.err.count("was a folder") == 3
    assert logged.analyze() == []
    kept = sorted(p.read_text() for p in (logged.root / "exp/0001/.mrl.d/replaced").rglob("mine.txt"))
    assert kept == ["index.html", "parsed/001.pkl", "sections/results.json"]


def test_what_could_not_be_written_is_tried_again(logged: ProjectDir) -> None:
    """What stood in the way is no input of any task."""
    logged.write({"exp/0001/analysis/parsed": "a file where a folder is to be"})
    done = logged.mrl("analyze", "--json", code=1)
    assert {f["name"] for f in done.json["failed"]} >= {f"parse:0001/00{n}" for n in range(1, 5)}
    assert logged.mrl("status", "--exit-code", code=1)
    (logged.root / "exp/0001/analysis/parsed").unlink()
    assert logged.mrl("analyze", "--json").json["failed"] == []
    assert logged.analyze() == []
    shutil.rmtree(logged.root / "exp/0001/analysis")
    logged.write({"exp/0001/analysis": "not a folder"})
    assert "is no folder" in logged.mrl("analyze", code=3).err


def test_a_sub_experiment_that_is_marked_as_done_is_so_in_the_report(logged: ProjectDir) -> None:
    logged.mrl("analyze")
    (logged.root / "exp/0001/002/.mrl.done").touch()
    assert logged.analyze() == ["report:0001"]
    page = (logged.root / "exp/0001/analysis/index.html").read_text()
    assert page.count('"badge st-done">done<') == 2  # in the results and at its head
    (logged.root / "exp/0001/002/.mrl.done").unlink()
    assert logged.analyze() == ["report:0001"]
    assert "st-done" not in (logged.root / "exp/0001/analysis/index.html").read_text()


def test_a_file_written_for_another_function_makes_that_run_once(logged: ProjectDir) -> None:
    """What is known of it from before it was written anew is no state of what the other has read."""
    logged.write(
        {
            "mrl_analyze.py": """
                import metarunlog
                from pathlib import Path
                def first(subExpDir):
                    lowest = metarunlog.load(subExpDir)["metrics"]["loss"].min()
                    (Path(subExpDir) / "extra.dat").write_text(str(lowest))
                    return []
                def second(subExpDir):
                    return [((Path(subExpDir) / "extra.dat").read_text(), "html")]
                """
        }
    )
    logged.configure(analysis_subexp={"first": [], "second": {"inputs": ["extra.dat"]}}, analysis_overview={})
    logged.analyze("-j", "1")
    time.sleep(2.1)  # the clock's grain
    logged.analyze("-j", "1")
    logged.log("002", (0.5,))
    mine = ["parse:0001/002", "report:0001", "section:0001/002/first", "section:0001/002/second"]
    assert logged.analyze("-j", "1") == mine
    assert logged.analyze("-j", "1") == []
