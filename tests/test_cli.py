"""The commands from outside, named command_condition."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support import BIN, TEMPLATE, ProjectDir, one_line

Make = Callable[[Mapping[str, str | bytes]], ProjectDir]
RUN = "echo training; printf 'step,loss\\n0,2\\n1,1\\n' > metrics.csv; test {{ layers }} != 2"


# --- init ---


def test_init_writes_what_new_needs(tmp_path: Path, clean_env: dict[str, str]) -> None:
    project = ProjectDir(tmp_path, clean_env)
    project.git("init", "-q")
    project.git("remote", "add", "origin", "https://example.org/x.git")
    project.write({".gitignore": "*.o", "train.sh": "true\n"})
    done = project.mrl("init", "runs")
    cfg = json.loads(project.read(".mrl.cfg"))
    assert (cfg["name"], cfg["outdir"], cfg["giturl"]) == (tmp_path.name, "runs", "https://example.org/x.git")
    assert cfg["copyFiles"] == ["conf.yaml"] and cfg["confTemplFile"] == "conf.yaml" and cfg["run"] == ""
    assert project.read(".gitignore") == "*.o\n/runs/\n/last\n"
    assert (tmp_path / "runs").is_dir() and (tmp_path / "dodo.py").is_file()
    command = next(line for line in done.out.splitlines() if "git add" in line)
    project.run("sh", "-c", command.strip(), code=0)
    assert project.git("status", "--porcelain").split() == ["??", "train.sh"]
    project.mrl("new")


def test_init_keeps_a_dodo_of_the_users(tmp_path: Path, clean_env: dict[str, str]) -> None:
    project = ProjectDir(tmp_path, clean_env)
    project.git("init", "-q")
    project.write({"dodo.py": "# mine\n"})
    assert "dodo.py" not in project.mrl("init", "exp").out
    assert project.read("dodo.py") == "# mine\n"


def test_init_outside_git_is_refused(tmp_path: Path, clean_env: dict[str, str]) -> None:
    done = ProjectDir(tmp_path, clean_env).mrl("init", "exp", code=3)
    assert "not in a git repository" in one_line(done.err)
    assert os.listdir(tmp_path) == []


def test_init_twice_is_refused(project: ProjectDir) -> None:
    before = project.read(".mrl.cfg")
    assert ".mrl.cfg" in one_line(project.mrl("init", "exp", code=3).err)
    assert project.read(".mrl.cfg") == before


@pytest.mark.parametrize("outdir", [".", "../x", "/tmp/x"])
def test_init_elsewhere_is_refused(tmp_path: Path, clean_env: dict[str, str], outdir: str) -> None:
    project = ProjectDir(tmp_path, clean_env)
    project.git("init", "-q")
    one_line(project.mrl("init", outdir, code=3).err)
    assert not (tmp_path / ".mrl.cfg").exists()


# --- new, ls, info, last ---


def test_new_makes_a_self_contained_experiment(make_project: Make, tmp_path: Path) -> None:
    project = make_project({"conf.yaml": "x: 1\n", "train.sh": "echo\n"})
    done = project.mrl("new", "what it is for")
    assert done.out == "exp/0001\n" and done.err == ""
    exp = project.root / "exp/0001"
    meta = json.loads((exp / ".mrl").read_text())
    assert meta["gitHash"] == project.git("rev-parse", "HEAD").strip()
    assert (meta["expId"], meta["description"], meta["gitDescription"]) == (1, "what it is for", "Set up")
    assert set(meta) >= {"basedir", "timestamp", "user", "gitFailUntracked", "dirty"} and meta["dirty"] is False
    assert json.loads((exp / ".mrl.cfg").read_text()) == {}
    assert (exp / "conf.yaml").read_text() == "x: 1\n"
    assert os.readlink(project.root / "last") == "exp/0001"
    moved = tmp_path / "moved"
    exp.rename(moved)
    code = ProjectDir(moved / "code", project.env)
    assert code.git("rev-parse", "HEAD").strip() == meta["gitHash"]
    assert code.git("status", "--porcelain") == "" and code.read("train.sh") == "echo\n"
    assert not (moved / "code/.git/objects/info/alternates").exists()


def test_new_with_changes_is_refused_without_nc(project: ProjectDir) -> None:
    project.write({"conf.yaml": "changed\n"})
    assert "conf.yaml" in one_line(project.mrl("new", code=3).err)
    assert project.mrl("last").out == "exp/0001\n"


def test_new_before_the_commit_of_init_says_how_to(tmp_path: Path, clean_env: dict[str, str]) -> None:
    project = ProjectDir(tmp_path, clean_env)
    project.git("init", "-q")
    project.write({".gitignore": "x\n"})
    project.commit()
    project.mrl("init", "exp")
    message = one_line(project.mrl("new", code=3).err)
    project.run("sh", "-c", message[message.index("git add") :], code=0)
    project.mrl("new")


def test_new_nc_takes_changes_along(make_project: Make) -> None:
    project = make_project({"a.txt": "one\n", "b.bin": bytes(range(256)), "gone.txt": "x\n"})
    project.write(
        {"a.txt": "two\n", "b.bin": bytes(reversed(range(256))), "new.txt": "new\n", "big.txt": "x" * 1_000_001}
    )
    (project.root / "gone.txt").unlink()
    index = (project.root / ".git/index").read_bytes()
    project.mrl("new", "-nc")
    code = project.root / "exp/0001/code"
    assert (code / "a.txt").read_text() == "two\n" and (code / "new.txt").read_text() == "new\n"
    assert (code / "b.bin").read_bytes() == bytes(reversed(range(256))) and not (code / "gone.txt").exists()
    assert not (code / "big.txt").exists()
    meta = json.loads(project.read("exp/0001/.mrl"))
    assert meta["dirty"] is True and meta["untrackedTooLarge"] == ["big.txt"]
    assert (project.root / ".git/index").read_bytes() == index, "the project's index was not touched"
    assert "new.txt" in project.read("exp/0001/uncommitted.patch")


def test_new_counts_untracked_files_where_asked(project: ProjectDir) -> None:
    project.write({"untracked.txt": "x"})
    assert "untracked.txt" in one_line(project.mrl("new", "-gfut", "yes", code=3).err)
    project.mrl("new", "-gfut", "no")
    project.configure(gitFailUntrackedDefault="yes")
    project.git("commit", "-qam", "cfg")
    one_line(project.mrl("new", code=3).err)


def test_new_cp_takes_the_next_word_only_if_it_is_an_experiment(project: ProjectDir) -> None:
    project.write({"exp/0001/conf.yaml": "from the first\n"})
    project.mrl("new", "-cp", "a description")
    assert project.read("exp/0002/conf.yaml") == "from the first\n"
    assert json.loads(project.read("exp/0002/.mrl"))["description"] == "a description"
    project.write({"exp/0002/conf.yaml": "from the second\n"})
    project.mrl("new", "-cp", "1", "again")
    assert project.read("exp/0003/conf.yaml") == "from the first\n"
    project.mrl("new", "-cp", "no")
    assert not (project.root / "exp/0004/conf.yaml").exists()
    project.mrl("new", "-cp", "exp/0002")
    assert project.read("exp/0005/conf.yaml") == "from the second\n"
    assert "no experiment 9" in one_line(project.mrl("new", "-cp", "9", code=3).err)


def test_new_takes_submodules_without_a_network(make_project: Make, tmp_path: Path) -> None:
    library = ProjectDir(tmp_path / "library", {})
    project = make_project({"x": "y"})
    library = ProjectDir(tmp_path / "library", project.env)
    library.root.mkdir()
    library.git("init", "-q")
    library.write({"lib.txt": "in the library\n"})
    library.commit()
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.root), "lib")
    project.commit()
    (library.root).rename(tmp_path / "gone")
    project.mrl("new")
    assert project.read("exp/0001/code/lib/lib.txt") == "in the library\n"


def test_new_twice_at_once_gives_two_numbers(project: ProjectDir) -> None:
    command = [str(BIN / "mrl"), "new", "-q"[:0] or "at once"]
    procs = [subprocess.Popen(command, cwd=project.root, env=project.env, stdout=subprocess.PIPE) for _ in range(4)]
    made = sorted(p.communicate()[0].decode().strip() for p in procs)
    assert made == ["exp/0002", "exp/0003", "exp/0004", "exp/0005"]
    assert not [n for n in os.listdir(project.root / "exp") if n.startswith(".mrl.tmp")]


def test_new_without_commits(tmp_path: Path, clean_env: dict[str, str]) -> None:
    project = ProjectDir(tmp_path, clean_env)
    project.git("init", "-q")
    project.mrl("init", "exp")
    assert "no commits yet" in one_line(project.mrl("new", code=3).err)
    assert project.mrl("ls").out == ""


def test_ls_lists_newest_first(project: ProjectDir) -> None:
    project.mrl("new", "the second")
    project.write({"exp/0001/.mrl.done": ""})
    assert project.mrl("ls").out == "** 0002  the second\n   0001  the first\n"
    head = project.git("rev-parse", "HEAD").strip()
    assert project.mrl("ls", "-ghash", "-gdesc").out.splitlines()[0] == f"** 0002  {head}  Set up"
    listed = project.mrl("ls", "--json").json["experiments"]
    assert [(e["expId"], e["path"], e["done"]) for e in listed] == [
        ("0002", "exp/0002", False),
        ("0001", "exp/0001", True),
    ]


def test_info_and_last_show_one(project: ProjectDir) -> None:
    assert "description: the first\n" in project.mrl("info").out
    assert project.mrl("info", "1", "--json").json["subExps"] == 4
    assert project.mrl("last").out == "exp/0001\n"
    assert "no experiment 7" in one_line(project.mrl("info", "7", code=3).err)


def test_commands_work_from_any_folder_below(project: ProjectDir) -> None:
    project.mrl("new", "the second")
    inside = project.root / "exp/0001"
    assert project.mrl("info", "--json", cwd=inside / "code").json["expId"] == "0001"
    assert project.mrl("info", "--json", cwd=inside / "001").json["expId"] == "0001"
    assert project.mrl("info", "--json", cwd=project.root / "exp").json["expId"] == "0002"
    assert project.mrl("-C", str(inside), "info", "--json", cwd=project.root.parent).json["expId"] == "0001"
    one_line(project.mrl("ls", cwd=project.root.parent, code=3).err)


# --- run ---


def test_run_launches_and_records(project: ProjectDir) -> None:
    project.configure(run=RUN)
    done = project.mrl("run", "-j", "2", "--json", code=1)
    assert done.json == {"schema": 1, "ran": ["001", "002", "003", "004"], "failed": ["002", "004"], "skipped": []}
    record = json.loads(project.read("exp/0001/001/.mrl.run"))
    assert (record["state"], record["exitCode"]) == ("done", 0)
    assert set(record) == {"state", "command", "started", "ended", "exitCode", "host", "pid", "gitHash", "confSha256"}
    assert project.read("exp/0001/001/run.log") == "training\n"
    assert json.loads(project.read("exp/0001/002/.mrl.run"))["state"] == "failed"
    assert project.mrl("run").out == "nothing to run, 4 passed over (have run)\n"
    again = project.mrl("run", "--failed", "--json", code=1).json
    assert (again["ran"], again["skipped"]) == (["002", "004"], ["001", "003"])


def test_run_selects(project: ProjectDir) -> None:
    project.configure(run="echo {{ lr }} {{ subExpId }} {{ expId }} > out.txt; test -d {{ code }}")
    assert project.mrl("run", "--only", "1,3-3", "--json").json["ran"] == ["001", "003"]
    assert project.read("exp/0001/003/out.txt") == "0.01 003 1\n"
    assert project.mrl("run", "--where", "lr > 0.05 and layers == 2", "--json").json["ran"] == ["002"]
    assert "==" in one_line(project.mrl("run", "--where", "lr = 1", code=2).err)
    assert "rate" in one_line(project.mrl("run", "--where", "rate > 1", code=2).err)
    one_line(project.mrl("run", "--only", "x", code=2).err)
    one_line(project.mrl("run", "--only", "99", code=3).err)


def test_run_without_a_command_or_batch(make_project: Make) -> None:
    project = make_project({"conf.yaml": "x: 1\n"})
    project.mrl("new")
    assert "makebatch" in one_line(project.mrl("run", code=3).err)
    project.mrl("makebatch")
    assert re.search(r'error: \.mrl\.cfg:\d+: "run" is empty', one_line(project.mrl("run", code=3).err))
    assert "analyze" in one_line(project.mrl("analyse", code=2).err)


def test_run_of_a_users_command(project: ProjectDir) -> None:
    done = project.mrl("run", "1/2", "--", "sh", "-c", "echo hello; exit 7", code=7)
    assert done.out == "hello\n"
    record = json.loads(project.read("exp/0001/002/.mrl.run"))
    assert (record["state"], record["exitCode"]) == ("failed", 7)
    assert project.read("exp/0001/002/run.log") == "hello\n"
    project.mrl("run", "last/002", "--", "true")
    assert json.loads(project.read("exp/0001/002/.mrl.run"))["state"] == "done"


def test_run_interrupted_ends_the_runs(project: ProjectDir) -> None:
    project.configure(run="sleep 60 & echo $! > pid; wait")
    mrl = subprocess.Popen(
        [str(BIN / "mrl"), "run", "-j", "2"], cwd=project.root, env=project.env, stderr=subprocess.PIPE
    )
    pid = project.root / "exp/0001/001/pid"
    until(lambda: pid.exists() and pid.read_text().strip())
    mrl.send_signal(signal.SIGINT)
    _, err = mrl.communicate(timeout=20)
    assert (mrl.returncode, err) == (130, b"mrl: interrupted\n")
    until(lambda: not Path(f"/proc/{pid.read_text().strip()}/status").exists() or zombie(pid))
    states = {json.loads(p.read_text())["state"] for p in (project.root / "exp/0001").glob("*/.mrl.run")}
    assert states == {"interrupted"}


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def zombie(pid: Path) -> bool:
    return "State:\tZ" in Path(f"/proc/{pid.read_text().strip()}/status").read_text()


# --- analyze, status, summary ---


def test_analyze_without_logs_only_waits(project: ProjectDir) -> None:
    done = project.mrl("analyze", "--json").json
    assert done["ran"] == ["report:0001"] and done["failed"] == []
    assert "parse:0001/001" in done["waiting"] and "section:0001/001/card" in done["waiting"]
    assert (project.root / done["report"]).is_file()
    counts = project.mrl("status", "--json").json["experiments"][0]["counts"]
    assert (counts["stale"], counts["failed"], counts["waiting"]) == (0, 0, 12)


def test_analyze_without_a_batch(make_project: Make) -> None:
    project = make_project({"conf.yaml": "x: 1\n"})
    assert "mrl new" in one_line(project.mrl("analyze", code=3).err)
    project.mrl("new")
    assert "makebatch" in one_line(project.mrl("analyze", code=3).err)
    assert project.mrl("analyze", "--all").out == ""


def test_analyze_never_renders_nor_launches(logged: ProjectDir) -> None:
    logged.configure(run="touch launched")
    logged.write({"exp/0001/conf.yaml": TEMPLATE.replace("lr:", "rate:")})
    logged.mrl("analyze")
    assert logged.read("exp/0001/001/conf.yaml").startswith("lr:")
    assert not (logged.root / "exp/0001/001/launched").exists()


def test_analyze_quiet_and_dry(logged: ProjectDir) -> None:
    dry = logged.mrl("analyze", "-n", "--json").json["ran"]
    assert (not (logged.root / "exp/0001/analysis").exists() and not (logged.root / "exp/0001/.mrl.d").exists()) or dry
    assert sorted(dry) == sorted(logged.mrl("analyze", "--json").json["ran"])
    done = logged.mrl("analyze", "-q")
    assert (done.out, done.err) == ("", "")


def test_analyze_says_what_and_where(logged: ProjectDir) -> None:
    done = logged.mrl("analyze")
    assert re.fullmatch(r"13 tasks done: exp/0001/analysis/index.html\n", done.out), done.out
    assert done.err == ""
    assert logged.mrl("analyze").out == "nothing to do: exp/0001/analysis/index.html\n"


def test_analyze_of_bad_logs_is_no_failure(logged: ProjectDir) -> None:
    logged.write({"exp/0001/001/metrics.csv": b"", "exp/0001/002/metrics.csv": bytes(range(256)) * 40})
    logged.write({"exp/0001/003/metrics.csv": "step,loss\n", "exp/0001/004/run.log": "no table here\n"})
    done = logged.mrl("analyze", "--json")
    assert done.json["failed"] == []
    assert logged.mrl("summary", "--json").json["rows"][3]["metrics"]["loss"]["last"] == 4.0


def test_the_page_shows_the_config_and_marks_a_log_that_is_being_written(make_project: Make) -> None:
    project = make_project({"settings.lua": "rate = {{ lr }}\n-- MRL:grid['lr'] = [0.25]\n"})
    project.configure(copyFiles=["settings.lua"], confTemplFile="settings.lua")
    project.git("commit", "-qam", "lua")
    project.mrl("new")
    project.mrl("makebatch")
    project.write({"exp/0001/001/metrics.csv": "step,loss\n0,1\n1,0."})
    project.mrl("analyze")
    page = project.read("exp/0001/analysis/index.html")
    assert "rate = 0.25" in page and ">partial<" in page
    project.write({"exp/0001/001/metrics.csv": "step,loss\n0,1\n1,0.5\n"})
    project.mrl("analyze")
    assert ">partial<" not in project.read("exp/0001/analysis/index.html")


def test_analyze_limited_leaves_the_rest_stale(logged: ProjectDir) -> None:
    ran = logged.analyze("--only", "1")
    assert "parse:0001/001" in ran and "parse:0001/002" not in ran and "report:0001" in ran
    left = logged.mrl("status", "--json").json["experiments"][0]["tasks"]
    assert {"parse:0001/002", "report:0001", "overview:0001/results"} <= {
        t["name"] for t in left if t["state"] == "stale"
    }
    logged.analyze()
    assert logged.mrl("status", "--json", "--exit-code").json["experiments"][0]["tasks"] == []


def test_analyze_in_another_folder(logged: ProjectDir) -> None:
    logged.mrl("analyze", "-outdir", "shared")
    assert (logged.root / "shared/index.html").is_file() and not (logged.root / "exp/0001/analysis").exists()
    assert logged.mrl("analyze", "-outdir", "shared").out.startswith("nothing to do")
    assert logged.mrl("analyze").out.startswith("13 tasks done")


def test_analyze_interrupted_stops_cleanly(make_project: Make) -> None:
    slow = "import time\ndef slow(expDir):\n    open(f'{expDir}/started', 'w').write('x')\n    time.sleep(60)\n"
    project = make_project({"conf.yaml": "x: 1\n", "mrl_analyze.py": slow})
    project.configure(analysis_overview={"slow": []})
    project.commit()
    project.mrl("new")
    project.mrl("makebatch")
    project.log("001")
    mrl = subprocess.Popen(
        [str(BIN / "mrl"), "analyze", "-j", "2"], cwd=project.root, env=project.env, stderr=subprocess.PIPE
    )
    until(lambda: (project.root / "exp/0001/started").exists())
    mrl.send_signal(signal.SIGTERM)
    _, err = mrl.communicate(timeout=20)
    assert (mrl.returncode, err) == (130, b"mrl: interrupted\n")
    until(lambda: not processes_of(project))


def processes_of(project: ProjectDir) -> list[str]:
    """Worker processes of a project that are still there."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"metarunlog.engine.zygote" in command and str(project.root).encode() in command:
            found.append(folder.name)
    return found


def test_status_says_what_and_why(logged: ProjectDir) -> None:
    logged.mrl("analyze")
    assert logged.mrl("status", "--exit-code").out.startswith("exp/0001: 17 up-to-date\n")
    logged.log("001", (9.0, 8.0))
    before = snapshot(logged.root)
    done = logged.mrl("status", "-v", "--exit-code", code=1)
    assert "stale    parse:0001/001\n             exp/0001/001/metrics.csv changed (" in done.out
    assert snapshot(logged.root) == before, "a question writes nothing"
    status = logged.mrl("status", "--json").json
    assert status["schema"] == 1
    task = next(t for t in status["experiments"][0]["tasks"] if t["name"] == "parse:0001/001")
    assert task["state"] == "stale" and task["targets"] == ["exp/0001/analysis/parsed/001.pkl"]
    reason = task["reasons"][0]
    assert (
        (reason["kind"], reason["path"]) == ("input_changed", "exp/0001/001/metrics.csv")
        and reason["old"]
        and reason["new"]
    )
    sub = status["experiments"][0]["subExps"][0]
    assert sub == {"id": "001", "params": {"lr": 0.1, "layers": 1}, "run": None, "orphan": False}


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in sorted(root.rglob("*"))}


def test_status_of_a_broken_template_is_told(project: ProjectDir) -> None:
    project.write({"exp/0001/conf.yaml": "{{ oops\n"})
    assert "failed   1 makebatch\n           exp/0001/conf.yaml:1: " in project.mrl("status", "--exit-code", code=1).out


def test_summary_has_a_row_a_sub_experiment(logged: ProjectDir) -> None:
    logged.log("002", (1.0, float("nan")))
    text = logged.mrl("summary").out.splitlines()
    assert text[0].split() == ["lr", "layers", "state", "loss.last", "loss.min", "loss.max"]
    assert text[1].split() == ["001", "0.1", "1", "not", "run", "1", "1", "3"]
    csv = logged.mrl("summary", "--csv").out.splitlines()
    assert csv[0] == "id,lr,layers,state,loss.last,loss.min,loss.max" and csv[1] == "001,0.1,1,not run,1.0,1.0,3.0"
    row = logged.mrl("summary", "--json").json["rows"][1]
    assert row == {
        "id": "002",
        "params": {"lr": 0.1, "layers": 2},
        "state": "not run",
        "metrics": {"loss": {"last": None, "min": 1.0, "max": 1.0}},
    }


# --- bad input, usage ---


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"outdir": "exp", "runn": ""}', '.mrl.cfg:1: unknown key "runn"; did you mean "run"?'),
        ('{\n"outdir": "exp",\n"run": 3}', '.mrl.cfg:3: "run" must be text'),
        ('{"outdir": "exp"', ".mrl.cfg:1: broken"),
        ('{"outdir": "exp", "outdir": "exp"}', ".mrl.cfg:1: the key"),
        ("{}", '.mrl.cfg:1: "outdir" is missing'),
    ],
)
@pytest.mark.parametrize("command", [["status"], ["analyze"], ["doit", "list"]], ids=" ".join)
def test_a_broken_config_names_file_line_and_key(project: ProjectDir, command: list[str], text: str, says: str) -> None:
    project.write({".mrl.cfg": text})
    assert says in one_line(project.mrl(*command, code=3).err)


def test_an_unknown_key_is_a_warning(project: ProjectDir) -> None:
    project.configure(mykey=[1])
    assert project.mrl("status").err == 'mrl: warning: .mrl.cfg:1: unknown key "mykey" (kept for hooks)\n'


def test_usage_errors_exit_2(project: ProjectDir) -> None:
    for argv in (["nosuch"], ["analyze", "--nosuch"], ["init"], ["analyze", "-j", "0"], ["run", "1/1", "--"]):
        one_line(project.mrl(*argv, code=2).err)
    assert "did you mean analyze" in project.mrl("analyse", code=2).err
    assert "usage: mrl" in project.mrl(code=2).out


def test_every_command_helps(project: ProjectDir) -> None:
    top = project.mrl("-h").out
    for command in (
        "init",
        "new",
        "ls",
        "info",
        "last",
        "makebatch",
        "run",
        "analyze",
        "status",
        "summary",
        "doit",
        "demo",
    ):
        assert re.search(rf"^  {command} +\w", top, re.MULTILINE)
        assert f"usage: mrl {command}" in project.mrl(command, "-h").out


def test_python_m_metarunlog_is_mrl(project: ProjectDir) -> None:
    assert project.run(sys.executable, "-m", "metarunlog", "last", code=0).out == "exp/0001\n"
