"""From the directive lines of a template to the ordered params of its sub-experiments.

A directive line is ``COMMENT MRL:grid['lr'] = [0.01, 0.1] CLOSING``. ``read`` makes a Directive of one line, ``expand``
the params of all of them, ``canonical`` the text by which a sub-experiment is known.
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from metarunlog.bounded import ExpressionError
from metarunlog.expressions import MAX_SOURCE, Condition, longest

Kind = Literal["grid", "params", "where", "delimiters"]
KINDS: tuple[str, ...] = get_args(Kind)
MAX_COMBINATIONS = 100_000
MAX_EFFORT = 2_000_000  # of a condition for all combinations, as expressions.py counts: less than a second
IDS = ("subExpId", "expId")
# Words that mean something of their own inside {{ }}.
JINJA_WORDS = {"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None", "self"}

LINE = re.compile(r"[ \t]*(?P<symbol>\S+)[ \t]+MRL:(?P<rest>.*)", re.DOTALL)
_ASSIGN = re.compile(r"""\s*(?P<word>\w+)\s*(?:\[\s*(?P<quote>['"])(?P<name>[^'"]*)(?P=quote)\s*\]\s*)?=(?!=)""")
# What matters for where a value may end: strings, brackets, and what no expression goes beyond.
_TOKEN = re.compile(
    r"""'''(?:[^\\]|\\.)*?'''|\"""(?:[^\\]|\\.)*?\"""|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\[({\])}'"#,]""", re.DOTALL
)
_EXAMPLES = {
    "grid": "MRL:grid['lr'] = [0.01, 0.1]",
    "params": "MRL:params = [{'opt': 'sgd', 'lr': 1}, {'opt': 'adam', 'lr': 0.1}]",
    "where": 'MRL:where = "lr < 0.1"',
    "delimiters": "MRL:delimiters = ['<<', '>>']",
}


@dataclass(frozen=True)
class Directive:
    """One directive: its line in the file (from 1), its kind, the axis' name (of a grid only), its value as written."""

    line: int
    kind: Kind
    name: str | None
    value: object


class DirectiveError(ValueError):
    """A directive that is wrong, with its line in the file; the message is one sentence without the file's name."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


def read(text: str, line: int) -> Directive | None:
    """The directive of one line (without its line end); None where the line is none. Raises DirectiveError."""
    found = LINE.fullmatch(text)
    if found is None:
        return None
    symbol, rest = found["symbol"], found["rest"]
    head = _ASSIGN.match(rest)
    word = head["word"] if head else (re.match(r"\s*(\w*)", rest) or [""])[0].strip()
    if word not in KINDS:
        near = difflib.get_close_matches(word.lower(), KINDS, 1)
        hint = f"did you mean {_EXAMPLES[near[0]]}?" if near else f"the directives are {', '.join(KINDS)}"
        raise DirectiveError(f"MRL:{word[:40]} is no directive; {hint}", line)
    if head is None or (head["name"] is None) != (word != "grid"):
        raise DirectiveError(f"MRL:{word} is not written right; write it like {_EXAMPLES[word]}", line)
    said = f"MRL:grid['{head['name']}']" if word == "grid" else f"MRL:{word}"
    source = rest[head.end() :].strip()
    try:
        value, _ = longest(source, _ends(source, symbol))
    except ExpressionError as error:
        raise DirectiveError(f"the value of {said} {error}; write it like {_EXAMPLES[word]}", line) from None
    return Directive(line, cast(Kind, word), head["name"], value)


def _ends(text: str, symbol: str) -> list[int]:
    """Where the value may end, outside of brackets and strings: at the end of the line, before a comment (which starts
    with the comment symbol), or before a closing symbol (which has no letters, digits and quotes).

    ``#`` ends every value, and so do a comma or a closing bracket outside of brackets. Raises ExpressionError.
    """
    if len(text) > MAX_SOURCE:
        return [len(text)]  # too long to be looked at; evaluating says so
    ends: list[int] = []
    depth = position = 0
    tail = len(text) - len(cast(re.Match[str], re.match(r"[^\w'\"`]*", text[::-1]))[0])
    for token in [*_TOKEN.finditer(text), None]:
        start = token.start() if token else len(text)
        if depth == 0:  # since the last token there was no bracket and no string
            at = text.find(symbol, position, start + len(symbol))
            while at >= 0:
                ends.append(at)
                at = text.find(symbol, at + 1, start + len(symbol))
            ends += [at for at in (position, tail) if max(position, tail) <= at <= start]
        sign = token[0] if token else ""
        if token is None or sign in ("'", '"', "#") or (depth == 0 and sign in (",", ")", "]", "}")):
            break
        position = token.end()
        depth += (sign in "([{") - (sign in ")]}")
    if token is None and depth == 0 and re.match(r"[\w'\")\]}.]", text[-1:]):
        ends.append(len(text))
    ends = [end for end in ends if end > 0]
    if ends or not text or text.startswith((symbol, "#")):
        return ends or [0]
    if sign in ("'", '"'):
        raise ExpressionError("has a quote that is never closed")
    if depth > 0:
        raise ExpressionError("has a bracket that is never closed")
    raise ExpressionError(f"is followed by '{text[start:][:20]}', which is neither a comment nor a closing symbol")


def expand(directives: Iterable[Directive]) -> list[dict[str, object]]:
    """The params of every sub-experiment: ``params`` outermost, then the axes as written, the last varying fastest.

    ``[{}]`` where neither is given. Raises DirectiveError.
    """
    rows: list[dict[str, object]] = [{}]
    axes: dict[str, list[object]] = {}
    wheres: list[tuple[Condition, int]] = []
    lines: dict[str, int] = {}  # name of a param, or kind of a directive that may stand only once -> line
    for one in directives:
        names: Iterable[str] = ()
        if one.kind == "grid":
            names = [cast(str, one.name)]
            axes[cast(str, one.name)] = _values(one)
        elif one.kind == "params":
            rows = _rows(one)
            names = rows[0]
        elif one.kind == "where":
            wheres.append((_condition(one), one.line))
        for name in (*names, *([f"MRL:{one.kind}"] if one.kind in ("params", "delimiters") else [])):
            if name in lines:
                raise DirectiveError(f"{name} is given twice, in line {lines[name]} too; keep one of them", one.line)
            lines[name] = one.line
            if not name.startswith("MRL:"):
                _check_name(name, one.line)
    count = math.prod((len(rows), *map(len, axes.values())))
    if count > MAX_COMBINATIONS:
        raise DirectiveError(
            f"the grid has {count} combinations, more than {MAX_COMBINATIONS}; make it smaller", max(lines.values())
        )
    points = ({**row, **dict(zip(axes, point))} for row in rows for point in itertools.product(*axes.values()))
    kept = list(_kept(points, wheres))
    if not kept:
        raise DirectiveError(f"MRL:where keeps none of the {count} combinations; loosen it", wheres[-1][1])
    return kept


def _kept(points: Iterable[dict[str, object]], wheres: Sequence[tuple[Condition, int]]) -> Iterator[dict[str, object]]:
    for point in points:
        for condition, line in wheres:
            try:
                if not condition.holds(point):
                    break
            except ExpressionError as error:
                hint = (
                    "make the grid smaller, or the condition shorter" if str(error).startswith("would") else "mend it"
                )
                what = f'the condition of MRL:where, "{condition.text[:60]}", {error}; {hint}'
                raise DirectiveError(what, line) from None
        else:
            yield point


def _condition(one: Directive) -> Condition:
    if not isinstance(one.value, str):
        raise DirectiveError(f"MRL:where takes a condition in quotes; write it like {_EXAMPLES['where']}", one.line)
    try:
        return Condition(one.value, MAX_EFFORT)
    except ExpressionError as error:
        what = f'the condition of MRL:where, "{one.value[:60]}", {error}; write it like {_EXAMPLES["where"]}'
        raise DirectiveError(what, one.line) from None


def _values(one: Directive) -> list[object]:
    said = f"MRL:grid['{one.name}']"
    if not isinstance(one.value, list | tuple):
        raise DirectiveError(f"{said} takes a list of values; write it like {_EXAMPLES['grid']}", one.line)
    values = [_plain(value, said, one.line) for value in one.value]
    _check_list(values, said, one.line)
    return values


def _rows(one: Directive) -> list[dict[str, object]]:
    if not isinstance(one.value, list | tuple) or not all(isinstance(row, dict) for row in one.value):
        raise DirectiveError(f"MRL:params takes a list of dicts; write it like {_EXAMPLES['params']}", one.line)
    rows = [cast("dict[str, object]", _plain(row, "MRL:params", one.line)) for row in one.value]
    _check_list(rows, "MRL:params", one.line)
    for row in rows:
        if row.keys() != rows[0].keys():
            odd = ", ".join(sorted(row.keys() ^ rows[0].keys()))
            raise DirectiveError(f"the rows of MRL:params differ in {odd}; give every row the same names", one.line)
    return rows


def _check_list(values: Sequence[object], said: str, line: int) -> None:
    if not values or values == [{}]:
        raise DirectiveError(f"{said} is empty; give it values, or delete the line", line)
    seen: set[object] = set()
    for value in values:
        same = (type(value), value) if isinstance(value, int | str) else _json(value)  # as canonical JSON, but quicker
        if same in seen:
            raise DirectiveError(f"{said} has {_json(value)[:60]} twice; delete one of them", line)
        seen.add(same)


def _check_name(name: str, line: int) -> None:
    if name in IDS:
        raise DirectiveError(f"{name} is given to every sub-experiment by mrl; use another name", line)
    if not name.isidentifier() or unicodedata.normalize("NFKC", name) != name:
        raise DirectiveError(f"'{name[:60]}' is no name for a param; use letters, digits and _", line)
    if name in JINJA_WORDS:
        raise DirectiveError(f"'{name}' has a meaning of its own in templates; use another name", line)


def _plain(value: object, said: str, line: int) -> object:
    """The value as JSON gives it back: tuples become lists."""
    if isinstance(value, list | tuple):
        return [_plain(item, said, line) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise DirectiveError(f"{said} has a dict with a key that is no string; write it in quotes", line)
        return {_plain(key, said, line): _plain(item, said, line) for key, item in value.items()}
    if isinstance(value, str) and not value.isascii() and value != value.encode("utf-8", "ignore").decode():
        raise DirectiveError(
            f"{said} has a string with half a surrogate pair, which cannot be stored; write it out", line
        )
    if not (value is None or isinstance(value, str | int | float)) or (isinstance(value, float) and value - value != 0):
        raise DirectiveError(f"{said} has a value that JSON cannot hold; give a number, text, list or dict", line)
    return value


_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(params: Mapping[str, object]) -> str:
    """What a sub-experiment is known by: canonical JSON of its params without subExpId; 1, 1.0, true and "1" differ."""
    return _json({name: value for name, value in params.items() if name != "subExpId"})
