"""`mrl doit ARGS...`."""

from __future__ import annotations

import argparse
import os
from typing import Any

from metarunlog import tasks
from metarunlog.cli import common
from metarunlog.errors import Exit

#: doit's exit codes (all well, failed, error in a task, wrong usage) as ours
_CODES = {0: Exit.OK, 1: Exit.FAILED, 2: Exit.FAILED, 3: Exit.USAGE}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "As in `mrl doit list --all`, `mrl doit report:0001`, `mrl doit info parse:0001/001`; see `mrl doit help`."
    )
    parser.add_argument("args", nargs=argparse.REMAINDER, metavar="ARGS", help="doit's own command and options")


def arrange(words: list[str]) -> list[str]:
    """All options are doit's, also the first."""
    return words if words[:1] in (["-h"], ["--help"]) else ["--", *words]


def run(args: argparse.Namespace) -> int:
    from doit.cmd_base import ModuleTaskLoader
    from doit.doit_cmd import DoitMain

    project = common.project()
    project.experiments()  # a mistake in a config is told as all commands tell it
    os.chdir(project.root)
    namespace = {name: getattr(tasks, name) for name in tasks.__all__}
    words = args.args[1:] if args.args[:1] == ["--"] else args.args
    main = DoitMain(ModuleTaskLoader(namespace), config_filenames=())
    main.BIN_NAME = "mrl doit"
    code = main.run(words)
    if not code and _runs(main, words):
        from metarunlog.tasks.doit import failed

        named = [word for word in words if ":" in word]
        code = 1 if failed(named or None) else 0
    return _CODES.get(code or 0, Exit.FAILED)


def _runs(main: Any, words: list[str]) -> bool:
    """Whether doit ran tasks: its command is `run`, or no command."""
    return not words or words[0] == "run" or words[0] not in main.get_cmds()
