"""`mrl analyze [EXP]`."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from metarunlog import files
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.cli.progress import Progress
from metarunlog.engine.journal import Journal
from metarunlog.engine.lock import locked
from metarunlog.engine.spec import Graph
from metarunlog.engine.staleness import Judge
from metarunlog.errors import InputError, MrlError, UsageError
from metarunlog.experiment import Experiment
from metarunlog.tasks.function import Functions
from metarunlog.tasks.graph import analysis

_ROUNDS = 3  # at most: a second one is rare
_PERIOD = 1.0  # seconds between looks with --watch


def configure(parser: argparse.ArgumentParser) -> None:
    options.experiment(parser)
    parser.add_argument("-outdir", metavar="DIR", help="make the report in this folder instead")
    options.selection(parser)
    parser.add_argument("--all", action="store_true", help="all experiments")
    options.jobs(parser, None, "default: the number of processors")
    parser.add_argument("--retry-failed", action="store_true", help="try again what failed with the same inputs")
    parser.add_argument("--verify", action="store_true", help="trust no shortcut: hash all files")
    parser.add_argument("--watch", action="store_true", help="go on, and do again what becomes stale, until Ctrl-C")
    parser.add_argument("--no-wait", action="store_true", help="exit 75 if another mrl works on the experiment")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say how each log was read, or why it gave no table"
    )
    options.dry_run(parser)
    options.quiet(parser)
    options.json_output(parser)


@dataclass
class Result:
    """What an analyze did, by task name."""

    experiment: Experiment
    page: Path
    ran: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        failed = [{"name": name, "error": error} for name, error in sorted(self.failed.items())]
        page = os.path.relpath(self.page, self.experiment.root)
        return {
            "expId": self.experiment.name,
            "ran": self.ran,
            "failed": failed,
            "waiting": self.waiting,
            "report": page,
        }


def run(args: argparse.Namespace) -> int:
    if args.all and args.exp:
        raise UsageError("EXP and --all exclude each other; see `mrl analyze -h`")
    if args.watch and (args.json or args.dry_run):
        raise UsageError("--watch goes with neither --json nor -n; see `mrl analyze -h`")
    return _watch(args) if args.watch else _once(args)


def _once(args: argparse.Namespace, *, again: bool = False) -> int:
    """One analyze. With `again`, in the course of --watch, only what it did is told."""
    project = common.project()
    if args.all:
        experiments = [e for e in project.experiments() if e.subs]
    else:
        experiments = [project.experiment(args.exp)]
        if not experiments[0].subs:
            raise InputError(f"experiment {experiments[0].name} has no sub-experiments; `mrl makebatch` makes them")
    functions = Functions(project.root)
    results = [_analyze(args, experiment, functions, again=again) for experiment in experiments]
    if args.verbose and not again:
        for experiment in experiments:
            _say_how_read(experiment, common.selected(experiment, args.only, args.where))
    if args.json and args.all:
        common.print_json({"experiments": [result.to_json() for result in results]})
    elif args.json:
        common.print_json(results[0].to_json())
    elif not args.quiet:
        for result in results:
            if result.ran or not again:
                print(_line(args, result), flush=True)
    return 1 if any(result.failed for result in results) else 0


def _say_how_read(experiment: Experiment, only: list[str] | None) -> None:
    """A line a log. They are read once more, as the pickles hold the tables and nothing else."""
    from metarunlog.logs import find, parse

    for sub in experiment.subs:
        if only is None or sub.id in only:
            found = find(sub.dir, experiment.config.logs, experiment.log_skip)
            for path, how in parse(sub.dir, found).notes.items():
                common.say(f"{common.shown(sub.dir / path)}: {how}")


def _watch(args: argparse.Namespace) -> int:
    """Again and again, until it is interrupted. A mistake in a config is told once, and waited out."""
    again = False
    told = ""
    while True:
        before = time.process_time()
        try:
            _once(args, again=again)
            told = ""
        except MrlError as error:
            if not again:
                raise
            if str(error) != told:
                told = str(error)
                common.say(f"mrl: error: {told}")
        if not again and not args.quiet:
            common.say("watching; Ctrl-C ends it")
        again = True
        args.retry_failed = False
        # files are asked for their state, as no notice of a change comes from other hosts; it takes a fifth at most
        time.sleep(max(_PERIOD, 4 * (time.process_time() - before)))


def _analyze(args: argparse.Namespace, experiment: Experiment, functions: Functions, *, again: bool = False) -> Result:
    outdir = _outdir(args.outdir, experiment) if args.outdir else experiment.analysis_dir
    if outdir.exists() and not outdir.is_dir():
        raise InputError(f"{common.shown(outdir)} is no folder, and the report goes there; move it away")
    only = common.selected(experiment, args.only, args.where)
    make = partial(analysis, experiment, functions=functions, outdir=outdir)
    result = Result(experiment, outdir / experiment.config.analysis_outfn)
    graph = make()
    judge = _judge(args, graph)
    stale = [name for name in graph.specs if judge.verdict(name).state == "stale"]
    if args.dry_run:
        result.ran = stale
        if not args.json and not args.quiet:
            for name in stale:
                print(name)
    elif stale or any(True for _ in judge.outdated_states()) or judge.leftovers():
        with locked(experiment.memory, wait=not args.no_wait, say=common.say) as killed:
            judge = _work(args, result, make, only, killed)
            graph = judge.graph
    for name in graph.specs:
        verdict = judge.verdict(name)
        if verdict.state == "waiting":
            result.waiting.append(name)
        if verdict.state == "failed":
            if name not in result.failed and not args.quiet and not again:
                hint = "it is tried again when an input changes, or with --retry-failed"
                common.say(f"{name} failed before: {verdict.error}; {hint}")
            result.failed.setdefault(name, verdict.error or "")
    return result


def _work(args: argparse.Namespace, result: Result, make: Any, only: list[str] | None, killed: bool) -> Judge:
    """Under the lock: what is stale now is done, in doit; then what is left over is cleaned up."""
    from metarunlog.engine import sweep
    from metarunlog.engine.execute import Executor
    from metarunlog.engine.run import run, slice_of
    from metarunlog.tasks.function import WARM, fail

    graph: Graph = make()
    judge = _judge(args, graph)
    left_out = [name for name in slice_of(judge) if only is not None and _is_of_others(name, only)]
    if left_out:
        stale: dict[str, list[str]] = {}
        for name in left_out:
            sub_id, _, function = name.partition("/")[2].partition("/")
            stale.setdefault(sub_id, []).append(function or "parse")
        graph = make(stale=stale)  # the report marks what is older than its inputs
        judge = _judge(args, graph)
    sweep.leftovers(judge)
    if killed:
        sweep.after_a_death(graph)
    names = [name for name in slice_of(judge) if name not in left_out]
    summaries = [name for name in names if name.startswith(("overview:", "report:"))]
    with Progress(len(names), f"analyze {result.experiment.name}", quiet=args.quiet) as progress:
        partial = frozenset(summaries if left_out else ())
        executor = Executor(judge, fail, partial, progress.say, WARM)
        told = _Told(progress)
        try:
            for _ in range(_ROUNDS):
                if not names:
                    break
                executor.start()
                outcome = run(judge, executor, names, args.jobs or _processors(), told)
                result.ran += [name for name in outcome.ran if name not in result.ran]
                result.failed |= outcome.failed
                judge.assume_unchanged(outcome.ran)
                judge.retry_failed = False  # they have been
                # what one made may be what another reads, unknown before
                names = [] if left_out else [name for name in slice_of(judge) if name not in result.failed]
        finally:
            executor.close()
        told.sum_up()
    for name, trace in list(judge.outdated_states()):
        judge.journal.put(graph.specs[name].short, trace)
    return judge


class _Told:
    """Tells what failed; the same mistake in many sub-experiments once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._alike: dict[tuple[str, str | None], int] = {}

    def __call__(self, what: str, task: str, error: str | None) -> None:
        if what == "failed":
            key = (task.rpartition("/")[2] if task.startswith("section:") else task, error)
            self._alike[key] = self._alike.get(key, 0) + 1
            if self._alike[key] == 1:
                self._progress.say(f"{task} failed: {error}")
        if what != "start":
            self._progress.step(task)

    def sum_up(self) -> None:
        for (function, _), times in self._alike.items():
            if times > 1:
                self._progress.say(f"{function} failed in the same way in {times - 1} more")


def _outdir(text: str, experiment: Experiment) -> Path:
    """-outdir as a folder that holds nothing else of ours: its content counts as derived. InputError otherwise."""
    outdir = Path(os.path.abspath(text))
    inside = outdir.relative_to(experiment.dir).parts[:1] if outdir.is_relative_to(experiment.dir) else ()
    own = (files.CODE, files.MEMORY, *(sub.id for sub in experiment.subs))
    if experiment.dir.is_relative_to(outdir) or (inside[:1] and inside[0] in own):
        raise InputError(f"-outdir {text} holds more than a report could; name a folder of its own")
    try:
        outdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"-outdir {text} cannot be made ({error.strerror}); name another folder") from None
    return outdir


def _is_of_others(name: str, only: list[str]) -> bool:
    """A parse or section of a sub-experiment that was not selected."""
    return name.startswith(("parse:", "section:")) and name.split("/")[1] not in only


def _processors() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _judge(args: argparse.Namespace, graph: Graph) -> Judge:
    return Judge(graph, Journal(graph.journal_path), verify=args.verify, retry_failed=args.retry_failed)


def _line(args: argparse.Namespace, result: Result) -> str:
    did = f"{len(result.ran)} task{'s' if len(result.ran) != 1 else ''}"
    parts = [f"would do {did}" if args.dry_run else f"{did} done" if result.ran else "nothing to do"]
    parts += [f"{n} {word}" for n, word in ((len(result.waiting), "waiting"), (len(result.failed), "failed")) if n]
    return f"{', '.join(parts)}: {common.shown(result.page)}"
