"""`mrl analyze` killed at any moment: what was finished is not done again, and the rest ends as if nothing had been.

Three ways: at random moments; at each write, rename and deletion in any of its processes, by an audit hook that a
`sitecustomize` brings; and at the system calls of the main process, by strace, between which a line of the journal may
be torn. The short setting takes some of the moments; `MRL_LONG=1 python -m pytest tests/test_kill.py` takes all.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from faults import copy_of, killed_at
from support import BIN, ProjectDir, new_project, tree, wait_until_gone

from metarunlog.engine.journal import Journal

LONG = bool(os.environ.get("MRL_LONG"))
EXP = "exp/0001"

ANALYZE = """\
def curve(subExpId, subExpDir, outdir):
    import metarunlog
    table = metarunlog.load(subExpDir)["metrics"]
    with open(f"{outdir}/{subExpId}.txt", "w") as f:
        f.write("first half, ")
        f.flush()
        f.write("second half")
    return table, "table"


def gallery(outdir):
    import glob
    return " ".join(open(f).read() for f in sorted(glob.glob(outdir + "/*.txt"))), "text"
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> ProjectDir:
    """A project that was never analysed."""
    project = new_project(
        tmp_path_factory.mktemp("kill") / "project",
        {"conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [0.1, 0.01]\n", "mrl_analyze.py": ANALYZE},
    )
    project.configure(analysis_subexp={"curve": [], "card": []}, analysis_overview={"gallery": [], "results": []})
    project.commit("functions")
    project.mrl("new")
    project.mrl("makebatch")
    project.log("001")
    project.log("002", (4.0, 3.0))
    return project


@pytest.fixture(scope="module")
def built(fresh: ProjectDir, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of its report, built without disturbance."""
    copy = copy_of(fresh, tmp_path_factory.mktemp("built"))
    assert len(copy.analyze()) == 9
    return tree(copy.root / EXP / "analysis")


def check_the_rest(project: ProjectDir, built: dict[str, bytes]) -> set[str]:
    """Run again after a kill; returns what had been finished."""
    wait_until_gone(project.root)
    finished = set(Journal(project.root / EXP / ".mrl.d/traces.jsonl").tasks())
    ran = project.analyze("-j", "2")
    names = {name.partition(":")[0] + ":" + name.partition("0001")[2].lstrip("/") for name in ran}
    assert not {name.rstrip(":") for name in names} & finished, "what was finished is not done again"
    assert tree(project.root / EXP / "analysis") == built
    assert project.analyze() == []
    memory = set(os.listdir(project.root / EXP / ".mrl.d"))
    assert memory <= {"batch.json", "traces.jsonl", "lock", "kept", "glance"}, "nothing is left lying about"
    return finished


def test_at_random_moments(fresh: ProjectDir, built: dict[str, bytes], tmp_path: Path) -> None:
    rounds = 100 if LONG else 5
    moments = random.Random(None if LONG else 3)
    counts = []
    argv = ["analyze", "-j", "2"]
    start = time.monotonic()
    copy_of(fresh, tmp_path / "undisturbed").mrl(*argv)
    whole = time.monotonic() - start  # as long as it takes on this machine now
    for n in range(rounds):
        project = copy_of(fresh, tmp_path / str(n))
        running = subprocess.Popen(
            [str(BIN / "mrl"), *argv], cwd=project.root, env=project.env, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0.05, whole))
        running.kill()
        running.wait()
        counts.append(len(check_the_rest(project, built)))
    assert len(set(counts)) > (3 if LONG else 0), counts


def test_at_each_write_of_any_process(fresh: ProjectDir, built: dict[str, bytes], tmp_path: Path) -> None:
    def run(at: int) -> tuple[ProjectDir, int, int]:
        project = copy_of(fresh, tmp_path / str(at))
        return project, *killed_at(at, project, tmp_path / f"fault-{at}", "analyze", "-j", "2")

    _, code, total = run(0)
    assert code == 0 and total > 30
    moments = range(1, total + 1) if LONG else range(2, total + 1, total // 7)
    seen = set()
    for at in moments:
        project, code, _ = run(at)
        assert code in (0, -9)
        seen.add(len(check_the_rest(project, built)))
    assert len(seen) > 2, "at different stages"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing (Debian: strace)")
def test_at_system_calls_of_the_main_process(fresh: ProjectDir, built: dict[str, bytes], tmp_path: Path) -> None:
    for call, moments in (("write", range(1, 25)), ("rename", range(1, 4)), ("unlink", range(1, 3))):
        for when in moments if LONG else list(moments)[::9]:
            project = copy_of(fresh, tmp_path / f"{call}{when}")
            inject = f"inject={call}:signal=KILL:when={when}"
            argv = ["strace", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject]
            argv += [str(BIN / "mrl"), "analyze", "-j", "1"]
            subprocess.run(argv, cwd=project.root, env=project.env, capture_output=True, check=False)
            check_the_rest(project, built)


def test_four_at_once_on_one_experiment(fresh: ProjectDir, built: dict[str, bytes], tmp_path: Path) -> None:
    """One task fails. No trace is lost, nothing is done twice, and all say the same."""
    for n in range(20 if LONG else 3):
        project = copy_of(fresh, tmp_path / str(n))
        project.write({"mrl_analyze.py": ANALYZE.replace("    import glob\n", "    raise ValueError('on purpose')\n")})
        doit = [str(BIN / "doit"), "-n", "2"]
        running = [
            subprocess.Popen(
                doit if k == 3 else [str(BIN / "mrl"), "analyze", "--json", "-j", "2"],
                cwd=project.root,
                env=project.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for k in range(4)
        ]
        ran: list[str] = []
        for k, process in enumerate(running):
            out, err = process.communicate(timeout=120)
            assert process.returncode == 1 and "Traceback" not in err, err
            if k < 3:
                ran += json.loads(out)["ran"]
                assert [f["name"] for f in json.loads(out)["failed"]] == ["overview:0001/gallery"]
            else:
                ran += [line[3:].strip() for line in out.splitlines() if line.startswith(".  ") and "/" in line]
                ran += [line[3:].strip() for line in out.splitlines() if line.startswith(".  report:")]
        ran = [task for task in ran if not task.startswith("makebatch")]
        assert len(ran) == len(set(ran)) == 9, sorted(ran)
        assert len(Journal(project.root / EXP / ".mrl.d/traces.jsonl").tasks()) == 9
        assert project.analyze(code=1) == []
