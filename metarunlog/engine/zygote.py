"""The warm process: libraries loaded, no threads, and a fork of it for each worker.

Run as `python -P -m metarunlog.engine.zygote CONTROL_FD ROOT MODULES`, started by workers.py with a fixed hash seed.
Messages on the control socket bring four descriptors each: `n`, fork a worker that serves jobs on the first, write
its process number and later its exit status to the second, and give it the third for its output and the last to note
what it reads; `u`, the same with the user's modules loaded. It ends, and its workers with it, when the other side of
the control socket is closed; no signal from the terminal or a process group ends it before that. A worker is a
process group of its own, which is killed when the worker ends, so that what a function started does not outlive it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import struct
import sys
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

from metarunlog import files
from metarunlog.engine.listing import Scope
from metarunlog.engine.seen import what_counts
from metarunlog.engine.tracing import Recorder

STATUS = struct.Struct("=i")
NO_PROCESS = -1  # in place of a process number: the user's modules cannot be imported without ending the process
FDS = 4
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Zygote:
    """Forks workers; with `user_modules`, from a child of its own that has these loaded."""

    def __init__(self, control: socket.socket, root: str, recorder: Recorder, user_error: str | None = None) -> None:
        self._control = control
        self._root = root
        self._recorder = recorder
        self._user_error = user_error
        self._children: dict[int, int] = {}  # pid -> descriptor that takes the exit status
        self._for_user: socket.socket | None = None
        self._user_pid = 0  # of that zygote

    def run(self) -> None:
        _adopt_orphans()
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            ready, _, _ = select.select([self._control.fileno(), wake_read], [], [])
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
                self._reap()
            if self._control.fileno() in ready:
                message, fds = b"", list[int]()
                with contextlib.suppress(ConnectionResetError):  # closed with something unread
                    message, fds, _, _ = socket.recv_fds(self._control, 1, FDS)
                if not message:
                    break
                if message == b"u":
                    self._pass_on(fds)
                else:
                    self._fork_worker(*fds)
        if self._for_user is not None:
            self._for_user.close()
        for pid in (*self._children, *(_orphans() - {self._user_pid})):
            _kill_group(pid)
        self._end_user_zygote()

    def _pass_on(self, fds: list[int]) -> None:
        """Have the zygote that has the user's modules fork the worker."""
        if self._for_user is None:
            self._for_user = self._fork_for_user(fds)
        try:
            socket.send_fds(self._for_user, [b"n"], fds)
        except OSError:
            if _was_ready(self._for_user):  # somebody else has ended it: whoever asked will ask again
                self._for_user.close()
                self._for_user = None
            else:
                with contextlib.suppress(BrokenPipeError):
                    os.write(fds[1], STATUS.pack(NO_PROCESS))
        for fd in fds:
            os.close(fd)

    def _end_user_zygote(self) -> None:
        """It ends by itself, unless it is still importing."""
        deadline = time.monotonic() + 0.5
        while self._user_pid and time.monotonic() < deadline:
            if os.waitpid(self._user_pid, os.WNOHANG)[0]:
                return
            time.sleep(0.005)
        if self._user_pid:
            _kill_group(self._user_pid)

    def _fork_worker(self, jobs: int, status: int, output: int, log: int) -> None:
        pid = os.fork()
        if pid == 0:
            _become_child()
            os.setsid()
            self._control.close()
            os.close(status)
            if self._for_user is not None:
                self._for_user.close()
            for fd in self._children.values():
                os.close(fd)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            self._recorder.log = log
            serve(Connection(jobs), self._recorder, self._user_error)
            os._exit(0)
        for fd in (jobs, output, log):
            os.close(fd)
        with contextlib.suppress(BrokenPipeError):
            os.write(status, STATUS.pack(pid))
        self._children[pid] = status

    def _fork_for_user(self, fds: list[int]) -> socket.socket:
        """A child that is a zygote itself, so that what the user's modules do to libraries stays out of ours."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            _become_child(ignore=True)
            os.setsid()
            self._control.close()
            ours.close()
            for fd in (*self._children.values(), *fds):
                os.close(fd)
            self._recorder.start()
            error = load_user_modules(self._root)
            self._recorder.on = False
            theirs.send(b"r")
            Zygote(theirs, self._root, self._recorder, error).run()
            os._exit(0)
        theirs.close()
        self._user_pid = pid
        return ours

    def _reap(self) -> None:
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # before its number can be another's
            status = os.waitpid(pid, 0)[1]
            if pid == self._user_pid:
                self._user_pid = 0
            fd = self._children.pop(pid, None)
            if fd is not None:
                with contextlib.suppress(BrokenPipeError):
                    os.write(fd, STATUS.pack(os.waitstatus_to_exitcode(status)))
                os.close(fd)


def serve(jobs: Connection, recorder: Recorder, user_error: str | None) -> None:
    """Do jobs until the other side closes.

    A job is (function, kwargs, isolated, scope, aside, since); the answer (value, error, Seen or None).
    """
    at_import = recorder.copy()
    process = os.getpid()
    while True:
        try:
            function, kwargs, isolated, scope, aside, since = pickle.loads(jobs.recv_bytes())
        except EOFError:
            return
        value, error, seen = None, None, None
        try:
            call = _resolve(function)
            if isolated:
                _seed()
                recorder.scope, recorder.aside = Scope(*scope), aside
                recorder.start(at_import)
                kwargs = {**kwargs, "import_error": user_error, "recorder": recorder}
            value = call(**kwargs)
        except BaseException:
            error = traceback.format_exc()
        if os.getpid() != process:
            os._exit(0)  # the function forked, and this is not the one whose answer is waited for
        recorder.on = False
        if isolated:
            seen = what_counts(recorder, Scope(*scope), since)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the function may have closed it
                stream.flush()
        jobs.send_bytes(pickle.dumps((value, error, seen)))


def load_user_modules(root: str) -> str | None:
    """Import the project's analysis module; the traceback if that fails, None if all is well or there is none.

    Compiled files are neither read nor written: they are judged by time and size, and would clutter the project.
    """
    sys.dont_write_bytecode = True
    sys.pycache_prefix = os.path.join(root, files.MEMORY, "no-compiled-files")
    sys.path.insert(0, root)
    os.chdir(root)
    if not os.path.exists(os.path.join(root, files.ANALYZE)):
        return None
    try:
        importlib.import_module(os.path.splitext(files.ANALYZE)[0])
    except BaseException:
        return traceback.format_exc()
    return None


def _resolve(function: str) -> Any:
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)


def _seed() -> None:
    import random

    random.seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)


def _become_child(*, ignore: bool = False) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN if ignore else signal.SIG_DFL)


def _was_ready(user_zygote: socket.socket) -> bool:
    """Whether the zygote at the other end, which is gone, had imported the user's modules."""
    with contextlib.suppress(OSError):
        return user_zygote.recv(1, socket.MSG_DONTWAIT) == b"r"
    return False


def _adopt_orphans() -> None:
    """Become, on Linux, the parent of what workers leave behind, even in a session of its own, so as to end it."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def _orphans() -> set[int]:
    """The children of this process, those that it has adopted among them."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as f:
            return set(map(int, f.read().split()))
    except (OSError, ValueError):
        return set()


def _kill_group(pid: int) -> None:
    """End a child and what it started. It may not have become a group yet."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def main() -> None:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)  # at Ctrl-C the other side decides
    control = socket.socket(fileno=int(sys.argv[1]))
    recorder = Recorder()
    recorder.install()
    for name in filter(None, sys.argv[3].split(",")):  # nearly every job wants them
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # none of it will go: no fork need look through it, nor the end
    Zygote(control, sys.argv[2], recorder).run()


if __name__ == "__main__":
    main()
