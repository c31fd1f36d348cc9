"""The docs are true: the tutorial is run as it stands, and what the README names exists."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from support import BIN, clean_environment

from metarunlog import grid
from metarunlog.cli import COMMANDS
from metarunlog.template import Template

ROOT = Path(__file__).parent.parent


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_tutorial_works_as_it_stands(tmp_path: Path) -> None:
    script = "\n".join(["set -e", *blocks((ROOT / "docs/tutorial.md").read_text(), "sh")])
    env = {**clean_environment(), "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 new (001-008)" in done.stdout and "8 unchanged, 2 new (009-010)" in done.stdout
    assert "10 new (011-020), 10 adopted (001-010)" in done.stdout
    assert "4 archived" in done.stdout and "`mrl restore 1/4` brings one back" in done.stdout
    assert "nothing to do" in done.stdout
    page = (tmp_path / "descent/exp/0001/analysis/index.html").read_text()
    assert "All below 1 converge" in page and "Converged from every start" in page


def test_the_readme_names_commands_that_exist() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "docs/reference.md").read_text()
    named = set(re.findall(r"(?:`|^)mrl ([a-z]+)\b", text, re.MULTILINE))
    assert named <= set(COMMANDS), named - set(COMMANDS)
    assert set(COMMANDS) <= named, "every command is documented"


def test_the_directives_of_the_reference_are_directives() -> None:
    text = (ROOT / "docs/reference.md").read_text()
    lines = [line for line in text.splitlines() if " MRL:" in line and not line.startswith(("With", "The", "where"))]
    found = [grid.read(line, n) for n, line in enumerate(lines, 1)]
    assert {directive.kind for directive in found if directive} == {"grid", "params", "where", "delimiters"}
    assert len(found) == 6 and all(found)
    body = b"{{ a|lower }} {{ a|tojson }} {{ '%.6f' % b }}\n# MRL:grid['a'] = [True]\n# MRL:grid['b'] = [1e-5]\n"
    assert Template.parse(body, "t").render({"a": True, "b": 1e-5}) == b"true true 0.000010\n"


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        if not target.startswith("http"):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"
