"""Worker processes: each job of the user's in a process of its own, the others in a few that are kept."""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from metarunlog.engine.listing import Scope
from metarunlog.engine.seen import Seen, what_counts
from metarunlog.engine.spec import Job
from metarunlog.engine.tracing import replay
from metarunlog.engine.zygote import NO_PROCESS, STATUS

SHOWN = 1 << 20  # bytes of the output of one call that are passed on
ENDLESS = 64 << 20  # bytes of output after which a call is stopped
_TRIES = 3

# Fixed so that the same input gives the same output; one thread a process, as the pool uses the cores.
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONFAULTHANDLER": "1",
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


class Workers:
    """Does jobs for any number of threads. `close` ends all processes; so does the end of this one.

    `scope` is where the functions work; `tell` gets the lines that they print; `warm` are modules to load beforehand.
    """

    def __init__(
        self,
        root: Path,
        environment: Mapping[str, str],
        scope: Scope,
        tell: Callable[[str], None] | None = None,
        warm: Sequence[str] = (),
    ) -> None:
        self._root = root
        self._environment = {**os.environ, **_ENVIRONMENT, **environment}
        self._scope = scope
        self._warm = ",".join(warm)
        self._tell = tell or _to_stderr
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._since = time.time_ns()
        self._control, theirs = socket.socketpair()
        zygote = [sys.executable, "-P", "-m", "metarunlog.engine.zygote"]
        self._process = subprocess.Popen(
            [*zygote, str(theirs.fileno()), str(self._root), self._warm],
            cwd=self._root,
            env=self._environment,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if _has_descriptor(sys.stderr) else subprocess.DEVNULL,
        )
        theirs.close()

    def call(self, job: Job, aside: str | None = None) -> Result:
        """Do a job and wait for it. `aside`: folder for copies of files of other tasks that it changes."""
        for _ in range(_TRIES):
            result = self._call(job, aside)
            if result is not None:
                return result
        return Result(error="the process was lost", crashed=True)

    def _call(self, job: Job, aside: str | None) -> Result | None:
        """None where the worker was lost: nobody knows how it ended, so it was not the job that ended it."""
        try:
            worker = self._fork(b"u") if job.isolated else self._take()
        except OSError:
            self._restart()
            return None
        message = (job.function, dict(job.kwargs), job.isolated, tuple(self._scope), aside, self._since)
        try:
            worker.jobs.send_bytes(pickle.dumps(message))
            value, error, seen = pickle.loads(worker.receive())
        except _Endless:
            stopped = f"it printed more than {ENDLESS >> 20} MB and was stopped"
            seen = self._noted(worker)
            worker.close(kill=True)
            return Result(error=stopped, crashed=True, seen=seen)
        except (EOFError, OSError, pickle.UnpicklingError):
            how, seen = worker.died(), self._noted(worker)
            worker.close()
            if how is None and not self._closed:
                return None
            return Result(error=how or "it was stopped", crashed=True, seen=seen)
        if job.isolated:
            worker.close()
        else:
            with self._lock:
                self._idle.append(worker)
        return Result(value, error, False, seen)

    def close(self) -> None:
        self._closed = True
        with self._lock:
            for worker in self._idle:
                worker.close()
            self._idle.clear()
        self._control.close()
        self._process.wait()

    def _noted(self, worker: _Worker) -> Seen:
        """What a call that died had read and written."""
        worker.log.seek(0)
        text = worker.log.read().decode(errors="replace")
        return what_counts(replay(text), self._scope, self._since)

    def _take(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._fork(b"n")

    def _restart(self) -> None:
        with self._lock:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            if not self._closed and self._process.returncode is not None:
                self._control.close()
                self._idle.clear()
                self._start()

    def _fork(self, kind: bytes) -> _Worker:
        jobs, jobs_theirs = socket.socketpair()
        status, status_theirs = socket.socketpair()
        output, output_theirs = os.pipe()
        log = _unnamed_file()
        try:
            with self._lock:
                fds = [jobs_theirs.fileno(), status_theirs.fileno(), output_theirs, log.fileno()]
                socket.send_fds(self._control, [kind], fds)
        except OSError:
            for end in (jobs, status, log):
                end.close()
            os.close(output)
            raise
        finally:
            jobs_theirs.close()
            status_theirs.close()
            os.close(output_theirs)
        return _Worker(Connection(jobs.detach()), status, output, log, self._tell)


class _Endless(Exception):
    """More output than anybody would read."""


class _Worker:
    """Our end of a worker process."""

    def __init__(
        self, jobs: Connection, status: socket.socket, output: int, log: IO[bytes], tell: Callable[[str], None]
    ) -> None:
        self.jobs = jobs
        self.log = log
        self._status = status
        self._output = output
        self._tell = tell
        self._line = b""
        self._printed = 0
        os.set_blocking(output, False)

    def receive(self) -> bytes:
        """The answer to a job; what the worker prints until then is passed on."""
        with selectors.DefaultSelector() as ready:
            ready.register(self.jobs, selectors.EVENT_READ)
            ready.register(self._output, selectors.EVENT_READ)
            while True:
                events = {key.fileobj for key, _ in ready.select()}
                if self._output in events and self._pass_on() is None:
                    ready.unregister(self._output)
                if self.jobs in events:
                    answer = self.jobs.recv_bytes()
                    while self._pass_on():
                        pass
                    return answer

    def died(self) -> str | None:
        """How the process ended, in words; None where nobody knows."""
        pid = self._number()
        if pid == NO_PROCESS:
            return "the process ended while the analysis module was imported"
        code = self._number() if pid is not None else None
        if code is None:
            return None
        with contextlib.suppress(_Endless):
            while self._pass_on():  # its last words
                pass
        if code >= 0:
            return f"the process ended itself with exit code {code}"
        try:
            return f"the process was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"the process was killed by signal {-code}"

    def close(self, *, kill: bool = False) -> None:
        if kill and (pid := self._number()) is not None and pid > 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self.jobs.close()
        self._status.close()
        self.log.close()
        os.close(self._output)
        if self._line:
            self._tell(self._line.decode(errors="replace"))
            self._line = b""

    def _number(self) -> int | None:
        data = self._status.recv(STATUS.size)
        return STATUS.unpack(data)[0] if len(data) == STATUS.size else None

    def _pass_on(self) -> bool | None:
        """Pass on some of the worker's output; False where there is none now, None where there will be none."""
        try:
            data = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            return None
        before, self._printed = self._printed, self._printed + len(data)
        if self._printed > ENDLESS:
            raise _Endless
        if before < SHOWN:
            *lines, self._line = (self._line + data).split(b"\n")
            for line in lines:
                self._tell(line.decode(errors="replace"))
            if self._printed >= SHOWN:
                self._tell(f"... (only the first {SHOWN >> 20} MB of what a function prints is shown)")
                self._line = b""
        return True


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")


def _unnamed_file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("mrl"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _has_descriptor(stream: Any) -> bool:
    try:
        stream.fileno()
    except (AttributeError, OSError, ValueError):
        return False
    return True
