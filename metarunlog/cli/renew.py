"""The analyze of one experiment: what is stale is decided, under the lock it is done, and what is left is told."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from metarunlog import files
from metarunlog.cli import common, status
from metarunlog.cli.analyze import Result, glance, is_plain
from metarunlog.cli.progress import Progress
from metarunlog.cli.short import Short, kept_as
from metarunlog.engine.glance import Kept
from metarunlog.engine.journal import Journal
from metarunlog.engine.lock import locked
from metarunlog.engine.spec import Graph, Verdict, short_name
from metarunlog.engine.staleness import Judge
from metarunlog.engine.watch import Watch
from metarunlog.errors import InputError
from metarunlog.experiment import Experiment
from metarunlog.tasks.changes import changes
from metarunlog.tasks.function import Functions
from metarunlog.tasks.graph import analysis, batch

_ROUNDS = 3  # at most: a second one is rare


def renew(
    args: argparse.Namespace, experiment: Experiment, watch: Watch, kept: Kept | None, *, again: bool = False
) -> Result | None:
    """Bring an experiment's report up to date; None where it has no sub-experiments.

    `watch` has seen what was looked at to find the experiment; `kept` is the last decision that there was nothing to
    do, with what has changed since. With `again`, in the course of --watch.
    """
    with watch.on():
        if not experiment.subs:
            return None
        outdir = _outdir(args.outdir, experiment) if args.outdir else experiment.analysis_dir
        if outdir.exists() and not outdir.is_dir():
            raise InputError(f"{common.shown(outdir)} is no folder, and the report goes there; move it away")
        only = common.selected(experiment, args.only, args.where)
        functions = Functions(experiment.root)
        make = partial(analysis, experiment, functions=functions, outdir=outdir)
        result = Result(experiment, outdir / experiment.config.analysis_outfn)
        part = None if kept is None else changes(experiment, kept, kept.answer["waiting"], functions)
        judge = _judge(args, make()) if part is None else part.judge
        graph = judge.graph
        stale = [name for name in graph.specs if judge.verdict(name).state == "stale"]
        done = not (stale or any(True for _ in judge.outdated_states()) or judge.leftovers())
    if args.dry_run:
        result.ran = stale
        if not args.json and not args.quiet:
            for name in stale:
                print(name)
    elif not done:
        with locked(experiment.memory, wait=not args.no_wait, say=common.say) as killed:
            mine = (graph.derived, graph.memory, experiment.dir / files.LEDGER)
            if killed or not watch.holds(mine):  # somebody else was at work meanwhile
                judge, part = _judge(args, make()), None
            judge = _work(args, result, make, judge, only, killed)
            graph = judge.graph
    verdicts = {name: judge.verdict(name) for name in graph.specs}
    if kept is not None and part is not None:
        failed: dict[str, str] = kept.answer["failed"]
        result.waiting += [name for name in kept.answer["waiting"] if graph.left_out(short_name(name))]
        result.before |= {name: error for name, error in failed.items() if graph.left_out(short_name(name))}
        result.failed |= result.before
    for name, verdict in verdicts.items():
        if verdict.state == "waiting":
            result.waiting.append(name)
        if verdict.state == "failed":
            if name not in result.failed:
                result.before[name] = verdict.error or ""
            result.failed.setdefault(name, verdict.error or "")
    if done and not args.dry_run and is_plain(args):
        _keep(result, watch, judge, verdicts, kept if part else None)
    watch.leave(experiment.dir)
    return result


def _keep(result: Result, watch: Watch, judge: Judge, verdicts: Mapping[str, Verdict], kept: Kept | None) -> None:
    """Keep what was decided for the next time, and what `status` will say, which writes nothing itself. `kept` is the
    decision that this one goes on from."""
    experiment, graph = result.experiment, judge.graph
    own = (graph.derived, graph.memory)
    mark = judge.journal.mark()
    if mark is None:
        return
    answer = {"failed": result.failed, "waiting": result.waiting, "journal": mark}
    glance(experiment).keep(watch, answer, own, kept)
    said = status.glance(experiment)
    if kept is not None:
        before = said.look()
        with watch.on():
            found = None if before is None else status.after_changes(experiment, before)
        if found is not None:
            said.keep(watch, kept_as(found, mark), own, before)
        return
    with watch.on():
        made = {spec.name: spec for spec in batch(experiment)}
        decided = {name: spec.decided for name, spec in made.items() if spec.decided is not None}
        short = Short.of(experiment, {**decided, **verdicts})
    if not any(verdict.state == "stale" for verdict in decided.values()):
        said.keep(watch, kept_as(short, mark), own)


def _work(
    args: argparse.Namespace, result: Result, make: Any, judge: Judge, only: list[str] | None, killed: bool
) -> Judge:
    """Under the lock: what is stale now is done, in doit; then what is left over is cleaned up."""
    from metarunlog.engine import sweep
    from metarunlog.engine.execute import Executor
    from metarunlog.engine.run import run, slice_of
    from metarunlog.tasks.function import WARM, fail

    graph = judge.graph
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
    for name, trace in list(judge.outdated_states(but=frozenset(result.ran))):
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
