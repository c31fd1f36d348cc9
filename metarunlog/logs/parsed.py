"""All logs of a sub-experiment as DataFrames with names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarunlog import files
from metarunlog.logs.cells import frame
from metarunlog.logs.find import LogFile
from metarunlog.logs.function import read_by_function
from metarunlog.logs.source import NoTable

if TYPE_CHECKING:
    import pandas as pd

    from metarunlog.logs.growing import Before, Mark


@dataclass(frozen=True)
class Parsed:
    """What the logs of a sub-experiment hold.

    `tables`: name to DataFrame, in the order of the files. The name is the key in `logs`, else the path without suffix,
    or with it where two files would share the name; `path:part` for several tables of one file.
    `notes`: path to how the file was read, or "no table: " and why.
    `fresh`: the tables are as they were read.
    `marks`: path to what is to be known to go on where this log ended, with the names of its tables.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)
    fresh: bool = False


def parse(
    sub_dir: Path,
    log_files: Iterable[LogFile],
    before: Mapping[str, Before] | None = None,
    functions: Callable[[str], Callable[[str], Any]] | None = None,
) -> Parsed:
    """Read log files, each once. No file makes this fail: one that cannot be read has its reason in the notes.

    `before` is what is left of the last time, by path. `functions` finds the user's readers by name; what they raise is
    not caught.
    """
    from metarunlog.logs.growing import read_log  # with all readers: who asks what is stale needs none

    read: list[tuple[LogFile, str | None, pd.DataFrame]] = []
    notes: dict[str, str] = {}
    marks: dict[str, Mark] = {}
    for log in log_files:
        if log.fallback and read:
            continue
        if log.function is not None:
            if functions is None:
                notes[log.path] = f"read by {log.function} of {files.ANALYZE}"
                continue
            frames = read_by_function(functions(log.function), f"{os.fspath(sub_dir)}/{log.path}", log)
            read += [(log, part, one) for part, one in frames]
            notes[log.path] = log.function + "".join(f"; {_shape(part, one)}" for part, one in frames)
            continue
        try:
            path, known = f"{os.fspath(sub_dir)}/{log.path}", (before or {}).get(log.path)
            tables, how, mark = read_log(path, log, known)
            frames = [(part, frame(table, log.path)) for part, table in tables]
        except NoTable as e:
            notes[log.path] = f"no table: {e}"
        except Exception as e:  # a reader's mistake costs one file, not the report
            notes[log.path] = f"no table: {type(e).__name__}: {' '.join(str(e).split())}"[:300]
        else:
            read += [(log, part, one) for part, one in frames]
            notes[log.path] = how + "".join(f"; {_shape(part, one)}" for part, one in frames)
            if mark is not None:
                marks[log.path] = {**mark, "tables": []}
    # a file counts once however many tables it gives
    sharing = Counter(log.table for log in {log.path: log for log, _, _ in read}.values())
    result: dict[str, pd.DataFrame] = {}
    for log, part, one in read:
        base = log.table if sharing[log.table] == 1 or log.named else log.path
        name = base if part is None else f"{base}:{part}"
        name = name if name not in result else f"{name}:{log.path}"
        result[name] = one
        if log.path in marks:
            marks[log.path]["tables"].append(name)
    return Parsed(result, notes, marks, fresh=True)


def _shape(part: str | None, one: pd.DataFrame) -> str:
    rows, columns = one.shape
    shape = f"{rows} row{'s' * (rows != 1)}, {columns} column{'s' * (columns != 1)}"
    name = "" if part is None else f"{part}: "
    return name + shape + (", a half-written last record left out" if one.attrs["partial"] else "")
