"""A template: split off the directives, render the rest. Bytes in, bytes out; nothing changes outside of variables.

The body is Jinja2 in its sandbox (sandbox.py), with undefined names as errors and ``{#`` as plain text.
"""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING

from metarunlog.errors import TemplateError
from metarunlog.grid import IDS, LINE, Directive, DirectiveError, expand, read
from metarunlog.sandbox import environment_class, joined

if TYPE_CHECKING:
    from jinja2 import Template as JinjaTemplate

LINE_END = re.compile(r"\r\n|\r|\n")
_STRAY = re.compile(r"\bMRL\s?:\s*(grid|params|where|delimiters)\b", re.IGNORECASE)
_DEFAULT = ("{{", "}}")
_PAIRS = [("<<", ">>"), ("[[", "]]"), ("<%", "%>"), ("@@", "@@"), ("<|", "|>"), ("~~", "~~")]
_CLOSING = {"<!--": " -->", "/*": " */", "(*": " *)", "{-": " -}", "--[[": " ]]", "{#": " #}", "<%--": " --%>"}
_COMMENTS = {  # for the example line in an error, where no directive shows the comment symbol
    "%": ".tex .bib .sty .cls .m .pl .erl",
    "//": ".json .js .ts .c .h .cc .cpp .hpp .cu .java .go .rs .scala .cs .swift .proto .jsonc .json5",
    "--": ".lua .sql .hs .ads .adb .vhd",
    "<!--": ".xml .html .htm .md .svg .xhtml",
    ";": ".lisp .el .scm .asm .clj",
    "!": ".f90 .f95 .f03 .f .nml .input",
}


# Bytes and text.


def _decode(data: bytes) -> tuple[bytes, str, str]:
    """(BOM, codec, text), such that BOM + text.encode(codec) is the data again. Latin-1 takes what no other can."""
    guesses: list[tuple[bytes, str]] = [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ]
    guesses = [(bom, codec) for bom, codec in guesses if data.startswith(bom)]
    if len(data) >= 4 and len(data) % 2 == 0 and b"\0" in data[:64]:  # UTF-16 of mostly ASCII, without a BOM
        for odd, even, codec in ((data[1::2], data[::2], "utf-16-le"), (data[::2], data[1::2], "utf-16-be")):
            if odd.count(0) > 0.7 * len(odd) and even.count(0) < 0.1 * len(even):
                guesses.append((b"", codec))
    for bom, codec in [*guesses, (b"", "utf-8")]:
        try:
            text = data[len(bom) :].decode(codec)
            if text.encode(codec) == data[len(bom) :]:
                return bom, codec, text
        except UnicodeError:
            continue
    return b"", "latin-1", data.decode("latin-1")


def _lines(text: str) -> list[str]:
    """The lines with their ends: CR LF, LF or CR, as editors count them."""
    starts = [0, *(end.end() for end in LINE_END.finditer(text)), len(text)]
    return [text[a:b] for a, b in pairwise(starts) if a < b]


def _split(text: str) -> tuple[str, list[tuple[int, str]]]:
    """(body, directive lines with their numbers). The body ends with a line end exactly if the text does."""
    lines = _lines(text)
    block: list[tuple[int, str]] = []
    first = len(lines)
    for number in range(len(lines), 0, -1):
        line = lines[number - 1].rstrip("\r\n")
        if LINE.fullmatch(line):
            block.insert(0, (number, line))
            first = number - 1
        elif line.strip():
            break
    body = "".join(lines[:first])
    if block and not text.endswith(("\n", "\r")):
        body = body.rstrip("\r\n")
    return body, block


# Jinja.


def _compile(body: str, delimiters: tuple[str, str] | None) -> tuple[JinjaTemplate | None, frozenset[str]]:
    """(compiled template, names it uses); None where nothing is to be filled in. Raises what Jinja raises."""
    from jinja2 import TemplateSyntaxError, meta, nodes

    start, end = delimiters or _DEFAULT
    if start not in body and (delimiters or "{%" not in body):
        return None, frozenset()
    never = next(mark for mark in (f"\0mrl{i}" for i in range(len(body) + 1)) if mark not in body)
    blocks = (f"{never}[", f"{never}]") if delimiters else ("{%", "%}")
    keys = [f"{kind}_{side}_string" for kind in ("variable", "block", "comment") for side in ("start", "end")]
    markers = dict(zip(keys, (start, end, *blocks, f"{never}(", f"{never})")))
    environment = environment_class()(LINE_END.findall(body), **markers)
    tree = environment.parse(body)
    for kind in (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends):
        if (taken := tree.find(kind)) is not None:
            raise TemplateSyntaxError("a template cannot take in other files", taken.lineno)
    for node in (node for output in tree.find_all(nodes.Output) for node in output.nodes):
        # Such as {{2012}} in BibTeX: Jinja would just drop the braces. {{ '{{' }} is how to write a brace.
        escape = isinstance(node, nodes.Const) and isinstance(node.value, str) and not re.search(r"\w", node.value)
        if not escape and not isinstance(node, nodes.TemplateData | nodes.Name) and node.find(nodes.Name) is None:
            raise TemplateSyntaxError(f"there is no variable between {start} and {end}", node.lineno)
    names = frozenset(meta.find_undeclared_variables(tree))
    made = environment.from_string(tree, globals=getattr(environment, "helpers", None))
    made.root_render_func.__globals__["str_join"] = joined  # what `~` calls
    return made, names


# The template.


@dataclass(frozen=True, eq=False)
class Template:
    """A template file: what stands in its directives, and the body that is rendered.

    ``name`` is shown in errors. ``params`` is the expanded grid, ``[{}]`` without directives. ``variables`` are the
    names that the body uses. ``warnings`` are lines ``file:line: ...``. ``delimiters`` are for further templates.
    """

    name: str
    directives: tuple[Directive, ...]
    params: list[dict[str, object]] = field(repr=False)
    variables: frozenset[str]
    warnings: tuple[str, ...]
    delimiters: tuple[str, str] | None
    _body: str = field(repr=False)
    _bom: bytes = field(repr=False)
    _codec: str = field(repr=False)
    _comment: str = field(repr=False)
    _goes: str = field(repr=False)  # what to do with a line of directives: "add the line"
    _jinja: JinjaTemplate | None = field(repr=False)

    @classmethod
    def parse(
        cls,
        data: bytes,
        name: str,
        *,
        directives: bool = True,
        delimiters: tuple[str, str] | None = None,
        first: Template | None = None,
    ) -> Template:
        """The template of a file's bytes. Raises TemplateError, with the line.

        ``directives=False`` is for further files of one experiment: all of their lines are text, and the delimiters are
        those of the first.
        """
        bom, codec, text = _decode(data)
        body, block = _split(text) if directives else (text, [])
        try:
            found = tuple(one for line, text in block if (one := read(text, line)))
            params = expand(found)
        except DirectiveError as error:
            raise TemplateError(str(error), file=name, line=error.line) from None
        for one in found:
            if one.kind == "delimiters":
                delimiters = _delimiters(one, name)
        comment = _comment(name, block) if first is None else first._comment
        goes = "add the line" if first is None else f"add the line to {first.name}"
        try:
            jinja, variables = _compile(body, delimiters)
        except Exception as error:
            raise _explained(error, name, body, comment, goes, delimiters) from error
        says = _STRAY_SAYS if directives else "looks like a directive, but directives stand in the first template"
        strays = [f"{name}:{line}: {says}" for line in _strays(body)]
        unused = [f"{name}:{_line_of(found, p)}: param '{p}' is never used" for p in params[0] if p not in variables]
        return cls(
            name, found, params, variables, (*strays, *unused), delimiters, body, bom, codec, comment, goes, jinja
        )

    def further(self, data: bytes, name: str) -> Template:
        """The template of another file of the same experiment: all its lines are text, with this one's delimiters."""
        return Template.parse(data, name, directives=False, delimiters=self.delimiters, first=self)

    def render(self, values: Mapping[str, object]) -> bytes:
        """The file for one sub-experiment; ``values`` are its params, subExpId and expId. Raises TemplateError."""
        text = self._body
        if self._jinja is not None:
            try:
                text = "".join(self._jinja.root_render_func(self._jinja.new_context(dict(values))))
            except Exception as error:
                line = _line_in(self._jinja, error)
                raise _explained(
                    error, self.name, self._body, self._comment, self._goes, self.delimiters, line, values
                ) from error
        try:
            return self._bom + text.encode(self._codec)
        except UnicodeEncodeError as error:
            line = len(LINE_END.findall(text, 0, error.start)) + 1
            what = f"the file is {self._codec} and cannot hold {text[error.start]!a}; save the template as UTF-8"
            raise TemplateError(what, file=self.name, line=line) from None


def above_directives(data: bytes) -> bytes | None:
    """What stands above the directives of a file, without its last line ends; None where there are none.

    The 2016 version rendered the directives along, and ended every file with one line end.
    """
    if b"MRL:" not in data:
        return None
    bom, codec, text = _decode(data)
    body, block = _split(text)
    return bom + body.rstrip("\r\n").encode(codec) if block else None


def text_lines(data: bytes) -> list[str]:
    """The lines of a file of any encoding, with their ends."""
    return _lines(_decode(data)[2])


def _delimiters(one: Directive, name: str) -> tuple[str, str]:
    match one.value:
        case [str(start), str(end)] if re.search(r"[^\w\s]", start) and re.fullmatch(r"[^\w\s'\"]+", end):
            if not re.search(r"\s", start):
                return start, end
    what = "MRL:delimiters takes two strings of signs without blanks; write it like MRL:delimiters = ['<<', '>>']"
    raise TemplateError(what, file=name, line=one.line)


def _line_of(directives: Iterable[Directive], param: str) -> int:
    lines = {one.name if one.kind == "grid" else one.kind: one.line for one in directives}
    return lines.get(param) or lines["params"]


# Errors and warnings.

_STRAY_SAYS = "looks like a directive, but only the last lines are directives, and a blank follows the comment symbol"


def _strays(body: str) -> list[int]:
    if "mrl" not in body.lower():
        return []
    return [number for number, line in enumerate(_lines(body), 1) if _STRAY.search(line)]


def _comment(name: str, block: Sequence[tuple[int, str]]) -> str:
    """The comment symbol of the file: that of its directives, else that of its kind."""
    if block:
        return block[0][1].split()[0]
    suffix = PurePath(name).suffix.lower()
    return next((symbol for symbol, kinds in _COMMENTS.items() if suffix and suffix in kinds.split()), "#")


def _line_in(template: JinjaTemplate, error: BaseException) -> int | None:
    """The line of the template where rendering failed: the innermost frame of its compiled code."""
    line = None
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_globals.get("__jinja_template__") is template:
            line = template.get_corresponding_lineno(step.tb_lineno)
        step = step.tb_next
    return line


def _explained(
    error: Exception,
    name: str,
    body: str,
    comment: str,
    goes: str,
    delimiters: tuple[str, str] | None,
    line: int | None = None,
    values: Mapping[str, object] | None = None,
) -> TemplateError:
    """What went wrong with the body, and what to do."""
    from jinja2 import TemplateSyntaxError, UndefinedError

    start, end = next((p for p in _PAIRS if p[0] not in body and p != delimiters), ("<@@@", "@@@>"))
    braces = " ".join(delimiters or _DEFAULT)
    advice = (
        f"; if {braces} there is the file's own, write variables as {start}lr{end} and {goes}: "
        f"{comment} MRL:delimiters = ['{start}', '{end}']{_CLOSING.get(comment, '')}"
    )
    if isinstance(error, TemplateSyntaxError):
        says = (error.message or "").rstrip(".")
        says = says if says.startswith("there is no variable") else f"Jinja cannot read this: {says}"
        return TemplateError(f"{says}{advice}", file=name, line=error.lineno)
    missing = re.fullmatch(r"'(.+)' is undefined", str(error)) if isinstance(error, UndefinedError) else None
    if missing:
        known = sorted(values or {}, key=lambda given: (given in IDS, given))
        near = difflib.get_close_matches(missing[1], known, 1)
        stray = "".join(f"; line {number} {_STRAY_SAYS}" for number in _strays(body)[:1])
        hint = f"; did you mean {near[0]}?" if near else stray or advice
        return TemplateError(f"'{missing[1]}' is not defined; known are {', '.join(known)}{hint}", file=name, line=line)
    if isinstance(error, RecursionError | MemoryError | SyntaxError):
        return TemplateError("the template is nested too deeply or grows too large", file=name, line=line)
    return TemplateError(f"the template cannot be rendered: {error}; mend that line", file=name, line=line)
