"""Plain doit and `mrl doit` on the same tasks and traces."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap

from support import BIN, ProjectDir

from metarunlog.engine.lock import HELD, locked


def listed(out: str) -> dict[str, str]:
    """Task -> R, U, I or E, subtasks only."""
    rows = [line.split() for line in out.splitlines() if line.strip()]
    return {row[1]: row[0] for row in rows if ":" in row[1]}


def test_list_shows_groups_and_tasks(logged: ProjectDir) -> None:
    groups = [line.split()[0] for line in logged.doit("list").out.splitlines()]
    assert groups == ["launch", "makebatch", "notebook", "overview", "parse", "report", "section"]
    tasks = {line.split()[0] for line in logged.doit("list", "--all", "--quiet").out.splitlines()}
    assert {
        "makebatch:0001/001",
        "launch:0001/001",
        "parse:0001/001",
        "section:0001/001/card",
        "overview:0001/curves",
        "report:0001",
    } <= tasks
    assert logged.mrl("doit", "list", "--all").out == logged.doit("list", "--all").out


def test_status_analyze_and_doit_agree(logged: ProjectDir) -> None:
    for change in (None, lambda: logged.log("001", (9.0, 8.0)), lambda: logged.write({"exp/0001/.mrl.note": "seen"})):
        if change is not None:
            change()
        tasks = logged.mrl("status", "--json").json["experiments"][0]["tasks"]
        stale = {t["name"] for t in tasks if t["state"] == "stale"}
        shown = listed(logged.doit("list", "--all", "--status").out)
        assert {name for name, state in shown.items() if state == "R" and not name.startswith("launch")} == stale
        assert set(logged.analyze()) == stale
        assert listed(logged.doit("list", "--all", "--status").out)["report:0001"] == "U"


def test_bare_doit_brings_batches_and_reports_up_to_date(logged: ProjectDir) -> None:
    logged.write({"exp/0001/conf.yaml": logged.read("exp/0001/conf.yaml").replace("[1, 2]", "[1, 2, 3]")})
    logged.doit()
    assert (logged.root / "exp/0001/006/conf.yaml").exists() and (logged.root / "exp/0001/analysis/index.html").exists()
    assert not (logged.root / "exp/0001/001/.mrl.run").exists(), "and launches nothing"
    logged.doit()
    assert logged.analyze() == []
    assert "report:0001" not in [line[3:] for line in logged.doit().out.splitlines() if line.startswith(".")]


def test_run_a_task_by_name(logged: ProjectDir) -> None:
    logged.doit("run", "section:0001/001/card")
    assert sorted(os.listdir(logged.root / "exp/0001/analysis")) == ["parsed", "sections"]
    assert "parse:0001/001" not in logged.analyze()
    logged.configure(run="touch launched")
    logged.doit("run", "launch:0001/002")
    assert (logged.root / "exp/0001/002/launched").exists() and not (logged.root / "exp/0001/001/launched").exists()
    assert json.loads(logged.read("exp/0001/002/.mrl.run"))["state"] == "done"


def test_info_says_why(logged: ProjectDir) -> None:
    logged.analyze()
    assert "up-to-date" in logged.doit("info", "parse:0001/001").out
    logged.log("001", (9.0, 8.0))
    out = logged.doit("info", "parse:0001/001", code=1).out
    assert "exp/0001/001/metrics.csv changed" in out and "exp/0001/analysis/parsed/001.pkl" in out


def test_clean_removes_only_what_analysis_derived(logged: ProjectDir) -> None:
    before = {p for p in (logged.root / "exp/0001").rglob("*") if ".mrl.d" not in p.parts}
    logged.analyze()
    logged.doit("clean", "--clean-all")
    after = {p for p in (logged.root / "exp/0001").rglob("*") if ".mrl.d" not in p.parts and p.is_file()}
    assert {p for p in before if p.is_file()} <= after
    assert not [p for p in after - before if p.suffix in (".html", ".pkl", ".json") and "assets" not in p.parts]
    assert len(logged.analyze()) == 13


def test_forget_makes_stale_and_overwrites_nothing(logged: ProjectDir) -> None:
    logged.analyze()
    logged.doit("forget", "parse:0001/001")
    tasks = logged.mrl("status", "--json").json["experiments"][0]["tasks"]
    assert tasks[0]["name"] == "parse:0001/001" and tasks[0]["reasons"][0]["kind"] == "never_built"
    assert logged.analyze() == ["parse:0001/001"]
    logged.write({"exp/0001/001/conf.yaml": "by hand\n"})
    logged.doit("forget", "--all")
    logged.doit(code=2)  # doit's own code: the group makebatch has a member that failed
    assert logged.read("exp/0001/001/conf.yaml") == "by hand\n"


def test_ignored_tasks_are_passed_over(logged: ProjectDir) -> None:
    logged.doit("ignore", "parse:0001/001")
    assert listed(logged.doit("list", "--all", "--status").out)["parse:0001/001"] == "I"
    assert "parse:0001/001" not in logged.analyze()


def test_parallel_doit(logged: ProjectDir) -> None:
    logged.doit("-n", "2")
    assert logged.analyze() == []


def test_the_users_own_tasks_live_beside_ours(logged: ProjectDir) -> None:
    own = """
        def task_copy():
            return {
                "file_dep": ["exp/0001/analysis/index.html"],
                "targets": ["copy.html"],
                "actions": ["cp %(dependencies)s %(targets)s"],
            }
        """
    logged.write({"dodo.py": logged.read("dodo.py") + "\n\n" + own.replace("\n        ", "\n")})
    logged.doit("run", "copy")
    assert logged.read("copy.html") == logged.read("exp/0001/analysis/index.html")
    assert ".  copy" not in logged.doit("run", "copy").out
    logged.write({"exp/0001/.mrl.note": "### changed\n"})
    assert ".  copy" in logged.doit("run", "copy").out
    assert {p.name for p in logged.root.iterdir()} <= {
        ".git",
        ".gitignore",
        ".mrl.cfg",
        "conf.yaml",
        "dodo.py",
        "exp",
        "last",
        "copy.html",
        "__pycache__",
    }
    assert (logged.root / "exp/.mrl.d/doit.jsonl").exists()


def test_unknown_task_is_a_usage_error(logged: ProjectDir) -> None:
    logged.mrl("doit", "run", "nosuch", code=2)


def test_a_broken_template_does_not_hide_other_tasks(logged: ProjectDir) -> None:
    logged.write({"exp/0001/conf.yaml": "{{ oops\n# MRL:grid['a'] = [1]\n"})
    assert "makebatch:0001/template" in logged.doit("list", "--all").out
    logged.doit("run", "report:0001")
    assert "exp/0001/conf.yaml:1: " in logged.doit(code=2).out
    logged.mrl("doit", code=1)


def own_tasks(project: ProjectDir, text: str) -> None:
    project.write({"dodo.py": "from metarunlog.tasks import *\n\n\n" + textwrap.dedent(text)})


def test_the_users_own_tasks_go_before_ours(logged: ProjectDir) -> None:
    """By what ours read: a log, a file in `inputs`, and one that was seen to be read."""
    logged.write(
        {
            "mrl_analyze.py": """\
                def reads(expDir):
                    return open("features.txt").read() + open(f"{expDir}/named.h5").read(), "text"
                """,
            "source.txt": "1",
            "features.txt": "features 1",
        }
    )
    logged.configure(analysis_subexp={}, analysis_overview={"reads": {"inputs": ["named.h5"]}})
    own_tasks(
        logged,
        """
        def make(text):
            value = open("source.txt").read()
            for name in ("features.txt", "exp/0001/named.h5"):
                open(name, "w").write(f"{text} {value}")
            open("exp/0001/001/metrics.csv", "w").write(f"step,loss\\n0,{value}\\n")


        def task_zz_last_by_name():
            return {
                "file_dep": ["source.txt"],
                "targets": ["features.txt", "exp/0001/named.h5", "exp/0001/001/metrics.csv"],
                "actions": [(make, ["features"])],
            }
        """,
    )
    logged.doit()
    assert "features 1features 1" in logged.read("exp/0001/analysis/index.html")
    assert logged.analyze() == []
    logged.write({"source.txt": "2"})
    assert ".  zz_last_by_name" in logged.doit().out
    assert "features 2features 2" in logged.read("exp/0001/analysis/index.html")
    assert logged.analyze() == []
    assert not [line for line in logged.doit().out.splitlines() if line.startswith(".  ")], "nothing is left to do"
    logged.write({"source.txt": "3"})
    logged.doit("run", "parse:0001/001")
    assert logged.mrl("summary", "--json").json["rows"][0]["metrics"]["loss"]["last"] == 3.0


def test_a_task_of_the_users_that_fails_makes_nothing_of_ours_forgotten(logged: ProjectDir) -> None:
    logged.analyze()
    own_tasks(
        logged,
        """
        def task_bad():
            return {"actions": ["false"], "targets": ["exp/0001/001/metrics.csv"], "uptodate": [False]}
        """,
    )
    done = logged.doit("run", "report:0001", code=2)
    assert "parse:0001/001" in done.out + done.err
    assert logged.analyze() == []


def test_reset_dep_takes_files_as_they_are(logged: ProjectDir) -> None:
    logged.analyze()
    logged.log("001", (9.0, 8.0))
    assert "processed parse:0001/001" in logged.doit("reset-dep", "parse:0001/001").out
    assert listed(logged.doit("list", "--all", "--status").out)["parse:0001/001"] == "U"
    assert logged.analyze() == []
    logged.log("001", (7.0, 6.0))
    assert "parse:0001/001" in logged.analyze()


def test_ignore_and_forget_of_the_users_own_tasks_are_kept(logged: ProjectDir) -> None:
    own_tasks(
        logged,
        """
        def task_mine():
            return {"actions": ["echo did it >> mine.txt"], "file_dep": ["conf.yaml"]}
        """,
    )
    logged.doit("run", "mine")
    logged.doit("ignore", "mine")
    assert "!! mine" in logged.doit("run", "mine").out
    assert logged.read("mine.txt").count("did it") == 1
    logged.doit("forget", "mine")
    logged.doit("run", "mine")
    assert logged.read("mine.txt").count("did it") == 2
    logged.doit("ignore", "section")
    assert "I" in set(listed(logged.doit("list", "--all", "--status").out).values())
    logged.doit("forget", "section")
    assert "I" not in set(listed(logged.doit("list", "--all", "--status").out).values())


def test_doit_waits_for_mrl_and_lists_without_waiting(logged: ProjectDir) -> None:
    with locked(logged.root / "exp/0001/.mrl.d", wait=True, say=print):
        env = {k: v for k, v in logged.env.items() if k != HELD}
        assert "parse:0001/001" in logged.doit("list", "--all", "--status", env={HELD: "{}"}).out
        running = subprocess.Popen(
            [str(BIN / "doit")], cwd=logged.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert running.stderr is not None
        assert running.stderr.readline().startswith("waiting for mrl, process ")
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0 and ".  report:0001" in out


def test_an_action_may_call_mrl(logged: ProjectDir) -> None:
    """It does not wait for the doit that started it."""
    own_tasks(
        logged,
        f"""
        def task_after():
            return {{"actions": ["{BIN / "mrl"} analyze"], "task_dep": ["parse:0001/001"]}}
        """,
    )
    logged.doit("run", "after")
    assert logged.analyze() == []


def test_two_doits_lose_nothing_of_each_other(logged: ProjectDir) -> None:
    own_tasks(
        logged,
        """
        def task_many():
            for n in range(12):
                yield {"name": str(n), "actions": [f"sleep 0.05; echo {n} >> many.txt"], "file_dep": ["conf.yaml"]}
        """,
    )
    halves = (range(6), range(6, 12))
    running = [
        subprocess.Popen(
            [str(BIN / "doit"), "run", *(f"many:{n}" for n in half)],
            cwd=logged.root,
            env=logged.env,
            stdout=subprocess.DEVNULL,
        )
        for half in halves
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert ".  many" not in logged.doit("run", "many").out
    assert sorted(map(int, logged.read("many.txt").split())) == list(range(12))


def test_the_batch_is_planned_anew_under_the_lock(project: ProjectDir) -> None:
    """Two at once that both see the same new point of the grid give it one number."""
    project.write({"exp/0001/conf.yaml": project.read("exp/0001/conf.yaml").replace("[1, 2]", "[1, 2, 3]")})
    commands = [[str(BIN / "doit"), "run", "makebatch"], [str(BIN / "mrl"), "makebatch"]] * 2
    running = [
        subprocess.Popen(argv, cwd=project.root, env=project.env, stdout=subprocess.DEVNULL) for argv in commands
    ]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    assert sorted(p.name for p in (project.root / "exp/0001").iterdir() if p.name.isdigit())[-1] == "006"
    assert project.mrl("makebatch").out == "6 unchanged\n"
