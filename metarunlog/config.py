"""`.mrl.cfg` -> Config: read, checked, frozen.

The text is JSON with `#` and `//` lines and trailing commas, or else YAML with the core schema of YAML 1.2.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from metarunlog.errors import ConfigError
from metarunlog.files import CODE, CONFIG, LEDGER, MEMORY, META, RUN, RUN_LOG


class Analysis(NamedTuple):
    """One entry of `analysis_overview` or `analysis_subexp`."""

    function: str
    args: tuple[Any, ...] = ()
    inputs: tuple[str, ...] = ()
    always: bool = False


class Config(NamedTuple):
    """The keys of `.mrl.cfg`; the defaults are those of a key that is left out."""

    name: str = ""
    outdir: str = ""
    singleExpFormat: str = "{expId:04d}"
    subExpFormat: str = "{subExpId:03d}"
    gitFailUntrackedDefault: str = "no"
    copyFiles: tuple[str, ...] = ()
    confTemplFile: tuple[str, ...] = ()
    giturl: str = ""
    run: str = ""
    logs: Mapping[str, Any] | None = None
    analysis_overview: tuple[Analysis, ...] = ()
    analysis_subexp: tuple[Analysis, ...] = ()
    analysis_outdir: str = "analysis"
    analysis_outfn: str = "index.html"
    analysis_webdir: str = ""
    hooks: Any = None
    note_fn: str = ".mrl.note"
    notebook_template: str = ""
    kernel: str = "python3"
    version_packages: tuple[str, ...] = ("pandas", "numpy", "matplotlib", "bokeh")
    other: Mapping[str, Any] = MappingProxyType({})  # unknown keys, for hooks


#: keys that an experiment cannot override
PROJECT_ONLY = frozenset({"name", "outdir", "singleExpFormat", "subExpFormat", "hooks"})


def parse(text: str, file: str) -> dict[str, Any]:
    """The mapping in the text of a config file; ConfigError names `file` and the line."""
    try:
        value = json.loads(
            _plain_json(text), object_pairs_hook=_pairs, parse_constant=_no_constant, parse_float=_finite
        )
    except json.JSONDecodeError as json_error:
        value = _parse_yaml(text, file, json_error)
    except _KeyError as e:
        raise ConfigError(str(e), file=file, line=_line_of(text, e.key, last=True)) from None
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise ConfigError('the config must be a mapping, as in {"name": "..."}', file=file, line=1)
    return value


def make(layers: list[tuple[dict[str, Any], str, str]], warn: Callable[[str], None]) -> Config:
    """One Config from layers of (values, text, file name), later ones override; checks every key and type."""
    known = {*Config._fields} - {"other"}
    values: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for level, (layer, text, file) in enumerate(layers):
        for key, value in layer.items():
            line = _line_of(text, key)
            if level and key in PROJECT_ONLY:
                raise ConfigError(
                    f'"{key}" cannot be overridden in an experiment; remove it here', file=file, line=line
                )
            if key not in known:
                lower = {name.lower(): name for name in known}
                import difflib

                near = [lower[k] for k in difflib.get_close_matches(key.lower(), lower, 1, 0.75)]
                if near:
                    raise ConfigError(f'unknown key "{key}"; did you mean "{near[0]}"?', file=file, line=line)
                warn(f'{file}:{line}: unknown key "{key}" (kept for hooks)')
                other[key] = value
                continue
            try:
                check: Callable[[Any], Any] = _CHECKS.get(key, _text)
                values[key] = check(value)
            except ValueError as e:
                raise ConfigError(f'"{key}" {e}', file=file, line=line) from None
    return Config(**values, other=other)


def read(project_file: Path, experiment_file: Path | None, root: Path, warn: Callable[[str], None]) -> Config:
    """The config of a project, or of an experiment of it. File names in messages are relative to `root`."""
    layers = []
    for path in (project_file, experiment_file):
        if path is None:
            continue
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            continue
        except UnicodeDecodeError as e:
            raise ConfigError("not UTF-8 text; save it as UTF-8", file=name) from e
        except OSError as e:
            raise ConfigError(f"cannot be read ({e.strerror})", file=name) from e
        layers.append((parse(text, name), text, name))
    return make(layers, warn)


@functools.lru_cache(maxsize=1 << 16)
def number_in(name: str, fmt: str, key: str) -> int | None:
    """The number that the format `fmt`, with the field `key`, makes `name` of; None for any other name."""
    before, _, rest = fmt.partition("{" + key)
    after = rest.partition("}")[2]
    digits = name[len(before) : len(name) - len(after) if after else None]
    if digits.isascii() and digits.isdigit() and fmt.format(**{key: int(digits)}) == name:
        return int(digits)
    return None


def where(key: str, root: Path, *paths: Path) -> tuple[str, int]:
    """File, relative to `root`, and line that set a key: in the first of `paths` that has it, else the last one."""
    for path in paths:
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            continue
        if re.search(rf"\b{re.escape(key)}\b", text):
            return os.path.relpath(path, root), _line_of(text, key)
    return os.path.relpath(paths[-1], root), 1


# --- checks of single values: return the value to keep or raise ValueError ("must be ...") ---


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {_kind(value)}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise ValueError("must be a list of texts")


def _file_names(value: Any) -> tuple[str, ...]:
    names = _texts(([value] if value else []) if isinstance(value, str) else value)
    for name in names:
        if name.startswith("/") or ".." in Path(name).parts or not name:
            raise ValueError(f'must name files inside the experiment\'s folder, not "{name}"')
        if name in (META, RUN, RUN_LOG, LEDGER, CONFIG):
            raise ValueError(f'must not name "{name}", which mrl writes itself')
    if len(set(names)) < len(names):
        raise ValueError("names a file twice")
    return names


def _file_name(value: Any) -> str:
    text = _text(value)
    if not text or "/" in text or text in (".", ".."):
        raise ValueError(f'must be a file name without folders, not "{text}"')
    return text


def _derived_folder(value: Any) -> str:
    text = _folder(value)
    if Path(text).parts[0] in (CODE, MEMORY) or Path(text).parts[0].isdigit():
        raise ValueError(f'must be a folder of its own, as its content may be deleted, not "{text}"')
    return text


def _folder(value: Any) -> str:
    text = _text(value)
    if not text or text.startswith("/") or any(p == ".." for p in Path(text).parts) or Path(text) == Path():
        raise ValueError(f'must be a folder below the one it belongs to, not "{text}"')
    return Path(text).as_posix()


def _format(name: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        text = _text(value)
        try:
            fits = all(number_in(text.format(**{name: n}), text, name) == n for n in (7, 12))
        except (LookupError, ValueError, AttributeError):
            fits = False
        if not fits or re.search(r"[/\\\x00-\x1f\x7f]|^[-.~]", text):
            raise ValueError(f"must be a format such as '{{{name}:04d}}', not \"{text}\"")
        return text

    return check


def _yes_no(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in ("yes", "no"):
        return str(value)
    raise ValueError('must be "yes" or "no"')


def _analyses(value: Any) -> tuple[Analysis, ...]:
    if not isinstance(value, dict):
        raise ValueError('must be a mapping such as {"function": [arguments]}')
    found = []
    for function, spec in value.items():
        if not function.isidentifier():
            raise ValueError(f'names a function "{function}", which is no Python name')
        if isinstance(spec, dict):
            extra = set(spec) - {"args", "inputs", "always"}
            if extra:
                raise ValueError(f'of "{function}" has an unknown key "{min(extra)}" (args, inputs, always)')
            args, inputs, always = spec.get("args", []), _texts(spec.get("inputs", [])), spec.get("always", False)
            if not isinstance(always, bool):
                raise ValueError(f'of "{function}": always must be true or false')
        else:
            args, inputs, always = spec, (), False
        if args is None:
            args = []
        if not isinstance(args, list):
            raise ValueError(f'of "{function}" must be a list of arguments, not {_kind(args)}')
        found.append(Analysis(function, tuple(args), inputs, always))
    return tuple(found)


def _logs(value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError('must be a mapping such as {"train": "metrics.csv"}')
    for table, spec in value.items():
        path = spec.get("path") if isinstance(spec, dict) else spec
        if not isinstance(path, str) or not path or path.startswith("/") or ".." in Path(path).parts:
            raise ValueError(f'of table "{table}" must name a file inside the sub-experiment')
        if isinstance(spec, dict) and spec.get("format") == "regex":
            _pattern(table, spec.get("pattern"))
        if isinstance(spec, dict) and "function" in spec:
            _reader(table, spec)
    return value


def _pattern(table: str, pattern: Any) -> None:
    """Check a regular expression with named groups."""
    example = 'such as "loss=(?P<loss>\\S+)"'
    if not isinstance(pattern, str):
        raise ValueError(f'of table "{table}" needs a pattern, {example}')
    try:
        groups = re.compile(pattern, re.MULTILINE).groupindex
    except re.error as error:
        raise ValueError(f'of table "{table}" has a pattern that is no regular expression ({error})') from None
    if not groups:
        raise ValueError(f'of table "{table}" has a pattern without a named group; write one {example}')


def _reader(table: str, spec: Mapping[str, Any]) -> None:
    """Check a function of the user's that reads a log."""
    if not isinstance(spec["function"], str) or not spec["function"].isidentifier():
        raise ValueError(f'of table "{table}" must have the name of a function of mrl_analyze.py as function')
    if more := sorted(set(spec) - {"path", "function"}):
        raise ValueError(f'of table "{table}" has a function, which leaves no room for {more[0]}')


def _any(value: Any) -> Any:
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "outdir": _folder,
    "singleExpFormat": _format("expId"),
    "subExpFormat": _format("subExpId"),
    "gitFailUntrackedDefault": _yes_no,
    "copyFiles": _file_names,
    "confTemplFile": _file_names,
    "logs": _logs,
    "analysis_overview": _analyses,
    "analysis_subexp": _analyses,
    "analysis_outdir": _derived_folder,
    "analysis_outfn": _file_name,
    "note_fn": _file_name,
    "hooks": _any,
    "version_packages": _texts,
}


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), "nothing" if value is None else type(value).__name__)


# --- reading ---


class _KeyError(ValueError):
    def __init__(self, what: str, key: str) -> None:
        super().__init__(what)
        self.key = key


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise _KeyError(f'the key "{key}" stands twice; remove one', key)
        made[key] = value
    return made


def _no_constant(name: str) -> NoReturn:
    raise _KeyError(f"{name} is not allowed as a value; write a number or a text", name)


def _finite(text: str) -> float:
    value = float(text)
    return value if value - value == 0 else _no_constant(text)


def _plain_json(text: str) -> str:
    """JSON without comment lines and trailing commas; lines keep their numbers. Strings are left alone."""
    text = re.sub(r"(?m)^[ \t]*(#|//).*$", "", text)
    return re.sub(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])', lambda m: m[1] or "", text)


def _line_of(text: str, key: str, last: bool = False) -> int:
    found = [m.start() for m in re.finditer(rf'(?m)["\'\s{{,]{re.escape(key)}\b|^{re.escape(key)}\b', text)]
    if not found:
        return 1
    at = found[-1 if last else 0]
    return text.count("\n", 0, at + (text[at] == "\n")) + 1


def _parse_yaml(text: str, file: str, json_error: json.JSONDecodeError) -> Any:
    import yaml

    from metarunlog.yamlcore import CoreLoader, DuplicateKey, NotFinite

    try:
        return yaml.load(text, CoreLoader)
    except (DuplicateKey, NotFinite) as e:
        raise ConfigError(str(e), file=file, line=e.line) from None
    except (ValueError, TypeError, RecursionError):
        raise ConfigError("broken YAML: a key or value cannot be read; mend it", file=file, line=1) from None
    except yaml.YAMLError as e:
        # a file that starts as JSON does was meant as JSON: say what is wrong with that
        if text.lstrip().startswith(("{", "#", "//")) and "{" in text.split("\n", 1)[0] + text.lstrip()[:1]:
            line = json_error.lineno
            raise ConfigError(f"broken JSON: {json_error.msg}; mend that line", file=file, line=line) from None
        mark = getattr(e, "problem_mark", None)
        problem = getattr(e, "problem", None) or "cannot be read"
        raise ConfigError(
            f"broken YAML: {problem}; mend that line", file=file, line=mark.line + 1 if mark else 1
        ) from None
