"""One mrl at a time works on an experiment; the second waits, saying for whom, or gives up."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from metarunlog import files
from metarunlog.errors import LockedError


@contextmanager
def locked(memory: Path, *, wait: bool, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of the experiment whose `.mrl.d` is `memory`. LockedError where it is held and `wait` is false."""
    from filelock import FileLock, Timeout

    memory.mkdir(parents=True, exist_ok=True)
    holder = memory / "lock.holder"
    lock = FileLock(memory / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = _read(holder)
        if not wait:
            raise LockedError(f"experiment {memory.parent.name} is being worked on by {who}; try again later") from None
        say(f"waiting for {who} to finish with experiment {memory.parent.name}")
        lock.acquire()
    try:
        files.write(holder, f"mrl, process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _read(holder: Path) -> str:
    try:
        return holder.read_text().strip()
    except OSError:
        return "another mrl"
