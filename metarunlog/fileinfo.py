"""What tells without reading it that a file is as it was: its size, times and inode."""

from __future__ import annotations

import os

#: Size, mtime_ns, inode, ctime_ns: what changes when a file is written, copied or replaced.
Numbers = tuple[int, int, int, int]

#: A change this close before a file was looked at may be hidden by an equal time; FAT and some network disks count 2 s.
GRAIN_NS = 2_000_000_000


def numbers(path: str | os.PathLike[str]) -> Numbers | None:
    """Those of a file or folder, links followed; None where it is not there, or not to be seen."""
    try:
        return numbers_of(os.stat(path))
    except OSError:
        return None


def numbers_of(info: os.stat_result) -> Numbers:
    return info.st_size, info.st_mtime_ns, info.st_ino, info.st_ctime_ns


def settled(numbers: Numbers, at: int) -> bool:
    """Whether a file that has these numbers at a time (ns) would have others after a change since then."""
    return max(numbers[1], numbers[3]) < at - GRAIN_NS
