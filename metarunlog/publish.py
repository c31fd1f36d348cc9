"""A copy of a report elsewhere, for a web server (`analysis_webdir`): what the pages need, and only what has changed.

By rsync where it is installed, which knows other hosts too; else by copying. Files that we put there, and that are no
longer in the report, are taken away; what others put there stays.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from metarunlog import files
from metarunlog.errors import MrlError

States = Mapping[str, list[int]]  # path in the folder of the report -> [size, mtime in ns]

_REMOTE = re.compile(r"(?!\w:[\\/])[^/]*:")  # host:path, user@host:path, rsync://...; not a drive
#: What analyze goes on from, and no page shows.
_INNER_FOLDERS = ("parsed",)
_INNER_FILES = re.compile(r"sections/.*\.json$")


def publish(report: Path, webdir: str, root: Path, name: str, memory: Path) -> tuple[str, int]:
    """Bring ``WEBDIR/NAME`` up to date with the folder `report`; returns where that is, and how many files were sent.

    A `webdir` that is no absolute path is one in `root`. The file `memory` notes what is there already. Raises MrlError
    where it cannot be done.
    """
    remote = bool(_REMOTE.match(webdir))
    target = f"{webdir.rstrip('/')}/{name}" if remote else str(root / Path(webdir).expanduser() / name)
    if not remote:
        there, here = Path(target).resolve(), report.resolve()
        if here.is_relative_to(there) or there.is_relative_to(here):
            raise MrlError(f"analysis_webdir would put the report of {name} into or onto itself; name another folder")
    before = _remembered(memory, target)
    now = _states(report)
    sent = [
        path
        for path in now
        if before.get(path) != now[path] or not (remote or _is_there(f"{target}/{path}", now[path]))
    ]
    gone = [path for path in before if path not in now]
    if not sent and not gone:
        return target, 0
    try:
        if shutil.which("rsync"):
            _rsync(report, target, [*sent, *gone], remote)
        elif remote:
            raise MrlError(f"the report was not published to {target}: another host needs rsync; install it")
        else:
            _copy(report, Path(target), sent, gone)
        files.write(memory, files.to_json({"target": target, "files": now}))
    except OSError as error:
        raise MrlError(f"the report was not published to {target}: {error.strerror or error}") from error
    return target, len(sent)


def _is_there(path: str, state: list[int]) -> bool:
    """Whether a copy is as it was made, with the time of its original: to the second, as some file systems have it."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return [found.st_size, found.st_mtime_ns // 10**9] == [state[0], state[1] // 10**9]


def _remembered(memory: Path, target: str) -> States:
    known = files.read_json(memory)
    if not isinstance(known, dict) or known.get("target") != target or not isinstance(known.get("files"), dict):
        return {}
    states: States = known["files"]
    return states


def _states(report: Path) -> States:
    """All files that pages show, or may show: figures of the user's functions lie where these want them. Links to files
    are followed, to folders not: they may lead in a circle."""
    found: dict[str, list[int]] = {}
    for folder, folders, names in os.walk(report):
        within = os.path.relpath(folder, report)
        if within == ".":
            folders[:] = [one for one in folders if one not in _INNER_FOLDERS]
        for name in names:
            path = name if within == "." else f"{within}/{name}"
            if files.is_temporary(name) or _INNER_FILES.match(path):
                continue
            with contextlib.suppress(FileNotFoundError):  # a link that leads nowhere, or somebody else is at work
                state = os.stat(f"{folder}/{name}")
                found[path] = [state.st_size, state.st_mtime_ns]
    return dict(sorted(found.items()))


def _rsync(report: Path, target: str, paths: Collection[str], remote: bool) -> None:
    import subprocess

    if not remote:
        os.makedirs(target, exist_ok=True)
    listed = "".join(f"{path}\0" for path in paths).encode(errors="surrogateescape")
    done = subprocess.run(
        # times, what links point to; all of the list, as its own look at times is to the second; of those in the list
        # that are no more, delete the copies
        ["rsync", "-tL", "--ignore-times", "--files-from=-", "--from0", "--delete-missing-args"]
        + (["--mkpath"] if remote else [])
        + [f"{report}/", f"{target}/"],
        input=listed,
        capture_output=True,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
        raise MrlError(f"the report was not published to {target}: {said[0]}")


def _copy(report: Path, target: Path, sent: Collection[str], gone: Collection[str]) -> None:
    for path in sent:
        state = os.stat(report / path)
        files.write(target / path, (report / path).read_bytes())
        os.utime(target / path, ns=(state.st_atime_ns, state.st_mtime_ns))
    for path in gone:
        (target / path).unlink(missing_ok=True)
