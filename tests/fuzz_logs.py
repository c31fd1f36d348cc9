"""A fuzzer of the log readers, guided by coverage: any bytes give a table or NoTable, in bounded time and memory.

`python tests/fuzz_logs.py [--seconds N] [--reader NAME|all] [--corpus DIR]` gives each reader an equal part of the
time, in a process of its own, prints what it found and how many inputs each reader had, and exits with 1 if it found
anything. The shortest input for each mistake lies in `DIR/found`; `--reader NAME --input FILE` runs it again. Inputs
that reach new code are kept in `DIR/NAME`, and a later call goes on from there.

The first byte of an input says in which of its ways a reader is called.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gzip
import hashlib
import io
import json
import lzma
import multiprocessing
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

with contextlib.redirect_stderr(io.StringIO()):  # it tells of every module
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["metarunlog"]):
        from metarunlog import blocks, logs
        from metarunlog.logs import events, growing, pickled, source
        from metarunlog.logs import lines as text_lines
        from metarunlog.logs.cells import Table, frame
        from metarunlog.logs.delimited import read_delimited
        from metarunlog.logs.find import LogFile
        from metarunlog.logs.growing import read_log
        from metarunlog.logs.jsonlines import read_json
        from metarunlog.logs.parsed import parse
        from metarunlog.logs.pattern import read_pattern
        from metarunlog.logs.source import NoTable
        from metarunlog.logs.text import read_lines
    from test_events import field, record

T = TypeVar("T")

CORPUS = Path(__file__).parent / "corpus/logs"
SEED = 1024  # bytes of a log that are a seed
LONGEST = 4096  # bytes of an input
LIMIT = 10  # seconds that a call may take
MEMORY = 2048  # MB that the process of a reader may use
LONG = 1 << 15  # bytes of a text in which pieces come over and over
SLOW = (0.2, 0.6)  # seconds of the processor; what takes as long is tried with four times as many pieces
AGAIN, RUN = 0xC0, 0xE0  # the least bytes of a recipe that repeat all, and the last token
SPLIT = b"\n=#=\n"  # between the records of an event file, and between archives

WORDS = """
0 1 2 a e x step epoch iter loss value train.py:12 12:34:56 2020-01-02 1700000000.5 3/10 1,234 0,5 #3 @ ms/iter s min
nan inf -inf NaN -Infinity null None true 1e308 -1e-5 .5 1.#QNAN 9223372036854775808 [train] 100%| [====>...] of - % /
{"step": "loss": {"value":1} "log_history":[ } [ ] \\ud800" " "" | | a|1| ------ # = : , ; . brain.Event:2 ndarray R b
"""
TOKENS = [
    *(word.encode() for word in WORDS.split()),
    *(b"\n", b"\r\n", b"\r", b"\t", b" ", b"  ", b", ", b": ", b"\n# ", b"}\n", b"\n|", b" |\n", b"\x1b[0m", SPLIT),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xc2\xa0", b"\xe3\x80\x80", b"\x1f", b"\0", b"\x0b", b"\x85", b"\xfd7zXZ\0"),
    *(b"\x0a\4loss", b"\x15\0\0\x80\x3f", b"\x08\1", b"\x22\4", b"\x12\4\x12\2\x08\1", b"\x1f\x8b\x08", b"\x8c\5dtype"),
    b"I0814 00:25:56.0 9 a:1] ",
]
LINES = """
loss  1  2  -1e-5
step = 1 , loss = nan
iter  3/10  loss = 1  ms/iter
{"step": 1 }
{"step": nan }
| a | 1 |
step , loss
1 , .5
"" , 1
2020-01-02  loss : .5
value : {"value":1}
"""
DELIMITED: tuple[dict[str, Any], ...] = (
    {"named": False},
    {"named": True, "prefer": ","},
    {"named": True, "prefer": "\t"},
    *({"named": True, "sep": sep} for sep in (";", " ", ":", "·", "\x1f")),
)
PATTERNS = (
    r"^step (?P<step>\d+) loss=(?P<loss>\S+)(?: acc=(?P<acc>\S+))?",
    r"(?P<epoch>\d+)\n(?P<loss>.*)",
    r"(?P<number>[-+.\deE]+)|(?P<word>\w+)",
    r"^(?P<all>.*)$",
    r"(?P<nothing>)",
)
ENCODINGS = (None, "utf-8", "utf-16", "utf-16-be", "utf-32", "utf-7", "latin-1", "cp1252", "cp932", "gb18030", "none")
NAMES = ("m.csv", "m.tsv", "m.json", "m.jsonl", "m.log", "m.csv.gz", "config.json", "events.out.tfevents.1", "log")
FILES = (
    *(LogFile("m", name) for name in NAMES),
    *(LogFile("m", "m", format, named=True) for format in ("csv", "tsv", "json", "text", "tensorboard")),
    LogFile("m", "m.txt", "regex", {"pattern": PATTERNS[2]}, named=True),
    LogFile("m", "m.txt", None, {"sep": "|", "encoding": "utf-16"}, named=True),
)
#: fields of an event on the way to its numbers: Event.summary, Summary.value, Value.tensor, its shape, a dim
WAY = (5, 1, 8, 2, 2)


def check(table: Table) -> None:
    """What holds for any table."""
    assert len(table.names) == len(table.columns), "as many names as columns"
    assert len({len(column.values) for column in table.columns}) == 1, "columns of one length"
    check_pickle({"t": frame(table, "x")})


def check_pickle(tables: Mapping[str, pd.DataFrame]) -> None:
    kept = pickled.dump(tables)
    back = pickled.read(kept)
    assert list(back) == list(tables)
    for name, table in tables.items():
        assert same(back[name], table), "the pickle holds an equal table"
    assert pickled.dump(back) == kept, "equal tables are equal bytes"


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return one.equals(other) and list(one.dtypes) == list(other.dtypes) and one.attrs == other.attrs


def one_of(choices: Sequence[T], way: int) -> T:
    return choices[way % len(choices)]


def utf8(data: bytes) -> bytes:
    """What readers get is UTF-8."""
    return data.decode(errors="replace").encode()


def delimited(way: int, data: bytes) -> None:
    check(read_delimited(utf8(data), **one_of(DELIMITED, way))[0])


def fast(way: int, data: bytes) -> None:
    """The reader of long texts gives what the one of short texts gives."""
    one, other = (outcome(utf8(data), {**one_of(DELIMITED, way), "short": short}) for short in (1 << 30, 0))
    assert one[0] == other[0], f"{one[0]}; as a long text: {other[0]}"
    assert one[1] is other[1] is None or same(one[1], other[1]), "read as a long text it is another table"


def outcome(data: bytes, options: Mapping[str, Any]) -> tuple[str, Any]:
    """How a delimited text was read, or why not, and its table."""
    try:
        table, how = read_delimited(data, **options)
    except NoTable as e:
        return f"no table: {e}", None
    return f"{how}, {table.partial}", frame(table, "x")


def as_json(way: int, data: bytes) -> None:
    check(read_json(utf8(data), single=bool(way % 2))[0])


def lines(_: int, data: bytes) -> None:
    tables, _how = read_lines(utf8(data))
    assert len({part for part, _ in tables}) == len(tables), "two parts of a name"
    for _part, table in tables:
        check(table)


def pattern(way: int, data: bytes) -> None:
    check(read_pattern(utf8(data), one_of(PATTERNS, way))[0])


def text(way: int, data: bytes) -> None:
    got = source.read_text(data, False, one_of(ENCODINGS, way))
    assert got.data.decode() and not got.data.isspace()


def event_file(way: int, data: bytes) -> None:
    """Records with the right lengths and checksums, whole and cut, or the bytes as they are."""
    whole = b"".join(map(event, data.split(SPLIT)))
    check(events.read_events((whole, whole[: -1 - way // 4], data)[min(way % 4, 2)])[0])


def event(piece: bytes) -> bytes:
    """A record of an event file. The first byte says how deep inside of it the others are."""
    message = piece[1:]
    for number in reversed(WAY[: piece[0] % (len(WAY) + 1)] if piece else ()):
        message = field(number, message)
    return record(message)


def unpack(way: int, data: bytes) -> None:
    """Archives strung together, whole and cut, or the bytes as they are."""
    if way % 3 == 0:
        source._unpack(data)
        return
    pack = gz if way % 3 == 1 else xz
    at = int.from_bytes(data[:2])
    pieces = data[2:].split(SPLIT)
    archives = [pack(piece) for piece in pieces]
    packed, content = b"".join(archives), b"".join(pieces)
    assert source._unpack(packed) == (content, False), "packed and unpacked it is the same"
    at = max(6, at % len(packed))  # below, it is no archive yet
    ends = {sum(map(len, archives[: n + 1])) for n in range(len(archives))}
    got, early = source._unpack(packed[:at])
    assert content.startswith(got) and early == (at not in ends), "cut, it is the beginning"


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def any_pickle(_: int, data: bytes) -> None:
    with little_memory(), contextlib.suppress(pickled.UnreadablePickle):
        pickled.read(data)


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """A broken pickle can ask for any memory: where there is none it is unreadable as well."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (256 << 20), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def log_file(way: int, data: bytes) -> None:
    """A file, with all that `parse` does."""
    log = one_of(FILES, way)
    with in_a_file(log, data) as folder:
        parsed = parse(folder, [log])
        if re.match(r"no table: \w*(Error|Warning|Exception|error):", parsed.notes[log.path]):
            frames(folder, log)  # for the traceback
            raise AssertionError(parsed.notes[log.path])
    check_pickle(parsed.tables)


def grown(way: int, data: bytes) -> None:
    """A log that is parsed, grows, and is parsed again: that is one new parse."""
    log = one_of(FILES, way)
    cut, data = int.from_bytes(data[:2]), data[2:]
    begin = data[: cut % (len(data) + 1)]
    with in_a_file(log, begin) as folder, small_blocks():
        for content in (begin, data):
            Path(folder, log.path).write_bytes(content)
            logs.refresh(folder, [log], folder / "t.pkl", 1)
        growing.WINDOW = 1 << 30
        assert (folder / "t.pkl").read_bytes() == logs.dump(parse(folder, [log])), "grown, it is another table"


@contextlib.contextmanager
def small_blocks() -> Iterator[None]:
    """Blocks, windows and pieces of so few bytes that an input has many."""
    sizes = {
        (blocks, "BLOCK"): 100,
        (blocks, "LARGE"): 300,
        (growing, "WINDOW"): 400,
        (growing, "PIECE"): {"Delimited": 100},
        (growing, "WORTH"): dict.fromkeys(growing.WORTH, 1),
        (text_lines, "BLOCK"): 200,
        (text_lines, "MANY"): 3,
    }
    kept = {place: getattr(*place) for place in sizes}
    for (module, name), value in sizes.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name), value in kept.items():
            setattr(module, name, value)


@contextlib.contextmanager
def in_a_file(log: LogFile, data: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, log.path).write_bytes(data)
        yield Path(folder)


def frames(folder: Path, log: LogFile) -> None:
    for _, table in read_log(f"{folder}/{log.path}", log)[0]:
        frame(table, log.path)


def long(way: int, data: bytes) -> None:
    """Files in which pieces come over and over: what takes more time than there is text shows."""
    log = one_of(FILES[:5], way)
    text = runs(data, 1)
    took = seconds(log, text)
    if SLOW[0] < took < SLOW[1]:
        more = runs(data, 4)
        if len(more) <= len(text):  # the first piece was longer than its room is now
            return
        longer = seconds(log, more)
        told = f"{len(text)} bytes take {took:.2f} s, {len(more)} bytes {longer:.2f} s"
        assert longer / took < 3 * len(more) / len(text), told


def seconds(log: LogFile, data: bytes) -> float:
    """Of the processor, to make the tables."""
    with in_a_file(log, data) as folder:
        begin = time.process_time()
        with contextlib.suppress(NoTable):
            frames(folder, log)
        return time.process_time() - begin


def runs(data: bytes, scale: int) -> bytes:
    """A text by its recipe: a byte is a token, or says how often the last one comes, or all since it was said last."""
    parts: list[bytes] = []
    whole = 0
    room = LONG * scale
    for byte in data:
        if byte < AGAIN:
            parts.append(one_of(TOKENS, byte))
            continue
        start = whole if byte < RUN else max(whole, len(parts) - 1)
        piece = b"".join(parts[start:])
        times = min(scale << byte % 11, room // max(1, sum(map(len, parts))))
        parts[start:] = [b"".join(piece.replace(b"@", b"%d" % n) for n in range(times))]
        whole = len(parts) if byte < RUN else whole
    return b"".join(parts)


@atheris.instrument_func  # type: ignore[untyped-decorator]
def is_planted(data: bytes) -> bool:
    """What chance does not meet in a day, and coverage leads to, byte by byte."""
    if data[:1] == b"\x83":  # noqa: SIM102
        if data[1:2] == b"\xd9":  # noqa: SIM102
            if data[2:3] == b"\xf1":
                return data[3:4] == b"\x9c"
    return False


def planted_error(_: int, data: bytes) -> None:
    assert not is_planted(data), "planted"


def planted_hang(_: int, data: bytes) -> None:
    while is_planted(data):
        pass


def pieces() -> list[bytes]:
    """The beginnings of the logs of the corpus, and something from the middle of each."""
    logs = [path.read_bytes() for path in sorted(CORPUS.glob("*/*")) if path.name != "facts.json"]
    return [piece for log in logs for piece in (log[:SEED], log[len(log) // 2 :][:SEED])]


def in_all_ways() -> list[bytes]:
    return [bytes([n % 32]) + piece for n, piece in enumerate(pieces())]


def recipes() -> list[bytes]:
    """Every token over and over, and lines that are."""
    end = TOKENS.index(b"\n")
    made = [bytes([n % 5, n, RUN + 9, end]) for n in range(len(TOKENS))]
    lines = [[TOKENS.index(word.encode() or b" ") for word in line.split(" ")] for line in LINES.split("\n")[1:-1]]
    return [*made, *(bytes([way, *line, end, AGAIN + 3]) for line in lines for way in range(5))]


def event_seeds() -> list[bytes]:
    """The first records of the event files, as they are and with what lies inside of them."""
    made = []
    for path in CORPUS.glob("*/events.*"):
        data = path.read_bytes()
        found: list[bytes] = []
        for end, message in events._records(data[: 8 * SEED]):
            found += [bytes([depth]) + one for depth, one in enumerate(inside(message, WAY))]
            if end > 4 * SEED:
                break
        made += [b"\0" + SPLIT.join(found[n : n + 8]) for n in range(0, len(found), 8)]
        made.append(b"\2" + data[: 4 * SEED])
    return [*made, *(b"\0\3\x08" + bytes([kind]) + content for kind, content in TENSORS)]


def inside(message: bytes, way: Sequence[int]) -> list[bytes]:
    """A message, and those inside of it on the way down."""
    found = [message]
    for number in way:
        deeper = [value for key, value in events._fields(found[-1]) if key == number and isinstance(value, bytes)]
        if not deeper:
            break
        found.append(deeper[0])
    return found


#: kinds of tensors and how they hold a number
TENSORS = [
    *((kind, field(4, b"\1" * size)) for kind, size in ((1, 4), (2, 8), (9, 8), (10, 1), (14, 2), (19, 2))),
    *((1, one) for one in (b"\x2a\4\0\0\x80\x3f", b"\x2d\0\0\x80\x3f")),
    *((kind, bytes([key << 3, 200, 1])) for kind, key in ((3, 7), (9, 10), (14, 13), (19, 13), (10, 11))),
    (19, b"\x6a\2\xc8\1\x12\4\x12\2\x08\1"),
]


def packed_seeds() -> list[bytes]:
    short = [piece[:300] for piece in pieces()]
    made = [b"\1\0\x20" + SPLIT.join(short[:2]), b"\2\0\x20" + SPLIT.join(short[2:4])]
    return [*made, *(b"\0" + pack(one) for pack in (gz, xz) for one in short[::8])]


def pickles() -> list[bytes]:
    texts = [b"step,loss,name\n1,0.5,a\n2,nan,b\n3,,\n", b"step,ok\n1,true\n2,false\n"]
    return [b"\0" + pickled.dump({"m": frame(read_delimited(one, named=True)[0], "m.csv")}) for one in texts]


class Reader(NamedTuple):
    """`call` gets the first byte of an input and the others; it raises NoTable, and anything else is a finding."""

    call: Callable[[int, bytes], None]
    seeds: Callable[[], list[bytes]] = in_all_ways

    def run(self, data: bytes) -> None:
        with contextlib.suppress(NoTable):
            self.call(data[0] if data else 0, data[1:])


READERS = {
    "delimited": Reader(delimited),
    "fast": Reader(fast),
    "json": Reader(as_json),
    "events": Reader(event_file, event_seeds),
    "lines": Reader(lines),
    "pattern": Reader(pattern),
    "text": Reader(text),
    "unpack": Reader(unpack, packed_seeds),
    "pickled": Reader(any_pickle, pickles),
    "parse": Reader(log_file),
    "grown": Reader(grown),
    "long": Reader(long, recipes),
}
#: with a mistake to be found, for the test of this fuzzer
PLANTED = {"planted-error": Reader(planted_error), "planted-hang": Reader(planted_hang)}


class Watched:
    """A reader that goes on after a mistake; the shortest input for each place in the code is kept, and told once."""

    def __init__(self, reader: Reader, prefix: str) -> None:
        self._reader = reader
        self._prefix = prefix
        self._known: dict[Path, int] = {}

    def __call__(self, data: bytes) -> None:
        try:
            self._reader.run(data)
        except Exception as error:
            self._keep(data, error)

    def _keep(self, data: bytes, error: Exception) -> None:
        frames = [(code.f_code.co_filename, line) for code, line in traceback.walk_tb(error.__traceback__)]
        own = [(file, line) for file, line in frames if file == __file__ or "/metarunlog/" in file]
        kind, place = type(error).__name__, "{}:{}".format(*(own or frames)[-1])
        path = Path(self._prefix + hashlib.sha1(f"{kind} {place}".encode()).hexdigest()[:10])
        if path not in self._known:
            tell(path, f"{kind}: {error} ({place})")
        if len(data) < self._known.get(path, sys.maxsize):
            self._known[path] = len(data)
            path.write_bytes(data)


def tell(path: object, reason: str) -> None:
    print(f"{path}: {json.dumps(reason)[1:-1][:300]}", flush=True)


def turn(name: str, reader: Reader, seconds: int, limit: int, folder: Path) -> tuple[int, int]:
    """Fuzz one reader: how many inputs it had, and how many findings there are."""
    found, kept, seeds = folder / "found", folder / name, folder / "seeds" / name
    for path in (found, kept, seeds):
        path.mkdir(parents=True, exist_ok=True)
    for path in found.glob(f"{name}-*"):
        path.replace(kept / path.name)  # those of an earlier call are tried first
    for n, seed in enumerate(reader.seeds()):
        (seeds / str(n)).write_bytes(seed)
    tokens = folder / "tokens"
    tokens.write_text("".join('"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in token)) for token in TOKENS))
    log, prefix = folder / f"{name}.log", f"{found}/{name}-"
    options = [f"-max_total_time={seconds}", f"-timeout={limit}", f"-rss_limit_mb={MEMORY}", f"-max_len={LONGEST}"]
    options += [f"-dict={tokens}", f"-artifact_prefix={prefix}", "-report_slow_units=3600", "-print_final_stats=1"]
    arguments = ["fuzz", *options, str(kept), str(seeds)]
    process = multiprocessing.get_context("fork").Process(target=fuzz, args=(Watched(reader, prefix), arguments, log))
    process.start()
    process.join()
    said = log.read_text(errors="replace")
    if process.exitcode:
        tell(*fatal(said, process.exitcode))
    counted = re.search(r"stat::number_of_executed_units: (\d+)", said)
    findings = len(list(found.glob(f"{name}-*")))
    return int(counted[1]) if counted else 0, max(findings, int(process.exitcode != 0))


def fuzz(call: Callable[[bytes], None], arguments: list[str], log: Path) -> None:
    """In a process of its own: it does not return."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    warnings.simplefilter("error")
    atheris.Setup(arguments, call)
    atheris.Fuzz()


def fatal(said: str, code: int) -> tuple[str, str]:
    """The input that ended a process, and the reason, by what libFuzzer says."""
    path = re.search(r"Test unit written to (\S+)", said)
    reason = re.search(r"ERROR: libFuzzer: (.*)", said)
    place = re.search(r'most recent call first\):\n  File "([^"]+)", line (\d+)', said)
    where = f" ({place[1]}:{place[2]})" if place else ""
    return path[1] if path else "no input", (reason[1] if reason else f"exit code {code}") + where


def again(reader: Reader, data: bytes, limit: int) -> int:
    """Run one input, with the traceback of its mistake."""
    faulthandler.dump_traceback_later(limit, exit=True)
    warnings.simplefilter("error")
    reader.run(data)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="A fuzzer of the log readers.")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for all readers together")
    parser.add_argument("--reader", choices=[*READERS, *PLANTED, "all"], default="all", metavar="NAME|all")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="where inputs are kept; else a temporary folder")
    parser.add_argument("--limit", type=int, default=LIMIT, metavar="SECONDS", help="that a call may take")
    parser.add_argument("--input", type=Path, metavar="FILE", help="run this input of the reader, and no other")
    options = parser.parse_args()
    readers = READERS if options.reader == "all" else {options.reader: {**READERS, **PLANTED}[options.reader]}
    if options.input:
        if options.reader == "all":
            parser.error("--input needs --reader NAME")
        return again(readers[options.reader], options.input.read_bytes(), options.limit)
    folder = options.corpus or Path(tempfile.mkdtemp(prefix="fuzz-logs-"))
    counts = {}
    for name, reader in readers.items():
        counts[name] = turn(name, reader, max(1, options.seconds // len(readers)), options.limit, folder)
    for name, (executions, findings) in counts.items():
        print(f"{name}: {executions} executions, {findings} findings")
    failed = any(findings for _, findings in counts.values())
    if not failed and options.corpus is None:
        shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
