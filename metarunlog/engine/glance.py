"""A decision that holds while nothing that it looked at has changed: found again by a stat of each file and folder.

The traces decide what is stale. Of such a decision this keeps what came of it, and the numbers of all that was looked
at on the way, packed, so that a command with nothing to do decodes no trace, and one where little has changed decides
about little. It is derived: where it cannot be told what has changed, everything is decided anew.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from metarunlog import __version__, fileinfo, files
from metarunlog.engine.disk import file_digest
from metarunlog.engine.listing import names_digest
from metarunlog.engine.watch import Watch, absolute
from metarunlog.fileinfo import Numbers, settled

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FORMAT = 2  # raise it when another thing is kept
_FRESH = 1_000  # files that may be so new that their content has to tell
_MAX_FRESH = 16 << 20  # bytes of one of them
_MANY = 1_000  # changes of which each is told

_STARTED = time.time_ns()


class _Table(NamedTuple):
    """What a decision looked at. Names are relative to the base where that is possible.

    `names` are as they are looked up, `columns` their numbers; the last `links` of them are not followed.
    """

    names: Sequence[bytes]
    columns: Sequence[array[int]]
    links: int
    gone: Sequence[str]
    fresh: Mapping[str, str]  # name -> digest of what was too new for its numbers to tell


class Kept(NamedTuple):
    """A decision that was kept, and the absolute paths of all that has changed since of what it looked at."""

    answer: Any
    changed: frozenset[str]
    table: _Table


class Glance:
    """A decision that is kept in a file. `base` is the folder that most of what was looked at is in."""

    def __init__(self, path: Path, base: Path) -> None:
        self._path = path
        self._base = str(base)

    def recall(self) -> Any:
        """What came of the decision, if it would be the same now; else None."""
        kept = self.look(most=0)
        return None if kept is None else kept.answer

    def look(self, most: int = _MANY) -> Kept | None:
        """The decision, and what has changed since; None where there is none, or more than `most` has changed."""
        read = self._read()
        changed = None if read is None else self._changes(read[1], most)
        if read is None or changed is None:
            return None
        return Kept(read[0], frozenset(map(self._path_of, changed)), read[1])

    def keep(self, watch: Watch, answer: Any, own: Sequence[Path], before: Kept | None = None) -> None:
        """Keep what came of the decision that `watch` has seen. `answer` is plain data. `before` is the decision that
        this one took over, but for what had changed.

        Nothing is kept where a file is so new that it may have changed since unseen; only of what is in the folders
        `own`, where nobody writes but mrl, the content can tell.
        """
        for path in _own_code():
            watch.look(path)
            numbers = watch.seen[path]
            if numbers is None or not settled(numbers, _STARTED):
                return  # what this process decides by is not that code
        for folder in sys.path:
            watch.look(absolute(folder or "."))
        there, links = self._untouched(before, watch)
        gone, fresh = list[str](), list[str]()
        inside = tuple(f"{folder}/" for folder in own)
        for path, numbers in watch.seen.items():
            if numbers is None:
                if os.path.lexists(path):
                    return  # a link that leads nowhere yet
                folder = os.path.dirname(path)  # its own numbers tell what comes into it
                if not watch.seen.get(folder) and folder not in there:
                    gone.append(path)
            elif settled(numbers, watch.since):
                there[path] = numbers
            elif f"{path}/".startswith(inside):
                fresh.append(path)
            else:
                return
        links |= {path: numbers for path, numbers in watch.links.items() if numbers is not None}
        gone += [path for path, numbers in watch.links.items() if numbers is None]
        if not all(settled(one, watch.since) for one in links.values()) or len(fresh) > _FRESH:
            return
        try:
            content = {path: _content(path) for path in fresh}
            if any(fileinfo.numbers(path) != watch.seen[path] for path in fresh):
                return  # somebody else is at work
            if before is not None:
                new = {*watch.seen, *watch.links, *before.changed}
                gone += [path for path in map(self._path_of, before.table.gone) if path not in new]
                old = {self._path_of(name): digest for name, digest in before.table.fresh.items()}
                content |= {path: digest for path, digest in old.items() if path not in new}
            self._write(answer, there, links, gone, content)
        except (OSError, OverflowError, ValueError):
            return  # it would only have saved time

    def _untouched(self, before: Kept | None, watch: Watch) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
        """Files of an earlier decision that have not changed and were not looked at again, and links likewise."""
        there, links = dict[str, Numbers](), dict[str, Numbers]()
        if before is not None:
            new, table = {*watch.seen, *watch.links, *before.changed}, before.table
            paths = [self._path_of(os.fsdecode(name)) for name in table.names]
            for at, (path, numbers) in enumerate(zip(paths, zip(*table.columns, strict=True), strict=True)):
                if path not in new:
                    (there if at < len(paths) - table.links else links)[path] = numbers
        return there, links

    def _write(
        self,
        answer: Any,
        there: Mapping[str, Numbers],
        links: Mapping[str, Numbers],
        gone: Sequence[str],
        fresh: Mapping[str, str],
    ) -> None:
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
            "gone": list(map(self._name, gone)),
            "fresh": {self._name(path): content for path, content in fresh.items()},
        }
        data = json.dumps(head).encode() + b"\n" + names + b"".join(map(bytes, columns))
        files.write(self._path, data + zlib.crc32(data).to_bytes(4, "little"))

    def _read(self) -> tuple[Any, _Table] | None:
        """What came of the decision, and what it looked at."""
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
        return head["answer"], _Table(names, columns, head["links"], head["gone"], head["fresh"])

    def _changes(self, table: _Table, most: int) -> list[str] | None:
        """Names of what has other numbers, or another content; None where it is more than `most`, or cannot be told."""
        try:
            here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))  # it need not be readable
        except OSError:
            return None
        try:  # names are looked up from the base: a short way
            os.chdir(self._base)
            places = _differing(table, most)
            if places is None:
                return None
            changed = [os.fsdecode(table.names[at]) for at in places]
            changed += filter(os.path.lexists, table.gone)
            changed += [name for name, content in table.fresh.items() if _content_or_none(name) != content]
            return changed if len(changed) <= most else None
        except OSError:
            return None
        finally:
            os.fchdir(here)
            os.close(here)

    def _name(self, path: str) -> str:
        return path[len(self._base) + 1 :] if path.startswith(f"{self._base}/") else path

    def _path_of(self, name: str) -> str:
        return name if name.startswith("/") else f"{self._base}/{name}"


def _differing(table: _Table, most: int) -> list[int] | None:
    """Which files have not the numbers that they had; None where that are more than `most`."""
    followed = len(table.names) - table.links
    stat: Callable[[bytes], os.stat_result] = os.stat
    found: list[int] = []
    for i, (name, size, mtime, inode, ctime) in enumerate(zip(table.names, *table.columns, strict=True)):
        if i == followed:
            stat = os.lstat
        try:
            s = stat(name)
            if s.st_mtime_ns == mtime and s.st_size == size and s.st_ino == inode and s.st_ctime_ns == ctime:
                continue
        except OSError:
            pass
        if len(found) == most:
            return None
        found.append(i)
    return found


def _content(path: str) -> str:
    """A digest of a file, or of the names in a folder. Raises OSError."""
    if os.path.isdir(path):
        return names_digest(os.listdir(path))
    if os.path.getsize(path) > _MAX_FRESH:
        raise OSError
    return file_digest(path)


def _content_or_none(path: str) -> str | None:
    try:
        return _content(path)
    except OSError:
        return None


def _setting() -> list[Any]:
    """What counts beside files."""
    return [_FORMAT, __version__, sys.version, list(sys.path)]


def _own_code() -> list[str]:
    found = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return [path for path in found if path and path.startswith(f"{_PACKAGE}/")]
