"""Worker processes: each job of the user's in a process of its own, the others in a few that are kept."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from metarunlog.engine.spec import Job
from metarunlog.engine.tracing import Seen
from metarunlog.engine.zygote import STATUS

# Fixed so that the same input gives the same output; one thread a process, as the pool uses the cores.
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "agg",
    "PYTHONUNBUFFERED": "1",
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
}


@dataclass(frozen=True)
class Result:
    """What came of a job: its value, or the error (the traceback, or how the process died)."""

    value: Any = None
    error: str | None = None
    crashed: bool = False
    seen: Seen | None = None


@dataclass(frozen=True)
class _Worker:
    jobs: Connection
    status: socket.socket

    def close(self) -> None:
        self.jobs.close()
        self.status.close()


class Workers:
    """Does jobs for any number of threads. `close` ends all processes; so does the end of this one."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "metarunlog.engine.zygote", str(theirs.fileno()), str(root)]
        self._process = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, **_ENVIRONMENT, **environment},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if _has_descriptor(sys.stderr) else subprocess.DEVNULL,
        )
        theirs.close()
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []

    def call(self, job: Job, not_inputs: tuple[str, ...] = ()) -> Result:
        """Do a job and wait for it. `not_inputs` are path prefixes that a trace leaves out."""
        worker = self._fork(b"u") if job.isolated else self._take()
        try:
            worker.jobs.send_bytes(pickle.dumps((job.function, dict(job.kwargs), job.isolated, not_inputs)))
            value, error, seen = pickle.loads(worker.jobs.recv_bytes())
        except (EOFError, OSError, pickle.UnpicklingError):
            how = _died(worker.status)
            worker.close()
            return Result(error=how, crashed=True)
        if job.isolated:
            worker.close()
        else:
            with self._lock:
                self._idle.append(worker)
        return Result(value, error, False, seen)

    def close(self) -> None:
        for worker in self._idle:
            worker.close()
        self._idle.clear()
        self._control.close()
        self._process.wait()

    def _take(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._fork(b"n")

    def _fork(self, kind: bytes) -> _Worker:
        jobs, jobs_theirs = socket.socketpair()
        status, status_theirs = socket.socketpair()
        with self._lock:
            socket.send_fds(self._control, [kind], [jobs_theirs.fileno(), status_theirs.fileno()])
        jobs_theirs.close()
        status_theirs.close()
        return _Worker(Connection(jobs.detach()), status)


def _died(status: socket.socket) -> str:
    """How a worker ended, in words."""
    data = status.recv(STATUS.size)
    if len(data) < STATUS.size:
        return "the process was lost"
    code = STATUS.unpack(data)[0]
    if code < 0:
        try:
            return f"the process was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"the process was killed by signal {-code}"
    return f"the process ended itself with exit code {code}"


def _has_descriptor(stream: Any) -> bool:
    try:
        stream.fileno()
    except (AttributeError, OSError, ValueError):
        return False
    return True
