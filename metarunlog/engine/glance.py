"""A decision that holds while nothing that it looked at has changed: found again by a stat of each file and folder.

The traces decide what is stale. Of such a decision this keeps what came of it, and the numbers of all that was looked
at on the way, packed, so that a command with nothing to do decodes no trace. It is derived: where anything differs, or
is not sure to be the same, everything is decided anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metarunlog import __version__, fileinfo, files
from metarunlog.engine.disk import file_digest
from metarunlog.engine.listing import names_digest
from metarunlog.fileinfo import Numbers, settled

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FRESH = 1_000  # files that may be so new that their content has to tell
_MAX_FRESH = 16 << 20  # bytes of one of them

_STARTED = time.time_ns()
_stat, _lstat = os.stat, os.lstat
_ABILITIES: Sequence[set[Callable[..., Any]]] = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks)


class Watch:
    """What this process looks at while it is on: files that it opens or asks for, folders that it lists.

    Numbers are those of the first look, taken before anything was read; None of what is not there.
    """

    def __init__(self) -> None:
        self.since = time.time_ns()
        self.seen: dict[str, Numbers | None] = {}
        self.links: dict[str, Numbers | None] = {}  # looked at themselves, not followed

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        if not _hooked:
            sys.addaudithook(_hook)
            _hooked.append(True)
        _on.append(self)
        os.stat, os.lstat = self._noting(_stat, self.seen), self._noting(_lstat, self.links)
        able = [functions for functions in _ABILITIES if _stat in functions]
        for functions in able:
            functions.add(os.stat)  # modules ask there, when they are imported, what the system can do
        try:
            yield
        finally:
            for functions in able:
                functions.discard(os.stat)
            _on.pop()
            os.stat, os.lstat = _stat, _lstat

    def leave(self, folder: Path) -> None:
        """Forget what was looked at in a folder: the next decision does without it."""
        for seen in (self.seen, self.links):
            for path in [path for path in seen if path.startswith(f"{folder}/")]:
                del seen[path]

    def look(self, path: str) -> None:
        """Note a file or folder, before it is read."""
        if path not in self.seen:
            self.seen[path] = fileinfo.numbers(path)

    def holds(self, folders: Sequence[Path]) -> bool:
        """Whether nothing of what was looked at in some folders, or these files, has changed since."""
        inside = tuple(f"{folder}/" for folder in folders)
        same = {str(folder) for folder in folders}
        return all(
            fileinfo.numbers(path) == numbers
            for path, numbers in self.seen.items()
            if path.startswith(inside) or path in same
        )

    def _noting(self, ask: Callable[..., os.stat_result], seen: dict[str, Numbers | None]) -> Any:
        def noted(path: Any, *args: Any, **options: Any) -> os.stat_result:
            if isinstance(path, int) or options.get("dir_fd") is not None:
                return ask(path, *args, **options)
            kind = seen if options.get("follow_symlinks", True) else self.links
            try:
                found = ask(path, *args, **options)
            except OSError:
                kind.setdefault(_absolute(path), None)
                raise
            kind.setdefault(_absolute(path), fileinfo.numbers_of(found))
            return found

        return noted


class Glance:
    """A decision that is kept in a file. `base` is the folder that most of what was looked at is in."""

    def __init__(self, path: Path, base: Path) -> None:
        self._path = path
        self._base = str(base)

    def recall(self) -> Any:
        """What came of the decision, if it would be the same now; else None."""
        data = files.read(self._path)
        if data is None or zlib.crc32(data[:-4]).to_bytes(4, "little") != data[-4:]:
            return None
        end = data.find(b"\n")
        head = json.loads(data[:end])
        if head.get("setting") != _setting():
            return None
        names = data[end + 1 : end + 1 + head["length"]].split(b"\0")  # looked up as they are: a little quicker
        columns, start = [], end + 1 + head["length"]
        for kind in "qqQq":
            column = array(kind)
            column.frombytes(data[start : start + 8 * len(names)])
            columns.append(column)
            start += 8 * len(names)
        try:
            here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))  # it need not be readable
        except OSError:
            return None
        try:  # names are looked up from the base: a short way
            os.chdir(self._base)
            same = _are_same(names, columns, head["links"]) and _are_gone(head["gone"])
            return head["answer"] if same and _have_content(head["fresh"]) else None
        except OSError:
            return None
        finally:
            os.fchdir(here)
            os.close(here)

    def keep(self, watch: Watch, answer: Any, own: Sequence[Path]) -> None:
        """Keep what came of the decision that `watch` has seen. `answer` is plain data.

        Nothing is kept where a file is so new that it may have changed since unseen; only of what is in the folders
        `own`, where nobody writes but mrl, the content can tell.
        """
        for path in _own_code():
            watch.look(path)
            numbers = watch.seen[path]
            if numbers is None or not settled(numbers, _STARTED):
                return  # what this process decides by is not that code
        for folder in sys.path:
            watch.look(_absolute(folder or "."))
        there, gone, fresh = dict[str, Numbers](), list[str](), list[str]()
        inside = tuple(f"{folder}/" for folder in own)
        for path, numbers in watch.seen.items():
            if numbers is None:
                if os.path.lexists(path):
                    return  # a link that leads nowhere yet
                if not watch.seen.get(os.path.dirname(path)):  # a folder's own numbers tell what comes into it
                    gone.append(path)
            elif settled(numbers, watch.since):
                there[path] = numbers
            elif f"{path}/".startswith(inside):
                fresh.append(path)
            else:
                return
        links = {path: numbers for path, numbers in watch.links.items() if numbers is not None}
        gone += [path for path, numbers in watch.links.items() if numbers is None]
        if not all(settled(one, watch.since) for one in links.values()) or len(fresh) > _FRESH:
            return
        try:
            content = {self._name(path): _content(path) for path in fresh}
            if any(fileinfo.numbers(path) != watch.seen[path] for path in fresh):
                return  # somebody else is at work
            columns = [array(kind) for kind in "qqQq"]
            for numbers in (*there.values(), *links.values()):
                for column, number in zip(columns, numbers, strict=True):
                    column.append(number)
            names = b"\0".join(os.fsencode(self._name(path)) for path in (*there, *links))
            head = {
                "setting": _setting(),
                "answer": answer,
                "length": len(names),
                "links": len(links),
                "gone": [self._name(path) for path in gone],
                "fresh": content,
            }
            data = json.dumps(head).encode() + b"\n" + names + b"".join(map(bytes, columns))
            files.write(self._path, data + zlib.crc32(data).to_bytes(4, "little"))
        except (OSError, OverflowError, ValueError):
            return  # it would only have saved time

    def _name(self, path: str) -> str:
        return path[len(self._base) + 1 :] if path.startswith(f"{self._base}/") else path


def _are_same(names: Sequence[bytes], columns: Sequence[array[int]], links: int) -> bool:
    """Whether files have the numbers that they had; the last `links` are not followed."""
    followed = len(names) - links
    stat: Callable[[bytes], os.stat_result] = os.stat
    for i, (name, size, mtime, inode, ctime) in enumerate(zip(names, *columns, strict=True)):
        if i == followed:
            stat = os.lstat
        s = stat(name)
        if s.st_mtime_ns != mtime or s.st_size != size or s.st_ino != inode or s.st_ctime_ns != ctime:
            return False
    return True


def _are_gone(names: Sequence[str]) -> bool:
    return not any(map(os.path.lexists, names))


def _have_content(contents: Mapping[str, str]) -> bool:
    return all(_content(name) == content for name, content in contents.items())


def _content(path: str) -> str:
    """A digest of a file, or of the names in a folder. Raises OSError."""
    if os.path.isdir(path):
        return names_digest(os.listdir(path))
    if os.path.getsize(path) > _MAX_FRESH:
        raise OSError
    return file_digest(path)


def _setting() -> list[Any]:
    """What counts beside files."""
    return [__version__, sys.version, list(sys.path)]


def _own_code() -> list[str]:
    found = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return [path for path in found if path and path.startswith(f"{_PACKAGE}/")]


def _absolute(path: Any) -> str:
    name = os.fsdecode(path)
    return (name if name.startswith("/") else os.path.join(os.getcwd(), name)).rstrip("/") or "/"


def _hook(event: str, args: tuple[Any, ...]) -> None:
    """The audit hook, which cannot be taken away, serves the watch that is on."""
    if _on and event in ("open", "os.listdir", "os.scandir"):
        path = "." if args[0] is None else args[0]
        if not isinstance(path, int) and not os.fsdecode(path).endswith(".pyc"):
            _on[-1].look(_absolute(path))


_on: list[Watch] = []
_hooked: list[bool] = []
