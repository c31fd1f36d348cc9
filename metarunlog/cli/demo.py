"""`mrl demo [DIR]`: the public commands on a small real project, so that it is a tutorial too."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from importlib.resources import as_file
from importlib.resources import files as package_files
from pathlib import Path

from metarunlog import files
from metarunlog.cli import common
from metarunlog.errors import InputError

_OVERVIEW: dict[str, list[object]] = {
    "hardest": [8],
    "results": [],
    "accuracy_by_lr": [],
    "curves": [],
    "effects": [],
    "parallel": [],
}
_SUBEXP: dict[str, list[object]] = {"card": [], "confusion": []}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", nargs="?", default="mrl-demo", metavar="DIR", help="where to make it (default mrl-demo)")


def run(args: argparse.Namespace) -> int:
    folder = Path(args.dir).absolute()
    shown = common.shown(folder)
    if _is_demo(folder):
        common.say(f"{shown} is there already; doing what is left to do in it")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{shown} is there and is not the demo; name another folder: `mrl demo DIR`")
    else:
        _make(folder)
    code = 0
    if not any((folder / "exp").glob(f"*/{files.META}")):
        code = _mrl(folder, "new", "Width, momentum and learning rate")
    for command in (["makebatch"], ["run", "-j", "2"], ["analyze"]):
        code = max(code, _mrl(folder, *command))
    _say_next(folder, shown)
    return code


def _make(folder: Path) -> None:
    """The project as a user would make it: files, git, `mrl init`, and two lines in the config."""
    from metarunlog import git

    common.say(f"making a project in {common.shown(folder)}: a small network in numpy on handwritten digits")
    with as_file(package_files("metarunlog.demo") / "project") as source:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    git.init_and_commit(folder, "A small network on handwritten digits")
    _mrl(folder, "init", "exp")
    cfg = json.loads((folder / files.CONFIG).read_text())
    cfg |= {
        "run": f"{shlex.quote(sys.executable)} {{{{ code|quote }}}}/train.py",
        "analysis_overview": _OVERVIEW,
        "analysis_subexp": _SUBEXP,
    }
    files.write(folder / files.CONFIG, files.to_json(cfg))
    common.say(f"(the demo sets the training command and the functions of {files.ANALYZE} in {files.CONFIG} now)")
    common.say("\n$ git add -A && git commit -m 'Set up metarunlog'")
    git.commit_all(folder, "Set up metarunlog")


def _mrl(folder: Path, *words: str) -> int:
    """One of the public commands, shown as a user would type it."""
    from metarunlog.cli import main

    common.say(f"\n$ mrl {shlex.join(words)}")
    here = os.getcwd()
    try:
        return main(["-C", str(folder), *words])
    finally:
        os.chdir(here)


def _is_demo(folder: Path) -> bool:
    return (folder / files.CONFIG).is_file() and (folder / "train.py").is_file() and (folder / "exp").is_dir()


def _say_next(folder: Path, shown: str) -> None:
    page = next((folder / "exp").glob("*/analysis/index.html"), None)
    if page is not None:
        print(f"\nThe report: {page.as_uri()}")
    mrl = shlex.join([sys.argv[0] if os.path.basename(sys.argv[0]) == "mrl" else "mrl", "-C", shown])
    print(
        f"\nTo try next:\n"
        f"  {mrl} status -v     what is stale, and why (nothing, until you change something)\n"
        f"  {mrl} summary       params, state and metrics of every run\n"
        f"  {mrl} analyze       nothing to do; edit {files.ANALYZE} there, and only what is stale is redone"
    )
