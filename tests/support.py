"""A real project in a real git repository, and `mrl` as users start it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

SLOWER = 1 if sys.gettrace() is None else 8  # what coverage makes of a bound of time
T = TypeVar("T")
BIN = Path(sys.executable).parent  # where `mrl` and `doit` are, also without PATH


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """What takes no longer of the processor: for what would take minutes if it were wrong, not to tell 1 s from 2 s."""
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds * SLOWER


def calls(function: Callable[[], T]) -> tuple[int, T]:
    """How many functions are called, and the result: a measure of work that no other load on the machine changes."""
    counted = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        result = function()
    finally:
        sys.setprofile(before)
    return counted, result


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class ProjectDir:
    """A project of the tests, driven from outside by the commands."""

    root: Path
    env: Mapping[str, str]

    def run(
        self, *argv: str, cwd: Path | None = None, code: int | None = None, env: Mapping[str, str] | None = None
    ) -> Done:
        """Run a program; fails the test where `code` is given and the exit code is another."""
        done = subprocess.run(
            argv,
            cwd=cwd or self.root,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert code is None or done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback (most recent call last)" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def mrl(self, *argv: str, code: int | None = 0, **kwargs: Any) -> Done:
        return self.run(str(BIN / "mrl"), *argv, code=code, **kwargs)

    def at_terminal(self, question: str, answer: bytes, *argv: str) -> int:
        """The exit code of `mrl` at a terminal where somebody answers a question."""
        main, side = pty.openpty()
        running = subprocess.Popen(
            [str(BIN / "mrl"), *argv], cwd=self.root, env=self.env, stdin=side, stdout=side, stderr=side
        )
        os.close(side)
        seen = b""
        while question.encode() not in seen:
            seen += os.read(main, 4096)
        os.write(main, answer)
        code = running.wait(timeout=20)
        os.close(main)
        return code

    def doit(self, *argv: str, code: int | None = 0, **kwargs: Any) -> Done:
        return self.run(str(BIN / "doit"), *argv, code=code, **kwargs)

    def git(self, *argv: str) -> str:
        return self.run("git", *argv, code=0).out

    def commit(self, message: str = "a commit") -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Files by path; texts are dedented."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(textwrap.dedent(content))
            else:
                path.write_bytes(content)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def configure(self, **keys: Any) -> None:
        """Set keys of the project's config."""
        path = self.root / ".mrl.cfg"
        path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))

    def log(self, sub: str, loss: tuple[float, ...] = (3.0, 2.0, 1.0), name: str = "metrics.csv") -> None:
        """A log as a training run writes it."""
        rows = "".join(f"{step},{value}\n" for step, value in enumerate(loss))
        (self.root / "exp/0001" / sub / name).write_text("step,loss\n" + rows)

    def analyze(self, *argv: str, code: int = 0) -> list[str]:
        """The tasks that ran."""
        ran: list[str] = self.mrl("analyze", "--json", *argv, code=code).json["ran"]
        return sorted(ran)


def one_line(err: str) -> str:
    """The error is one line."""
    lines = [line for line in err.splitlines() if not line.startswith("mrl: warning:")]
    assert len(lines) == 1, err
    assert lines[0].startswith("mrl: error: ")
    return lines[0]


def clean_environment() -> dict[str, str]:
    """An environment without HOME, locale, git identity or global git config."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{k: v for k, v in os.environ.items() if k.startswith("COV")},
        **{f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }


def new_project(root: Path, files: Mapping[str, str | bytes]) -> ProjectDir:
    """A project from a literal: a git repository with these files, `mrl init exp` and one commit."""
    project = ProjectDir(root, clean_environment())
    project.root.mkdir()
    project.git("init", "-q", "-b", "main")
    project.write(files)
    project.mrl("init", "exp")
    project.commit("Set up")
    return project


def processes(root: Path) -> set[str]:
    """Numbers of the processes that work in a project."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if (folder / "cwd").readlink().is_relative_to(root.resolve()):
                    found.add(folder.name)
            except OSError:
                continue
    return found


def wait_until_gone(root: Path) -> None:
    """Wait for the processes that work in a project; none may be left."""
    deadline = time.monotonic() + 10
    while left := processes(root):
        assert time.monotonic() < deadline, f"processes are left: {left}"
        time.sleep(0.02)


def tree(folder: Path) -> dict[str, bytes]:
    """Content of all files by path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


TEMPLATE = """\
lr: {{ lr }}
layers: {{ layers }}
# MRL:grid['lr'] = [0.1, 0.01]
# MRL:grid['layers'] = [1, 2]
"""
