"""What a function reads and writes, seen through Python's audit events (PEP 578).

Seen: open (hence pandas, numpy, pathlib, json, pickle, matplotlib), listings, glob. Not seen: stat and exists,
libraries that open files in C, and child processes; that one was started is noted as `hidden`.
"""

from __future__ import annotations

import glob
import os
import re
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Any

from metarunlog import files

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SPAWNS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn")
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/usr/", "/etc/", "/lib/", "/opt/", "/var/cache/")

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# What looks for modules and installed packages lists all of sys.path, the project's folder among it.
_IMPORTER = re.compile(
    r"<frozen importlib|[/\\](importlib(_metadata|_resources)?|pkg_resources)[/\\]|[/\\]pkgutil\.py$"
)
_OWN = (files.META, files.CONFIG, files.LEDGER)  # what counts of them comes as arguments

Numbers = tuple[int, int, int, int]


@dataclass
class Recorder:
    """Collects events while it is on. An audit hook cannot be taken away, so there is one recorder a process."""

    on: bool = False
    reads: dict[str, Numbers | None] = field(default_factory=dict)  # state when first opened; None: it was not there
    writes: set[str] = field(default_factory=set)
    listings: set[tuple[str, str]] = field(default_factory=set)  # folder, glob pattern or ""
    hidden: set[str] = field(default_factory=set)  # child processes, whose reads are not seen
    _globbed: set[str] = field(default_factory=set)

    def install(self) -> None:
        sys.addaudithook(self._hook)

    def start(self) -> None:
        """Begin anew."""
        for seen in (self.reads, self.writes, self.listings, self.hidden, self._globbed):
            seen.clear()
        self.on = True

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            self._open(*args)
        elif event in ("os.listdir", "os.scandir"):
            caller = sys._getframe(1).f_code.co_filename
            if not caller.startswith(_PACKAGE) and not _IMPORTER.search(caller):
                self._list(args[0])
        elif event == "glob.glob":
            self._glob(args[0])
        elif event == "os.rename":
            self._rename(args[0], args[1])
        elif event == "os.remove":
            if path := _absolute(args[0]):
                self.writes.discard(path)
        elif event in _SPAWNS:
            self.hidden.add(_command(args))

    def _open(self, name: Any, mode: Any, flags: Any) -> None:
        path = _absolute(name)
        if path is None:
            return
        if (isinstance(flags, int) and flags & _WRITE_FLAGS) or (isinstance(mode, str) and set(mode) & set("wax+")):
            self.writes.add(path)
        elif path not in self.writes and path not in self.reads:
            self.reads[path] = _numbers(path)

    def _list(self, name: Any) -> None:
        path = _absolute("." if name is None else name)
        if path is None:
            return
        if path in self._globbed:
            self._globbed.discard(path)  # glob.glob lists the folder itself; the names that matched count, not all
        else:
            self.listings.add((path, ""))

    def _glob(self, pattern: Any) -> None:
        folder, name = os.path.split(os.fsdecode(pattern))
        path = _absolute(folder or ".")
        if path is not None and glob.has_magic(name) and not glob.has_magic(folder) and "**" not in name:
            self.listings.add((path, name))
            self._globbed.add(path)

    def _rename(self, source: Any, target: Any) -> None:
        old, new = _absolute(source), _absolute(target)
        if old is not None and new is not None:
            if old in self.writes:
                self.writes.discard(old)
            self.writes.add(new)


@dataclass(frozen=True)
class Seen:
    """What a call read and wrote that counts: absolute paths. Plain data."""

    reads: dict[str, Numbers | None]
    writes: list[str]
    listings: list[tuple[str, str]]
    hidden: list[str]


def what_counts(recorder: Recorder, root: str, not_inputs: tuple[str, ...]) -> Seen:
    """Leave out what is no input of the user's: libraries, caches, temporary files, mrl's own, and what it wrote."""
    libraries = tuple({sys.prefix + "/", sys.base_prefix + "/", sys.exec_prefix + "/", _PACKAGE})
    home = os.path.expanduser("~")
    elsewhere = (*_SYSTEM, tempfile.gettempdir() + "/", f"{home}/.cache/", f"{home}/.config/", f"{home}/.local/")

    def counts(path: str) -> bool:
        name = os.path.basename(path)
        if path.startswith(libraries) or path.startswith(not_inputs) or "/__pycache__/" in path:
            return False
        if name in _OWN or files.is_temporary(name) or path.endswith((".py", ".pyc", ".so")):
            return False
        if path.startswith(root + "/"):
            return not path.startswith(root + "/.git/")
        return not path.startswith(elsewhere) and "/site-packages/" not in path

    return Seen(
        {
            p: s
            for p, s in sorted(recorder.reads.items())
            if p not in recorder.writes and counts(p) and not os.path.isdir(p)
        },
        sorted(p for p in recorder.writes if not files.is_temporary(os.path.basename(p))),
        sorted((p, g) for p, g in recorder.listings if counts(p + "/")),
        sorted(recorder.hidden),
    )


def _absolute(name: Any) -> str | None:
    if isinstance(name, int):
        return None  # a descriptor: it was opened before
    try:
        return os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(name)))
    except (TypeError, OSError):
        return None


def _numbers(path: str) -> Numbers | None:
    try:
        s = os.stat(path)
    except OSError:
        return None
    return (s.st_size, s.st_mtime_ns, s.st_ino, s.st_ctime_ns)


def _command(args: tuple[Any, ...]) -> str:
    first = args[0] if args else ""
    words = args[1] if not first and len(args) > 1 else first
    text = " ".join(map(str, words)) if isinstance(words, (list, tuple)) else str(words)
    return text[:80]
