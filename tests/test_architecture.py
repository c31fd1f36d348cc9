"""The rooms of the house: imports point down only, and the quick commands load nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import metarunlog

PACKAGE = Path(metarunlog.__file__).parent

#: What each room may import of the package, beside itself. Anything may import errors and files.
ALLOWED: dict[str, set[str]] = {
    "blocks": set(),
    "fileinfo": set(),
    "sealed": set(),
    "engine": {"blocks", "fileinfo"},
    "bounded": set(),
    "expressions": {"bounded"},
    "grid": {"bounded", "expressions"},
    "sandbox": {"bounded"},
    "template": {"grid", "sandbox"},
    "config": {"yamlcore"},
    "git": set(),
    "experiment": {"config", "ledger"},
    "archive": {"experiment"},
    "ledger": {"archive", "experiment"},
    "sources": {"experiment", "template"},
    "adoption": {"experiment", "grid", "sources"},
    "pruning": {"archive", "experiment", "grid", "ledger"},
    "batch": {"adoption", "archive", "experiment", "ledger", "grid", "sources", "template"},
    "project": {"config", "experiment", "git"},
    "launch": {"config", "experiment"},
    "hooks": set(),
    "logs": {"blocks", "fileinfo", "hooks", "project", "sealed"},
    "report": {"analysis"},  # how a value is shown is decided where it is made
    "analysis": {"logs"},
    "tasks": {
        "analysis",
        "batch",
        "config",
        "engine",
        "experiment",
        "hooks",
        "launch",
        "logs",
        "project",
        "report",
        "sealed",
    },
    "demo": set(),
    "publish": set(),
    "cli": {
        *(
            "batch",
            "bounded",
            "demo",
            "engine",
            "experiment",
            "expressions",
            "git",
            "launch",
            "ledger",
            "logs",
            "project",
        ),
        *("archive", "pruning", "publish", "tasks"),
    },
    "__init__": {"logs"},
    "__main__": {"cli"},
    "errors": set(),
    "files": set(),
    "yamlcore": set(),
}


def _room(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "metarunlog":
                found |= {f"metarunlog.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return {name.split(".")[1] for name in found if name.startswith("metarunlog.")}


@pytest.mark.parametrize("path", sorted(p for p in PACKAGE.rglob("*.py") if "project" not in p.parts[-2:-1]), ids=str)
def test_imports_point_down(path: Path) -> None:
    room = _room(path)
    known = {"errors", "files", "__version__", room, *ALLOWED[room]}
    assert _imports(path) <= known, f"{path} imports up: {sorted(_imports(path) - known)}"


HEAVY = ("pandas", "numpy", "bokeh", "matplotlib", "git", "yaml", "doit", "jinja2", "tqdm", "nh3", "markdown")


@pytest.mark.parametrize(
    "argv", [["-h"], ["ls", "-h"], ["analyze", "-h"], ["status", "-h"], ["--version"]], ids=" ".join
)
def test_help_imports_nothing_heavy(argv: list[str]) -> None:
    code = (
        "import sys\nfrom metarunlog.cli import main\n"
        f"try:\n    main({argv!r})\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_readers_are_loaded_to_read() -> None:
    code = (
        "import sys, metarunlog.logs; print([m for m in sys.modules if m.endswith(('.detect', '.shapes', '.growing'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
