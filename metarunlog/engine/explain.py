"""Reasons in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from metarunlog.engine.spec import Place, Reason, Verdict

_WORDS = {
    "never_built": "it was never built",
    "input_changed": "{s} changed",
    "input_added": "{s} is new",
    "input_removed": "{s} is gone",
    "target_missing": "its target {s} is missing",
    "target_edited": "its target {s} was edited",
    "args_changed": "{s} changed",
    "params_changed": "{s} changed",
    "template_changed": "{s} changed",
    "upstream": "{s} is stale",
    "version_changed": "the version of {s} changed",
    "failed_before": "it failed before",
}


def describe(reason: Reason, place: Place) -> str:
    """A reason in words, with old and new value where there are any."""
    if reason.kind == "code_changed":
        return _code(reason)
    subject = place.shown(reason.subject) if reason.is_path else reason.subject
    text = _WORDS[reason.kind].format(s=subject)
    if reason.kind == "never_built":
        return text
    if reason.kind in ("params_changed", "args_changed") and not reason.is_path:
        if reason.old is None:
            return f"{subject} is new ({reason.new})"
        if reason.new is None:
            return f"{subject} is gone (it was {reason.old})"
    if reason.old is not None and reason.new is not None:
        return f"{text} ({reason.old} -> {reason.new})"
    if reason.old is not None and reason.kind != "failed_before":
        return f"{text} (it was {reason.old})"
    value = reason.old if reason.old is not None else reason.new
    return text if value is None else f"{text} ({value})"


def _code(reason: Reason) -> str:
    """`the code of smooth changed (helpers.py:12)`."""
    path, _, name = reason.subject.rpartition(":")
    where = "" if reason.line is None else f" ({path or reason.subject}:{reason.line})"
    if not path:
        what, where = reason.subject, ""
    elif name in ("<module>", "<import>"):
        what = f"what {path} does when it is imported"
    else:
        what = f"the code of {name}"
    if reason.old is None:
        return f"{what} counts now{where}"
    if reason.new is None:
        return f"{what} does not count any more" if where or not path else f"{what} is gone ({path})"
    return f"{what} changed{where}"


def lines(verdict: Verdict, place: Place, limit: int | None = None) -> list[str]:
    """Why a task is in its state, a line a reason; with `limit`, the first so many and how many more there are."""
    if verdict.error and verdict.state == "failed":
        return [verdict.error]
    found = [describe(reason, place) for reason in verdict.reasons] or [verdict.note or ""]
    if limit is not None and len(found) > limit:
        return [*found[:limit], f"... and {len(found) - limit} more; `mrl why` says all"]
    return found


def as_json(reason: Reason, place: Place) -> dict[str, Any]:
    """A reason as `mrl status --json` gives it."""
    subject = {"path": place.shown(reason.subject)} if reason.is_path else {"name": reason.subject}
    line = {} if reason.line is None else {"line": reason.line}
    return {"kind": reason.kind, **subject, **line, "old": reason.old, "new": reason.new}


def task_json(name: str, verdict: Verdict, targets: Iterable[str], place: Place) -> dict[str, Any]:
    """A task as `mrl status --json` and `mrl why --json` give it."""
    return {
        "name": name,
        "state": verdict.state,
        "reasons": [as_json(reason, place) for reason in verdict.reasons],
        "targets": [place.shown(key) for key in targets],
    }
