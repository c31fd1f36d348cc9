"""The fuzzer of the log readers for a short time, and that it finds what is there to be found.

`MRL_LONG=1 python -m pytest tests/test_fuzz_logs.py` gives each reader five minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("atheris") is None, reason="there is no atheris for this system")

SCRIPT = Path(__file__).parent / "fuzz_logs.py"
READERS = [
    "delimited",
    "fast",
    "json",
    "events",
    "lines",
    "pattern",
    "text",
    "unpack",
    "pickled",
    "parse",
    "grown",
    "long",
]
SECONDS = 300 if os.environ.get("MRL_LONG") else 2
LEAST = 60  # inputs: what a slow machine manages in two seconds


def fuzz(folder: Path, *argv: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("COV")}  # it measures time
    command = [sys.executable, str(SCRIPT), "--corpus", str(folder), *argv]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_no_reader_fails(tmp_path: Path) -> None:
    code, said = fuzz(tmp_path, "--seconds", str(SECONDS * len(READERS)))
    assert code == 0, said
    counts = dict(re.findall(r"^(\w+): (\d+) executions, 0 findings$", said, re.MULTILINE))
    assert list(counts) == READERS
    assert all(int(count) >= LEAST for count in counts.values()), counts


@pytest.mark.parametrize(
    ("reader", "reason"), [("planted-error", "AssertionError: planted"), ("planted-hang", "timeout after")]
)
def test_a_planted_mistake_is_found(reader: str, reason: str, tmp_path: Path) -> None:
    code, said = fuzz(tmp_path, "--reader", reader, "--seconds", "15", "--limit", "1")
    assert code == 1, said
    (found,) = re.findall(rf"^(/.*): {reason}.*\(.*fuzz_logs\.py:\d+\)$", said, re.MULTILINE)
    assert Path(found).read_bytes()[1:5] == b"\x83\xd9\xf1\x9c"
    assert re.search(rf"^{reader}: [1-9]\d* executions, 1 findings$", said, re.MULTILINE)
