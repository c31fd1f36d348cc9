"""The workload: N sub-experiments, each with a config of 40 lines and a csv of 200 rows; and what peers do with it.

Tasks: a parse and a section each, one overview, one report. The actions of the peers use the standard library only;
mrl does its own built-in parse, section, overview and report, which do more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the peers in one process load no more than they need
    from pathlib import Path

TEMPLATE = (
    "id: {{ id }}\nlr: {{ lr }}\nseed: {{ seed }}\n"
    + "".join(f"param_{k:02d}: {k}\n" for k in range(37))
    + "# MRL:grid['id'] = range(%d)\n"
    + "# MRL:grid['lr'] = [0.1, 0.01, 0.001, 0.0001, 1e-05]\n# MRL:grid['seed'] = [1, 2]\n"
)


def csv_text(number: int, rows: int = 200) -> str:
    import random

    draw = random.Random(number)
    loss, lines = 2.0, ["epoch,train_loss,val_loss,accuracy"]
    for k in range(rows):
        loss *= 0.985
        lines.append(f"{k},{loss + draw.random() * 0.1:.6f},{loss + draw.random() * 0.2:.6f},{1 - loss / 2.5:.5f}")
    return "\n".join(lines) + "\n"


def plain(folder: Path, many: int) -> None:
    """For the peers: folder/exp/00001 and so on."""
    for i in range(1, many + 1):
        sub = folder / "exp" / f"{i:05d}"
        sub.mkdir(parents=True)
        config = f"id: {i}\nlr: {10.0 ** -(1 + i % 5):g}\nseed: {i % 7}\n"
        (sub / "config.yaml").write_text(config + "".join(f"param_{k:02d}: {k}\n" for k in range(37)))
        (sub / "metrics.csv").write_text(csv_text(i))


def project(folder: Path, many: int) -> Path:
    """For mrl: a project with one experiment whose batch is not made yet; returns the experiment. `many`: tens."""
    import subprocess

    folder.mkdir(parents=True)
    quiet = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    subprocess.run([*git, "init", "-q", "."], **quiet)
    (folder / "conf.yaml").write_text(TEMPLATE.replace("%d", str(many // 10)))
    mrl = [sys.executable, "-m", "metarunlog"]
    subprocess.run([*mrl, "init", "runs"], **quiet)
    subprocess.run([*git, "add", "."], **quiet)
    subprocess.run([*git, "commit", "-q", "-m", "Set up"], **quiet)
    subprocess.run([*mrl, "new", "benchmark"], **quiet)
    return folder / "runs" / "0001"


def fill(experiment: Path) -> None:
    """The logs of all sub-experiments of a batch."""
    for i, sub in enumerate(subs(experiment), 1):
        (sub / "metrics.csv").write_text(csv_text(i))


def subs(experiment: Path) -> list[Path]:
    return sorted(path for path in experiment.iterdir() if path.name.isdigit())


# --- the actions of the peers ---------------------------------------------------------------------------------------


def parse(source: str, target: str) -> None:
    import csv
    import pickle

    with open(source, newline="") as f:
        reader = csv.reader(f)
        names = next(reader)
        columns = list(zip(*(tuple(map(float, row)) for row in reader), strict=True))
    with open(target, "wb") as out:
        pickle.dump(dict(zip(names, columns, strict=True)), out, 5)


def section(parsed: str, config: str, target: str) -> None:
    data = _load(parsed)
    lines = []
    for name in ("train_loss", "val_loss", "accuracy"):
        points = " ".join(f"{x},{100 * y:.2f}" for x, y in enumerate(data[name][::4]))
        lines.append(f'<polyline id="{name}" points="{points}"/>')
    with open(config) as f, open(target, "w") as out:
        out.write(f"<section><pre>{f.read()}</pre><svg>{''.join(lines)}</svg></section>\n")


def overview(base: str, target: str) -> None:
    with open(target, "w") as out:
        out.write("<table>\n")
        for folder in folders(base):
            data = _load(f"{folder}/parsed.pkl")
            name = os.path.basename(folder)
            out.write(f"<tr><td>{name}<td>{min(data['val_loss']):g}<td>{max(data['accuracy']):g}\n")
        out.write("</table>\n")


def report(base: str, table: str, target: str) -> None:
    with open(target, "w") as out:
        out.write("<!doctype html>\n")
        for path in (table, *(f"{folder}/section.html" for folder in folders(base))):
            with open(path) as f:
                out.write(f.read())


def folders(base: str) -> list[str]:
    return sorted(entry.path for entry in os.scandir(base) if entry.is_dir())


def _load(path: str) -> dict[str, tuple[float, ...]]:
    import pickle

    with open(path, "rb") as f:
        data: dict[str, tuple[float, ...]] = pickle.load(f)
    return data


# --- peers in one Python process ------------------------------------------------------------------------------------


def files(base: str) -> Iterator[str]:
    for folder in folders(base):
        for name in ("config.yaml", "metrics.csv", "parsed.pkl", "section.html"):
            yield f"{folder}/{name}"


def stat_all() -> None:
    """List the folders and stat every file, nothing else."""
    for path in (*files("exp"), "overview.html", "report.html"):
        os.path.exists(path)


def direct() -> None:
    """What one Python process can do at least: it compares modification times, and keeps no record."""

    def time_of(path: str) -> int:
        try:
            return os.stat(path).st_mtime_ns
        except FileNotFoundError:
            return 0

    newest_parsed = newest_section = 0
    for folder in folders("exp"):
        source, config = f"{folder}/metrics.csv", f"{folder}/config.yaml"
        parsed, made = f"{folder}/parsed.pkl", f"{folder}/section.html"
        if time_of(parsed) < time_of(source):
            parse(source, parsed)
        if time_of(made) < max(time_of(parsed), time_of(config)):
            section(parsed, config, made)
        newest_parsed = max(newest_parsed, time_of(parsed))
        newest_section = max(newest_section, time_of(made))
    if time_of("overview.html") < newest_parsed:
        overview("exp", "overview.html")
    if time_of("report.html") < max(newest_section, time_of("overview.html")):
        report("exp", "overview.html", "report.html")


if __name__ == "__main__":
    {"stat": stat_all, "direct": direct}[sys.argv[1]]()
