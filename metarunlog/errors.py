"""What can go wrong, as a tree; each error knows its exit code.

MrlError                 1   something failed
├── UsageError           2   the command line
├── InputError           3   config, template, git or an unknown experiment: nothing was done
│   ├── ConfigError          .mrl.cfg
│   ├── TemplateError        the template or its directives
│   ├── GitError             the project's repository
│   └── NoSuchError          no such project, experiment or sub-experiment
└── LockedError         75   another mrl holds the lock

Mistakes of the user are raised as these; outcomes of tasks (failed, waiting) are values, never exceptions.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INPUT = 3
    LOCKED = 75
    INTERRUPTED = 130


class MrlError(Exception):
    """A mistake told in one line: ``[FILE[:LINE]: ]what is wrong; what to do``."""

    exit = Exit.FAILED

    def __init__(self, what: str, *, file: str | None = None, line: int | None = None) -> None:
        where = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(where + " ".join(what.split()))
        self.file = file
        self.line = line


class UsageError(MrlError):
    exit = Exit.USAGE


class InputError(MrlError):
    exit = Exit.INPUT


class ConfigError(InputError):
    pass


class TemplateError(InputError):
    pass


class GitError(InputError):
    pass


class NoSuchError(InputError):
    pass


class LockedError(MrlError):
    exit = Exit.LOCKED
