"""Lines that end with a JSON object: `json_stats: {"epoch": 1}`, or MLPerf's `... eval_accuracy: {"value": 1}`."""

from __future__ import annotations

import json
import re

from metarunlog.logs.cells import Table
from metarunlog.logs.records import table_of
from metarunlog.logs.source import NoTable
from metarunlog.logs.spans import without

_LINE = re.compile(rb"\n([^\n{]{1,300}?)(\{[^\n]*\})[ \t]*(?=\n)")
_TIME = re.compile(r"(?<![\w.])1\d{9}(?:\.\d+)?(?![\w.])")  # in seconds since 1970
_LAST_WORD = re.compile(r"[\w./-]+(?=\W*$)")


def read_tagged(data: bytes) -> tuple[list[tuple[str, Table]], bytes]:
    """Tables by the word before the object, of which there are two lines or more, and the text without those lines."""
    if b"{" not in data:
        return [], data
    data = b"\n" + data
    records: dict[str, list[tuple[re.Match[bytes], dict[str, object]]]] = {}
    for match in _LINE.finditer(data):
        try:
            value = json.loads(match[2])
        except (ValueError, RecursionError):
            continue
        before = match[1].decode(errors="replace")
        word, time = _LAST_WORD.search(before), _TIME.findall(before)
        if word and isinstance(value, dict) and any(type(one) in (int, float, dict) for one in value.values()):
            more = {"timestamp": float(time[0])} if len(time) == 1 and "timestamp" not in value else {}
            records.setdefault(word[0], []).append((match, {**value, **more}))
    tables, taken = [], []
    for tag, found in records.items():
        if len(found) < 2:
            continue
        try:
            tables.append((tag, table_of([value for _, value in found], False)))
        except NoTable:
            continue
        taken += [match.span() for match, _ in found]
    if not taken:
        return [], data[1:]
    return tables, without(data, taken)[1:]
