"""Digests of files by blocks: of one that has grown, what was there is known by its first and last block.

What that cannot see is a change in the middle of a file that has grown as well. Whoever has to be sure reads all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

BLOCK = 16 << 20  # bytes
LARGE = 64 << 20  # bytes; a smaller file is always read as a whole

Read = Callable[[int, int], bytes]  # (offset, size) -> what is there, less only at the end of the file


class Hash(Protocol):
    """What hashlib and google_crc32c make."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> Any: ...


class Blocks:
    """A digest of each block of what it is given, one piece after the other."""

    def __init__(self, new: Callable[[], Hash], full: Sequence[str] = ()) -> None:
        self._new = new
        self._full = list(full)
        self._open = new()
        self._room = BLOCK

    def update(self, data: bytes) -> None:
        """Add what follows."""
        start = 0
        while len(data) - start >= self._room:
            part = data[start : start + self._room]
            self._open.update(part)
            self._full.append(_text(self._open))
            start += len(part)
            self._open, self._room = self._new(), BLOCK
        self._open.update(data[start:] if start else data)
        self._room -= len(data) - start

    @property
    def digests(self) -> list[str]:
        """The last one is of a block that may not be full."""
        return self._full + ([_text(self._open)] if self._room < BLOCK else [])


def _text(made: Hash) -> str:
    digest = made.hexdigest()
    return digest.decode() if isinstance(digest, bytes) else str(digest)


def of(read: Read, size: int, blocks: Blocks, start: int = 0) -> Blocks:
    """The blocks of the first `size` bytes of a file, added to those up to `start`."""
    while start < size and (data := read(start, min(BLOCK, size - start))):
        blocks.update(data)
        start += len(data)
    return blocks


def continued(read: Read, size: int, known: Sequence[str], new: Callable[[], Hash]) -> Blocks | None:
    """The blocks of the first `size` bytes of a file, if these are the known ones; None if they are others.

    Of a large file only the first and the last block are read.
    """
    if len(known) != -(-size // BLOCK):
        return None
    last = (len(known) - 1) * BLOCK if size > LARGE else 0
    if last and of(read, BLOCK, Blocks(new)).digests != list(known[:1]):
        return None
    found = of(read, size, Blocks(new, known[: last // BLOCK]), last)
    return found if found.digests == list(known) else None
