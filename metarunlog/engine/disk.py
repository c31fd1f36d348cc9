"""The state of files: size, mtime_ns, inode, ctime_ns and digest; what is the same is not read again.

Content decides. The four numbers only save reading a file: where all are equal, and the file was not changed within
the clock's grain before they were taken, the content is taken to be the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from metarunlog import blocks, fileinfo
from metarunlog.engine.listing import names_digest
from metarunlog.fileinfo import Numbers, settled

if TYPE_CHECKING:
    from metarunlog.engine.spec import Place

#: [size, mtime_ns, inode, ctime_ns, digest]; None for a file that is not there. JSON as it stands.
FileState = Sequence[int | str] | None

_BLOCKS = "blocks:"
_SMALL = 1 << 20  # bytes
_UNKNOWN: Numbers = (-1, 0, 0, 0)
GONE = "gone"


class Disk:
    """A view of the files for one command. Every file is asked for once; `forget` what was written since.

    `trust` false reads every file (`--verify`). What an `earlier` view has asked for need not be asked for again.
    """

    def __init__(self, place: Place, *, trust: bool = True, earlier: Disk | None = None) -> None:
        self.place = place
        self.since = now_ns()  # before any file was asked for
        self._trust = trust
        self._stats: dict[str, Numbers | None] = {}
        self._digests: dict[str, str] = {}
        self._earlier: Mapping[str, Numbers | None] = {} if earlier is None else earlier._stats

    def numbers(self, key: str) -> Numbers | None:
        """Size, mtime_ns, inode, ctime_ns; None where there is no such file."""
        if key not in self._stats:
            found = self._earlier.get(key, _UNKNOWN)  # other threads forget what is there
            self._stats[key] = fileinfo.numbers(self.place.path(key)) if found is _UNKNOWN else found
        return self._stats[key]

    def digest(self, key: str, old: FileState = None) -> str:
        """Of the content, see `file_digest`; of a folder, of the names in it; `gone` for what cannot be read."""
        if key not in self._digests:
            path = self.place.path(key)
            try:
                if os.path.isdir(path):
                    self._digests[key] = names_digest(os.listdir(path))
                else:
                    self._digests[key] = file_digest(path, old if self._trust else None)
            except OSError:
                self._digests[key] = GONE
        return self._digests[key]

    def state(self, key: str, old: FileState = None, at: int = 0) -> FileState:
        """All of it, as traces keep it; `old` is an earlier one, taken at the time `at` (ns)."""
        numbers = self.numbers(key)
        if numbers is None:
            return None
        if old is not None and self._trust and numbers == tuple(old[:4]) and settled(numbers, at):
            return old
        return [*numbers, self.digest(key, old)]

    def same(self, key: str, old: FileState, at: int) -> bool:
        """Whether the content is still that of `old`, a state taken at the time `at` (ns)."""
        numbers = self.numbers(key)
        if old is None or numbers is None:
            return old is None and numbers is None
        if self._trust and numbers == tuple(old[:4]) and settled(numbers, at):
            return True
        return (numbers[0] == old[0] or os.path.isdir(self.place.path(key))) and self.digest(key) == old[4]

    def differing(self, states: Mapping[str, FileState], at: int) -> list[str]:
        """The keys of states that are not those of now: not `same`."""
        return self._not(self.same, states, at)

    def moved_from(self, states: Mapping[str, FileState], at: int) -> list[str]:
        """The keys of states that should be recorded anew: not `exactly` those of now."""
        return self._not(self.exactly, states, at)

    def _not(self, holds: Callable[[str, FileState, int], bool], states: Mapping[str, FileState], at: int) -> list[str]:
        """The keys of states for which something does not hold; quick where files are as they were, as nearly all are
        of a task with many."""
        stats, before, found = self._stats, at - fileinfo.GRAIN_NS, []
        for key, old in states.items():
            now = stats[key] if key in stats else self.numbers(key)
            if now is None and old is None:
                continue
            if self._trust and now is not None and old is not None and now[1] < before > now[3]:
                size, mtime, inode, ctime, _ = old
                if now == (size, mtime, inode, ctime):
                    continue
            if not holds(key, old, at):
                found.append(key)
        return found

    def exactly(self, key: str, old: FileState, at: int) -> bool:
        """Whether `same` needs no reading: otherwise the state should be recorded anew."""
        numbers = self.numbers(key)
        if old is None or numbers is None:
            return old is None and numbers is None
        return numbers == tuple(old[:4]) and settled(numbers, at)

    def moved(self, key: str, old: FileState) -> FileState:
        """The state of a file whose content is that of `old`, with its numbers as they were when it was asked for."""
        numbers = self.numbers(key)
        return None if numbers is None or old is None else [*numbers, old[4]]

    def assume(self, states: Mapping[str, FileState]) -> None:
        """Take states as those of now, of files that were not asked for yet."""
        for key, state in states.items():
            if key not in self._stats:
                size, mtime, inode, ctime, digest = state or (0, 0, 0, 0, "")
                self._stats[key] = None if state is None else (int(size), int(mtime), int(inode), int(ctime))
                self._digests[key] = str(digest)

    def pretend_gone(self, keys: Iterable[str]) -> None:
        """Take files as deleted that are about to be."""
        self._stats.update(dict.fromkeys(keys))

    def forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._stats.pop(key, None)
            self._digests.pop(key, None)


def file_digest(path: str, old: FileState = None) -> str:
    """sha256 of a file's content; of a large one, those of its blocks. OSError where it cannot be read.

    With an earlier state, a large file that has grown since is taken to begin as it did, if its first and last old
    block are the same.
    """
    import hashlib

    with open(path, "rb", buffering=0) as f:
        size = os.fstat(f.fileno()).st_size
        if size < blocks.LARGE:
            small = size < _SMALL  # then many times as quick as a loop
            return (hashlib.sha256(f.readall()) if small else hashlib.file_digest(f, "sha256")).hexdigest()

        def read(start: int, length: int) -> bytes:
            return os.pread(f.fileno(), length, start)

        known = None
        if old is not None and str(old[4]).startswith(_BLOCKS) and blocks.LARGE <= int(old[0]) < size:
            known = blocks.continued(read, int(old[0]), str(old[4])[len(_BLOCKS) :].split(","), hashlib.sha256)
        start = int(old[0]) if old is not None and known is not None else 0
        return _BLOCKS + ",".join(blocks.of(read, size, known or blocks.Blocks(hashlib.sha256), start).digests)


def now_ns() -> int:
    return time.time_ns()
