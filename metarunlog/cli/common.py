"""What commands share: the project we are in, messages, JSON, selection of sub-experiments."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from metarunlog.errors import InputError, UsageError
from metarunlog.experiment import Experiment
from metarunlog.project import Project


def project() -> Project:
    """The project of the working folder."""
    seen: set[str] = set()

    def once(text: str) -> None:  # an experiment's config repeats what is wrong in the project's
        if text not in seen:
            seen.add(text)
            warn(text)

    return Project.find(here(), once)


def here() -> Path:
    """The working folder as the user sees it: with the links in it that the shell went through."""
    logical, physical = os.environ.get("PWD", ""), Path.cwd()
    try:
        if os.path.isabs(logical) and os.path.samefile(logical, physical):
            return Path(logical)
    except OSError:
        pass
    return physical


def warn(text: str) -> None:
    say(f"mrl: warning: {text}")


def say(text: str) -> None:
    """A message: to stderr, as results go to stdout."""
    print(text, file=sys.stderr, flush=True)


def confirm(question: str) -> bool:
    """Ask at the terminal; no where there is none."""
    if not (sys.stdin and sys.stdin.isatty()):
        return False
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_json(value: dict[str, Any]) -> None:
    """One document with the schema's number first. NaN and infinity, which JSON does not have, become null."""
    print(json.dumps(_finite({"schema": 1, **value}), indent=1, ensure_ascii=False))


def shown(path: Path) -> str:
    """A path relative to the working folder."""
    return os.path.relpath(path, here())


def selected(experiment: Experiment, only: str | None, where: str | None) -> list[str] | None:
    """Ids that --only and --where choose; None where neither is given."""
    if only is None and where is None:
        return None
    fits = _fits(where, {name for sub in experiment.subs for name in sub.params})
    known = {experiment.sub_number(sub.id): sub for sub in experiment.subs}
    numbers = None
    if only is not None:
        numbers = set()
        for part in _ranges(only):
            found = {number for number in known if number is not None and number in part}
            if not found:
                which = str(part[0]) if len(part) == 1 else f"from {part[0]} to {part[-1]}"
                raise InputError(
                    f"experiment {experiment.name} has no sub-experiment {which}; `mrl summary` lists them"
                )
            numbers |= found
    return [
        sub.id
        for number, sub in known.items()
        if (numbers is None or number in numbers) and fits(sub.params, sub.orphan)
    ]


def _fits(where: str | None, known: Collection[str]) -> Callable[[Mapping[str, Any], bool], bool]:
    """Whether params fit a condition. An orphan's may lack a name, or be of another kind: then it does not fit."""
    if where is None:
        return lambda params, orphan: True
    from metarunlog.bounded import ExpressionError
    from metarunlog.expressions import Condition

    try:
        condition = Condition(where)
        condition.check(known)
    except ExpressionError as error:
        raise UsageError(_where_says(where, error)) from None

    def fits(params: Mapping[str, Any], orphan: bool) -> bool:
        try:
            return condition.names <= params.keys() and condition.holds(params)
        except ExpressionError as error:
            if orphan:
                return False
            raise UsageError(_where_says(where, error)) from None

    return fits


def _where_says(where: str, error: Exception) -> str:
    return f"--where {where!r}: {error}; write it like 'lr < 0.1 and opt == \"sgd\"'"


def _ranges(text: str) -> list[range]:
    chosen = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        short = max(len(first), len(last)) < 20
        if not (first.isdecimal() and last.isdecimal() and part.isascii() and short) or int(first) > int(last):
            raise UsageError(f"--only: {part.strip()[:40] or 'nothing'} is no number or range; write 1,3-5")
        chosen.append(range(int(first), int(last) + 1))
    return chosen


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def ranges(ids: list[str], number: Callable[[str], int | None]) -> str:
    """Ids in short: 001-003, 007."""
    found: list[list[str]] = []
    for id_ in sorted(ids, key=lambda i: number(i) or 0):
        if found and (number(id_) or 0) == (number(found[-1][-1]) or 0) + 1:
            found[-1] = [found[-1][0], id_]
        else:
            found.append([id_])
    return ", ".join("-".join(part) for part in found)
