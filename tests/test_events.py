"""TensorBoard event files, real ones and such as are built here, field by field."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metarunlog.logs.cells import frame
from metarunlog.logs.events import is_events, read_events
from metarunlog.logs.find import find
from metarunlog.logs.parsed import parse
from metarunlog.logs.source import NoTable

CORPUS = Path(__file__).parent / "corpus/logs"


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, value: int | bytes) -> bytes:
    """A field of a protocol buffer: a varint, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def fixed(number: int, packed: bytes) -> bytes:
    """A field of 4 or 8 bytes."""
    return varint(number << 3 | (5 if len(packed) == 4 else 1)) + packed


def masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15) + (crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(event: bytes) -> bytes:
    length = struct.pack("<Q", len(event))
    return length + masked(length) + event + masked(event)


VERSION = record(fixed(1, struct.pack("<d", 1.5e9)) + field(3, b"brain.Event:2"))


def event(step: int, *values: bytes) -> bytes:
    summary = b"".join(field(1, value) for value in values)
    return record(fixed(1, struct.pack("<d", 1.5e9 + step)) + field(2, step) + field(5, summary))


def simple(tag: str, value: float) -> bytes:
    return field(1, tag.encode()) + fixed(2, struct.pack("<f", value))


def tensor(tag: str, kind: int, *fields: bytes) -> bytes:
    plugin = field(9, field(1, field(1, b"scalars")))
    return field(1, tag.encode()) + plugin + field(8, field(1, kind) + b"".join(fields))


def rows(data: bytes) -> list[dict[str, Any]]:
    """The table as rows, without what is empty."""
    made = frame(read_events(data)[0], "events")
    return [{k: v for k, v in row.items() if v == v} for row in made.to_dict("records")]


@pytest.mark.parametrize("name", ["tfe_apex_beamrider", "tfe_smn"])
def test_real_files(name: str) -> None:
    facts = json.loads((CORPUS / name / "facts.json").read_text())["facts"]["tables"][0]
    parsed = parse(CORPUS / name, find(CORPUS / name, None, ["facts.json"]))
    (made,) = parsed.tables.values()
    assert made.attrs["x"] == "step" and made.attrs["partial"] is False
    assert len(made) == facts["n_steps"] and sorted(made.columns) == sorted(["step", *facts["columns"]])
    for tag, known in facts["metrics"].items():
        values = made[tag][made[tag].notna()]
        assert len(values) + known["n_nan"] == known["n"]
        assert (float(values.min()), float(values.max())) == (known["min"], known["max"])
        if known["last"] != "nan":
            assert float(values.iloc[-1]) == known["last"]
            assert made["step"][values.index[-1]] == known["last_step"]
        if known["first"] != "nan":
            assert float(values.iloc[0]) == known["first"]


def test_a_row_a_step_and_a_column_a_tag() -> None:
    data = VERSION + event(0, simple("loss", 2.0), simple("val/acc", 0.5)) + event(10, simple("loss", 1.0))
    data += event(20, simple("loss", 0.5)) + event(20, simple("val/acc", 0.75))
    assert rows(data) == [
        {"step": 0, "loss": 2.0, "val/acc": 0.5},
        {"step": 10, "loss": 1.0},
        {"step": 20, "loss": 0.5, "val/acc": 0.75},
    ]
    assert rows(VERSION + event(-1, simple("loss", 9.0))) == [{"step": -1, "loss": 9.0}]


def test_steps_that_come_again_are_rows_of_their_own() -> None:
    data = VERSION + b"".join(event(step, simple("a", step), simple("b", -step)) for step in (1, 2, 3, 2, 3, 2))
    found = [(row["step"], row["a"], row["b"], row["segment"]) for row in rows(data)]
    assert found == [(s, s, -s, n) for s, n in ((1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (2, 2))]


def test_tags_one_after_the_other_share_their_steps() -> None:
    data = VERSION + b"".join(event(step, simple(tag, step)) for tag in "ab" for step in (1, 2))
    assert rows(data) == [{"step": 1, "a": 1.0, "b": 1.0}, {"step": 2, "a": 2.0, "b": 2.0}]


@pytest.mark.parametrize(
    ("kind", "fields", "value"),
    [
        (1, [field(4, struct.pack("<f", 0.25))], 0.25),
        (1, [field(5, struct.pack("<f", 0.25))], 0.25),
        (1, [fixed(5, struct.pack("<f", 0.25))], 0.25),
        (2, [field(2, b""), field(4, struct.pack("<d", 0.1))], 0.1),
        (2, [field(6, struct.pack("<d", 0.1))], 0.1),
        (3, [field(4, struct.pack("<i", -7))], -7.0),
        (3, [field(7, varint(-7))], -7.0),
        (3, [field(7, 7)], 7.0),
        (9, [field(10, varint(1 << 40))], float(1 << 40)),
        (9, [field(2, field(2, field(1, 1))), field(4, struct.pack("<q", -5))], -5.0),
        (10, [field(11, 1)], 1.0),
        (14, [field(4, b"\x80\x3f")], 1.0),
        (14, [field(13, 0x3F80)], 1.0),
        (19, [field(4, struct.pack("<e", 0.5))], 0.5),
        (19, [field(13, 0x3800)], 0.5),
    ],
)
def test_numbers_in_tensors(kind: int, fields: list[bytes], value: float) -> None:
    assert rows(VERSION + event(3, tensor("x", kind, *fields))) == [{"step": 3, "x": value}]


def test_what_is_no_scalar_is_left_out() -> None:
    vector = tensor("v", 1, field(2, field(2, field(1, 2))), field(4, struct.pack("<2f", 1, 2)))
    text = field(1, b"t") + field(8, field(1, 7) + field(8, b"hello"))
    image = field(1, b"i") + field(4, field(1, 1) + field(4, b"png"))
    assert rows(VERSION + event(1, vector, text, image, simple("a", 1.0))) == [{"step": 1, "a": 1.0}]
    with pytest.raises(NoTable, match="no scalars"):
        read_events(VERSION + event(1, vector, text, image))


def test_nan_is_logged_and_not_empty() -> None:
    made = frame(read_events(VERSION + event(1, simple("a", 1.0)) + event(2, simple("a", math.nan)))[0], "events")
    assert made.attrs["sparse"] == [] and math.isnan(made["a"].iloc[-1])
    sparse = VERSION + event(1, simple("a", math.nan)) + event(2, simple("b", 1.0))
    assert frame(read_events(sparse)[0], "events").attrs["last_nan"] == ["a"]


SMALL = [
    event(step, simple("loss", 1 / step), tensor("acc", 2, field(4, struct.pack("<d", step)))) for step in (1, 2, 3)
]


def test_cut_at_every_byte_the_whole_records_are_there() -> None:
    data = VERSION + b"".join(SMALL)
    whole = rows(data)
    ends = [len(VERSION) + sum(map(len, SMALL[:n])) for n in range(len(SMALL) + 1)]
    for cut in range(len(data) + 1):
        done = max((n for n, end in enumerate(ends) if end <= cut), default=0)
        if not done:
            with pytest.raises(NoTable):
                read_events(data[:cut])
            continue
        table, how = read_events(data[:cut])
        assert rows(data[:cut]) == whole[:done]
        assert table.partial == (cut not in ends) and how == "TensorBoard event file"


def test_no_flipped_byte_gives_a_wrong_number() -> None:
    data = VERSION + b"".join(SMALL)
    whole = rows(data)
    for at in range(len(data)):
        broken = data[:at] + bytes([data[at] ^ 0x15]) + data[at + 1 :]
        try:
            table, how = read_events(broken)
        except NoTable:
            continue
        made = rows(broken)
        assert made == whole[: len(made)] and len(made) < len(whole)
        assert table.partial or "checksum" in how


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_give_a_table_or_a_reason(data: bytes, at: int) -> None:
    for events in (
        data,
        VERSION + data,
        VERSION + record(data),
        VERSION + SMALL[0] + record(SMALL[1][12:-4][:at] + data),
    ):
        is_events(events)
        try:
            read_events(events)
        except NoTable as error:
            assert str(error)


def test_it_is_known_by_its_content_and_may_be_packed(tmp_path: Path) -> None:
    import gzip

    data = VERSION + b"".join(SMALL)
    (tmp_path / "out.log").write_bytes(data)
    (tmp_path / "more.log.gz").write_bytes(gzip.compress(data))
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"step,loss\n1,2\n")
    (tmp_path / "events.out.tfevents.2.host").write_bytes(b"")
    parsed = parse(tmp_path, find(tmp_path, None, []))
    assert sorted(parsed.tables) == ["more", "out"] and len(parsed.tables["out"]) == 3
    assert parsed.notes["events.out.tfevents.1.host"] == "no table: no TensorBoard event file, by its content"
    assert parsed.notes["events.out.tfevents.2.host"] == "no table: empty"
    named = parse(tmp_path, find(tmp_path, {"train": {"path": "out.log", "format": "tensorboard"}}, []))
    assert list(named.tables) == ["train"] and named.notes["out.log"].startswith("TensorBoard event file; 3 rows")
