"""`mrl analyze [EXP]`."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metarunlog import files
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.engine.glance import Glance, Kept
from metarunlog.engine.watch import Watch
from metarunlog.errors import InputError, MrlError, UsageError
from metarunlog.experiment import Experiment

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
    parser.add_argument(
        "--depfile", metavar="STAMP.d", help="write for make and ninja what the report depends on, and touch STAMP"
    )
    parser.add_argument("--no-wait", action="store_true", help="exit 75 if another mrl works on the experiment")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say how each log was read, or why it gave no table"
    )
    options.dry_run(parser)
    options.quiet(parser)
    options.json_output(parser)


class Result:
    """What an analyze did, by task name. `before`: of `failed`, those that failed at an earlier time."""

    def __init__(
        self, experiment: Experiment, page: Path, failed: Mapping[str, str] = {}, waiting: Iterable[str] = ()
    ) -> None:
        self.experiment = experiment
        self.page = page
        self.ran: list[str] = []
        self.failed = dict(failed)
        self.before = dict(failed)
        self.waiting = [*waiting]

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
    if args.depfile and (args.watch or args.dry_run):
        raise UsageError("--depfile goes with neither --watch nor -n; see `mrl analyze -h`")
    return _watch(args) if args.watch else _with_depfile(args) if args.depfile else _once(args)


def _with_depfile(args: argparse.Namespace) -> int:
    from metarunlog.cli import depfile
    from metarunlog.project import Project

    project = Project.find(common.here())  # warnings are left to the analyze itself
    experiments = project.experiments() if args.all else [project.experiment(args.exp)]
    since = depfile.begin(experiments)
    code = _once(args)
    if code == 0:
        depfile.end(args.depfile, experiments, since, () if args.exp else [project.outdir])  # a new one may be meant
    return code


def _once(args: argparse.Namespace, *, again: bool = False) -> int:
    """One analyze. With `again`, in the course of --watch, only what it did is told."""
    watch = Watch()
    with watch.on():
        project = common.project()
        experiments = project.experiments() if args.all else [project.experiment(args.exp)]
    results = []
    for experiment in experiments:
        kept = glance(experiment).look() if is_plain(args) else None
        result = _unchanged(experiment, kept)
        if result is None:
            from metarunlog.cli.renew import renew  # with all that decides what is stale

            result = renew(args, experiment, watch, kept, again=again)
        if result is None and not args.all:
            raise InputError(f"experiment {experiment.name} has no sub-experiments; `mrl makebatch` makes them")
        if result is not None:
            results.append(result)
            _tell_failures(args, result, again)
    if args.verbose and not again:
        for result in results:
            _say_how_read(result.experiment, common.selected(result.experiment, args.only, args.where))
    lost = [result for result in results if not _publish(args, result)]
    if args.json and args.all:
        common.print_json({"experiments": [result.to_json() for result in results]})
    elif args.json:
        common.print_json(results[0].to_json())
    elif not args.quiet:
        for result in results:
            if result.ran or not again:
                print(_line(args, result), flush=True)
    return 1 if lost or any(result.failed for result in results) else 0


def _publish(args: argparse.Namespace, result: Result) -> bool:
    """Bring the copy of a report for a web server up to date, where one is wanted. False where it was not possible."""
    experiment = result.experiment
    if not experiment.config.analysis_webdir or args.outdir or args.dry_run or not result.page.exists():
        return True
    from metarunlog.publish import publish

    memory = experiment.memory / files.KEPT / "published"
    try:
        target, sent = publish(
            result.page.parent, experiment.config.analysis_webdir, experiment.root, experiment.name, memory
        )
    except MrlError as error:
        common.say(f"mrl: error: {error}")
        return False
    if sent and not args.quiet:
        common.say(f"published {sent} file{'s' if sent != 1 else ''} to {target}")
    return True


def glance(experiment: Experiment) -> Glance:
    """Where it is kept what an analyze with nothing to do came to: `waiting` and `failed` of its Result, and the mark
    of its `journal`."""
    return Glance(experiment.memory / files.GLANCE / "analyze", experiment.dir)


def is_plain(args: argparse.Namespace) -> bool:
    """Whether the usual report is to be brought up to date, by the usual rules."""
    return not (args.outdir or args.only or args.where or args.verify or args.retry_failed)


def _unchanged(experiment: Experiment, kept: Kept | None) -> Result | None:
    """The result where nothing has changed since there was nothing to do."""
    if kept is None or kept.changed:
        return None
    page = experiment.analysis_dir / experiment.config.analysis_outfn
    failed, waiting = kept.answer["failed"], kept.answer["waiting"]
    return Result(experiment, page, failed, waiting)


def _tell_failures(args: argparse.Namespace, result: Result, again: bool) -> None:
    """What failed at an earlier time, and is not tried again."""
    if args.quiet or again:
        return
    for name, error in result.before.items():
        hint = "it is tried again when an input changes, or with --retry-failed"
        common.say(f"{name} failed before: {error}; {hint}")


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


def _line(args: argparse.Namespace, result: Result) -> str:
    did = f"{len(result.ran)} task{'s' if len(result.ran) != 1 else ''}"
    parts = [f"would do {did}" if args.dry_run else f"{did} done" if result.ran else "nothing to do"]
    parts += [f"{n} {word}" for n, word in ((len(result.waiting), "waiting"), (len(result.failed), "failed")) if n]
    return f"{', '.join(parts)}: {common.shown(result.page)}"
