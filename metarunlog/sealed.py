"""Pickles with a check sum behind them, where readers of pickles do not look: a damaged one can crash what it holds.

What mrl keeps for itself between two commands is plain data, sealed: it is read quickly, holds nan as it is, and names
nothing that could be run.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
from collections.abc import Collection, Mapping
from typing import IO, Any

PROTOCOL = 5
_SEAL = struct.Struct("<4sI")
_MAGIC = b"mrl\n"
_PART = 1 << 20  # bytes

Names = Mapping[str, Collection[str]]  # module -> what of it a pickle may name


class Broken(ValueError):
    """It is not as it was written, or names what it may not."""


def dump(value: Any) -> bytes:
    """Plain data as bytes."""
    made = io.BytesIO()
    dump_to(made, value)
    return made.getvalue()


def dump_to(file: IO[bytes], value: Any) -> None:
    """The same to a file, without holding all of it twice."""
    sealing = _Sealing(file)
    pickle.dump(value, sealing, PROTOCOL)
    sealing.end()


def load(data: bytes) -> Any:
    """Plain data that `dump` wrote. Raises Broken."""
    return load_from(io.BytesIO(data))


def load_from(file: IO[bytes], names: Names | None = None) -> Any:
    """The same from a file; `names` are the few that it may need. Raises Broken."""
    import google_crc32c

    try:
        left, crc = file.seek(-_SEAL.size, os.SEEK_END), 0
        seal = file.read()
        file.seek(0)
        while left and (part := file.read(min(_PART, left))):
            crc = google_crc32c.extend(crc, part)
            left -= len(part)
        if _SEAL.unpack(seal) != (_MAGIC, crc):
            raise Broken("its check sum does not hold")
        file.seek(0)
        return _Reader(file, names or {}).load()
    except Exception as e:  # a broken pickle raises whatever it likes
        raise Broken(str(e) if isinstance(e, Broken) else f"{type(e).__name__}: {e}") from None


class _Sealing:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._crc = 0

    def write(self, data: bytes) -> int:
        import google_crc32c

        self._crc = google_crc32c.extend(self._crc, data if isinstance(data, bytes) else bytes(data))
        return self._file.write(data)

    def end(self) -> None:
        self._file.write(_SEAL.pack(_MAGIC, self._crc))


class _Reader(pickle.Unpickler):
    def __init__(self, file: IO[bytes], names: Names) -> None:
        super().__init__(file)
        self._names = names

    def find_class(self, module: str, name: str) -> Any:
        if name not in self._names.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} has no place in it")
        return super().find_class(module, name)
