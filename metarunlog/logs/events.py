"""TensorBoard event files: the scalars, a row a step and a column a tag.

A file is records: length (8 bytes), its checksum (4), an Event message, its checksum (4); the checksums are CRC-32C,
masked. Only the fields that scalars need are looked at in the protocol buffers: the layouts are those of tensorflow's
`core/util/event.proto`, `core/framework/summary.proto` and `tensor.proto`. Version 1 writes `simple_value`, version 2
a tensor of one number.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from metarunlog.logs.cells import Column, Table
from metarunlog.logs.records import check_size
from metarunlog.logs.source import NoTable
from metarunlog.logs.stack import Anew

VERSION = b"brain.Event:"
_HEADER = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_FLOAT = struct.Struct("<f").unpack
_DOUBLE = struct.Struct("<d").unpack
#: kinds of a tensor's numbers (DataType) -> how one is packed in `tensor_content`
_PACKED = {
    1: "<f",
    2: "<d",
    3: "<i",
    4: "<B",
    5: "<h",
    6: "<b",
    9: "<q",
    10: "<?",
    17: "<H",
    19: "<e",
    22: "<I",
    23: "<Q",
}
_BFLOAT16 = 14
#: fields of a tensor that hold its numbers where `tensor_content` does not -> how one is packed; None is a varint
_LISTS: dict[int, str | None] = {5: "<f", 6: "<d", 7: None, 10: None, 11: None, 16: None, 17: None}
_HALVES = 13  # of float16 and bfloat16, as varints

_ENVELOPE = _HEADER.size + _CRC.size  # what a record has around its message
_TIME_KEY = b"\x09"  # the first field, a double
_STEP, _SUMMARY = 2, 5
_EVENT = range(1, 11)  # the fields of an Event

Fields = Iterator[tuple[int, Any]]  # number of a field, and its value: int, or bytes


class _Broken(ValueError):
    """A message that is no protocol buffer."""


def is_events(data: bytes) -> bool:
    """Whether this is the beginning of an event file: its first record tells the version, or is an Event.

    CatBoost writes no version. Records of other kinds (TFRecord files) have both checksums too, but another message.
    """
    if len(data) < _HEADER.size:
        return False
    length, crc = _HEADER.unpack_from(data)
    if length >= 1 << 20 or crc != _masked(data[:8]):
        return False
    if VERSION in data[_HEADER.size : _HEADER.size + length]:
        return True
    try:
        return any(_is_event(record) for _, record in islice(_records(data[: length + _ENVELOPE]), 1))
    except _Broken:
        return False


def _is_event(message: bytes) -> bool:
    """Whether a message has the time of an Event, and no fields or values that an Event does not have."""
    if message[:1] != _TIME_KEY or len(message) < 9 or not 0 <= _DOUBLE(message[1:9])[0] < 1e11:
        return False
    try:
        for field, value in _fields(message):
            if field not in _EVENT or isinstance(value, int) != (field == _STEP):
                return False
            if field == _SUMMARY and any(one != 1 or not isinstance(part, bytes) for one, part in _fields(value)):
                return False
    except _Broken:
        return False
    return True


def read_events(data: bytes) -> tuple[Table, str]:
    """The scalars as a table, and how it was read. A last record that is half-written is left out. Raises NoTable."""
    reader = Events()
    end = reader.feed(data)
    return reader.result(data[end:])


class Events:
    """Reads event files piece by piece.

    Rows are steps, in the order in which they came first; a step that a tag has again, as after a restart, is a row of
    its own.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], int] = {}  # (step, how many times the tag had it before) -> row
        self._tags: dict[str, dict[int, float]] = {}  # tag -> row -> value
        self._seen: dict[tuple[str, int], int] = {}
        self._end = 0
        self._broken: str | None = None
        self._before: _Before | None = None

    def feed(self, data: bytes) -> int:
        """Read the whole records of what follows, and say how many bytes they are. Raises Anew."""
        done, scalars = 0, list[tuple[int, str, float]]()
        try:
            for end, record in _records(data):
                done = end
                scalars += _scalars(record)
        except _Broken as error:
            self._broken = str(error)
        if self._before is not None:
            self._recall({step for step, _, _ in scalars})
        for step, tag, value in scalars:
            column = self._tags.setdefault(tag, {})
            row = self._rows.setdefault((step, 0), self._height)
            if row in column:
                again = self._seen[tag, step] = self._seen.get((tag, step), 0) + 1
                row = self._rows.setdefault((step, again), self._height)
            column[row] = value
        self._end += done
        return done

    def result(self, rest: bytes) -> tuple[Table, str]:
        """The table and how it was read. `rest` is what was not read of the file. Raises NoTable."""
        broken = self._broken
        if not self._tags:
            raise NoTable(f"no scalars in the event file{f': {broken}' if broken else ''}")
        how = "TensorBoard event file" + (f", read up to byte {self._end}: {broken}" if broken else "")
        return self._table(broken is None and bool(rest)), how

    def state(self) -> dict[str, Any] | None:
        """What is to be known to go on later, beside the table; None where that cannot be."""
        if self._broken or not self._tags:
            return None
        return {"end": self._end, "tags": {tag: self._known(tag) for tag in self._tags}}

    @classmethod
    def resume(cls, state: Mapping[str, Any], table: Table) -> Events:
        """One that goes on from there."""
        made = cls()
        made._end = state["end"]
        made._before = _Before(table, state["tags"])
        made._tags = {tag: {} for tag in state["tags"]}
        return made

    @property
    def _height(self) -> int:
        return len(self._rows) + (self._before.unseen if self._before else 0)

    def _recall(self, steps: Collection[int]) -> None:
        """Take in the rows of before that are of these steps."""
        assert self._before is not None
        for step, row, tags in self._before.rows(steps):
            again = 0
            while (step, again) in self._rows:
                again += 1
            self._rows[step, again] = row
            for tag in tags:
                self._tags[tag][row] = float(self._before.columns[tag].values[row])
                self._seen[tag, step] = self._seen.get((tag, step), -1) + 1

    def _known(self, tag: str) -> tuple[int, int, bool]:
        """How many cells of a tag are filled, which is the last of them, and whether nan was logged."""
        before = self._before.tags.get(tag, (0, -1, False)) if self._before else (0, -1, False)
        cells = self._tags[tag]
        new = [row for row in cells if self._before is None or not self._before.has(tag, row)]
        nan = before[2] or any(cells[row] != cells[row] for row in new)
        return before[0] + len(new), max(before[1], max(new, default=-1)), nan

    def _table(self, partial: bool) -> Table:
        import numpy as np

        height, start = self._height, self._before.height if self._before else 0
        check_size(height, len(self._tags), start + sum(map(len, self._tags.values())))
        steps = np.empty(height, dtype=np.int64)
        if self._before:
            steps[:start] = self._before.steps
        rows = {row: step for (step, _), row in self._rows.items() if row >= start}
        steps[list(rows)] = list(rows.values())
        columns = [Column(steps)]
        for tag, values in self._tags.items():
            cells = np.full(height, np.nan)
            if self._before and tag in self._before.columns:
                cells[:start] = self._before.columns[tag].values
            cells[list(values)] = list(values.values())
            filled, last, _ = self._known(tag)
            columns.append(Column(cells, None if filled == height else last))
        return Table(["step", *self._tags], columns, partial)


class _Before:
    """The table that is there already. `tags`: how many cells are filled, the last of them, whether nan was logged."""

    def __init__(self, table: Table, tags: Mapping[str, tuple[int, int, bool]]) -> None:
        self.tags = tags
        self.steps = table.columns[0].values
        self.height = self.unseen = len(self.steps)
        self.columns = dict(zip(tags, table.columns[1:], strict=True))
        self._recalled: set[int] = set()

    def has(self, tag: str, row: int) -> bool:
        """Whether a tag has a value in a row."""
        if row >= self.height or tag not in self.columns:
            return False
        value = self.columns[tag].values[row]
        return bool(value == value) or self.tags[tag][2]

    def rows(self, steps: Collection[int]) -> Iterator[tuple[int, int, list[str]]]:
        """The rows of these steps that were not asked for yet, and the tags that have values there. Raises Anew."""
        import numpy as np

        for row in np.flatnonzero(np.isin(self.steps, np.array(list(steps), dtype=np.int64))).tolist():
            if row in self._recalled:
                continue
            self._recalled.add(row)
            self.unseen -= 1
            for tag, (_, _, nan) in self.tags.items():
                if nan and self.columns[tag].values[row] != self.columns[tag].values[row]:
                    raise Anew  # a nan that was logged, or nothing
            yield int(self.steps[row]), row, [tag for tag in self.tags if self.has(tag, row)]


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole records: where each ends, and its message. Raises _Broken where a checksum does not hold."""
    start, size = 0, len(data)
    while start + _HEADER.size <= size:
        length, crc = _HEADER.unpack_from(data, start)
        if crc != _masked(data[start : start + 8]):
            raise _Broken("the checksum of a record's length does not hold")
        first = start + _HEADER.size
        end = first + length + _CRC.size
        if end > size:
            return
        record = data[first : first + length]
        if _CRC.unpack_from(data, end - _CRC.size)[0] != _masked(record):
            raise _Broken("the checksum of a record does not hold")
        yield end, record
        start = end


def _masked(data: bytes) -> int:
    """The checksum as it stands in the file: rotated, so that one of checksums is not one of data."""
    import google_crc32c

    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _scalars(event: bytes) -> Iterator[tuple[int, str, float]]:
    """(step, tag, value) of an Event."""
    step, summaries = 0, []
    for field, value in _fields(event):
        if field == 2 and isinstance(value, int):
            step = value - (1 << 64) if value >> 63 else value
        elif field == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for field, value in _fields(summary):
            if field == 1 and isinstance(value, bytes):
                tag, number = _value(value)
                if number is not None:
                    yield step, tag, number


def _value(message: bytes) -> tuple[str, float | None]:
    """Tag and number of a Summary.Value; None where it is none: an image, a histogram, text."""
    tag, number = "", None
    for field, value in _fields(message):
        if field == 1 and isinstance(value, bytes):
            tag = value.decode(errors="replace")
        elif field == 2 and isinstance(value, bytes) and len(value) == 4:
            number = _FLOAT(value)[0]
        elif field == 8 and isinstance(value, bytes):
            number = _tensor(value)
    return tag, number


def _tensor(message: bytes) -> float | None:
    """The number of a TensorProto that holds one, None for any other."""
    kind, content, listed, sizes = 0, b"", [], []
    for field, value in _fields(message):
        if field == 1 and isinstance(value, int):
            kind = value
        elif field == 2 and isinstance(value, bytes):
            sizes = [size for dim in _dims(value) for one, size in _fields(dim) if one == 1]
        elif field == 4 and isinstance(value, bytes):
            content = value
        elif field in _LISTS or field == _HALVES:
            listed += _numbers(value, _LISTS.get(field))
    if any(size != 1 for size in sizes):
        return None
    if content and kind in _PACKED and len(content) == struct.calcsize(_PACKED[kind]):
        return float(struct.unpack(_PACKED[kind], content)[0])
    if content and kind == _BFLOAT16 and len(content) == 2:
        return float(_FLOAT(b"\0\0" + content)[0])
    if len(listed) != 1 or (kind in (19, _BFLOAT16) and not _is_half(listed[0])):
        return None
    if kind == 19:
        return float(struct.unpack("<e", struct.pack("<H", listed[0]))[0])
    if kind == _BFLOAT16:
        return float(_FLOAT(b"\0\0" + struct.pack("<H", listed[0]))[0])
    return float(listed[0])


def _dims(shape: bytes) -> Iterator[bytes]:
    return (dim for part, dim in _fields(shape) if part == 2 and isinstance(dim, bytes))


def _is_half(number: Any) -> bool:
    return isinstance(number, int) and 0 <= number < 1 << 16


def _numbers(value: Any, packed: str | None) -> list[Any]:
    """The numbers of a repeated field, packed or one by one."""
    if packed is None:
        if isinstance(value, int):
            values = [value]
        else:
            values, at = [], 0
            while at < len(value):
                one, at = _varint(value, at)
                values.append(one)
        return [one - (1 << 64) if one >> 63 else one for one in values]
    size = struct.calcsize(packed)
    return (
        [one for (one,) in struct.iter_unpack(packed, value)]
        if isinstance(value, bytes) and len(value) % size == 0
        else []
    )


def _fields(message: bytes) -> Fields:
    """The fields of a protocol buffer, in order. Raises _Broken."""
    at, size = 0, len(message)
    while at < size:
        key = message[at]
        at += 1
        if key > 127:
            key, at = _varint(message, at - 1)
        wire = key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise _Broken("a record is no protocol buffer")
        if at + length > size:
            raise _Broken("a record is no protocol buffer")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise _Broken("a record is no protocol buffer")
