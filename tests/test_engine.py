"""The engine below the commands: journal, state of files, workers, lock."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import BIN, ProjectDir, wait_until_gone

from metarunlog import files
from metarunlog.engine.disk import Disk, now_ns
from metarunlog.engine.journal import Journal
from metarunlog.engine.listing import Scope
from metarunlog.engine.lock import locked
from metarunlog.engine.spec import Graph, Job, Place, Spec, short_name
from metarunlog.engine.staleness import Judge
from metarunlog.engine.workers import Workers
from metarunlog.errors import LockedError
from metarunlog.fileinfo import GRAIN_NS


def trace(n: int = 0) -> dict[str, Any]:
    return {
        "at": n,
        "state": "ok",
        "in": {},
        "read": {},
        "ls": {},
        "out": {},
        "args": {},
        "code": {},
        "versions": {},
        "modules": [],
    }


# --- journal ---


def test_journal_remembers_the_newest(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "d/traces.jsonl")
    journal.put("a", trace(1))
    journal.put("b", trace(2))
    journal.put("a", trace(3))
    journal.forget("b")
    journal.ignore("c")
    again = Journal(tmp_path / "d/traces.jsonl")
    assert again.get("a") == trace(3) and again.get("b") is None and again.is_ignored("c")
    odd = 'section:a"\\é\ud800/f'
    again.put(odd, trace(4))
    again.ignore(odd)
    last = Journal(again.path)
    assert last.get(odd) == trace(4) and last.is_ignored(odd) and last.tasks() == ["a", odd]
    last.compact()
    assert Journal(again.path).lines(["a", odd]) == again.lines(["a", odd])


@given(data=st.data())
def test_journal_torn_anywhere_loses_only_what_was_torn(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("torn") / "traces.jsonl"
    journal = Journal(path)
    for n in range(4):
        journal.put(f"t{n}", trace(n))
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    torn = Journal(path)
    complete = whole[:cut].count(b"\n")
    assert torn.tasks()[:complete] == [f"t{n}" for n in range(complete)]
    torn.put("later", trace(9))
    healed = Journal(path)
    assert healed.get("later") == trace(9), "what comes after a torn line is not lost with it"
    assert all(healed.get(f"t{n}") == trace(n) for n in range(complete))


@given(noise=st.binary(max_size=60))
def test_journal_survives_any_garbage(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "traces.jsonl"
    journal = Journal(path)
    journal.put("first", trace(1))
    path.write_bytes(path.read_bytes() + noise + b"\n")
    again = Journal(path)
    again.put("second", trace(2))
    last = Journal(path)
    assert last.get("first") == trace(1) and last.get("second") == trace(2)


def test_journal_is_compacted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "traces.jsonl")
    for n in range(2000):
        journal.put("only", trace(n))
    assert (tmp_path / "traces.jsonl").stat().st_size < 200_000
    assert Journal(tmp_path / "traces.jsonl").get("only") == trace(1999)


def large(count: int, **changes: int) -> dict[str, Any]:
    states = {f"file {n}": [n, n, n, n, "digest" * 9] for n in range(count)}
    return {**trace(1), "in": {**states, **{key: [value] * 5 for key, value in changes.items()}}}


def test_of_a_large_trace_only_what_differs_is_written(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    journal = Journal(path)
    journal.put("small", trace(0))
    journal.put("all", large(1000))
    size = path.stat().st_size
    for n in range(20):
        journal.put("all", {**large(1000 - n, **{"file 7": n, "more": n}), "error": f"e{n}"})
        assert journal.get("all") == Journal(path).get("all")
    assert path.stat().st_size < size + 20_000
    last = journal.get("all")
    assert last is not None and last["error"] == "e19" and last["in"] == large(981, **{"file 7": 19, "more": 19})["in"]
    journal.put("all", trace(3))
    assert journal.get("all") == Journal(path).get("all") == trace(3)


@given(data=st.data())
def test_differences_come_to_the_same_as_whole_traces(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("differences") / "traces.jsonl"
    journal = Journal(path)
    keys = st.sampled_from([f"file {n}" for n in range(0, 400, 40)])
    last: dict[str, Any] = {}
    told: list[str] = []
    journal.watch(told.append)
    for _ in range(data.draw(st.integers(1, 6))):
        task = data.draw(st.sampled_from("ab"))
        what = data.draw(st.sampled_from(["put", "put", "put", "forget", "compact", "again", "small"]))
        if what == "put":
            last[task] = large(400, **data.draw(st.dictionaries(keys, st.integers(0, 9))))
            for key in data.draw(st.sets(keys)):
                last[task]["in"].pop(key)
            journal.put(task, last[task])
        elif what == "small":
            last[task] = trace(5)
            journal.put(task, last[task])
        elif what == "forget":
            last.pop(task, None)
            journal.forget(task)
        elif what == "compact":
            told.clear()
            journal.compact()
            assert told == [], "nothing is other than it was"
        else:
            journal = Journal(path)
            journal.watch(told.append)
        for name in "ab":
            assert journal.get(name) == Journal(path).get(name) == last.get(name)
    other = Journal(tmp_path_factory.mktemp("copy") / "traces.jsonl")
    other.path.write_bytes(journal.lines(["a", "b"]))
    assert {name: Journal(other.path).get(name) for name in last} == last


def test_a_difference_to_what_is_not_there_is_passed_over(tmp_path: Path) -> None:
    """Another process has written in between, or a line is damaged: its task is done again."""
    path = tmp_path / "traces.jsonl"
    one = Journal(path)
    one.put("all", large(400))
    other = Journal(path)
    other.put("all", large(400, **{"file 1": 0}))
    one.put("all", large(400, **{"file 2": 0}))
    assert Journal(path).get("all") is None
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"file 1", b"file 3") + lines[2])
    found = Journal(path).get("all")
    assert found is not None and found["in"] == large(400, **{"file 2": 0})["in"]


# --- state of files ---


def disk(folder: Path, **kwargs: bool) -> Disk:
    return Disk(Place(folder, folder), **kwargs)


def test_a_touched_file_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one")
    state = disk(tmp_path).state("f")
    os.utime(tmp_path / "f", (1, 1))
    assert disk(tmp_path).same("f", state, now_ns()) and not disk(tmp_path).exactly("f", state, now_ns())


def test_the_same_size_and_time_is_not_the_same(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one")
    before = (tmp_path / "f").stat()
    state = disk(tmp_path).state("f")
    (tmp_path / "f").write_text("two")
    os.utime(tmp_path / "f", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not disk(tmp_path).same("f", state, now_ns())


def test_unchanged_numbers_are_trusted_only_outside_the_clocks_grain(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one")
    state = disk(tmp_path).state("f")
    assert state is not None
    forged = [*state[:4], "another digest"]  # as if the content had changed within one tick of the clock
    at = now_ns()
    assert not disk(tmp_path).same("f", forged, at), "too fresh: the content is read"
    assert disk(tmp_path).same("f", forged, at + 2 * GRAIN_NS), "old enough: the numbers are trusted"
    assert not disk(tmp_path, trust=False).same("f", forged, at + 2 * GRAIN_NS), "--verify trusts none"


def test_a_missing_file_is_the_same_while_it_is_missing(tmp_path: Path) -> None:
    assert disk(tmp_path).same("f", None, 0)
    (tmp_path / "f").write_text("")
    assert not disk(tmp_path).same("f", None, 0)


@pytest.mark.parametrize("name", ["parse:0001/001", "report:0001", "section:0001/001/card"])
def test_short_names_leave_the_experiment_out(name: str) -> None:
    assert short_name(name) == name.replace("0001/", "").replace(":0001", "")


def test_keys_lead_back_to_their_paths(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "exp/0001")
    for path, key in (("exp/0001/a/b", "a/b"), ("helpers.py", "@/helpers.py"), ("exp/0001", "."), ("", "@/.")):
        absolute = os.path.normpath(tmp_path / path)
        assert place.key(absolute) == key and os.path.normpath(place.path(key)) == absolute
    assert place.key("/else/where") == "/else/where" == place.path("/else/where")


def test_a_stale_upstream_is_named(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path)
    job = Job("m:f", {})
    specs = {
        "parse:e/1": Spec("parse:e/1", "", job, inputs=("log",), targets=("pkl",)),
        "section:e/1": Spec("section:e/1", "", job, inputs=("pkl",), targets=("html",), after=("parse:e/1",)),
    }
    for name in ("log", "pkl", "html"):
        (tmp_path / name).write_text(name)
    journal = Journal(tmp_path / "t.jsonl")
    view = disk(tmp_path)
    for name, spec in specs.items():
        states = {"in": {k: view.state(k) for k in spec.inputs}, "out": {k: view.state(k) for k in spec.targets}}
        journal.put(short_name(name), {**trace(now_ns()), **states})
    graph = Graph(place, specs, tmp_path, tmp_path / "d", tmp_path / "code")
    assert [Judge(graph, journal).verdict(n).state for n in specs] == ["up-to-date", "up-to-date"]
    (tmp_path / "log").write_text("longer")
    judge = Judge(graph, journal)
    assert [r.kind for r in judge.verdict("section:e/1").reasons] == ["upstream"]
    journal.put(
        "parse:1", {**trace(now_ns()), "in": {"log": disk(tmp_path).state("log")}, "out": {"pkl": view.state("pkl")}}
    )
    assert judge.verdict("section:e/1").state == "up-to-date", "early cutoff: the pickle is the same"


# --- workers ---


def scope(folder: Path) -> Scope:
    return Scope(*map(str, (folder, folder, folder / "analysis", folder / ".mrl.d", folder / "code")))


def test_workers_do_jobs_and_survive_crashes(tmp_path: Path) -> None:
    workers = Workers(tmp_path, {}, scope(tmp_path))
    try:
        assert workers.call(Job("os.path:join", {"a": "x"})).value == "x"
        failed = workers.call(Job("os:chdir", {"path": "/nowhere/at/all"}))
        assert failed.error is not None and "FileNotFoundError" in failed.error and not failed.crashed
        died = workers.call(Job("os:_exit", {"status": 3}))
        assert died.crashed and died.error == "the process ended itself with exit code 3"
        killed = workers.call(Job("os:abort", {}))
        assert killed.crashed and killed.error == "the process was killed by SIGABRT"
        assert workers.call(Job("os.path:join", {"a": "y"})).value == "y"
    finally:
        workers.close()


def test_workers_end_with_their_starter(tmp_path: Path) -> None:
    code = f"""
import json
import os
from pathlib import Path
from metarunlog.engine.listing import Scope
from metarunlog.engine.workers import Workers
w = Workers(Path({str(tmp_path)!r}), {{}}, Scope(*[{str(tmp_path)!r}] * 5))
print(w._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout
    deadline = time.monotonic() + 10
    while Path(f"/proc/{out.strip()}/status").exists() and "zygote" in Path(f"/proc/{out.strip()}/cmdline").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- lock ---


def test_a_second_mrl_gives_up_or_waits(logged: ProjectDir) -> None:
    memory = logged.root / "exp/0001/.mrl.d"
    with locked(memory, wait=True, say=print):
        done = logged.mrl("analyze", "--no-wait", code=75)
        assert done.err.startswith("mrl: error: ") and f"process {os.getpid()} on " in done.err
        assert logged.mrl("status", "--json").json["experiments"], "a question never waits"
        with pytest.raises(LockedError), locked(memory, wait=False, say=print):
            pass
        waiting = subprocess.Popen(
            [str(BIN / "mrl"), "analyze"],
            cwd=logged.root,
            env=logged.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert waiting.stderr is not None
        line = waiting.stderr.readline().decode()
        assert line.startswith("waiting for mrl, process") and waiting.poll() is None
    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0 and b"13 tasks done" in out


def test_four_at_once_do_each_task_once(logged: ProjectDir) -> None:
    procs = [
        subprocess.Popen(
            [str(BIN / "mrl"), "analyze", "--json"], cwd=logged.root, env=logged.env, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    import json

    ran = [task for p in procs for task in json.loads(p.communicate(timeout=120)[0])["ran"]]
    assert len(ran) == len(set(ran)) == 13


NO_LOCKS = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=flock", "-e"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing (Debian: strace)")
@pytest.mark.parametrize("error", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_it_works_where_the_file_system_has_no_locks(logged: ProjectDir, error: str) -> None:
    """A dead holder of this host is noticed and taken over; another host's lock is not broken."""
    memory = logged.root / "exp/0001/.mrl.d"
    mrl = [*NO_LOCKS, f"inject=flock:error={error}", str(BIN / "mrl"), "analyze"]

    def start(*options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*mrl, *options], cwd=logged.root, env=logged.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    logged.run(*mrl, code=0)
    assert not (memory / "lock.soft").exists()
    logged.write({"mrl_analyze.py": "def slow(expDir):\n    import time\n    open('up', 'w')\n    time.sleep(60)\n"})
    logged.configure(analysis_overview={"slow": []})
    holder = start()
    while not (logged.root / "up").exists():
        assert holder.poll() is None
        time.sleep(0.02)
    pid = int((memory / "lock.holder").read_text().split()[2])
    assert f"process {pid} on " in logged.run(*mrl, "--no-wait", code=75).err
    os.kill(pid, 9)
    holder.communicate(timeout=30)
    wait_until_gone(logged.root)
    assert (memory / "lock.soft").exists()
    logged.write({"mrl_analyze.py": "def slow(expDir):\n    return 'quick', 'text'\n"})
    logged.run(*mrl, code=0)
    lines = "12345\nanother.host\n"
    (memory / "lock.soft").write_text(lines)
    logged.log("001", (9.0,))
    done = logged.run(*mrl, "--no-wait", code=75)
    assert f"delete {memory}/lock.soft" in done.err and (memory / "lock.soft").read_text() == lines


def test_a_line_that_is_valid_json_but_not_as_written_is_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "traces.jsonl")
    journal.put("a", trace(1))
    journal.put("b", trace(2))
    text = (tmp_path / "traces.jsonl").read_text()
    (tmp_path / "traces.jsonl").write_text(text.replace('"at":1', '"at":7') + '{"task":"c"}\n[]\n"x"\n')
    again = Journal(tmp_path / "traces.jsonl")
    assert again.get("a") is None and again.get("b") == trace(2) and again.get("c") is None


@given(data=st.data())
def test_journal_with_any_byte_changed_is_right_or_says_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flip") / "traces.jsonl"
    journal = Journal(path)
    for n in range(3):
        journal.put(f"t{n}", trace(n))
    whole = bytearray(path.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    again = Journal(path)
    assert all(again.get(f"t{n}") in (None, trace(n)) for n in range(3))
    assert sum(again.get(f"t{n}") is None for n in range(3)) <= 2


def test_a_change_between_the_decision_and_its_recording_is_not_lost(tmp_path: Path) -> None:
    """The states that are recorded anew are those of when the files were compared, not of what they hold since."""
    place = Place(tmp_path, tmp_path)
    spec = Spec("parse:e/1", "", Job("m:f", {}), inputs=("log", "other"), targets=("pkl",))
    for name in ("log", "other", "pkl"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1, 1))
    view = disk(tmp_path)
    states = {"in": {k: view.state(k) for k in spec.inputs}, "out": {"pkl": view.state("pkl")}}
    journal = Journal(tmp_path / "t.jsonl")
    journal.put("parse:1", {**trace(now_ns() + 2 * GRAIN_NS), **states})
    os.utime(tmp_path / "other", (2, 2))
    graph = Graph(place, {spec.name: spec}, tmp_path, tmp_path / "d", tmp_path / "code")
    judge = Judge(graph, journal)
    assert judge.verdict(spec.name).state == "up-to-date"
    (tmp_path / "log").write_text("LOG")
    for name, fresh in list(judge.outdated_states()):
        journal.put(short_name(name), fresh)
    assert Judge(graph, journal).verdict(spec.name).state == "stale"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    )
)
def test_json_is_as_that_of_the_library(value: Any) -> None:
    whole = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    assert files.to_json(value) == whole.encode(errors="backslashreplace")
