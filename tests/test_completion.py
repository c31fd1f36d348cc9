"""Completion of `mrl` in real shells."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from support import BIN, ProjectDir

needs_zsh = pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is missing")
needs_fish = pytest.mark.skipif(shutil.which("fish") is None, reason="fish is missing")

BASH = """\
eval "$(mrl completion bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_WORDS=($1) IFS=$' \\n'
[ "${1% }" != "$1" ] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_python_argcomplete mrl
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """\
mrl completion fish | source
complete -C "$argv[1]" | cut -f 1
"""
# A line is typed into a shell at a terminal of its own, with TAB; what stands there afterwards is printed.
ZSH = """\
zmodload zsh/zpty
zpty shell 'zsh -f -i'
until_seen() {
  local out= part
  for _ in {1..600}; do
    while zpty -r -t shell part; do out+=$part; done
    [[ $out == *$1* ]] && break
    sleep 0.1
  done
  print -r -- $out
}
zpty -w shell 'PS1= ; autoload -Uz compinit; compinit -u; eval "$(mrl completion zsh)"; print REA""DY'
until_seen READY >/dev/null
zpty -n -w shell "$1"$'\\t\\t'
until_seen $2
zpty -d shell
"""


def completed(project: ProjectDir, shell: str, script: str, *words: str) -> str:
    arguments = {"bash": ["-c", script, "bash"], "zsh": ["-f", "-c", script, "zsh"], "fish": ["-N", "-c", script]}
    command = [shell, *arguments[shell], *words]
    env = {**project.env, "PATH": f"{BIN}:{project.env['PATH']}", "TERM": "dumb"}
    done = subprocess.run(command, cwd=project.root, env=env, capture_output=True, text=True, timeout=150, check=True)
    return done.stdout


def in_bash(project: ProjectDir, line: str) -> set[str]:
    return {word.strip() for word in completed(project, "bash", BASH, line).splitlines()}


def test_bash_knows_commands_options_and_what_there_is(logged: ProjectDir) -> None:
    logged.configure(analysis_overview={"results": []}, analysis_subexp={})
    logged.analyze()
    logged.commit()
    logged.mrl("new", "the second")
    assert in_bash(logged, "mrl ma") == {"makebatch"}
    assert {"analyze", "status", "completion", "doit"} <= in_bash(logged, "mrl ")
    assert in_bash(logged, "mrl analyze --ver") == {"--verify", "--verbose"}
    assert in_bash(logged, "mrl analyze ") == {"1", "2", "last"}
    assert in_bash(logged, "mrl completion ") == {"bash", "zsh", "fish"}
    assert in_bash(logged, "mrl run 1 --only 00") == {"001", "002", "003", "004"}
    assert in_bash(logged, "mrl run 1 --where l") == {"layers", "lr"}
    assert in_bash(logged, "mrl new -cp l") == {"last"}


def test_tasks_and_what_was_archived_are_completed(logged: ProjectDir) -> None:
    logged.configure(analysis_overview={"results": []}, analysis_subexp={})
    logged.analyze()
    assert in_bash(logged, "mrl why rep") == {"report:0001"}
    assert in_bash(logged, "mrl why overview:0001/") in ({"overview:0001/results"}, {"0001/results"})
    template = logged.read("exp/0001/conf.yaml")
    logged.write({"exp/0001/conf.yaml": template.replace("[1, 2]", "[1]")})
    logged.mrl("makebatch", "-q", code=None)
    logged.mrl("prune", "--yes")
    archived = in_bash(logged, "mrl restore ")
    assert archived and all(word.startswith("1/00") for word in archived)


def test_outside_of_a_project_nothing_is_wrong(logged: ProjectDir) -> None:
    outside = ProjectDir(logged.root.parent, logged.env)
    assert in_bash(outside, "mrl stat") == {"status"}
    assert in_bash(outside, "mrl analyze ") <= {"", "last"}


@needs_fish
def test_fish(logged: ProjectDir) -> None:
    assert completed(logged, "fish", FISH, "mrl ma").split() == ["makebatch"]
    assert completed(logged, "fish", FISH, "mrl status ").split() == ["1", "last"]


@needs_zsh
def test_zsh(logged: ProjectDir) -> None:
    assert "mrl makebatch" in completed(logged, "zsh", ZSH, "mrl mak", "ebatch").replace("\x07", "")


def test_an_unknown_shell_is_told(logged: ProjectDir) -> None:
    assert "invalid choice: 'csh'" in logged.mrl("completion", "csh", code=2).err
