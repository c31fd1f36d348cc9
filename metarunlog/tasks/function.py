"""What section and overview have in common: a task that calls one analysis function, the user's or a built-in."""

from __future__ import annotations

import contextlib
import glob
import os
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarunlog import files, hooks
from metarunlog.config import Analysis
from metarunlog.engine.codedigest import CodeBase
from metarunlog.engine.spec import NO_CODE, VERIFY, Code, Job, Place, Spec
from metarunlog.tasks.names import Names

if TYPE_CHECKING:
    from metarunlog.engine.tracing import Recorder

#: Modules for workers to load before they are forked: what every call would import anew.
WARM = ("pandas", "metarunlog.tasks.function", "metarunlog.report.blocks", "markdown", "nh3", "pygments.lexers")

_PATIENCE = 10.0  # seconds for threads that outlive a function
_THREAD = "left a thread running"


class Functions:
    """The analysis functions of a project: which are the user's, and the digests of their code. Imports none of it.

    Threads may ask at once; the analysis of the code, which is not made for that, is done by one at a time.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = root / files.ANALYZE
        self._lock = threading.Lock()
        self._code = CodeBase(root)
        self._digests: dict[tuple[str, frozenset[str]], Mapping[str, str]] = {}
        self._others: dict[str, str] = {}

    def is_builtin(self, name: str, builtins: Mapping[str, Any]) -> bool:
        """A name is looked up in the user's module first."""
        if self._file.exists() and self._code.has(self._file, name):
            return False
        return name in builtins

    def code(self, called: Collection[str], place: Place) -> Code:
        """The code of the user's functions that a task calls, for the tasks of an experiment at `place`."""
        return UserCode(self, tuple(called), place)

    def digests(self, name: str, modules: frozenset[str]) -> Mapping[str, str]:
        """Part of the code -> digest, of all that the user's function reaches, and of `modules`, which a call was seen
        to import: those that the function does not reach count whole."""
        if not self._file.exists():
            return {}
        with self._lock:
            if (name, modules) not in self._digests:
                own = [Path(module) for module in modules if module.startswith(f"{self._root}/")]
                found = dict(self._code.digest(self._file, name, sorted(own)))
                found |= {module: self._outside(module) for module in modules if Path(module) not in own}
                self._digests[name, modules] = found
            return self._digests[name, modules]

    def line(self, part: str) -> int | None:
        with self._lock:
            return self._code.line(part)

    def content(self, module: str) -> str | None:
        """sha256 of the text of a module that the digests are of."""
        with self._lock:
            if not module.startswith(f"{self._root}/"):
                return self._outside(module)
            return self._code.bytes_digest(Path(module)) if os.path.isfile(module) else ""

    def _outside(self, module: str) -> str:
        """A module that is neither the project's nor a library's counts by its bytes."""
        if module not in self._others:
            try:
                self._others[module] = files.sha256(Path(module).read_bytes())
            except OSError:
                self._others[module] = ""
        return self._others[module]


@dataclass(frozen=True)
class UserCode:
    """`engine.spec.Code` of what a task calls."""

    functions: Functions
    called: tuple[str, ...]
    place: Place

    def digests(self, modules: Collection[str]) -> Mapping[str, str]:
        paths = frozenset(map(self.place.path, modules))
        return {part: digest for name in self.called for part, digest in self.functions.digests(name, paths).items()}

    def line(self, part: str) -> int | None:
        return self.functions.line(part)

    def content(self, module: str) -> str | None:
        return self.functions.content(self.place.path(module))


def spec(
    names: Names,
    functions: Functions,
    analysis: Analysis,
    builtins: Mapping[str, Any],
    builtin_versions: Mapping[str, int],
    *,
    kind: str,
    inner: str,
    doc: str,
    args: Mapping[str, Any],
    known: Mapping[str, Any],
    inputs: Sequence[str],
    builtin_inputs: Sequence[str],
    folder: str,
    after: Sequence[str],
    stage: int,
    waiting: str | None,
    waiting_dirs: Sequence[str] = (),
) -> Spec:
    """The task of one function. `folder` is where the patterns in its `inputs` start; `known` the values by name."""
    name = analysis.function
    builtin = functions.is_builtin(name, builtins)
    stem = f"{inner.split('/')[0]}.{name}" if kind == "section" else name
    target = names.section(stem)
    call: dict[str, Any] = {
        "function": name,
        "builtin": kind if builtin else None,
        "args": analysis.args,
        "known": known,
        "stem": stem,
        "target": names.path(target),
        "root": str(names.experiment.root),
    }
    if not builtin:
        call["waiting_dirs"] = list(waiting_dirs)
        call["declared"] = bool(analysis.inputs)
    version = builtin_versions.get(name, 0)
    return Spec(
        name=names.task(kind, inner),
        doc=doc,
        inputs=tuple(
            dict.fromkeys((*inputs, *(builtin_inputs if builtin else ()), *_globbed(names, folder, analysis.inputs)))
        ),
        targets=(target,),
        args={"xtrargs": list(analysis.args), **args},
        code=NO_CODE if builtin else functions.code([name], names.place),
        versions=names.versions(name, version) if builtin else names.user_versions,
        after=tuple(after),
        stage=stage,
        waiting=None if analysis.always else waiting,
        action=Job("metarunlog.tasks.function:run", call, isolated=not builtin),
    )


def run(
    function: str,
    builtin: str | None,
    args: Sequence[Any],
    known: dict[str, Any],
    stem: str,
    target: str,
    root: str,
    waiting_dirs: Sequence[str] = (),
    declared: bool = False,
    import_error: str | None = None,
    recorder: Recorder | None = None,
) -> dict[str, Any]:
    """The action, in a worker: call the function and write its blocks; a card in their place where it fails.

    `declared`: whether the config names its inputs, so that nobody need be told of those that were not seen.
    """
    from metarunlog.report import blocks

    if "subExpId" in known:
        known = _of_sub(**known)
    os.makedirs(known["outdir"], exist_ok=True)
    written: list[str] = []
    outcome: dict[str, Any] = {"state": "ok"}
    try:
        if import_error is not None:
            line = import_failure(import_error, root)
            made = [blocks.error_block(function, line, import_error.replace(f"{root}/", ""))]
            # whichever line is at fault: an edit of any module that was imported may be the cure
            outcome = {
                "state": "failed",
                "error": f"{files.ANALYZE} cannot be imported: {line}",
                "reads": imported_modules(root),
            }
        else:
            call = _builtin(builtin, function) if builtin else hooks.find(function)
            positional, keywords = hooks.bind(call, _Known(known), args)
            with _kept(known) if builtin == "overview" else contextlib.nullcontext():
                returned = call(*positional, **keywords)
            if recorder is not None and not _threads_ended():
                recorder.hidden.add(_THREAD)
            made, written = blocks.to_blocks(returned, Path(known["outdir"]), stem)
    except (Exception, SystemExit) as error:
        missing = getattr(error, "filename", None) if isinstance(error, FileNotFoundError) else None
        if missing and any(os.path.abspath(str(missing)).startswith(d + "/") for d in waiting_dirs):
            text = f"waits for {os.path.abspath(str(missing)).removeprefix(f'{root}/')}"
            made, outcome = [blocks.waiting_block(text)], {"state": "waiting", "error": text}
        else:
            line, text = hooks.describe_failure(error, root)
            made, outcome = [blocks.error_block(function, line, text)], {"state": "failed", "error": line}
    _close_figures()
    if recorder is not None and recorder.hidden and not declared:
        made = [*made, blocks.unseen_block(sorted(recorder.hidden))]
    files.write_if_changed(Path(target), blocks.dump_section(made, function))
    outdir = Path(known["outdir"])
    return {**outcome, "targets": [str(outdir / name) for name in written]}


def _of_sub(expDir: str, outdir: str, subExpId: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a function of a sub-experiment may ask for by name; a task holds no more than the four."""
    return {
        "expDir": expDir,
        "subExpDir": f"{expDir}/{subExpId}",
        "outdir": outdir,
        "subExpIds": [subExpId],
        "subExpId": subExpId,
        "params": {**params, "subExpId": subExpId},
        "Dparams": {subExpId: params},
    }


def _kept(known: Mapping[str, Any]) -> AbstractContextManager[None]:
    from metarunlog.logs import kept

    if VERIFY in os.environ:
        return contextlib.nullcontext()
    return kept.using(Path(known["expDir"]))


def _builtin(kind: str, name: str) -> Any:
    from metarunlog import analysis

    return (analysis.SUBEXP if kind == "section" else analysis.OVERVIEW)[name]


class _Known(dict[str, Any]):
    """The values by name. `Dparams` is made a DataFrame when it is asked for: index the ids, a row a sub-experiment."""

    def __getitem__(self, name: str) -> Any:
        rows = super().__getitem__(name)
        if name != "Dparams":
            return rows
        import pandas as pd

        columns = list(dict.fromkeys(name for params in rows.values() for name in params))
        frame = pd.DataFrame({c: [params.get(c) for params in rows.values()] for c in columns}, index=list(rows))
        frame["subExpId"] = list(rows)
        return frame


def _globbed(names: Names, folder: str, patterns: Sequence[str]) -> list[str]:
    """Keys of the files that the `inputs` of the config name. A plain name counts also while there is no such file."""
    found: list[str] = []
    for pattern in patterns:
        if glob.has_magic(pattern):
            found += sorted(glob.glob(pattern, root_dir=f"{names.experiment.dir}/{folder}", recursive=True))
        else:
            found.append(pattern)
    return [f"{folder}/{name}" if folder else name for name in found]


def import_failure(text: str, root: str) -> str:
    """`helpers.py:1: SyntaxError: ...`, from the traceback of a failed import of the user's module."""
    import re

    places = re.findall(rf'File "{re.escape(root)}/([^"]+)", line (\d+)', text)
    what = text.strip().splitlines()[-1].replace(f"{root}/", "")
    file, number = places[-1] if places else (files.ANALYZE, "1")
    via = "" if file == files.ANALYZE else f" (imported by {files.ANALYZE})"
    return f"{file}:{number}: {what}{via}"


def imported_modules(root: str) -> list[str]:
    """The project's modules that this process has imported, and the one that it has not."""
    import sys

    loaded = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    own = {name for name in loaded if name.startswith(f"{root}/") and not name.startswith(f"{sys.prefix}/")}
    return sorted({*own, f"{root}/{files.ANALYZE}"})


def _threads_ended() -> bool:
    """Wait, as Python does at its end, for threads that the function left running; False where one goes on and on."""
    deadline = time.monotonic() + _PATIENCE
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                return False
    return True


def _close_figures() -> None:
    """Figures that a built-in or a user's function left open."""
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


def fail(spec: Spec, error: str, path: Path) -> None:
    """Write an error card in place of what a task that died would have made, so that the report can show why."""
    from metarunlog.report import blocks

    name = spec.name.rpartition("/")[2]
    if path.parent.name == "sections":
        line = error.strip().splitlines()[-1] if error.strip() else "it failed"
        files.write_if_changed(path, blocks.dump_section([blocks.error_block(name, line, error)], name))
