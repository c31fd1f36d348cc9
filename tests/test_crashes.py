"""Functions that crash, never end their output, or start what outlives them: a card, and no harm to anything else."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from support import BIN, ProjectDir, wait_until_gone

BODIES = {
    "segfault": ("import ctypes\nctypes.string_at(0)", "killed by SIGSEGV"),
    "exits": ("import os\nos._exit(3)", "ended itself with exit code 3"),
    "out_of_memory": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
    "memory_error": ("x = bytearray(1 << 60)", "MemoryError"),
    "endless_output": ("while True:\n    print('x' * 100000)", "printed more than 64 MB"),
    "endless_bytes": ("import os\nwhile True:\n    os.write(1, b'y' * 65536)", "printed more than 64 MB"),
    "sys_exit": ("import sys\nsys.exit(5)", "SystemExit: 5"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "recursion": ("def f():\n    return f()\nf()", "RecursionError"),
    "unpicklable": ("return lambda: 1", "it returned function"),
    "unpicklable_item": ("return [(open(__file__), 'text', None)]", "text needs a str"),
    "closes_streams": ("import sys\nsys.stdout.close()\nsys.stderr.close()\nraise ValueError('x')", "ValueError: x"),
    "closes_descriptors": ("import os\nos.closerange(0, 100)", "ended itself with exit code"),
    "generator": ("return (x for x in ())", "it returned generator"),
}  # fmt: skip


def write(project: ProjectDir, bodies: dict[str, str]) -> None:
    text = "import os\n\n\ndef good(expDir):\n    return 'still there', 'text'\n"
    for name, body in bodies.items():
        text += f"\n\ndef {name}(expDir):\n    " + body.replace("\n", "\n    ") + "\n"
    project.write({"mrl_analyze.py": text})
    project.configure(analysis_subexp={}, analysis_overview={**{name: [] for name in bodies}, "good": []})


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_each_crash_is_a_card_and_harms_only_itself(logged: ProjectDir, jobs: str) -> None:
    write(logged, {name: body for name, (body, _) in BODIES.items()})
    done = logged.mrl("analyze", "--json", "-j", jobs, code=1)
    failed = {f["name"].rpartition("/")[2]: f["error"] for f in done.json["failed"]}
    assert failed.keys() == BODIES.keys()
    for name, (_, error) in BODIES.items():
        assert error in failed[name], name
    page = logged.read("exp/0001/analysis/index.html")
    assert "still there" in page and page.count('class="error"') == len(BODIES)
    assert len(done.err) < 3 << 20, "of endless output the first part is shown"
    wait_until_gone(logged.root)
    assert logged.analyze(code=1) == [], "none is tried again while nothing changes"
    first = (logged.root / "exp/0001/analysis/index.html").read_bytes()
    assert set(logged.analyze("--retry-failed", code=1)) >= {f"overview:0001/{name}" for name in BODIES}
    assert (logged.root / "exp/0001/analysis/index.html").read_bytes() == first


def test_a_crash_remembers_what_had_been_read(logged: ProjectDir) -> None:
    """An edit of a file that a function read before it crashed may be the cure."""
    write(
        logged, {"reads": "import os\nif open('data.txt').read() == 'bad':\n    os._exit(1)\nreturn 'mended', 'text'"}
    )
    logged.write({"data.txt": "bad"})
    logged.analyze(code=1)
    assert logged.analyze(code=1) == []
    logged.write({"data.txt": "good"})
    assert logged.analyze() == ["overview:0001/reads", "report:0001"]
    assert "mended" in logged.read("exp/0001/analysis/index.html")


def test_what_a_function_starts_ends_with_it(logged: ProjectDir) -> None:
    write(logged, {"starts": "import subprocess\nsubprocess.Popen(['sleep', '98765'])\nreturn 'x', 'text'"})
    logged.analyze()
    wait_until_gone(logged.root)


def test_a_thread_that_never_ends_is_told_and_waited_for_no_longer(logged: ProjectDir) -> None:
    body = "import threading, time\nthreading.Thread(target=time.sleep, args=(9999,)).start()\nreturn 'x', 'text'"
    write(logged, {"hangs": body})
    logged.analyze()
    assert "left a thread running" in logged.read("exp/0001/analysis/index.html")


def test_a_fork_does_not_answer_twice(logged: ProjectDir) -> None:
    write(logged, {"forks": "import os\nos.fork()\nreturn str(1), 'text'"})
    assert logged.mrl("analyze", "--json").json["failed"] == []
    assert logged.analyze() == []


def test_an_import_that_ends_the_process_is_a_card(logged: ProjectDir) -> None:
    write(logged, {"bad": "return 1"})
    logged.write({"mrl_analyze.py": "import os\nos._exit(7)\n" + logged.read("mrl_analyze.py")})
    logged.configure(analysis_overview={"bad": [], "results": []})
    failed = logged.mrl("analyze", "--json", code=1).json["failed"]
    assert [f["name"] for f in failed] == ["overview:0001/bad"]
    assert "while the analysis module was imported" in failed[0]["error"]


def test_what_functions_print_goes_to_stderr_in_whole_lines(logged: ProjectDir) -> None:
    write(logged, {"prints": "import os\nprint('to out')\nos.system('echo from a child')\nreturn 'x', 'text'"})
    done = logged.mrl("analyze", "--json")
    assert done.json["failed"] == []
    assert {"to out", "from a child"} <= set(done.err.splitlines())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_signal_ends_all_processes_and_the_rest_is_done_later(
    logged: ProjectDir, number: signal.Signals, jobs: str
) -> None:
    slow = "import subprocess, time\nopen('started', 'a').close()\nsubprocess.run(['sleep', '98765'])"
    write(logged, {"slow": slow})
    running = subprocess.Popen(
        [str(BIN / "mrl"), "analyze", "-j", jobs],
        cwd=logged.root,
        env=logged.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while not (logged.root / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(number)
    _, err = running.communicate(timeout=20)
    wait_until_gone(logged.root)
    if number != signal.SIGKILL:
        assert running.returncode == 130 and b"Traceback" not in err, err
    write(logged, {"slow": "return 'quick now', 'text'"})
    done = logged.mrl("analyze", "--json", "-j", "1").json
    assert "parse:0001/001" not in done["ran"] and done["failed"] == []
    assert os.listdir(logged.root / "exp/0001/.mrl.d").count("aside") == 0
    assert logged.analyze() == []


def test_a_killed_zygote_is_started_anew(logged: ProjectDir) -> None:
    """The system may end any process when memory is short."""
    body = "import os, signal\nif not os.path.exists('once'):\n    open('once', 'w').close()\n"
    body += "    zygote = os.getppid()\n    os.kill(zygote, signal.SIGKILL)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    write(logged, {"kills": body + "return 'survived', 'text'"})
    assert logged.mrl("analyze", "--json", "-j", "1").json["failed"] == []
    assert "survived" in logged.read("exp/0001/analysis/index.html")


def test_what_made_itself_independent_ends_with_the_analysis(logged: ProjectDir) -> None:
    quiet = "stdin=-3, stdout=-3, stderr=-3"
    write(
        logged, {"starts": f"import subprocess\nsubprocess.Popen(['sleep', '98765'], start_new_session=True, {quiet})"}
    )
    logged.analyze()
    wait_until_gone(logged.root)


@pytest.mark.parametrize("moment", [0.7, 2.0])
def test_doits_own_processes_end_with_it(logged: ProjectDir, moment: float) -> None:
    write(logged, {"slow": "import time\ntime.sleep(60)"})
    running = subprocess.Popen(
        [str(BIN / "doit"), "-n", "2"], cwd=logged.root, env=logged.env, stdout=subprocess.DEVNULL
    )
    time.sleep(moment)
    running.kill()
    running.wait()
    wait_until_gone(logged.root)
