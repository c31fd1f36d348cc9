"""What a report is built from. Plain frozen data: no clock, no files, no project behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Block = dict[str, Any]  # JSON-able, with a "type"; made by report.blocks
Section = tuple[str, tuple[Block, ...]]  # (function name, its blocks)

# In the order in which they are counted in the header.
STATES = ("done", "running", "failed", "interrupted", "has logs", "waiting", "not run")


@dataclass(frozen=True)
class SubExp:
    """One sub-experiment.

    `state` is one of STATES ("has logs": results are there, but mrl did not launch it); `stale` names its functions (or
    "parse") whose part is older than its inputs; `partial` is set where a log was being written while it was parsed.
    """

    id: str
    params: Mapping[str, Any]
    state: str = "not run"
    orphan: bool = False
    stale: tuple[str, ...] = ()
    partial: bool = False
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Report:
    """One experiment. Texts are as the user wrote them (`note` in Markdown); the pages escape them.

    `timestamp` is that of the experiment's .mrl; `since` and `until` are when the first of its runs started and the
    last one ended, as their records say it; `stale` names the overview functions that are out of date; `outfn` is the
    name of the first page.
    """

    project: str
    expId: int
    description: str = ""
    gitHash: str = ""
    gitDescription: str = ""
    dirty: bool = False
    timestamp: str = ""
    user: str = ""
    since: str = ""
    until: str = ""
    note: str = ""
    overview: tuple[Section, ...] = ()
    subexps: tuple[SubExp, ...] = ()
    stale: tuple[str, ...] = ()
    outfn: str = "index.html"
    counts: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        found = Counter(sub.state for sub in self.subexps)
        states = [*STATES, *sorted(set(found) - set(STATES))]
        object.__setattr__(self, "counts", {state: found[state] for state in states if found[state]})
