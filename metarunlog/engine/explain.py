"""Reasons in words and as JSON."""

from __future__ import annotations

from typing import Any

from metarunlog.engine.spec import Place, Reason

_WORDS = {
    "never_built": "it was never built",
    "input_changed": "{s} changed",
    "input_added": "{s} is new",
    "input_removed": "{s} is gone",
    "target_missing": "its target {s} is missing",
    "target_edited": "its target {s} was edited",
    "code_changed": "the code of {s} changed",
    "args_changed": "{s} changed",
    "params_changed": "{s} changed",
    "template_changed": "{s} changed",
    "upstream": "{s} is stale",
    "version_changed": "the version of {s} changed",
    "failed_before": "it failed before",
}


def describe(reason: Reason, place: Place) -> str:
    """A reason in words, with old and new value where there are any."""
    subject = place.shown(reason.subject) if reason.is_path else reason.subject
    text = _WORDS[reason.kind].format(s=subject)
    if reason.kind in ("code_changed", "never_built"):
        return text
    if reason.old is not None and reason.new is not None:
        return f"{text} ({reason.old} -> {reason.new})"
    value = reason.old if reason.old is not None else reason.new
    return text if value is None else f"{text} ({value})"


def as_json(reason: Reason, place: Place) -> dict[str, Any]:
    """A reason as `mrl status --json` gives it."""
    subject = {"path": place.shown(reason.subject)} if reason.is_path else {"name": reason.subject}
    return {"kind": reason.kind, **subject, "old": reason.old, "new": reason.new}
