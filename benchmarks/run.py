"""mrl beside its peers on one workload: python benchmarks/run.py [N ...] [--peers NAME ...] [--check] [--dir DIR]

For each N and tool: with nothing to do, its status, after one log has changed, and all from nothing. Seconds of the
processor, of the process and its children (cold and one log: of the clock, as workers end on their own), the least of
several runs; MiB of the largest process. One task at a time. Trust ratios within one run, not the seconds. `--check`
compares mrl with what it is to reach, and fails where it does not. Files are in the page cache.

Semantics differ: make, ninja and `direct` go by modification time; mrl and doit by content.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import workload

HERE = Path(__file__).parent
PYTHON = sys.executable
MRL = [str(Path(PYTHON).parent / "mrl")]
ROUNDS = 5
#: the clock's grain: what was written just now is read again by those who go by content
GRAIN = 2.5


@dataclass
class Figures:
    """Of a tool at one size: seconds and MiB; absent where it was not measured."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)


def measure(argv: Sequence[str], folder: Path, rounds: int = 1, *, clock: bool = False) -> tuple[float, float]:
    """Seconds and the peak in MiB."""
    best, peak = float("inf"), 0.0
    for _ in range(rounds):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        process = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(argv)} failed: {errors[-500:]}")
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best, peak = min(best, wall if clock else cpu), max(peak, usage.ru_maxrss / 1024)
    return best, peak


class Peer:
    """A tool on the workload in a folder of its own."""

    name = ""
    command: Sequence[str] = ()
    state: Sequence[str] = ()  # what asks for the status, where that is another command

    def __init__(self, folder: Path, many: int) -> None:
        self.folder = folder
        self.many = many
        workload.plain(folder, many)
        self.prepare()

    def prepare(self) -> None:
        """Write what the tool needs."""

    def log(self) -> Path:
        return self.folder / "exp" / f"{self.many // 2 + 1:05d}" / "metrics.csv"

    def figures(self) -> Figures:
        made = Figures()

        def note(what: str, argv: Sequence[str], rounds: int = 1, *, clock: bool = False) -> None:
            made.seconds[what], made.peak[what] = measure(argv, self.folder, rounds, clock=clock)

        note("cold", self.command, clock=True)
        self.settle()
        note("no-op", self.command, ROUNDS)
        if self.state:
            note("status", self.state, ROUNDS)
        self.log().write_text(workload.csv_text(10**6))
        note("one log", self.command, clock=True)
        return made

    def settle(self) -> None:
        time.sleep(GRAIN)


class Stat(Peer):
    name = "stat of all"
    command = (PYTHON, str(HERE / "workload.py"), "stat")

    def figures(self) -> Figures:
        subprocess.run([PYTHON, str(HERE / "workload.py"), "direct"], cwd=self.folder, check=True)
        seconds, peak = measure(self.command, self.folder, ROUNDS)
        return Figures({"no-op": seconds}, {"no-op": peak})


class Direct(Peer):
    name = "one Python process"
    command = (PYTHON, str(HERE / "workload.py"), "direct")


class Make(Peer):
    """With cp as the action: the engine alone."""

    name = "make (cp)"
    command = ("make", "-s")

    def prepare(self) -> None:
        (self.folder / "Makefile").write_text(
            "DIRS := $(wildcard exp/*)\n"
            "all: report.html\n"
            "report.html: overview.html $(DIRS:%=%/section.html)\n\tcp overview.html $@\n"
            "overview.html: $(DIRS:%=%/parsed.pkl)\n\tcp Makefile $@\n"
            "$(DIRS:%=%/parsed.pkl): %/parsed.pkl: %/metrics.csv\n\tcp $< $@\n"
            "$(DIRS:%=%/section.html): %/section.html: %/parsed.pkl %/config.yaml\n\tcp $< $@\n"
            "MAKEFLAGS += -r\n"
        )


class Ninja(Peer):
    """With cp as the action."""

    name = "ninja (cp)"
    command = ("ninja", "--quiet", "-j1")

    def prepare(self) -> None:
        lines = ["rule cp", "  command = cp $from $out"]
        ids = [f"{i:05d}" for i in range(1, self.many + 1)]
        for i in ids:
            lines += [f"build exp/{i}/parsed.pkl: cp exp/{i}/metrics.csv", f"  from = exp/{i}/metrics.csv"]
            lines += [f"build exp/{i}/section.html: cp exp/{i}/parsed.pkl exp/{i}/config.yaml"]
            lines += [f"  from = exp/{i}/parsed.pkl"]
        parsed, sections = (" ".join(f"exp/{i}/{name}" for i in ids) for name in ("parsed.pkl", "section.html"))
        lines += [f"build overview.html: cp {parsed}", "  from = build.ninja"]
        lines += [f"build report.html: cp overview.html {sections}", "  from = overview.html", ""]
        (self.folder / "build.ninja").write_text("\n".join(lines))


class Doit(Peer):
    name = "doit (sqlite3)"
    command = (str(Path(PYTHON).parent / "doit"), "-v0")
    state = (str(Path(PYTHON).parent / "doit"), "list", "--all", "--status")

    def prepare(self) -> None:
        (self.folder / "dodo.py").write_text(
            f"import os, sys\nsys.path.insert(0, {str(HERE)!r})\nimport workload as w\n"
            "DOIT_CONFIG = {'backend': 'sqlite3'}\nDIRS = w.folders('exp')\n"
            "def task_parse():\n    for d in DIRS:\n        s, t = d + '/metrics.csv', d + '/parsed.pkl'\n"
            "        yield dict(name=d, actions=[(w.parse, [s, t])], file_dep=[s], targets=[t])\n"
            "def task_section():\n    for d in DIRS:\n"
            "        p, c, t = d + '/parsed.pkl', d + '/config.yaml', d + '/section.html'\n"
            "        yield dict(name=d, actions=[(w.section, [p, c, t])], file_dep=[p, c], targets=[t])\n"
            "def task_overview():\n    return dict(actions=[(w.overview, ['exp', 'overview.html'])],\n"
            "        file_dep=[d + '/parsed.pkl' for d in DIRS], targets=['overview.html'])\n"
            "def task_report():\n    return dict(actions=[(w.report, ['exp', 'overview.html', 'report.html'])],\n"
            "        file_dep=['overview.html'] + [d + '/section.html' for d in DIRS], targets=['report.html'])\n"
        )


class Mrl(Peer):
    """Its built-in functions: a parse, a section, four overviews, a report."""

    name = "mrl"
    command = (*MRL, "analyze", "-q", "-j", "1")
    state = (*MRL, "status")

    def __init__(self, folder: Path, many: int) -> None:
        self.folder, self.many = folder, many
        self._experiment = workload.project(folder, many)

    def figures(self) -> Figures:
        batch, again = measure([*MRL, "makebatch"], self.folder)[0], [*MRL, "makebatch"]
        time.sleep(GRAIN)
        subprocess.run(again, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        seconds = {"makebatch": batch, "makebatch again": measure(again, self.folder, ROUNDS)[0]}
        workload.fill(self._experiment)
        made = super().figures()
        made.seconds |= {**seconds, "help": measure([*MRL, "-h"], self.folder, 9)[0]}
        return made

    def log(self) -> Path:
        return workload.subs(self._experiment)[self.many // 2] / "metrics.csv"

    def settle(self) -> None:
        for _ in range(2):  # the first records what was too new, the second keeps what it came to
            super().settle()
            subprocess.run(self.command, cwd=self.folder, check=True)


PEERS: dict[str, type[Peer]] = {one.name.split()[0]: one for one in (Stat, Direct, Make, Ninja, Doit, Mrl)}


def checks(found: dict[str, Figures], many: int) -> list[tuple[str, float, float]]:
    """What is to be reached: what it is, the value, the bound."""
    mrl, make, direct, stat = (found[name] for name in ("mrl", "make", "one", "stat"))
    bare, parser = (measure([PYTHON, "-c", code], HERE, 9)[0] for code in ("pass", "import argparse"))
    quick = 1.2 if many >= 30_000 else 1.5
    noop = mrl.seconds["no-op"]
    made = [
        (f"no-op, of make's (at most {quick})", noop / make.seconds["no-op"], quick),
        (f"status, of make's no-op (at most {quick})", mrl.seconds["status"] / make.seconds["no-op"], quick),
        ("one log, beyond the no-op, in s", mrl.seconds["one log"] - noop, 1.5 if many < 100_000 else 3.0),
        ("cold, of one Python process", mrl.seconds["cold"] / direct.seconds["cold"], 2.0),
        ("makebatch, in us each", mrl.seconds["makebatch"] / many * 1e6, 150),
        ("makebatch again, of a stat of all", mrl.seconds["makebatch again"] / stat.seconds["no-op"], 1.5),
        ("peak of the no-op in MiB", mrl.peak["no-op"], 60),
        ("peak of the cold build in MiB", mrl.peak["cold"], 250),
        ("help, of `import argparse`", mrl.seconds["help"] / parser, 2.0),
    ]
    if many < 10_000:  # what is compared there is how quickly programs start
        return [("status, beyond `python -c pass`, in ms", (mrl.seconds["status"] - bare) * 1e3, 60), made[-1]]
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[1_000])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=["stat", "one", "make", "ninja", "mrl"])
    parser.add_argument("--check", action="store_true", help="compare mrl with what it is to reach")
    parser.add_argument("--dir", type=Path, help="where to work; else a temporary folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        good = [compare(many, args.peers, Path(folder), check=args.check) for many in args.sizes]
    return 0 if all(good) else 1


def compare(many: int, peers: Sequence[str], folder: Path, *, check: bool) -> bool:
    """Print the figures of some tools at one size; whether mrl's are what is to be reached."""
    found: dict[str, Figures] = {}
    print(f"N = {many:,}: seconds (MiB)")
    ops = ("no-op", "status", "one log", "cold")
    print(f"  {'':20}" + "".join(f"{op:>18}" for op in ops))
    for name in peers:
        peer = PEERS[name]
        if shutil.which(peer.command[0]) is None:
            print(f"  {peer.name:20} not installed")
            continue
        # nothing is deleted before all is measured: ext4 makes files slowly where many were just deleted
        found[name] = figures = peer(folder / name / str(many), many).figures()
        cells = [
            f"{figures.seconds[op]:10.3f} ({figures.peak[op]:4.0f})" if op in figures.seconds else "" for op in ops
        ]
        print(f"  {peer.name:20}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    bad = False
    for what, value, bound in checks(found, many) if check else ():
        bad = bad or value > bound
        print(f"  {'pass' if value <= bound else 'FAIL'}  {what}: {value:.2f} (at most {bound:g})")
    return not bad


if __name__ == "__main__":
    sys.exit(main())
