"""Files that mrl owns: their names, and how they are written.

Every file that mrl writes appears whole or not at all: it is written beside its place and renamed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

CONFIG = ".mrl.cfg"  # project config, and its overrides in an experiment
META = ".mrl"  # metadata of an experiment or sub-experiment
RUN = ".mrl.run"  # record of the newest launch of a sub-experiment
DONE = ".mrl.done"  # made by the user: this experiment, or sub-experiment, is finished
RUN_LOG = "run.log"  # stdout and stderr of the newest launch
LEDGER = "batch.json"  # params <-> numbers of an experiment
PATCH = "uncommitted.patch"
CODE = "code"
MEMORY = ".mrl.d"  # traces, lock, archive
TRACES = "traces.jsonl"
DOIT = "doit.jsonl"  # what doit keeps of the user's own tasks
ANALYZE = "mrl_analyze.py"
DODO = "dodo.py"
LAST = "last"
ASIDE = "aside"  # folder in MEMORY: copies of files that a running function changes
REPLACED = "replaced"  # folder in MEMORY: files of users and runs that were asked to be replaced
GLANCE = "glance"  # folder in MEMORY: what came of decisions, for as long as nothing has changed
KEPT = "kept"  # folder in MEMORY: what was made of pickles that are as they were
ARCHIVE = "archive"  # folder in MEMORY: sub-experiments that were put away

#: Audit event by which metarunlog.summary says which folders it looks at: (folder, glob pattern).
LISTED = "metarunlog.listed"

_ESCAPE = "backslashreplace"  # of bytes that are no text in file names and arguments: a JSON escape
_TMP = ".mrl.tmp-"  # prefix of files that are being written


def write(path: Path | str, data: bytes) -> None:
    """Write a file whole or not at all, making its folder."""
    try:
        tmp = _beside(path, data)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        tmp = _beside(path, data)
    try:
        os.replace(tmp, path)
    except BaseException:
        os.unlink(tmp)
        raise


def write_if_changed(path: Path, data: bytes) -> bool:
    """Write only where the content differs, so that unchanged files keep their times. True if written."""
    try:
        if path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
    except (FileNotFoundError, NotADirectoryError):
        pass
    write(path, data)
    return True


def write_by(path: Path, dump: Callable[[IO[bytes]], None]) -> None:
    """The same of what is too large to be held: `dump` writes it."""
    import filecmp

    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = Path(_beside(path, dump))
    try:
        if not (path.exists() and filecmp.cmp(tmp, path, shallow=False)):
            os.replace(tmp, path)
    finally:
        tmp.unlink(missing_ok=True)


def append(path: Path, lines: bytes) -> None:
    """Add whole lines to a file of lines, in one write; the last line there may be torn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab", buffering=0) as f:
        f.write(b"\n" + lines)


def claim(path: Path, data: bytes) -> bool:
    """Make a file that nobody has made yet, whole; False if it is there. Of several processes one succeeds."""
    tmp = _beside(path, data)
    try:
        os.link(tmp, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(tmp)
    return True


def put_aside(path: Path, folder: Path) -> None:
    """Move a file that is about to be replaced into `folder`, under its name and the next free number."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (target := folder / f"{path.name}.{number}").exists():
        number += 1
    os.rename(path, target)


def symlink(path: Path, target: str) -> None:
    """Point the link `path` at `target`, replacing an older link in one step; anything but a link is left alone."""
    if os.path.lexists(path) and not path.is_symlink():
        return
    tmp = path.parent / f"{_TMP}{os.urandom(6).hex()}"
    tmp.symlink_to(target)
    os.replace(tmp, path)


def sha256(data: bytes) -> str:
    """The content hash used throughout: the fastest of hashlib's on current processors."""
    import hashlib  # a command with nothing to do needs none

    return hashlib.sha256(data).hexdigest()


def is_temporary(name: str) -> bool:
    """A file of ours that was being written when its process died."""
    return name.startswith(_TMP)


def to_json(value: Any) -> bytes:
    """JSON as mrl writes its files: indented, keys in the order given, one final newline."""
    return (_indented(value, "\n") + "\n").encode(errors=_ESCAPE)


def _indented(value: Any, newline: str) -> str:
    """What `json.dumps(value, indent=1)` gives, whose own way is slower. Keys are strings."""
    inner = f"{newline} "
    if isinstance(value, dict) and value:
        parts = [f"{_compact(key)}: {_indented(one, inner)}" for key, one in value.items()]
        return f"{{{inner}{f',{inner}'.join(parts)}{newline}}}"
    if isinstance(value, (list, tuple)) and value:
        return f"[{inner}{f',{inner}'.join(_indented(one, inner) for one in value)}{newline}]"
    return _compact(value)


_compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def read(path: Path) -> bytes | None:
    """The content of a file; None where it is missing."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_json(path: Path) -> Any | None:
    """The content of a JSON file of ours; None where it is missing or broken."""
    try:
        return parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def parse_json(data: bytes) -> Any:
    """What JSON of ours says. ValueError where it is broken, also by nan and infinity, which no params have."""
    try:
        return json.loads(data, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError(f"{text} is no finite number")
    return value


def _write_all(fd: int, data: bytes) -> None:
    """Write to a descriptor, and close it. (A file object would ask first what it is.)"""
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(fd, left) :]
    finally:
        os.close(fd)


def _beside(path: Path | str, data: bytes | Callable[[IO[bytes]], None]) -> str:
    """A finished temporary file in the folder of `path`. The name is unique among hosts that share the folder."""
    tmp = os.path.join(os.path.dirname(path), f"{_TMP}{os.urandom(6).hex()}")
    fd = os.open(tmp, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        if callable(data):
            with open(fd, "wb") as f:
                data(f)
        else:
            _write_all(fd, data)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tmp)
        raise
    return tmp
