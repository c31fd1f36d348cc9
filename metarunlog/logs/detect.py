"""Which reader a log gets: by its content first, by its name second.

A reader takes bytes and gives tables, or raises NoTable with the reason. New kinds of logs are added here.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

from metarunlog.logs.cells import Table
from metarunlog.logs.delimited import read_delimited
from metarunlog.logs.events import is_events, read_events
from metarunlog.logs.find import EVENTS, PACKED, LogFile
from metarunlog.logs.jsonlines import looks_like_json, read_json
from metarunlog.logs.pattern import read_pattern
from metarunlog.logs.source import NoTable, Source, read_bytes, read_text
from metarunlog.logs.text import read_lines

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
_MAX_SINGLE = 2000  # values of such an object that may be a summary


def read_log(path: str, log: LogFile) -> tuple[list[tuple[str | None, Table]], str]:
    """The tables of a file, each with its part (None for a file of one table), and how it was read. Raises NoTable."""
    if log.format is not None and log.format not in FORMATS:
        raise NoTable(f'format "{log.format}" is not known; use one of {", ".join(FORMATS)}')
    if unknown := sorted(set(log.options) - {"sep", "encoding", "pattern"}):
        raise NoTable(f'option "{unknown[0]}" is not known; use sep, encoding or pattern')
    encoding = log.options.get("encoding")
    sep = log.options.get("sep")
    if sep is not None and (not isinstance(sep, str) or len(sep) != 1 or sep in '"\n\r'):
        raise NoTable("sep must be one character")
    data, cut = read_bytes(path)
    tables: list[tuple[str | None, Table]]
    if log.format == TENSORBOARD or (log.format is None and is_events(data)):
        table, how = read_events(data)
        tables = [(None, table)]
    elif log.format is None and posixpath.basename(log.path).startswith(EVENTS):
        raise NoTable("no TensorBoard event file, by its content")
    else:
        source = read_text(data, cut, None if encoding is None else str(encoding))
        tables, how = _read(source, log, sep)
        how += f", {source.encoding}" if source.encoding != "utf-8" else ""
    if cut:
        tables = [(part, replace(table, partial=True)) for part, table in tables]
        how += ", the archive ends early"
    return tables, how


def _read(source: Source, log: LogFile, sep: str | None) -> tuple[list[tuple[str | None, Table]], str]:
    if log.format == TEXT:
        return read_lines(source.data)
    try:
        table, how = _read_one(source, log, sep)
    except NoTable:
        if log.format is not None or sep is not None or suffix_of(log.path) in (*DELIMITED, *JSON):
            raise
        return read_lines(source.data)
    return [(None, table)], how


def _read_one(source: Source, log: LogFile, sep: str | None) -> tuple[Table, str]:
    suffix = suffix_of(log.path)
    kind = log.format
    if kind == REGEX:
        return read_pattern(source.data, str(log.options.get("pattern", "")))
    if kind is None and sep is not None:
        kind = "csv"
    if kind in JSON:
        return read_json(source.data, single=suffix == "json")
    if kind is None and looks_like_json(source.data):
        try:
            table, how = read_json(source.data, single=suffix == "json")
        except NoTable as e:
            if suffix in JSON:
                raise NoTable(f"{e}") from None
        else:
            if how == "json object" and not log.named:
                _check_summary(table, log.path)
            return table, how
    if kind is None and suffix in JSON:
        raise NoTable("no json records")
    prefer = "\t" if (kind or suffix) == "tsv" else "," if (kind or suffix) == "csv" else None
    table, how = read_delimited(source.data, named=prefer is not None, prefer=prefer, sep=sep)
    return table, f"{kind or ('tsv' if how.startswith(repr(chr(9))) else 'csv')}, {how}"


def _check_summary(table: Table, path: str) -> None:
    """Raise NoTable for a single json object that does not hold results."""
    stem = posixpath.basename(path).lower().partition(".")[0]
    if _SETTINGS.search(stem):
        raise NoTable("one json object of settings, by its name; name it in `logs` to read it")
    if len(table.names) > _MAX_SINGLE:
        raise NoTable(f"one json object with {len(table.names)} values; name it in `logs` to read it")
    if not any(column.numeric for column in table.columns):
        raise NoTable("one json object without numbers")


def suffix_of(path: str) -> str:
    """The suffix in lower case, that of the content where it is packed."""
    parts = posixpath.basename(path).lower().split(".")[1:]
    if parts and parts[-1] in PACKED:
        parts.pop()
    return parts[-1] if parts else ""
