"""The task graph as plain data. Nothing here knows experiments, and nothing is read: names and paths only.

Paths are keys: relative to the base folder (an experiment), `@/...` relative to the project, or absolute. Keys stand in
the traces, so that a folder that was moved or copied is still up to date.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from metarunlog.engine.listing import Scope

#: Set in the environment of actions under `--verify`: they take no shortcuts either.
VERIFY = "MRL_VERIFY"

_LONG = 400  # characters of an argument that is kept as it is
_MANY = 32  # of which what is made is held

State = Literal["up-to-date", "stale", "waiting", "failed", "kept"]


@dataclass(frozen=True)
class Place:
    """The folder that keys are relative to, and the project around it."""

    root: Path
    base: Path

    def path(self, key: str) -> str:
        """Absolute path of a key."""
        if key.startswith("@/"):
            return f"{self.root}/{key[2:]}"
        return key if key.startswith("/") else f"{self.base}/{key}"

    def key(self, path: str) -> str:
        """Key of an absolute path."""
        whole = {str(self.base): ".", str(self.root): "@/."}
        if path in whole:
            return whole[path]
        for folder, prefix in ((str(self.base), ""), (str(self.root), "@/")):
            if path.startswith(folder + "/"):
                return prefix + path[len(folder) + 1 :]
        return path

    def shown(self, key: str) -> str:
        """A key as users read it: relative to the project where that is possible."""
        path = os.path.normpath(self.path(key))
        return path[len(str(self.root)) + 1 :] if path.startswith(f"{self.root}/") else path


@dataclass(frozen=True)
class Reason:
    """Why a task is stale. `subject` is a key where `is_path`, else a name; old and new are short texts or None.

    `line` is where a part of the code is defined now.
    """

    kind: str
    subject: str
    old: str | None = None
    new: str | None = None
    is_path: bool = False
    line: int | None = None


@dataclass(frozen=True)
class Verdict:
    """A task's state, decided and explained in one place (staleness.py)."""

    state: State
    reasons: tuple[Reason, ...] = ()
    error: str | None = None  # of a failed task
    note: str | None = None  # for what it is waiting, why it is kept


class Code(Protocol):
    """The code that counts for a task. Paths of modules are absolute."""

    def digests(self, modules: Collection[str]) -> Mapping[str, str]:
        """Part -> digest. `modules` are those that the last call was seen to import."""
        ...

    def line(self, part: str) -> int | None:
        """Where a part is defined now; None where it is no more."""
        ...

    def content(self, module: str) -> str | None:
        """sha256 of the text of a module that `digests` was computed from; None where it is none of those."""
        ...


class NoCode:
    """Of tasks whose code is metarunlog's own, which counts by its version."""

    def digests(self, modules: Collection[str]) -> Mapping[str, str]:
        return {}

    def line(self, part: str) -> int | None:
        return None

    def content(self, module: str) -> str | None:
        return None


NO_CODE = NoCode()


@dataclass(frozen=True)
class Job:
    """A call in a worker: `function` is `module:name`. It takes plain data, and may return a mapping of it.

    `isolated` is for the user's functions: a process of its own, traced, with fixed seeds. `digests` gives it a further
    argument of that name: the digest of each input of its task by path, None of what is not there.
    """

    function: str
    kwargs: Mapping[str, Any]
    isolated: bool = False
    digests: bool = False


@dataclass(frozen=True)
class Spec:
    """One task.

    `inputs` are files that count by content, also while they are missing. `args` is plain data that counts, by name.
    `code` is asked when needed. `decided` is the verdict of a task that judges itself by what it would write; such a
    task is not remembered. `after` are tasks that go first where they are stale. What these make, and all that tasks of
    an earlier `stage` make, it may read.
    """

    name: str
    doc: str
    action: Job | Callable[[], None]
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    args: Mapping[str, Any] = field(default_factory=dict)
    code: Code = NO_CODE
    versions: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    stage: int = 0
    waiting: str | None = None
    decided: Verdict | None = None

    @property
    def isolated(self) -> bool:
        """Whether it calls a function of the user's."""
        return isinstance(self.action, Job) and self.action.isolated

    @cached_property
    def short(self) -> str:
        return short_name(self.name)

    @property
    def input_set(self) -> frozenset[str]:
        return self._input_set if len(self.inputs) > _MANY else frozenset(self.inputs)

    @property
    def kept_args(self) -> Mapping[str, str]:
        """Arguments as traces keep them: long ones as a digest, so that a trace stays small."""
        return self._kept_args if len(self.args) > _MANY else _kept(self.args)

    @cached_property
    def _input_set(self) -> frozenset[str]:
        return frozenset(self.inputs)

    @cached_property
    def _kept_args(self) -> Mapping[str, str]:
        return _kept(self.args)


class Json(str):
    """An argument as its JSON text: where many tasks have the same, it is made once."""

    @classmethod
    def of(cls, value: Any) -> Json:
        return cls(json.dumps(value, sort_keys=True))


def _kept(args: Mapping[str, Any]) -> dict[str, str]:
    texts = {
        name: value if isinstance(value, Json) else json.dumps(value, sort_keys=True) for name, value in args.items()
    }
    return {
        name: text if len(text) <= _LONG else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        for name, text in texts.items()
    }


def short_name(name: str) -> str:
    """A task's name in the journal of its experiment: `parse:0001/001` -> `parse:001`, `report:0001` -> `report`."""
    kind, _, rest = name.partition(":")
    inner = rest.partition("/")[2]
    return f"{kind}:{inner}" if inner else kind


@dataclass(frozen=True)
class Graph:
    """The tasks of one experiment, in an order in which each comes after those in its `after`."""

    place: Place
    specs: Mapping[str, Spec]
    derived: Path  # the folder that holds all targets that may be deleted
    memory: Path  # the folder of the traces
    code: Path  # the experiment's own code, at its commit: no input
    aside: bool = False  # whether `derived` is another folder than usual
    left_out: Callable[[str], bool] = lambda short: False  # whether there is a task of this name, with nothing to do

    @property
    def journal_path(self) -> Path:
        """The traces; those of a report that is made in another folder (`-outdir`) are kept apart."""
        mark = "-" + hashlib.sha256(self.place.key(str(self.derived)).encode()).hexdigest()[:8] if self.aside else ""
        return self.memory / f"traces{mark}.jsonl"

    @cached_property
    def scope(self) -> Scope:
        place = self.place
        return Scope(*map(str, (place.root, place.base, self.derived, self.memory, self.code)))
