"""Places in a text."""

from __future__ import annotations

from collections.abc import Iterable


def without(text: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """A text without what stands at some places, none of which overlap."""
    left, at = [], 0
    for start, end in sorted(spans):
        left.append(text[at:start])
        at = end
    return b"".join([*left, text[at:]])
