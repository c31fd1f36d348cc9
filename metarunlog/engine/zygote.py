"""The warm process: libraries loaded, no threads, and a fork of it for each worker.

Run as `python -P -m metarunlog.engine.zygote CONTROL_FD ROOT`, started by workers.py with a fixed hash seed. Messages
on the control socket bring two descriptors each: `n`, fork a worker that serves jobs on the first and write its exit
status to the second; `u`, the same with the user's modules loaded. It ends, and its workers with it, when the other
side of the control socket is closed.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import struct
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from metarunlog import files
from metarunlog.engine.tracing import Recorder, what_counts

STATUS = struct.Struct("=i")


class Zygote:
    """Forks workers; with `user_modules`, from a child of its own that has these loaded."""

    def __init__(self, control: socket.socket, root: str, recorder: Recorder, user_error: str | None = None) -> None:
        self._control = control
        self._root = root
        self._recorder = recorder
        self._user_error = user_error
        self._children: dict[int, int] = {}  # pid -> descriptor that takes the exit status
        self._for_user: socket.socket | None = None

    def run(self) -> None:
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
                message, fds, _, _ = socket.recv_fds(self._control, 1, 2)
                if not message:
                    break
                if message == b"u" and self._for_user is None:
                    self._for_user = self._fork_for_user()
                if message == b"u":
                    assert self._for_user is not None
                    socket.send_fds(self._for_user, [b"n"], fds)
                    for fd in fds:
                        os.close(fd)
                else:
                    self._fork_worker(*fds)
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _fork_worker(self, jobs: int, status: int) -> None:
        pid = os.fork()
        if pid == 0:
            _become_child()
            self._control.close()
            os.close(status)
            if self._for_user is not None:
                self._for_user.close()
            for fd in self._children.values():
                os.close(fd)
            serve(Connection(jobs), self._root, self._recorder, self._user_error)
            os._exit(0)
        os.close(jobs)
        self._children[pid] = status

    def _fork_for_user(self) -> socket.socket:
        """A child that is a zygote itself, so that what the user's modules do to libraries stays out of ours."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            _become_child()
            self._control.close()
            ours.close()
            for fd in self._children.values():
                os.close(fd)
            self._recorder.start()
            error = load_user_modules(self._root)
            self._recorder.on = False
            Zygote(theirs, self._root, self._recorder, error).run()
            os._exit(0)
        theirs.close()
        return ours

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            fd = self._children.pop(pid, None)
            if fd is not None:
                with contextlib.suppress(BrokenPipeError):
                    os.write(fd, STATUS.pack(os.waitstatus_to_exitcode(status)))
                os.close(fd)


def serve(jobs: Connection, root: str, recorder: Recorder, user_error: str | None) -> None:
    """Do jobs until the other side closes: (function, kwargs, isolated, not_inputs) -> (value, error, Seen or None)."""
    at_import = (dict(recorder.reads), set(recorder.listings), set(recorder.hidden))
    while True:
        try:
            function, kwargs, isolated, not_inputs = pickle.loads(jobs.recv_bytes())
        except EOFError:
            return
        value, error, seen = None, None, None
        try:
            call = _resolve(function)
            if isolated:
                _seed()
                recorder.start()
                recorder.reads.update(at_import[0])
                recorder.listings |= at_import[1]
                recorder.hidden |= at_import[2]
                kwargs = {**kwargs, "import_error": user_error}
            value = call(**kwargs)
        except BaseException:
            error = traceback.format_exc()
        recorder.on = False
        if isolated:
            seen = what_counts(recorder, root, not_inputs)
        sys.stderr.flush()
        jobs.send_bytes(pickle.dumps((value, error, seen)))


def load_user_modules(root: str) -> str | None:
    """Import the project's analysis module; the traceback if that fails, None if all is well or there is none.

    Compiled files are neither read nor written: they are judged by time and size, and would clutter the project.
    """
    import importlib

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
    import importlib

    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)


def _seed() -> None:
    import random

    random.seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)


def _become_child() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at Ctrl-C the other side decides
    control = socket.socket(fileno=int(sys.argv[1]))
    recorder = Recorder()
    recorder.install()
    with contextlib.suppress(ImportError):
        import pandas  # noqa: F401  (warm: nearly every job wants it)
    Zygote(control, sys.argv[2], recorder).run()


if __name__ == "__main__":
    main()
