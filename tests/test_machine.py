"""Any sequence of edits, against two judges: a build from nothing, and a naive model of what had to run.

After each edit `mrl status`, doit's own get_status and what `mrl analyze` really does must agree; what ran must be what
the model says, no more and no less; and the folder must be, byte for byte, that of a build from nothing in a copy.

The short setting does 200 steps; `MRL_LONG=1 python -m pytest tests/test_machine.py` does 2,000 and more.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support import BIN, ProjectDir, new_project, tree

from metarunlog import cli
from metarunlog.tasks import doit as doit_tasks

LONG = bool(os.environ.get("MRL_LONG"))
PARTS = 5

ANALYZE = """\
import glob
import json
import os
from pathlib import Path

import helpers
import metarunlog

SCALE = {scale}
LABELS = json.load(open("labels.json"))  # read at import


def best(expDir, subExpIds, digits=3):
    '''{docstring}'''
    tables = [metarunlog.load(f"{{expDir}}/{{i}}") for i in subExpIds]
    found = [helpers.lowest(t["metrics"]) for t in tables if "metrics" in t]
    return f"lowest: {{SCALE * min(found, default=0):.{{digits}}f}}", "text"  # {comment}


def gallery(expDir, outdir):
    names = sorted(Path(outdir).glob("*.note.txt"))
    extra = sorted(glob.glob(expDir + "/*/extra*.txt"))
    return " ".join(p.name + p.read_text() for p in names) + " ".join(open(p).read() for p in extra), "text"


def fixed(expDir):
    return "{fixed}", "text"


def curve(subExpDir, subExpId, outdir, params, factor):
    table = metarunlog.load(subExpDir)["metrics"]
    last = float(table["loss"].iloc[-1])
    if last > 90:
        raise ValueError(f"diverged: {{last}}")
    with open(f"{{outdir}}/{{subExpId}}.note.txt", "w") as f:
        f.write(LABELS["note"])
    return [(table * factor, "table", f"lr {{params['lr']}}")]


def limits(subExpId):
    try:
        return open("limits.txt").read(), "text"
    except FileNotFoundError:
        return "no limits", "text"


def unrelated():
    return {unrelated}
"""

HELPERS = """\
def lowest(table):
    return float(table["loss"].{lowest}())


def unrelated():
    return {other}
"""

CODE: dict[str, list[str]] = {
    "scale": ["2", "3"],
    "docstring": ["The lowest loss.", "Of all losses the lowest."],
    "comment": ["nothing", "something"],
    "fixed": ["always the same", "another text"],
    "unrelated": ["1", "2"],
    "lowest": ["min", "max", "mean"],
    "other": ["1", "2"],
}
#: The variants of the code that count for a function.
USES = {
    "best": ("scale", "lowest"),
    "gallery": ("scale_no",),
    "fixed": ("fixed",),
    "curve": (),
    "limits": (),
}
SECTIONS = ("card", "curve", "limits")
OVERVIEWS = ("best", "gallery", "fixed", "results")
EXP = "exp/0001"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The project that every sequence begins with a copy of."""
    project = new_project(
        tmp_path_factory.mktemp("machine") / "project",
        {
            "conf.yaml": "lr: {{ lr }}\n# MRL:grid['lr'] = [0.1, 0.01]\n",
            "labels.json": '{"note": "a"}',
            **code(dict.fromkeys(CODE, 0)),
        },
    )
    configure(project.root, [1], [3])
    project.commit("functions")
    project.mrl("new", "a sweep")
    project.mrl("makebatch")
    project.log("001", (3.0, 2.0, 1.0))
    Machine.template = project
    yield


def code(variant: dict[str, int]) -> dict[str, str]:
    chosen = {name: values[variant[name]] for name, values in CODE.items()}
    return {"mrl_analyze.py": ANALYZE.format(**chosen), "helpers.py": HELPERS.format(**chosen)}


def configure(root: Path, curve: list[int], best: list[int], url: str = "") -> None:
    config = json.loads((root / ".mrl.cfg").read_text())
    config |= {
        "analysis_subexp": {"card": [], "curve": curve, "limits": {"args": [], "always": True}},
        "analysis_overview": {"best": best, "gallery": [], "fixed": [], "results": []},
        "giturl": url,
    }
    (root / ".mrl.cfg").write_text(json.dumps(config))


def mrl(root: Path, *argv: str) -> tuple[int, str]:
    """A command in this process."""
    out, err = io.StringIO(), io.StringIO()
    before = os.getcwd()
    os.environ.pop("PWD", None)
    os.chdir(root)
    doit_tasks._tasks.cache_clear()
    doit_tasks._project.cache_clear()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            done = cli.main(argv)
    finally:
        os.chdir(before)
    assert done in (0, 1), err.getvalue()
    assert "a fault of metarunlog's own" not in err.getvalue()
    return done, out.getvalue()


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


class Machine(RuleBasedStateMachine):
    """The project is `self.root`; `self.seen` is what the model knows of the last analyze."""

    template: ProjectDir

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.root = self.folder / "project"
        self.seen: dict[str, tuple[Any, Any]] = {}  # task -> (what it depends on, what it made)
        self.forgotten: set[str] = set()
        self.variant = dict.fromkeys(CODE, 0)
        self.args = {"curve": [1], "best": [3], "url": ""}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        shutil.copytree(self.template.root, self.root, symlinks=True)

    @property
    def exp(self) -> Path:
        return self.root / EXP

    def subs(self) -> list[str]:
        return sorted(p.name for p in self.exp.iterdir() if p.name.isdigit())

    def log(self, number: int) -> Path:
        subs = self.subs()
        return self.exp / subs[number % len(subs)] / "metrics.csv"

    # --- edits: logs

    @rule(number=st.integers(0, 3), value=st.sampled_from(["0.5", "2", "99", "nan"]))
    def append(self, number: int, value: str) -> None:
        log = self.log(number)
        text = log.read_text() if log.exists() else "step,loss\n"
        log.write_text(text + f"{text.count(chr(10)) - 1},{value}\n")

    @rule(number=st.integers(0, 3))
    def append_half_a_line(self, number: int) -> None:
        with self.log(number).open("a") as f:
            f.write("7,0.2")

    @rule(number=st.integers(0, 3), value=st.sampled_from(["4.0", "5.0"]))
    def rewrite_with_size_and_time(self, number: int, value: str) -> None:
        log = self.log(number)
        if log.exists() and "\n0,3.0\n" in log.read_text():
            before = log.stat()
            log.write_text(log.read_text().replace("\n0,3.0\n", f"\n0,{value}\n"))
            os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(number=st.integers(0, 3))
    def rewrite_as_it_was(self, number: int) -> None:
        self.log(number).write_text("step,loss\n0,3.0\n1,2.0\n2,1.0\n")

    @rule(number=st.integers(0, 3))
    def touch(self, number: int) -> None:
        if self.log(number).exists():
            os.utime(self.log(number), (1, 1))

    @rule(number=st.integers(0, 3))
    def delete_log(self, number: int) -> None:
        self.log(number).unlink(missing_ok=True)

    # --- edits: template and batch

    @rule(values=st.sampled_from(["[0.1]", "[0.1, 0.01]", "[0.01, 0.1]", "[0.1, 0.01, 0.001]"]))
    def grid(self, values: str) -> None:
        self._template(f"lr: {{{{ lr }}}}\n# MRL:grid['lr'] = {values}\n")

    @rule(text=st.sampled_from(["lr", "rate"]))
    def template_text(self, text: str) -> None:
        self._template(f"{text}: {{{{ lr }}}}\n# MRL:grid['lr'] = [0.1, 0.01]\n")

    def _template(self, text: str) -> None:
        (self.exp / "conf.yaml").write_text(text)
        mrl(self.root, "makebatch", "-q")

    @rule(number=st.integers(0, 3))
    def delete_sub_experiment(self, number: int) -> None:
        if len(self.subs()) > 1:
            shutil.rmtree(self.log(number).parent)

    # --- edits: code and config

    @rule(name=st.sampled_from(sorted(CODE)), data=st.data())
    def edit_code(self, name: str, data: st.DataObject) -> None:
        self.variant[name] = data.draw(st.integers(0, len(CODE[name]) - 1))
        for file, text in code(self.variant).items():
            (self.root / file).write_text(text)

    @rule(what=st.sampled_from(["curve", "best"]), value=st.integers(1, 3))
    def edit_args(self, what: str, value: int) -> None:
        self.args[what] = [value]
        configure(self.root, **self.args)  # type: ignore[arg-type]

    @rule(url=st.sampled_from(["", "elsewhere"]))
    def edit_unrelated_key(self, url: str) -> None:
        self.args["url"] = url
        configure(self.root, **self.args)  # type: ignore[arg-type]

    @rule(note=st.sampled_from(["", "### Seen\n", "It *works*.\n"]))
    def edit_note(self, note: str) -> None:
        (self.exp / ".mrl.note").write_text(note)

    @rule(label=st.sampled_from(["a", "b"]))
    def edit_data_read_at_import(self, label: str) -> None:
        (self.root / "labels.json").write_text(json.dumps({"note": label}))

    @rule(text=st.sampled_from(["low", "high", None]))
    def edit_file_that_may_be_missing(self, text: str | None) -> None:
        if text is None:
            (self.root / "limits.txt").unlink(missing_ok=True)
        else:
            (self.root / "limits.txt").write_text(text)

    @rule(number=st.integers(0, 3), name=st.sampled_from(["extra1.txt", "extra2.txt", "other.dat"]), make=st.booleans())
    def edit_file_that_is_globbed(self, number: int, name: str, make: bool) -> None:
        path = self.log(number).parent / name
        if make:
            path.write_text(f"{name}, not a table")
        else:
            path.unlink(missing_ok=True)

    # --- edits: what was derived, and doit's memory

    @rule(data=st.data(), how=st.sampled_from(["delete", "edit", "touch"]))
    def change_a_target(self, data: st.DataObject, how: str) -> None:
        found = sorted(p for p in (self.exp / "analysis").rglob("*") if p.is_file() and "vendor" not in p.parts)
        if not found:
            return
        path = data.draw(st.sampled_from(found))
        if how == "delete":
            path.unlink()
        elif how == "edit":
            path.write_bytes(path.read_bytes() + b" ")
        else:
            os.utime(path, (1, 1))

    @rule()
    def delete_the_analysis(self) -> None:
        shutil.rmtree(self.exp / "analysis", ignore_errors=True)

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        known = sorted(self.seen.keys() - self.forgotten)
        if known:
            name = data.draw(st.sampled_from(known))
            if name in self._alive():
                mrl(self.root, "doit", "forget", name)
                self.forgotten.add(name)

    @rule(number=st.integers(0, 3))
    def partial_run(self, number: int) -> None:
        subs = self.subs()
        before = {name: self._model(self.exp)[name] for name in self._alive()}
        only = subs[number % len(subs)]
        _, out = mrl(self.root, "analyze", "-q", "--json", "-j", "1", "--only", str(int(only)))
        ran = set(json.loads(out)["ran"])
        after = self._model(self.exp)
        for name in ran:
            self.forgotten.discard(name)
            if name.startswith(("overview:", "report:")) and before.keys() - ran:
                self.forgotten.add(name)  # counts as stale until a full analyze, if parts were left out
            self.seen[name] = after[name]
        self.seen = {name: model for name, model in self.seen.items() if name in after}

    # --- the two judges

    def _alive(self) -> set[str]:
        return set(self._model(self.exp))

    def _model(self, exp: Path, root: Path | None = None) -> dict[str, tuple[Any, Any]]:
        """Task -> (what it depends on, what it made), written down by hand, with file contents as they are in `exp`.

        Tasks that wait are left out.
        """
        root = root or self.root
        subs = self.subs()
        parsed = {i: content(exp / f"analysis/parsed/{i}.pkl") for i in subs}
        params = {i: json.loads((exp / i / ".mrl").read_text())["params"] for i in subs}
        orphans = {i for i, e in json.loads((exp / "batch.json").read_text())["subExps"].items() if e.get("orphan")}
        labels = content(root / "labels.json")
        names = ("metrics.csv", "extra1.txt", "extra2.txt")  # the last two are no tables, but looked at
        logs = {i: {name: content(exp / i / name) for name in names if (exp / i / name).exists()} for i in subs}
        ready = [i for i in subs if logs[i]]
        variant = {name: self.variant.get(name) for name in (*CODE, "scale_no")}
        tasks: dict[str, tuple[Any, Any]] = {}

        def add(name: str, depends: Any, *made: str) -> None:
            tasks[name] = (depends, {m: content(exp / "analysis" / m) for m in made})

        def section(stem: str) -> str:
            return f"sections/{stem}.json"

        for i in ready:
            add(f"parse:0001/{i}", logs[i], f"parsed/{i}.pkl")
            add(f"section:0001/{i}/card", (parsed[i], params[i], content(exp / i / "conf.yaml")), section(f"{i}.card"))
            depends = (parsed[i], params[i], self.args["curve"], labels)
            add(f"section:0001/{i}/curve", depends, section(f"{i}.curve"), f"{i}.note.txt")
        for i in subs:
            depends = (parsed[i] if i in ready else None, params[i], labels, content(root / "limits.txt"))
            add(f"section:0001/{i}/limits", depends, section(f"{i}.limits"))
        if ready:
            read = {i: parsed[i] for i in subs}
            notes = {p.name: content(p) for p in sorted((exp / "analysis").glob("*.note.txt"))}
            extra = {str(p.relative_to(exp)): content(p) for p in sorted(exp.glob("*/extra*.txt"))}
            own: dict[str, Any] = {"best": (read, self.args["best"]), "gallery": (notes, extra), "fixed": ()}
            for name, depends in own.items():
                counts = [variant[used] for used in USES[name]]
                add(f"overview:0001/{name}", (params, labels, depends, counts), section(name))
            add("overview:0001/results", (params, {i: parsed[i] for i in ready}), section("results"))
        made = [
            f"{m}={c!r}" for name, (_, files) in tasks.items() for m, c in files.items() if m.startswith("sections/")
        ]
        rest = [p for p in tree(exp / "analysis") if not p.startswith(("sections/", "parsed/")) and "note.txt" not in p]
        depends = (made, content(exp / ".mrl.note"), params, sorted(orphans & set(subs)), ready)
        add("report:0001", depends, *rest)
        return tasks

    @invariant()
    def agree(self) -> None:
        if not self.root.exists():
            return
        clean = self.folder / "clean"
        shutil.rmtree(clean, ignore_errors=True)
        shutil.copytree(self.root, clean, symlinks=True, ignore=shutil.ignore_patterns("code", ".git"))
        for derived in ("analysis", ".mrl.d"):
            shutil.rmtree(clean / EXP / derived, ignore_errors=True)
        argv = [str(BIN / "mrl"), "analyze", "-q", "--json", "-j", "1"]
        building = subprocess.Popen(
            argv, cwd=clean, env=self.template.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        before = tree(self.exp / "analysis")
        status = json.loads(mrl(self.root, "status", "--json")[1])["experiments"][0]
        stale = {t["name"]: t for t in status["tasks"] if t["state"] == "stale" and not t["name"].startswith("makeb")}
        assert all(task["reasons"] for task in stale.values())
        listed = [line.split() for line in mrl(self.root, "doit", "list", "--all", "--status")[1].splitlines()]
        due = {row[1] for row in listed if row[0] == "R" and ":" in row[1]}
        assert {n for n in due if not n.startswith(("makebatch", "launch"))} == set(stale), "doit's own status"
        assert tree(self.exp / "analysis") == before, "a question never writes"
        done, out = mrl(self.root, "analyze", "-q", "--json", "-j", "2")
        clean_out, _ = building.communicate(timeout=120)
        clean_code = building.returncode

        # what the model says must run: what depends on something else now, and whose files are not what it made
        new = self._model(clean / EXP, clean)
        must = {
            name
            for name, (depends, _) in new.items()
            if name not in self.seen
            or name in self.forgotten
            or self.seen[name][0] != depends
            or self.seen[name][1] != {m: before.get(m) for m in self.seen[name][1]}
        }
        ran = json.loads(out)["ran"]
        assert len(ran) == len(set(ran))
        assert set(ran) == must, f"ran {sorted(ran)}, had to {sorted(must)}"
        certain = {n for n, t in stale.items() if any(r["kind"] != "upstream" for r in t["reasons"])}
        assert certain <= set(ran) <= set(stale), "mrl status"

        here, there = tree(self.exp / "analysis"), tree(clean / EXP / "analysis")
        assert here.keys() == there.keys()
        assert [name for name in here if here[name] != there[name]] == []
        assert (done, json.loads(out)["failed"], json.loads(out)["waiting"]) == (
            clean_code,
            json.loads(clean_out)["failed"],
            json.loads(clean_out)["waiting"],
        )
        assert json.loads(mrl(self.root, "analyze", "-q", "--json")[1])["ran"] == []
        self.seen = self._model(self.exp)
        self.forgotten = set()


@pytest.mark.usefixtures("start")
@pytest.mark.parametrize("part", range(PARTS))
def test_any_sequence_of_edits(part: int) -> None:
    """In parts, so that several processors can share them: the same ones each time in the short setting."""
    machine = type("Machine", (Machine,), {} if LONG else {"_hypothesis_internal_use_seed": part})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25 if LONG else 2,
            stateful_step_count=20,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # a sequence takes long; the one that fails is told as it is
            report_multiple_bugs=False,
        ),
    )
