"""One snapshot of a log file as UTF-8 bytes: read once, unpacked, decoded.

What is appended while a file is being parsed cannot be seen half: readers get bytes, never a path.
"""

from __future__ import annotations

import codecs
import lzma
import os
import stat
import zlib
from dataclasses import dataclass

from metarunlog.logs.encodings import BROKEN, guess

MAX_UNPACKED = 2 << 30  # bytes; a small archive can unpack to any size

_GZ = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\x00"
_BOMS = (  # the longer one first: UTF-32's little-endian mark starts with UTF-16's
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
_CONTROL = bytes(
    [*range(0x01, 0x08), *range(0x0E, 0x1B), *range(0x1C, 0x20)]
)  # without backspace, escape and white space


class NoTable(Exception):
    """A file that gives no table, and the reason in a few words."""


@dataclass(frozen=True)
class Source:
    """The text of a log as UTF-8 without a byte order mark."""

    data: bytes
    encoding: str  # of the file
    cut: bool  # the archive ends early: whatever the last line looks like, more was meant to follow


class LogData:
    """The bytes of a log as they are when it is opened, to be closed. Raises NoTable for what is no file, or may not be
    read."""

    def __init__(self, path: str) -> None:
        try:
            # without O_NONBLOCK the opening of a named pipe would wait for a writer
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as e:
            raise NoTable(f"cannot be read ({e.strerror})") from None
        info = os.fstat(self._fd)
        self.size = info.st_size
        if not stat.S_ISREG(info.st_mode):
            os.close(self._fd)
            raise NoTable("a folder, not a file" if stat.S_ISDIR(info.st_mode) else "not a regular file")

    def __enter__(self) -> LogData:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read(self, start: int, size: int) -> bytes:
        """`size` bytes from `start`, less at the end. What was appended since the file was opened is not seen."""
        size = min(size, self.size - start)
        parts: list[bytes] = []
        try:
            while size > 0 and (part := os.pread(self._fd, size, start)):  # one call gives at most 2 GB
                parts.append(part)
                start, size = start + len(part), size - len(part)
        except OSError as e:
            raise NoTable(f"cannot be read ({e.strerror})") from None
        return parts[0] if len(parts) == 1 else b"".join(parts)


def unpacked(data: bytes) -> tuple[bytes, bool]:
    """The content of a log, unpacked, and whether the archive ends early. Raises NoTable."""
    if not data:
        raise NoTable("empty")
    return _unpack(data)


def is_packed(data: bytes) -> bool:
    """Whether this is the beginning of an archive."""
    return data.startswith((_GZ, _XZ))


def plain_text(data: bytes) -> bytes | None:
    """A piece of a text without a character that is cut off at its end; None if it is not plain UTF-8."""
    if b"\0" in data or any(data.startswith(bom) for bom, _ in _BOMS):
        return None
    if data.isascii():
        return data
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data).encode()
    except UnicodeDecodeError:
        return None


def read_text(data: bytes, cut: bool, encoding: str | None = None) -> Source:
    """The content of a log as text. Raises NoTable."""
    text, name = _decode(data, encoding)
    if not text or text.isspace():
        raise NoTable("empty")
    return Source(text, name, cut)


def _unpack(data: bytes) -> tuple[bytes, bool]:
    """The content of gz and xz, whatever the name, and whether it ends early. Other data as it is."""
    if data.startswith(_GZ):
        kind = "gz"
    elif data.startswith(_XZ):
        kind = "xz"
    else:
        return data, False
    parts: list[bytes] = []
    room = MAX_UNPACKED
    while data.startswith(_GZ if kind == "gz" else _XZ):  # archives may be strung together
        part, rest, whole = _unpack_one(kind, data, room)
        parts.append(part)
        room -= len(part)
        if not whole:
            if room <= 0:
                raise NoTable(f"{kind} data of more than {MAX_UNPACKED >> 30} GB")
            return b"".join(parts), True
        data = rest.lstrip(b"\0")
    if data:
        # the start of a further archive may be cut in its first bytes
        if not (_GZ.startswith(data[:2]) if kind == "gz" else _XZ.startswith(data)):
            raise NoTable(f"damaged {kind} data")
        return b"".join(parts), True
    return b"".join(parts), False


def _unpack_one(kind: str, data: bytes, room: int) -> tuple[bytes, bytes, bool]:
    """One archive: content, what follows it, whether it was whole. Its check sum holds, or it is not whole."""
    try:
        if kind == "gz":
            gz = zlib.decompressobj(wbits=31)
            part = gz.decompress(data, max(room, 1))
            return part, gz.unused_data, gz.eof
        xz = lzma.LZMADecompressor()
        part = xz.decompress(data, max(room, 1))
        return part, xz.unused_data, xz.eof
    except (zlib.error, lzma.LZMAError):
        # where the damage starts cannot be known: what came out before it may be wrong already
        raise NoTable(f"damaged {kind} data") from None


def _decode(data: bytes, encoding: str | None) -> tuple[bytes, str]:
    """UTF-8 bytes and the name of the encoding they had. A character cut off at the end is left out."""
    if encoding is None:
        encoding = next((name for bom, name in _BOMS if data.startswith(bom)), None) or _wide(data)
    if encoding is not None:
        try:
            if not codecs.lookup(encoding)._is_text_encoding:
                raise LookupError("it is no encoding of text")
            text = codecs.getincrementaldecoder(encoding)().decode(data).encode()
        except (ValueError, LookupError) as e:
            raise NoTable(f"not text in {encoding} ({e})") from None
        return text.removeprefix(b"\xef\xbb\xbf"), encoding.removesuffix("-sig")
    data = data.rstrip(b"\0")  # blocks that a crashed machine had not written yet
    head = data[:4096]
    if b"\0" in data or len(head.translate(None, _CONTROL)) < len(head) - len(head) // 50:
        raise NoTable("binary")
    if data.isascii():
        return data, "utf-8"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data).encode()
    except UnicodeDecodeError:
        name = guess(data)
        codec = codecs.getincrementaldecoder("utf-8" if name == BROKEN else name)(errors="replace")
        return codec.decode(data).encode(), name
    return text, "utf-8"


def _wide(data: bytes) -> str | None:
    """UTF-16 without a byte order mark: half of the bytes of plain text are zero."""
    head = data[:2000]
    if b"\0" not in head:
        return None
    for name, zeros, letters in (("utf-16-le", head[1::2], head[0::2]), ("utf-16-be", head[0::2], head[1::2])):
        if len(zeros) > 1 and zeros.count(0) > 0.7 * len(zeros) and letters.count(0) == 0:
            return name
    return None
