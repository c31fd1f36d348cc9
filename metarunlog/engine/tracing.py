"""What a function reads and writes, seen through Python's audit events (PEP 578).

Seen: open (hence pandas, numpy, pathlib, json, pickle, matplotlib), listings, glob, imports. Not seen: stat and exists,
libraries that open files in C, and child processes; that one was started is noted as `hidden`. What of it counts is
decided in seen.py.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import pathlib
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import wraps
from types import FrameType
from typing import Any

from metarunlog import fileinfo, files
from metarunlog.engine import listing
from metarunlog.engine.listing import Listing, Scope
from metarunlog.fileinfo import Numbers

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SPAWNS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn")
_FORKS = ("os.fork", "os.forkpty")
# Programs that libraries start to look at the system, such as matplotlib for its fonts.
_LOOKS = frozenset({"fc-list", "ldconfig", "gcc", "cc", "ld", "uname", "lscpu", "file", "nvidia-smi", "objdump"})

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STDLIB = os.path.dirname(os.__file__) + os.sep
_GLOB = glob.__file__
# What looks for modules and installed packages lists all of sys.path, the project's folder among it.
_IMPORTER = re.compile(
    r"<frozen importlib|[/\\](importlib(_metadata|_resources)?|pkg_resources)[/\\]|[/\\]pkgutil\.py$"
)
_PKGUTIL = re.compile(r"[/\\]pkgutil\.py$")  # by which users look for plugins of their own
# What shows source lines in tracebacks.
_SHOWS_SOURCE = re.compile(r"[/\\](linecache|tokenize)\.py$")
_PATH_GLOB = frozenset({"_select_from", "_iterate_directories", "_select_recursive"})  # of pathlib, below Path.glob
_OWN = (files.META, files.CONFIG, files.LEDGER)  # what counts of them for load and summary comes as arguments


@dataclass
class Recorder:
    """Collects events while it is on. An audit hook cannot be taken away, so there is one recorder a process.

    With `log`, a descriptor, each event is written there at once, for the case that the process dies. A file of another
    task's in the derived folder of `scope` is copied to the folder `aside` before the function changes it.
    """

    on: bool = False
    scope: Scope | None = None
    aside: str | None = None
    log: int | None = None
    reads: dict[str, Numbers | None] = field(default_factory=dict)  # state when first opened; None: it was not there
    writes: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)  # folders, by their new names
    listings: dict[Listing, list[str] | None] = field(default_factory=dict)  # names when first asked for
    imports: dict[str, Numbers | None] = field(default_factory=dict)  # files of modules
    hidden: set[str] = field(default_factory=set)  # what may have read without being seen, in words
    backups: dict[str, str] = field(default_factory=dict)  # path -> copy of what was there before
    _thread: threading.local = field(default_factory=threading.local)

    def install(self) -> None:
        sys.addaudithook(self._hook)
        _watch_path_glob(self)

    def start(self, before: Recorder | None = None) -> None:
        """Begin anew, or from what was seen before."""
        for seen in (self.reads, self.writes, self.moved, self.listings, self.imports, self.hidden, self.backups):
            seen.clear()
        if before is not None:
            self.listings.update(before.listings)
            for kind, ours, theirs in (("r", self.reads, before.reads), ("i", self.imports, before.imports)):
                for path, numbers in theirs.items():
                    ours[path] = numbers
                    self._note(kind, path, numbers)
            for what in before.hidden:
                self.hidden.add(what)
                self._note("h", what)
        self.on = True

    def copy(self) -> Recorder:
        """What was seen so far."""
        return Recorder(
            reads=dict(self.reads), listings=dict(self.listings), imports=dict(self.imports), hidden=set(self.hidden)
        )

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What this thread does meanwhile is not the user's."""
        before = getattr(self._thread, "paused", False)
        self._thread.paused = True
        try:
            yield
        finally:
            self._thread.paused = before

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on or getattr(self._thread, "paused", False):
            return
        if event == "open":
            self._open(*args)
        elif event in ("os.listdir", "os.scandir"):
            self._list(args[0])
        elif event == "glob.glob/2":
            self._glob(*args)
        elif event == "os.rename":
            self._rename(args[0], args[1])
        elif event in ("os.link", "os.symlink"):
            self._write(_absolute(args[1]))
        elif event == "os.truncate":
            self._write(_absolute(args[0]))
        elif event == "os.remove":
            self._remove(*args)
        elif event == "sqlite3.connect":
            self._read(_absolute(args[0]))
        elif event in _SPAWNS:
            self._spawn(args)
        elif event in _FORKS:
            self.hidden.add("forked a process")
            self._note("h", "forked a process")
        elif event == files.LISTED:
            self.listed(Listing(args[0], args[1], listing.GLOB))

    def _open(self, name: Any, mode: Any, flags: Any) -> None:
        path = _absolute(name)
        if path is None:
            return
        if (isinstance(flags, int) and flags & _WRITE_FLAGS) or (isinstance(mode, str) and set(mode) & set("wax+")):
            self._write(path)
        else:
            self._read(path)

    def _read(self, path: str | None) -> None:
        if path is None or path in self.writes or path in self.reads:
            return
        if path.endswith((".py", ".pyc")):
            caller = _caller().f_code.co_filename
            if _IMPORTER.search(caller):
                if path.endswith(".py") and path not in self.imports:
                    self.imports[path] = fileinfo.numbers(path)
                    self._note("i", path, self.imports[path])
                return
            if _SHOWS_SOURCE.search(caller):
                return
        if os.path.basename(path) in _OWN and _is_ours():
            return
        self.reads[path] = fileinfo.numbers(path)
        self._note("r", path, self.reads[path])

    def _write(self, path: str | None) -> None:
        if path is None or path in self.writes:
            return
        self._keep(path)
        self.writes.add(path)
        self._note("w", path)

    def _keep(self, path: str) -> None:
        """Copy a file in the derived folder that is there already: it may be another task's."""
        if self.aside is None or self.scope is None or path in self.backups or path in self.writes:
            return
        if not path.startswith(self.scope.derived + "/") or not os.path.isfile(path) or _is_ours():
            return
        with self.paused():
            os.makedirs(self.aside, exist_ok=True)
            copy = f"{self.aside}/{len(self.backups)}"
            shutil.copy2(path, copy)
        self.backups[path] = copy
        self._note("b", path, copy)

    def _remove(self, name: Any, dir_fd: int = -1) -> None:
        path = _absolute(name) if dir_fd == -1 else None
        if path is not None:
            self._keep(path)
            self.writes.discard(path)

    def _rename(self, source: Any, target: Any) -> None:
        old, new = _absolute(source), _absolute(target)
        if old is not None and new is not None:
            self._keep(new)
            if old not in self.writes:
                self._keep(old)
            self.writes.discard(old)
            kind, seen = ("m", self.moved) if os.path.isdir(old) else ("w", self.writes)
            seen.add(new)
            self._note(kind, new)

    def _list(self, name: Any) -> None:
        frame = _caller()
        caller = frame.f_code.co_filename
        if caller == _GLOB:
            return  # the names that match count, not all
        if _IMPORTER.search(caller) and not (_PKGUTIL.search(caller) and _is_users()):
            return
        if frame.f_code.co_name == "_scandir" and frame.f_back and frame.f_back.f_code.co_name in _PATH_GLOB:
            return
        path = _absolute("." if name is None else name)
        if path is None:
            return
        if caller.startswith(_PACKAGE) and self.scope is not None and f"{path}/".startswith(self.scope.base + "/"):
            return
        self.listed(Listing(path))

    def _glob(self, pattern: Any, recursive: Any, root: Any = None, dir_fd: Any = None) -> None:
        if dir_fd is not None:
            return
        hidden = _caller().f_locals.get("include_hidden", False)
        how = listing.GLOB + (listing.RECURSIVE if recursive else "") + (listing.HIDDEN if hidden else "")
        base = _absolute(os.fsdecode(root) if root is not None else ".")
        if base is not None:
            fixed, rest = listing.split_pattern(os.fsdecode(pattern))
            self.listed(Listing(os.path.normpath(os.path.join(base, fixed)), rest, how))

    def listed(self, question: Listing) -> None:
        if question not in self.listings and not getattr(self._thread, "paused", False):
            with self.paused():
                self.listings[question] = question.names()

    def _spawn(self, args: tuple[Any, ...]) -> None:
        program = _program(args)
        if program not in _LOOKS:
            self.hidden.add(f"started {program}")
            self._note("h", f"started {program}")

    def _note(self, *event: Any) -> None:
        if self.log is not None:
            with contextlib.suppress(OSError):
                os.write(self.log, json.dumps(event).encode() + b"\n")


def replay(log: str) -> Recorder:
    """What a process that died had noted."""
    recorder = Recorder()
    for line in log.splitlines():
        try:
            kind, subject, *rest = json.loads(line)
        except ValueError:
            continue  # it died while writing
        if kind in ("w", "m"):
            (recorder.writes if kind == "w" else recorder.moved).add(subject)
        elif kind == "h":
            recorder.hidden.add(subject)
        elif kind == "b":
            recorder.backups[subject] = rest[0]
        elif kind in ("r", "i"):
            seen = recorder.reads if kind == "r" else recorder.imports
            seen.setdefault(subject, tuple(rest[0]) if rest[0] is not None else None)
    return recorder


def _watch_path_glob(recorder: Recorder) -> None:
    """pathlib says nothing of patterns, only of the folders that it lists for them."""

    def watched(name: str, prefix: str) -> Any:
        original = getattr(pathlib.Path, name)

        @wraps(original)
        def ask(self: pathlib.Path, pattern: Any, *args: Any, **kwargs: Any) -> Any:
            folder = _absolute(str(self))
            if recorder.on and folder is not None and isinstance(pattern, str | pathlib.PurePath):
                # options widen what a pattern matches: then every name of that depth counts
                wide = "/".join("**" if part == "**" else "*" for part in str(pattern).split("/"))
                recorder.listed(Listing(folder, prefix + (wide if args or kwargs else str(pattern)), listing.PATH))
            return original(self, pattern, *args, **kwargs)

        return ask

    setattr(pathlib.Path, "glob", watched("glob", ""))  # noqa: B010  (a name of another's class)
    setattr(pathlib.Path, "rglob", watched("rglob", "**/"))  # noqa: B010


def _caller() -> FrameType:
    """The frame that caused an event: the first outside this file."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _is_ours() -> bool:
    """Whether code of this package caused the event, with nothing of the user's between."""
    frame = _caller()
    while frame.f_back is not None and _is_standard(frame.f_code.co_filename):
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(_PACKAGE)


def _is_users() -> bool:
    """Whether neither a library nor this package caused the event."""
    frame = _caller()
    while frame.f_back is not None and _is_standard(frame.f_code.co_filename):
        frame = frame.f_back
    file = frame.f_code.co_filename
    return "site-packages" not in file and not file.startswith(_PACKAGE)


def _is_standard(file: str) -> bool:
    return file.startswith((_STDLIB, "<frozen")) and "site-packages" not in file


def _absolute(name: Any) -> str | None:
    if isinstance(name, int):
        return None  # a descriptor: it was opened before
    try:
        return os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(name)))
    except (TypeError, OSError):
        return None


def _program(args: tuple[Any, ...]) -> str:
    """The program that a child process runs, without its folder: what is shown must not differ from call to call."""
    words = args[1] if len(args) > 1 else args[0] if args else ""
    if isinstance(words, (list, tuple)):
        words = words[2] if words[1:2] == ["-c"] and len(words) > 2 else words[0] if words else ""
    text = os.fsdecode(words) if isinstance(words, (str, bytes, os.PathLike)) else ""
    return os.path.basename(text.split()[0]) if text.split() else "a program"
