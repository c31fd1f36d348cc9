"""Digests of files by blocks: of one that has grown, what was there is known by its first and last block.

What that cannot see is a change in the middle of a file that has grown as well. Whoever has to be sure reads all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

BLOCK = 16 << 20  # bytes
LARGE = 64 << 20  # bytes; a smaller file is always read as a whole

Read = Callable[[int, int], bytes]  # (offset, size) -> what is there, less only at the end of the file


class Blocks:
    """sha256 of each block of what it is given, one piece after the other."""

    def __init__(self, full: Sequence[str] = ()) -> None:
        self._full = list(full)
        self._open = hashlib.sha256()
        self._room = BLOCK

    def update(self, data: bytes) -> None:
        view = memoryview(data)
        while len(view) >= self._room:
            self._open.update(view[: self._room])
            self._full.append(self._open.hexdigest())
            view = view[self._room :]
            self._open, self._room = hashlib.sha256(), BLOCK
        self._open.update(view)
        self._room -= len(view)

    @property
    def digests(self) -> list[str]:
        """The last one is of a block that may not be full."""
        return self._full + ([self._open.hexdigest()] if self._room < BLOCK else [])


def of(read: Read, size: int, start: int = 0, blocks: Blocks | None = None) -> Blocks:
    """The blocks of the first `size` bytes of a file; those up to `start` are there already."""
    blocks = blocks or Blocks()
    while start < size and (data := read(start, min(BLOCK, size - start))):
        blocks.update(data)
        start += len(data)
    return blocks


def continued(read: Read, size: int, known: Sequence[str]) -> Blocks | None:
    """The blocks of the first `size` bytes of a file, if these are the known ones; None if they are others.

    Of a large file only the first and the last block are read.
    """
    if len(known) != -(-size // BLOCK):
        return None
    last = (len(known) - 1) * BLOCK if size > LARGE else 0
    if last and of(read, BLOCK).digests != list(known[:1]):
        return None
    found = of(read, size, last, Blocks(known[: last // BLOCK]))
    return found if found.digests == list(known) else None
