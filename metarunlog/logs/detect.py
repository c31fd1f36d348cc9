"""Which reader a log gets: by its content first, by its name second.

A reader takes bytes and gives tables, or raises NoTable with the reason. New kinds of logs are added here.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from typing import Any, Protocol

from metarunlog.logs.cells import Table
from metarunlog.logs.delimited import Delimited
from metarunlog.logs.documents import is_metadata, read_parts
from metarunlog.logs.events import Events, is_events
from metarunlog.logs.find import EVENTS, PACKED, LogFile
from metarunlog.logs.jsonlines import Json, looks_like_json, read_json
from metarunlog.logs.pattern import read_pattern
from metarunlog.logs.source import NoTable, read_text
from metarunlog.logs.stack import Anew
from metarunlog.logs.text import Text, read_text_log

DELIMITED = ("csv", "tsv")
JSON = ("json", "jsonl", "jsonlines", "ndjson")
TENSORBOARD = "tensorboard"
REGEX = "regex"
TEXT = "text"
FORMATS = (*DELIMITED, *JSON, TENSORBOARD, TEXT, REGEX)

# a file of one json object is often no log but settings or a vocabulary
_SETTINGS = re.compile(
    r"(^|[^a-z])(conf|config|configs|configuration|args|arguments|params|parameters|hparams|hyperparams|"
    r"hyperparameters|settings|options|meta|metadata|package|package-lock|vocab|tokenizer|tokens|schema|manifest|"
    r"environment|env)([^a-z]|$)"
)
_MAX_JSON = 512 << 20  # bytes that are read as a whole: values take many times their text
_MAX_SINGLE = 2000  # values of such an object that may be a summary


class Reader(Protocol):
    """Reads a log piece by piece."""

    def feed(self, data: bytes) -> int:
        """Read the complete records of what follows, and say how many bytes they are. Raises NoTable, Anew."""
        ...

    def state(self) -> dict[str, Any] | None:
        """What is to be known to go on later; None where that cannot be."""
        ...


@dataclass(frozen=True)
class Found:
    """The tables of a log, each with its part (None for a log of one table), and how it was read.

    `reader` is the one to go on with, None where there is none; it was fed with the first `end` bytes.
    """

    tables: list[tuple[str | None, Table]]
    how: str
    reader: Reader | None = None
    end: int = 0


def check(log: LogFile) -> None:
    """Raise NoTable for a format or an option that is not known."""
    if log.format is not None and log.format not in FORMATS:
        raise NoTable(f'format "{log.format}" is not known; use one of {", ".join(FORMATS)}')
    if unknown := sorted(set(log.options) - {"sep", "encoding", "pattern"}):
        raise NoTable(f'option "{unknown[0]}" is not known; use sep, encoding or pattern')
    sep = log.options.get("sep")
    if sep is not None and (not isinstance(sep, str) or len(sep) != 1 or sep in '"\n\r'):
        raise NoTable("sep must be one character")


def read_data(data: bytes, cut: bool, log: LogFile) -> Found:
    """What the unpacked content of a log holds; `cut`: the archive ends early. Raises NoTable."""
    encoding = log.options.get("encoding")
    if log.format == TENSORBOARD or (log.format is None and is_events(data)):
        events = Events()
        end = events.feed(data)
        table, how = events.result(data[end:])
        found = Found([(None, table)], how, events, end)
    elif log.format is None and posixpath.basename(log.path).startswith(EVENTS):
        raise NoTable("no TensorBoard event file, by its content")
    else:
        source = read_text(data, cut, None if encoding is None else str(encoding))
        found = _read_text(source.data, log)
        if source.data != data:
            found = replace(found, reader=None)
        if source.encoding != "utf-8":
            found = replace(found, how=f"{found.how}, {source.encoding}")
    if cut:
        tables = [(part, replace(table, partial=True)) for part, table in found.tables]
        found = Found(tables, f"{found.how}, the archive ends early")
    return found


def result(reader: Reader, rest: bytes) -> tuple[list[tuple[str | None, Table]], str]:
    """The tables of a reader that was fed, and how it read. Raises NoTable, Anew, Again."""
    if isinstance(reader, Text):
        return reader.result(rest)
    assert isinstance(reader, Delimited | Json | Events)
    table, how = reader.result(rest)
    return [(None, table)], how


def _read_text(data: bytes, log: LogFile) -> Found:
    if log.format == TEXT:
        return _read_lines(data)
    try:
        return _read_table(data, log)
    except NoTable:
        if log.format is not None or "sep" in log.options or suffix_of(log.path) in (*DELIMITED, *JSON):
            raise
        return _read_lines(data)


def _read_lines(data: bytes) -> Found:
    reader, tables, how = read_text_log(data)
    return Found(tables, how, reader, 0 if reader is None else reader.end)


def _read_table(data: bytes, log: LogFile) -> Found:
    suffix, kind, sep = suffix_of(log.path), log.format, log.options.get("sep")
    if kind == REGEX:
        table, how = read_pattern(data, str(log.options.get("pattern", "")))
        return Found([(None, table)], how)
    if kind is None and sep is not None:
        kind = "csv"
    if kind in JSON:
        return _read_json(data, suffix)
    if kind is None and looks_like_json(data):
        try:
            found = _read_json(data, suffix)
        except NoTable as e:
            if suffix in JSON:
                raise NoTable(f"{e}") from None
        else:
            if found.how.startswith(("json object", "json list in", "json lists in")) and not log.named:
                _check_summary(found.tables[0][1], log.path, single=found.how == "json object")
            return found
    if kind is None and suffix in JSON:
        raise NoTable("no json records")
    prefer = "\t" if (kind or suffix) == "tsv" else "," if (kind or suffix) == "csv" else None
    reader = Delimited(named=prefer is not None, prefer=prefer, sep=sep, called=kind)
    end = reader.feed(data)
    table, how = reader.result(data[end:])
    return Found([(None, table)], how, reader, end)


def _read_json(data: bytes, suffix: str) -> Found:
    if len(data) > _MAX_JSON:
        raise NoTable(f"over {_MAX_JSON >> 20} MB of JSON that is read as a whole")
    if suffix == "json" and (parts := read_parts(data)) is not None:
        return Found(*parts)
    reader = Json(single=suffix == "json")
    end = reader.feed(data)
    try:
        table, how = reader.result(data[end:])
    except Anew:  # the last record, which has no line end, has values of another kind than those before it
        table, how = read_json(data)
        return Found([(None, table)], how)
    return Found([(None, table)], how, reader, end)


def _check_summary(table: Table, path: str, *, single: bool) -> None:
    """Raise NoTable for one json object that does not hold results; `single`: it is one row."""
    stem = posixpath.basename(path).lower().partition(".")[0]
    if _SETTINGS.search(stem):
        raise NoTable("one json object of settings, by its name; name it in `logs` to read it")
    if len(table.names) > _MAX_SINGLE:
        raise NoTable(f"one json object with {len(table.names)} values; name it in `logs` to read it")
    if not any(column.numeric for column in table.columns):
        raise NoTable("one json object without numbers")
    if single and is_metadata(table):
        raise NoTable("one json object that tells of the run, with next to no numbers; name it in `logs` to read it")


def suffix_of(path: str) -> str:
    """The suffix in lower case, that of the content where it is packed."""
    parts = posixpath.basename(path).lower().split(".")[1:]
    if parts and parts[-1] in PACKED:
        parts.pop()
    return parts[-1] if parts else ""
