"""Launches: one run of a sub-experiment with its record and its log, and a local pool of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from metarunlog import files
from metarunlog.config import where
from metarunlog.errors import ConfigError, TemplateError
from metarunlog.experiment import Experiment, SubExperiment

_WAIT_S = 0.5
_GRACE_S = 5.0  # between asking a run to end and ending it


@dataclass(frozen=True)
class Outcome:
    """How a launch ended. `state` is done, failed, interrupted, or skipped where another process has it."""

    id: str
    state: str
    exit_code: int | None = None
    error: str | None = None  # why it could not be started


def command_of(experiment: Experiment, sub: SubExperiment) -> str:
    """The shell command of a launch: the config's `run`, a Jinja template with params, ids and `code`."""
    file, line = where("run", experiment.root, experiment.dir / files.CONFIG, experiment.root / files.CONFIG)
    if not experiment.config.run.strip():
        example = '"python3 {{ code|quote }}/train.py"'
        raise ConfigError(f'"run" is empty; set it to the command that trains, e.g. {example}', file=file, line=line)
    if "code" in sub.params:
        raise TemplateError(
            'a param is named "code", as the checkout is; give the param another name', file=file, line=line
        )
    from jinja2 import StrictUndefined
    from jinja2 import TemplateError as JinjaError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, comment_start_string="{#mrl", autoescape=False
    )
    environment.filters["quote"] = _quote
    values = {**sub.params, "subExpId": sub.id, "expId": experiment.id, "code": str(experiment.dir / files.CODE)}
    try:
        return environment.from_string(experiment.config.run).render(values)
    except JinjaError as error:
        known = ", ".join(values)
        raise TemplateError(f'"run" cannot be rendered: {error}; known are {known}', file=file, line=line) from None


@dataclass
class Launcher:
    """Launches sub-experiments, and can stop them all. One launcher may be used by several threads."""

    experiment: Experiment
    relaunch: Mapping[str, Any] | None = None  # records to be replaced by new launches, by id, as they were seen
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def launch(self, sub: SubExperiment) -> Outcome:
        """Run the config's command, output to `run.log`, and keep the record."""
        return self._do(sub, command_of(self.experiment, sub), None)

    def foreground(self, sub: SubExperiment, command: Sequence[str]) -> Outcome:
        """Run a command of the user's as the launch, with this terminal. An older record is replaced."""
        import shlex

        self.relaunch = records([sub])
        return self._do(sub, shlex.join(command), command)

    def stop(self) -> None:
        """End the runs that are going on, and begin no more."""
        with self._lock:
            self._stopped.set()
            running = list(self._running.values())
        for process in running:
            _signal(process, signal.SIGTERM)
        for process in running:
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)

    def _do(self, sub: SubExperiment, command: str, argv: Sequence[str] | None) -> Outcome:
        record = self._record(sub, command)
        if self._stopped.is_set() or not self._claim(sub, record):
            return Outcome(sub.id, "skipped")
        log = sub.dir / files.RUN_LOG
        code: int | None = None
        problem: str | None = None
        try:
            with open(log, "wb") as out:
                process = self._start(sub, command, argv, out.fileno())
                with self._lock:
                    self._running[sub.id] = process
                    late = self._stopped.is_set()
                if late:  # stopped while it was being started
                    _signal(process, signal.SIGTERM)
                self._write(sub, {**record, "pid": process.pid})
                if argv is None:
                    code = process.wait()
                else:
                    code = _copy_and_wait(process, out.fileno())
        except OSError as error:
            problem = f"cannot run {command}: {error.strerror}"
            log.write_text(f"mrl: {problem}\n")
            code = 127
        except BaseException:
            self.stop()
            self._end(sub, record, "interrupted", code)
            raise
        finally:
            with self._lock:
                self._running.pop(sub.id, None)
        state = (
            "done"
            if code == 0
            else "interrupted"
            if self._stopped.is_set() or code in (-signal.SIGINT, -signal.SIGTERM)
            else "failed"
        )
        self._end(sub, record, state, code)
        return Outcome(sub.id, state, code, problem)

    def _start(self, sub: SubExperiment, command: str, argv: Sequence[str] | None, out: int) -> subprocess.Popen[bytes]:
        if argv is not None:
            return subprocess.Popen(argv, cwd=sub.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        # a session of its own, so that all of the run's processes can be ended together
        return subprocess.Popen(
            command,
            shell=True,
            cwd=sub.dir,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _record(self, sub: SubExperiment, command: str) -> dict[str, Any]:
        h = hashlib.sha256()
        for name in self.experiment.config.confTemplFile:
            with contextlib.suppress(FileNotFoundError):
                h.update((sub.dir / name).read_bytes())
        return {
            "state": "running",
            "command": command,
            "started": _now(),
            "ended": None,
            "exitCode": None,
            "host": socket.gethostname(),
            "pid": None,
            "gitHash": self.experiment.meta.get("gitHash"),
            "confSha256": h.hexdigest(),
        }

    def _claim(self, sub: SubExperiment, record: Mapping[str, Any]) -> bool:
        """Make the record; of several processes that try at once one succeeds."""
        path = sub.dir / files.RUN
        if self.relaunch is not None and sub.state not in (None, "running"):
            if files.read_json(path) != self.relaunch.get(sub.id):
                return False  # another process was quicker
            replaced = self.experiment.memory / files.REPLACED / sub.id
            try:
                files.put_aside(path, replaced)  # only one process can
            except FileNotFoundError:
                return False
            with contextlib.suppress(FileNotFoundError):
                files.put_aside(sub.dir / files.RUN_LOG, replaced)
        return files.claim(path, files.to_json({**record, "pid": os.getpid()}))

    def _end(self, sub: SubExperiment, record: Mapping[str, Any], state: str, code: int | None) -> None:
        now = files.read_json(sub.dir / files.RUN) or record
        self._write(sub, {**now, "state": state, "ended": _now(), "exitCode": code})

    @staticmethod
    def _write(sub: SubExperiment, record: Mapping[str, Any]) -> None:
        files.write(sub.dir / files.RUN, files.to_json(record))


def choose(
    experiment: Experiment, ids: Sequence[str] | None, *, failed: bool, orphans: bool
) -> tuple[list[SubExperiment], list[str]]:
    """Those to launch, and the ids of those that are passed over: they have run, or (with `failed`) did not fail."""
    wanted = ("failed", "interrupted") if failed else (None,)
    todo, skipped = [], []
    for sub in experiment.subs:
        if ids is not None and sub.id not in ids:
            continue
        if sub.state in wanted and (orphans or not sub.orphan):
            todo.append(sub)
        else:
            skipped.append(sub.id)
    return todo, skipped


def pool(
    launcher: Launcher, subs: Sequence[SubExperiment], jobs: int, on_end: Callable[[Outcome], None]
) -> list[Outcome]:
    """Launch `subs`, at most `jobs` at a time, in order. `on_end` is called in this thread. Ctrl-C ends them all."""
    import queue
    from concurrent.futures import Future, ThreadPoolExecutor

    for sub in subs:
        command_of(launcher.experiment, sub)  # a mistake in the command is told before anything starts
    ended: list[Outcome] = []
    done: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
    executor = ThreadPoolExecutor(max(1, jobs))
    try:
        for sub in subs:
            executor.submit(launcher.launch, sub).add_done_callback(done.put)
        while len(ended) < len(subs):
            with contextlib.suppress(queue.Empty):
                # a signal that comes just before a wait does not end it: so no wait is long
                ended.append(done.get(timeout=_WAIT_S).result())
                on_end(ended[-1])
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        launcher.stop()
        raise
    finally:
        executor.shutdown(wait=True)
    number = launcher.experiment.sub_number
    return sorted(ended, key=lambda outcome: number(outcome.id) or 0)


def launch(experiment: Experiment, sub: SubExperiment) -> Outcome:
    """One launch, as the doit task does it."""
    return Launcher(experiment, relaunch=records([sub])).launch(sub)


def records(subs: Iterable[SubExperiment]) -> dict[str, Any]:
    """The run records as they are now, by id."""
    return {sub.id: files.read_json(sub.dir / files.RUN) for sub in subs}


def _copy_and_wait(process: subprocess.Popen[bytes], log: int) -> int:
    """Output of a foreground command to the terminal and to the log."""
    assert process.stdout is not None
    while block := os.read(process.stdout.fileno(), 65536):
        os.write(log, block)
        with contextlib.suppress(OSError):
            os.write(1, block)
    return process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)


def _quote(value: Any) -> str:
    import shlex

    return shlex.quote(str(value))


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
