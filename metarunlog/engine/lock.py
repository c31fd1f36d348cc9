"""One mrl at a time works on an experiment; the second waits, saying for whom, or gives up.

The lock is the system's, which a process that dies gives back. Where the file system has none, a file that names host,
process and start takes its place: one left by a dead process of this host is taken over, another host's is not.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from metarunlog import files
from metarunlog.errors import LockedError

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: In the environment of what a holder starts, so that it does not wait for its own parent: JSON, folder -> process.
HELD = "MRL_HELD"
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})


@contextmanager
def locked(
    memory: Path, *, wait: bool, say: Callable[[str], None], who: str = "mrl", what: str | None = None
) -> Iterator[bool]:
    """Hold the lock of the folder whose `.mrl.d` is `memory`; gives whether its last holder was killed.

    LockedError where it is held and `wait` is false.
    """
    held = _held()
    if (holding := held.get(str(memory))) is not None and holding != os.getpid() and _is_alive(holding):
        yield False  # it is the process that started this one
        return
    memory.mkdir(parents=True, exist_ok=True)
    holder = memory / "lock.holder"
    lock = _acquire(memory, what or f"experiment {memory.parent.name}", lambda: _read(holder), wait, say)
    try:
        killed = holder.exists()
        for name in filter(files.is_temporary, os.listdir(memory)):
            (memory / name).unlink(missing_ok=True)  # whoever was writing it is dead
        files.write(holder, f"{who}, process {os.getpid()} on {socket.gethostname()}\n".encode())
        os.environ[HELD] = json.dumps({**held, str(memory): os.getpid()})
        yield killed
    finally:
        os.environ[HELD] = json.dumps(held)
        holder.unlink(missing_ok=True)
        lock.release()


class Locks:
    """Locks that are held until `release`, or this process ends."""

    def __init__(self, say: Callable[[str], None], who: str) -> None:
        self._say, self._who = say, who
        self._held: set[Path] = set()
        self._stack = ExitStack()
        self._process = os.getpid()

    def hold(self, memory: Path, what: str | None = None) -> bool:
        """Get a lock, waiting for it; whether it was not held already. Forked processes have their parent's."""
        if memory in self._held or os.getpid() != self._process:
            return False
        if not self._held:
            atexit.register(self.release)
        self._stack.enter_context(locked(memory, wait=True, say=self._say, who=self._who, what=what))
        self._held.add(memory)
        return True

    def holds(self, memory: Path) -> bool:
        return memory in self._held

    def release(self) -> None:
        if os.getpid() == self._process:
            self._stack.close()
            self._held.clear()


def _acquire(
    memory: Path, what: str, holder: Callable[[], str], wait: bool, say: Callable[[str], None]
) -> BaseFileLock:
    from filelock import FileLock, SoftFileLock, Timeout

    lock: BaseFileLock = FileLock(memory / "lock", fallback_to_soft=False)
    hint = ""
    try:
        try:
            lock.acquire(timeout=0)
        except OSError as error:
            if isinstance(error, Timeout) or error.errno not in _NO_LOCKS:
                raise
            lock = SoftFileLock(memory / "lock.soft", poll_interval=0.2)
            hint = f"; if that is no more, delete {memory / 'lock.soft'}"
            lock.acquire(timeout=1)  # a dead holder is found out in the second try
    except Timeout:
        if not wait:
            raise LockedError(f"{what} is being worked on by {holder()}; try again later{hint}") from None
        say(f"waiting for {holder()} to finish with {what}{hint}")
        lock.acquire()
    return lock


def _held() -> dict[str, int]:
    """What processes that started this one hold."""
    try:
        return dict(json.loads(os.environ.get(HELD, "{}")))
    except (ValueError, TypeError):
        return {}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _read(holder: Path) -> str:
    try:
        return holder.read_text().strip() or "another mrl"
    except OSError:
        return "another mrl"
