"""Text logs by a regular expression of the user's: a row a match, a column a named group."""

from __future__ import annotations

import re

from metarunlog.logs.cells import Table, column
from metarunlog.logs.source import NoTable


def read_pattern(data: bytes, pattern: str) -> tuple[Table, str]:
    """The table in a text and how it was read; `^` and `$` match at line ends.

    A group that took no part in a match is an empty cell. A match in a last line that has no line end is left out, as
    the line may be half-written. Raises NoTable.
    """
    expression = re.compile(pattern, re.MULTILINE)
    names = sorted(expression.groupindex, key=expression.groupindex.__getitem__)
    text = data.decode().replace("\r\n", "\n")
    whole = text.rfind("\n") + 1
    rows, partial = [], False
    for match in expression.finditer(text):
        partial = match.end() > whole
        if partial:
            break
        rows.append([match[name] or "" for name in names])
    if not rows:
        raise NoTable("the pattern matches no whole line" if partial else "the pattern matches nothing")
    return Table(names, [column(cells) for cells in zip(*rows)], partial), "regex"
