"""Boxes of `| name | value |` lines, as OpenAI's baselines and Stable-Baselines print them: a row a box."""

from __future__ import annotations

import re
from collections import Counter

from metarunlog.logs.cells import Table, column, number

_PAIR = rb"[ \t]*\|(?P<name>[^|\n]*)\|(?P<value>[^|\n]*)\|[ \t]*(?=\n)"
_RULE = rb"[ \t]*(?P<rule>[-=+]{5,})[ \t]*(?=\n)"
_LINE = re.compile(rb"\n(?:%b|%b)" % (_PAIR, _RULE))


def read_boxes(data: bytes) -> tuple[Table | None, bytes]:
    """The table of the boxes in a text, None where no two have a name in common, and the text without them.

    A line without a value is a heading, as `| rollout/ | |`: it goes before the names below it. A box is complete when
    its lower line is there.
    """
    if b"|" not in data:
        return None, data
    rows: list[dict[str, str]] = []
    row: dict[str, str] = {}
    heading = ""
    for match in _LINE.finditer(b"\n" + data):
        if match["rule"] is not None:
            rows += [row] if row else []
            row, heading = {}, ""
            continue
        name, value = match["name"].decode().strip(), match["value"].decode().strip()
        if not value:
            heading = name if name.endswith("/") else ""
        elif name:
            row[heading + name] = value
    names = dict.fromkeys(name for row in rows for name in row)
    numbers = [name for name in names if all(number(row[name]) for row in rows if name in row)]
    if (
        not numbers
        or len(rows) < 2
        or all(count < 2 for count in Counter(name for row in rows for name in row).values())
    ):
        return None, data  # boxes of settings, each of other ones
    columns = [column([row.get(name, "") for row in rows]) for name in numbers]
    return Table(numbers, columns, False), _LINE.sub(b"", b"\n" + data)[1:]
