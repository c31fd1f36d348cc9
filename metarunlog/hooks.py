"""The user's analysis functions: found, their arguments bound, called."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from metarunlog import files
from metarunlog.errors import MrlError

KNOWN = ("expDir", "subExpDir", "outdir", "subExpIds", "subExpId", "Dparams", "params")
_USUAL = ("expDir", "outdir", "subExpIds", "Dparams")


class CallError(MrlError):
    """The function cannot be called as it is written."""


def bind(
    function: Callable[..., Any], known: Mapping[str, Any], args: Sequence[Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments for an analysis function.

    Parameters are bound left to right: a known name gets its value, every other positional one takes the next of
    `args`, and the rest go to ``*args``. Where none of the first four is a known name they are
    (expDir, outdir, subExpIds, Dparams), as in 2016. CallError where the numbers do not fit.
    """
    parameters = list(inspect.signature(function).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [p.name for p in positional]
    if names and not set(names[:4]) & set(KNOWN):
        names[:4] = _USUAL[: len(names[:4])]
    rest = list(args)
    bound: list[Any] = []
    for name, parameter in zip(names, positional, strict=True):
        if name in KNOWN:
            if name not in known:
                raise CallError(f"{_name(function)} takes {name}, which an overview function has none of")
            bound.append(known[name])
        elif rest:
            bound.append(rest.pop(0))
        elif parameter.default is parameter.empty:
            raise CallError(
                f"{_name(function)} needs an argument for `{parameter.name}`; add it to its list in {files.CONFIG}"
            )
        else:
            bound.append(parameter.default)
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        bound += rest
    elif rest:
        raise CallError(f"{_name(function)} has no parameter for {rest[0]!r}; its list in {files.CONFIG} is too long")
    keywords = {p.name: known[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY and p.name in known}
    return bound, keywords


def find(name: str) -> Callable[..., Any]:
    """A function of the project's `mrl_analyze.py`, which this process has loaded. CallError where there is none."""
    return _function(sys.modules.get(Path(files.ANALYZE).stem), name)


def _function(module: ModuleType | None, name: str) -> Callable[..., Any]:
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        raise CallError(f"{files.ANALYZE} has no function {name}; define it, or take it out of {files.CONFIG}")
    return function


def load(root: Path, name: str) -> Callable[..., Any]:
    """A function of a project's `mrl_analyze.py` as it is now, for a process that may know that of another project, or
    an older one. Raises what the module raises, and CallError."""
    path = root / files.ANALYZE
    if not path.exists():
        raise CallError(f"{path} is missing; it should have the function {name}")
    return _function(_module(path, path.stat().st_mtime_ns), name)


@lru_cache(8)
def _module(path: Path, _: int) -> ModuleType:
    """The module in a file, run once for each time at which it was changed."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # it may import modules of the project
    spec.loader.exec_module(module)
    return module


def describe_failure(error: BaseException, root: str) -> tuple[str, str]:
    """One line and the traceback of what a function raised: without our frames, paths relative to the project."""
    package = str(Path(__file__).parent)
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(package):
        tb = tb.tb_next
    text = "".join(traceback.format_exception(type(error), error, tb)).replace(f"{root}/", "")
    if isinstance(error, MrlError):
        return str(error).replace(f"{root}/", ""), text
    frames = traceback.extract_tb(tb)
    own = [f for f in frames if f.filename.startswith(f"{root}/")]
    what = traceback.format_exception_only(error)[-1].strip().replace(f"{root}/", "")
    if own:
        what = f"{own[-1].filename.removeprefix(f'{root}/')}:{own[-1].lineno}: {what}"
    return " ".join(what.split()), text


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "the function")
