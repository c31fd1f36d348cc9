"""Logs that grow are read on from where they were, and large ones piece by piece: the result is that of reading all.

What is kept of a log between two parses is plain data: a `Mark`. It holds while the log begins with the same bytes and
is to be read the same way; else the log is read from its start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from metarunlog import blocks
from metarunlog.logs.cells import SEGMENT, Column, Table
from metarunlog.logs.delimited import Delimited
from metarunlog.logs.detect import Found, Reader, check, read_data, result
from metarunlog.logs.events import Events, is_events
from metarunlog.logs.find import LogFile
from metarunlog.logs.jsonlines import Json
from metarunlog.logs.lines import Again
from metarunlog.logs.source import LogData, NoTable, is_packed, plain_text, unpacked
from metarunlog.logs.stack import Anew
from metarunlog.logs.text import Text, is_plain

if TYPE_CHECKING:
    import pandas as pd

WINDOW = 16 << 20  # bytes of a log that is read at once, and of the first piece of a larger one
PIECE: Mapping[str, int] = {"Delimited": 4 << 20}  # bytes of a further one; few enough for memory to be used again
MAX_WHOLE = 1 << 30  # bytes of a log that can only be read as a whole
#: bytes of a log from which on reading anew costs more than keeping a mark, a few hundredths of a second
WORTH: Mapping[str, int] = {"Delimited": 8 << 20, "Json": 2 << 20, "Events": 1 << 17, "Text": 2 << 20}
_READERS: Mapping[str, type[Delimited | Json | Events]] = {"Delimited": Delimited, "Json": Json, "Events": Events}

Mark = dict[str, Any]
Reading = tuple[list[tuple[str | None, Table]], str, Mark | None]


@dataclass(frozen=True)
class Before:
    """What is left of the last parse of a log: its mark, and its tables."""

    mark: Mark
    frames: Sequence[pd.DataFrame]


def read_log(path: str, log: LogFile, before: Before | None = None) -> Reading:
    """The tables of a log, each with its part (None for a log of one table), how it was read, and the mark to go on
    from. Raises NoTable."""
    check(log)
    with LogData(path) as data:
        try:
            if before is not None and (more := _go_on(data, log, before)):
                return more
            if data.size > WINDOW and not is_packed(data.read(0, 8)):
                return _from_start(data, log)
        except Anew:
            pass
        if data.size > MAX_WHOLE:
            raise NoTable(f"over {MAX_WHOLE >> 30} GB, and of a kind that is read as a whole")
        content = data.read(0, data.size)
        found = read_data(*unpacked(content), log)
        known = blocks.Blocks(_crc)
        if _is_worth(found.reader, len(content)):
            known.update(content[: found.end])
        return found.tables, found.how, _mark(log, found, known, len(content))


def _go_on(data: LogData, log: LogFile, before: Before) -> Reading | None:
    """What is read from a mark on; None where the log is another one. Raises NoTable, Anew."""
    mark = before.mark
    if mark["log"] != asdict(log) or data.size < mark["end"]:
        return None
    known = blocks.continued(data.read, mark["end"], mark["blocks"], _crc)
    if known is None:
        return None
    reader: Reader
    if mark["reader"] == "Text":
        reader = Text.resume(mark["state"])
    else:
        reader = _READERS[mark["reader"]].resume(mark["state"], _table(before.frames[0], mark))
    try:
        return _read_on(data, log, reader, mark["end"], known)
    except NoTable:
        raise Anew from None  # which reader is right is decided by all of it


def _from_start(data: LogData, log: LogFile) -> Reading:
    """What is read piece by piece. Raises Anew."""
    head = data.read(0, WINDOW)
    try:
        found = read_data(head if is_events(head) else head[: head.rfind(b"\n") + 1], False, log)
        if found.reader is None or found.reader.state() is None:  # too little to be sure of how to go on
            raise Anew
        known = blocks.Blocks(_crc)
        known.update(head[: found.end])
        return _read_on(data, log, found.reader, found.end, known)
    except NoTable:
        raise Anew from None


def _read_on(data: LogData, log: LogFile, reader: Reader, end: int, known: blocks.Blocks) -> Reading:
    """Feed the reader with what follows. Raises NoTable, Anew."""
    while True:
        for piece in _pieces(data, end, reader):
            known.update(piece)
            end += len(piece)
        rest = data.read(end, data.size - end)
        try:
            tables, how = result(reader, rest if isinstance(reader, Events) else _text(rest))
        except Again as again:
            assert isinstance(reader, Text)
            reader, end, known = reader.knowing(again.taught), 0, blocks.Blocks(_crc)
            continue
        return tables, how, _mark(log, Found(tables, how, reader, end), known, data.size)


def _pieces(data: LogData, end: int, reader: Reader) -> Iterator[bytes]:
    """What the reader has read of each window. Raises Anew where a window holds no whole record."""
    size = PIECE.get(type(reader).__name__, WINDOW)
    while end < data.size:
        window = data.read(end, size)
        if not isinstance(reader, Events):
            window = window[: window.rfind(b"\n") + 1] or window  # so that none of what follows has to copy it
        piece = window if isinstance(reader, Events) else _text(window)
        if isinstance(reader, Text) and not is_plain(piece):
            raise Anew
        done = reader.feed(piece)
        if not done:
            if end + size < data.size:
                raise Anew
            return
        yield window[:done]
        end += done


def _text(data: bytes) -> bytes:
    text = plain_text(data)
    if text is None:
        raise Anew
    return text


def _is_worth(reader: Reader | None, size: int) -> bool:
    return reader is not None and size >= WORTH[type(reader).__name__]


def _crc() -> blocks.Hash:
    """CRC-32C: as quick as memory, and enough to tell a log that has grown from another one."""
    import google_crc32c

    made: blocks.Hash = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    return made


def _mark(log: LogFile, found: Found, known: blocks.Blocks, size: int) -> Mark | None:
    """What is to be known to go on later; None where reading it anew costs as little."""
    reader = found.reader
    if reader is None or not _is_worth(reader, size) or (state := reader.state()) is None:
        return None
    columns = [] if isinstance(reader, Text) else [(one.last, one.worded) for one in found.tables[0][1].columns]
    return {
        "log": asdict(log),
        "reader": type(reader).__name__,
        "state": state,
        "end": found.end,
        "blocks": known.digests,
        "columns": columns,
    }


def _table(frame: pd.DataFrame, mark: Mark) -> Table:
    """The table that a DataFrame was made of."""
    names = list(frame.columns)
    if "segment" in frame.attrs:
        names.remove(SEGMENT)
    columns = []
    for name, (last, worded) in zip(names, mark["columns"], strict=True):
        values: Any = frame[name].to_numpy()
        if values.dtype.kind not in "ifb":
            values = [cell if isinstance(cell, str) else None for cell in values]
        columns.append(Column(values, last, worded))
    return Table(names, columns, False)
