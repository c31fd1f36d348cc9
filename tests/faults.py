"""`mrl` killed before one of its writes, renames and deletions, in any of its processes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from support import BIN, ProjectDir

# As `sitecustomize`: kills the main process, and then itself, before the event whose number is in the environment.
FAULT = """\
import os, signal, sys
os.environ.setdefault("FAULT_MAIN", str(os.getpid()))
_at, _counter, _inside = int(os.environ["FAULT_AT"]), os.environ["FAULT_COUNTER"], []


def _hook(event, args):
    if _inside or event not in ("open", "os.rename", "os.remove", "os.link", "os.rmdir", "os.mkdir"):
        return
    writes = event != "open" or (isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR))
    if not writes or "/exp/0001/" not in str(args[0]):
        return
    _inside.append(1)
    fd = os.open(_counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, b".")
    count = os.fstat(fd).st_size
    os.close(fd)
    _inside.clear()
    if count == _at:
        os.kill(int(os.environ["FAULT_MAIN"]), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(_hook)
"""


def copy_of(project: ProjectDir, folder: Path) -> ProjectDir:
    """The project once more, to be disturbed."""
    shutil.copytree(project.root, folder / "project", symlinks=True)
    return ProjectDir(folder / "project", project.env)


def killed_at(at: int, project: ProjectDir, folder: Path, *argv: str) -> tuple[int, int]:
    """Run `mrl` and kill it before event `at` (from 1; 0 is never). Its exit code, and how many events there were."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(FAULT)
    counter = folder / "counter"
    env = {"PYTHONPATH": str(folder), "FAULT_AT": str(at), "FAULT_COUNTER": str(counter)}
    done = subprocess.run(
        [str(BIN / "mrl"), *argv], cwd=project.root, env={**project.env, **env}, capture_output=True, check=False
    )
    return done.returncode, counter.stat().st_size
