"""The card of one sub-experiment: params, run, config, curves, end of the log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metarunlog import files
from metarunlog.analysis import learning_curves as curves
from metarunlog.analysis import logtail, sweep, values

CONFIG_BYTES = 64 * 1024


def card(subExpDir: str, subExpId: str, params: dict[str, Any], *conf: str) -> list[Any]:
    """One view with all of it. ``conf`` names the config files to show; without any, ``conf.yaml``."""
    from metarunlog import logs

    folder = Path(subExpDir)
    view = {
        "view": "card",
        "id": subExpId,
        "params": [
            [str(key), values.param(value)] for key, value in params.items() if key not in ("subExpId", "expId")
        ],
        "run": _run(sweep.run_record(folder)),
        "config": _configs(folder, conf),
        "curves": _curves(subExpId, logs.load(subExpDir)),
        "log": logtail.log_end(folder / files.RUN_LOG),
    }
    return [(view, "view", None)]


def _curves(id: str, frames: curves.Frames) -> dict[str, Any]:
    limit = curves.points(1)
    return curves.plots_of([id], lambda ids, by_row: {id: curves.run_of(frames, limit, by_row=by_row)}, limit)


def _configs(folder: Path, conf: tuple[str, ...]) -> list[dict[str, Any]]:
    """Name and text of each file; a file that was named but is not there has None, the default one is left out."""
    found = [{"name": name, "text": _text(folder / name)} for name in conf or ("conf.yaml",)]
    return found if conf else [one for one in found if one["text"] is not None]


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(CONFIG_BYTES + 1)
    except OSError:
        return None
    text = content[:CONFIG_BYTES].decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    return text + ("\n… (cut)" if len(content) > CONFIG_BYTES else "")


def _run(record: dict[str, Any]) -> dict[str, Any] | None:
    """The launch for people: state, command, times, exit code; None where mrl did not launch it."""
    if not record:
        return None
    started, ended = when(record.get("started")), when(record.get("ended"))
    return {
        "state": record.get("state"),
        "command": _command(record.get("command")),
        "started": _shown(started),
        "ended": _shown(ended),
        "seconds": (ended - started).total_seconds() if started and ended else None,
        "exitCode": record.get("exitCode"),
        "host": record.get("host"),
        "gitHash": record.get("gitHash"),
    }


def _command(command: Any) -> str | None:
    return " ".join(map(str, command)) if isinstance(command, list) else None if command is None else str(command)


def when(value: Any) -> datetime | None:
    """A time of a run record: ISO text, or seconds since 1970. One without a zone is taken as UTC, so that two can be
    compared."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _shown(time: datetime | None) -> str | None:
    return None if time is None else time.strftime("%Y-%m-%d %H:%M:%S")
