"""Training logs become tables.

find      which files are logs                  source     one snapshot of a file, unpacked and decoded
detect    which reader a file gets              delimited  csv, tsv (sniff: how they are laid out)
jsonlines JSON lines, lists                     documents  one JSON object of series, histories, frames (measured)
events    TensorBoard's scalars                 text       text logs: lines, boxes, bars, tagged JSON objects
lines     lines to rows by what they share: shapes, with passed and naming; alike: cut fast; gather: rows to tables
pattern   by a user's regular expression        function   by a user's function
growing   where a log that grew is read on      stack      a table that is read piece by piece
encodings what is no UTF-8                      cells      cells to columns to DataFrames
pickled   tables to bytes and back              parsed     all tables of a sub-experiment
metrics   last, lowest and highest values    kept       what was made of pickles that are as they were
here      `load` and `summary`, for users
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarunlog import fileinfo, files, hooks
from metarunlog.logs import kept
from metarunlog.logs.find import LogFile, find, readers
from metarunlog.logs.metrics import Metric, metrics_of, summary_frame
from metarunlog.logs.parsed import Parsed, parse
from metarunlog.logs.pickled import UnreadablePickle, dump_marks, dump_to, read, read_file, read_marks
from metarunlog.logs.pickled import dump as dump_tables

if TYPE_CHECKING:
    import pandas as pd

    from metarunlog.logs.growing import Before
    from metarunlog.project import Settings

__all__ = [
    "LogFile",
    "Metric",
    "Parsed",
    "UnreadablePickle",
    "dump",
    "find",
    "load",
    "load_from",
    "metrics_by_sub",
    "metrics_of",
    "parse",
    "pickle_path",
    "read",
    "refresh",
    "summary",
    "summary_frame",
]

Frames = Mapping[str, "pd.DataFrame"]
Functions = Callable[[str], Callable[[str], Any]]  # the name of a user's function -> the function

_MANY_CELLS = 2_000_000  # of tables whose pickle is not held in memory

# Set in the environment while mrl calls functions of an experiment: its folder, and where its pickles are.
FROZEN = "MRL_FROZEN"
FROZEN_OUTDIR = "MRL_FROZEN_OUTDIR"


def pickle_path(analysis_dir: Path, sub_id: str) -> Path:
    """Where the parsed logs of a sub-experiment are kept."""
    return analysis_dir / "parsed" / f"{sub_id}.pkl"


def dump(parsed: Parsed) -> bytes:
    """The content of the pickle: equal tables give equal bytes."""
    return dump_tables(parsed.tables, fresh=parsed.fresh)


def refresh(
    sub_dir: Path,
    log_files: Collection[LogFile],
    pickle: Path,
    version: int,
    *,
    trust: bool = True,
    functions: Functions | None = None,
) -> list[Path]:
    """Bring the pickle of a sub-experiment up to date; returns what else was written: what its large logs need to be
    read on from where they end.

    `version` is that of the readers; without `trust` all logs are read from their start. `functions` finds the user's.
    """
    marks = pickle.with_suffix(".marks")
    parsed = parse(sub_dir, log_files, _before(pickle, marks, version) if trust else {}, functions)
    if sum(table.size for table in parsed.tables.values()) > _MANY_CELLS:
        files.write_by(pickle, lambda file: dump_to(file, parsed.tables, fresh=parsed.fresh))
    else:
        files.write_if_changed(pickle, dump(parsed))
    if not parsed.marks:
        return []
    files.write(marks, dump_marks(parsed.marks, fileinfo.numbers_of(pickle.stat()), version))
    return [marks]


def _before(pickle: Path, marks_path: Path, version: int) -> dict[str, Before]:
    """What is left of the last parse, by the paths of logs."""
    from metarunlog.logs.growing import Before

    marks = files.read(marks_path)
    try:
        if marks is None or not (known := read_marks(marks, fileinfo.numbers_of(pickle.stat()), version)):
            return {}
        tables = read_file(pickle)
        return {path: Before(mark, [tables[name] for name in mark["tables"]]) for path, mark in known.items()}
    except (OSError, UnreadablePickle, KeyError):
        return {}


def load(
    subExpDir: str | os.PathLike[str],
    *,
    analysis_dir: Path | None = None,
    logs: Mapping[str, Any] | None = None,
    skip: Collection[str] = (),
) -> dict[str, pd.DataFrame]:
    """The parsed logs of a sub-experiment: table name to DataFrame.

    The result of the last `mrl analyze` is taken where it is newer than the logs, else they are parsed again; nothing
    is written. `analysis_dir`, `logs` and `skip` come from the project's config; with `analysis_dir` given, no project
    is looked for and they are taken as they are. Raises NoSuchError outside an experiment.
    """
    sub_dir = Path(subExpDir).absolute()
    if analysis_dir is None:
        if _is_frozen(sub_dir.parent):
            return _frozen(pickle_path(Path(os.environ[FROZEN_OUTDIR]), sub_dir.name))
        return _load_from(sub_dir, _settings(sub_dir))
    return load_from(sub_dir, pickle_path(analysis_dir, sub_dir.name), logs, skip)


def load_from(
    sub_dir: Path,
    pickle: Path,
    logs: Mapping[str, Any] | None,
    skip: Collection[str],
    functions: Functions | None = None,
) -> dict[str, pd.DataFrame]:
    """`load` with all that it needs to know."""
    log_files = find(sub_dir, logs, skip)
    tables = _up_to_date(sub_dir, pickle, log_files)
    return dict(parse(sub_dir, log_files, functions=functions).tables) if tables is None else tables


def _load_from(sub_dir: Path, settings: Settings) -> dict[str, pd.DataFrame]:
    pickle = pickle_path(settings.analysis_dir, sub_dir.name)
    functions = partial(hooks.load, settings.experiment.root) if readers(settings.logs) else None
    return load_from(sub_dir, pickle, settings.logs, settings.skip, functions)


def summary(expDir: str | os.PathLike[str], params: bool = False) -> pd.DataFrame:
    """The last, lowest and highest value of each metric, a row a sub-experiment, index their ids.

    Columns METRIC.last, METRIC.min, METRIC.max; with `params=True` the params before them. METRIC is a column of the
    logs, `table/column` where several tables have it; the lowest and highest are of the finite values.
    """
    exp_dir = Path(expDir).absolute()
    settings = _settings(exp_dir)
    sys.audit(files.LISTED, str(exp_dir), settings.sub_pattern)  # whoever asks depends on which there are

    found = metrics_by_sub(exp_dir, settings.sub_ids, partial(_load_from, settings=settings))
    return summary_frame(found, settings.params if params else None)


def metrics_by_sub(
    expDir: str | os.PathLike[str], ids: Iterable[str], read: Callable[[Path], Frames] | None = None
) -> dict[str, dict[tuple[str, str], Metric]]:
    """The last, lowest and highest value of each metric, by sub-experiment. `read` gives the tables of one, else
    `load` does."""
    made = derived(expDir, ids, "metrics", 1, _plain_metrics, read)
    return {
        id_: {(table, column): Metric(last, low, high) for table, column, last, low, high in rows}
        for id_, rows in made.items()
    }


def _plain_metrics(tables: Frames) -> list[tuple[Any, ...]]:
    return [(*key, *metric) for key, metric in metrics_of(tables).items()]


def derived(
    expDir: str | os.PathLike[str],
    ids: Iterable[str],
    kind: str,
    version: object,
    make: Callable[[Frames], Any],
    read: Callable[[Path], Frames] | None = None,
) -> dict[str, Any]:
    """What `make` makes of the tables of sub-experiments, plain data, by id; kept from one analyze to the next, where
    mrl calls a function of its own. `version` is another where `make` makes another thing of the same tables."""
    exp_dir = os.path.abspath(expDir)
    keeper = kept.current()
    if keeper is None or not _is_frozen(exp_dir):
        one = load if read is None or _is_frozen(exp_dir) else read
        return {id_: make(one(Path(exp_dir, id_))) for id_ in ids}
    folder = f"{os.environ[FROZEN_OUTDIR]}/parsed"

    def of_pickle(path: str) -> Any:
        return make(_frozen(Path(path)))

    return {id_: keeper.get(kind, version, f"{folder}/{id_}.pkl", of_pickle) for id_ in ids}


def _is_frozen(exp_dir: str | Path) -> bool:
    """Whether mrl itself is calling a function of this experiment: the pickles are what it works on."""
    return os.environ.get(FROZEN) == str(exp_dir)


def _frozen(pickle: Path) -> dict[str, pd.DataFrame]:
    try:
        return read_file(pickle)
    except FileNotFoundError:
        return {}


def _up_to_date(sub_dir: Path, pickle: Path, log_files: list[LogFile]) -> dict[str, pd.DataFrame] | None:
    """The tables in the pickle if they are those of the log files as they are now."""
    try:
        made = pickle.stat().st_mtime_ns
        tables = read_file(pickle)
    except (OSError, UnreadablePickle):
        return None
    sources = {table.attrs.get("source") for table in tables.values()}
    if not sources <= {log.path for log in log_files}:
        return None
    for log in log_files:
        try:
            info = os.stat(sub_dir / log.path)
        except OSError:
            continue
        # a file that gave no table may have come later, with an old time (cp -p): its ctime tells
        newest = info.st_mtime_ns if log.path in sources else max(info.st_mtime_ns, info.st_ctime_ns)
        if newest >= made:
            return None
    return tables


def _settings(folder: Path) -> Settings:
    from metarunlog.project import settings_of  # it knows more than users of this module need

    return settings_of(folder)
