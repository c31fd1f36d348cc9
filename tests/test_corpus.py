"""Config files that others wrote, made to templates: what is rendered is the file again, byte for byte."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from metarunlog import batch
from metarunlog.config import Config
from metarunlog.errors import TemplateError
from metarunlog.experiment import Experiment

CORPUS = Path(__file__).parent / "corpus/configs"
CASES = {folder.name: json.loads((folder / "facts.json").read_text()) for folder in sorted(CORPUS.iterdir())}


def expand(folder: Path, name: str, template: bytes) -> list[bytes]:
    """The files that makebatch makes of a template."""
    exp = folder / "exp/0001"
    exp.mkdir(parents=True, exist_ok=True)
    (exp / name).write_bytes(template)
    plan = batch.plan(Experiment(folder, exp, 1, Config(outdir="exp", confTemplFile=(name,))))
    plan.apply(plan.rows)
    return [(exp / row.id / name).read_bytes() for row in plan.rows]


def template_of(data: bytes, facts: dict[str, Any], start: str, end: str, *lines: str) -> bytes:
    """The file with the variable and the directive lines that `facts` name, in the way of its last line end."""
    at, literal = facts["byte_offset"], facts["literal"].encode()
    assert data[at : at + len(literal)] == literal
    body = data[:at] + f"{start}{facts['variable']}{end}".encode() + data[at + len(literal) :]
    final = re.search(rb"\r\n$|\n$|\r$|$", data)
    line_end = final[0] if final and final[0] else b"\n"
    block = line_end.join(line.encode() for line in (facts["mrl_line"], *lines))
    return body + (block + line_end if facts["final_newline"] else line_end + block)


@pytest.mark.parametrize("name", CASES)
def test_the_file_comes_back(name: str, tmp_path: Path) -> None:
    known = CASES[name]
    facts = known["facts"]
    data = (CORPUS / name / known["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == known["sha256"]
    try:
        made = expand(tmp_path, known["file"], template_of(data, facts, "{{", "}}"))
    except TemplateError as error:
        assert facts["braces"]["{{"] or facts["braces"]["{%"], "only braces of the file's own may collide"
        assert re.match(rf"exp/0001/{re.escape(known['file'])}:\d+: ", str(error))
        advice = re.search(r"write variables as (\S+)lr(\S+) and add the line: (.+)$", str(error))
        assert advice, error
        made = expand(tmp_path, known["file"], template_of(data, facts, advice[1], advice[2], advice[3]))
    assert made == [data]


@pytest.mark.parametrize("name", CASES)
def test_two_values_differ_in_the_value_alone(name: str, tmp_path: Path) -> None:
    known = CASES[name]
    facts = dict(known["facts"])
    facts["mrl_line"] = facts["mrl_line"].replace('"]', '", "another one"]')
    data = (CORPUS / name / known["file"]).read_bytes()
    at, length = facts["byte_offset"], len(facts["literal"].encode())
    symbol, closing = facts["comment_symbol"], facts["comment_end"] or ""
    delimiters = f"{symbol} MRL:delimiters = ['<@', '@>'] {closing}".rstrip()
    made = expand(tmp_path, known["file"], template_of(data, facts, "<@", "@>", delimiters))
    assert made == [data, data[:at] + b"another one" + data[at + length :]]
