"""`mrl run [EXP]`, and `mrl run EXP/SUB -- COMMAND...`."""

from __future__ import annotations

import argparse
import json
import shlex

from metarunlog import launch
from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.cli.progress import Progress
from metarunlog.errors import InputError, UsageError

_EPILOG = """\
The command is `run` in .mrl.cfg, e.g. "python3 {{ code|quote }}/train.py"; it runs in the sub-experiment's folder,
its output goes to run.log there. `mrl run EXP/SUB -- COMMAND...` runs COMMAND as that sub-experiment's launch
instead, in the foreground and with COMMAND's exit code, for scripts of your own."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    options.experiment(parser)
    options.selection(parser)
    parser.add_argument("--failed", action="store_true", help="launch those again that failed or were interrupted")
    options.jobs(parser, 1, "default 1")
    options.dry_run(parser)
    options.quiet(parser)
    options.json_output(parser)
    parser.add_argument("--command", type=json.loads, help=argparse.SUPPRESS)


def arrange(words: list[str]) -> list[str]:
    """What follows `--` is the user's command, with all its own options: one word for the parser."""
    if "--" not in words:
        return words
    at = words.index("--")
    return [*words[:at], "--command", json.dumps(words[at + 1 :])]


def run(args: argparse.Namespace) -> int:
    if args.command is not None:
        return _foreground(args)
    experiment = common.project().experiment(args.exp)
    if not experiment.subs:
        raise InputError(f"experiment {experiment.name} has no sub-experiments; `mrl makebatch` makes them")
    chosen = common.selected(experiment, args.only, args.where)
    todo, skipped = launch.choose(experiment, chosen, failed=args.failed, orphans=args.only is not None)
    if args.dry_run:
        if not todo and not args.json:
            print("nothing to run")
        for sub in todo:
            command = launch.command_of(experiment, sub)
            if not args.json:
                print(f"{sub.id}  {command}")
        if args.json:
            common.print_json({"ran": [sub.id for sub in todo], "failed": [], "skipped": skipped})
        return 0
    failed: list[str] = []

    def _in_order(ids: list[str]) -> list[str]:
        return sorted(ids, key=lambda id_: experiment.sub_number(id_) or 0)

    launcher = launch.Launcher(experiment, relaunch=launch.records(todo) if args.failed else None)
    with Progress(len(todo), f"run {experiment.name}", quiet=args.quiet) as progress:

        def tell(outcome: launch.Outcome) -> None:
            progress.step(outcome.id)
            path = f"{experiment.path}/{outcome.id}"
            if outcome.state in ("failed", "interrupted"):
                failed.append(outcome.id)
                code = "" if outcome.exit_code is None else f" (exit code {outcome.exit_code})"
                progress.say(f"{path} {outcome.state}{code}: see {path}/run.log")
            elif outcome.state == "skipped":
                progress.say(f"{path} is being run by another mrl")

        ended = launch.pool(launcher, todo, args.jobs, tell)
    ran = [outcome.id for outcome in ended if outcome.state != "skipped"]
    skipped += [outcome.id for outcome in ended if outcome.state == "skipped"]
    if args.json:
        common.print_json({"ran": ran, "failed": _in_order(failed), "skipped": _in_order(skipped)})
    elif not args.quiet:
        print(_line(len(ran), len(failed), len(skipped), args.failed))
        before = [s.id for s in experiment.subs if s.id in skipped and s.state in ("failed", "interrupted")]
        if before and not args.failed:
            ids = common.ranges(before, experiment.sub_number)
            common.say(f"failed or interrupted before: {ids}; `mrl run --failed` launches them again")
    return 1 if failed else 0


def _line(ran: int, failed: int, skipped: int, only_failed: bool) -> str:
    parts = [f"{ran} ran" + (f", {failed} of them failed" if failed else "")] if ran else ["nothing to run"]
    if skipped:
        parts.append(f"{skipped} passed over (" + ("did not fail" if only_failed else "have run") + ")")
    return ", ".join(parts)


def _foreground(args: argparse.Namespace) -> int:
    if not args.exp or not args.command:
        raise UsageError("name the sub-experiment: `mrl run EXP/SUB -- COMMAND...`")
    experiment, id_ = common.project().experiment_sub(args.exp)
    if args.dry_run:
        print(f"{id_}  {shlex.join(args.command)}")
        return 0
    outcome = launch.Launcher(experiment).foreground(experiment.sub(id_), args.command)
    if outcome.state == "skipped":
        raise InputError(f"{experiment.path}/{id_} is running already; wait for it")
    if outcome.error:
        common.say(f"mrl: error: {outcome.error}")
    code = outcome.exit_code or 0
    return 128 - code if code < 0 else code
