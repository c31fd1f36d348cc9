"""Templates: bytes in, bytes out, and errors that say what to do."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import at_most

from metarunlog.errors import Exit, TemplateError
from metarunlog.template import Template

IDS = {"subExpId": "001", "expId": "0001"}


def render(data: bytes | str, name: str = "conf.yaml", **given: object) -> bytes:
    """The first sub-experiment's file."""
    template = Template.parse(data.encode() if isinstance(data, str) else data, name)
    return template.render({**template.params[0], **IDS, **given})


def fails(data: bytes | str, name: str = "conf.yaml") -> str:
    with pytest.raises(TemplateError) as caught:
        render(data, name)
    assert caught.value.exit is Exit.INPUT and caught.value.file == name
    return str(caught.value)


# Real files of many kinds: (name, file with the literal between the marks § §, directive lines)
FILES = [
    ("conf.yaml", "lr: §0.01§\nopt: sgd\n", "# MRL:grid['v'] = ['0.01']\n"),
    ("crlf.json", '{\r\n  "lr": §1e-3§,\r\n  "a": [1]\r\n}\r\n', "// MRL:grid['v'] = [\"1e-3\"]\r\n"),
    ("mixed.yml", "a: 1\r\nb: §4§\n\rc: 3\r\r\n\n", "# MRL:grid['v'] = ['4']\n"),
    ("cr.txt", "a=§1§\rb=2\r", "# MRL:grid['v'] = ['1']\r"),
    ("last.json", '{"lo": §0.5§}', "\n// MRL:grid['v'] = ['0.5']"),
    ("last.ini", "[a]\r\nlo = §0.5§", "\r\n; MRL:grid['v'] = ['0.5'] ; half"),
    ("tabs.xml", '<a>\n\t<j d="§5§"/>\t\n</a>\n\n', "<!-- MRL:grid['v'] = [\"5\"] -->\n"),
    (
        "a.lua",
        "local t = {{1, 2}, {3}}\nlr = §0.1§ --[[ x ]]\n",
        "--[[ MRL:grid['v'] = ['0.1'] ]]\n--[[ MRL:delimiters = ['<<', '>>'] ]]\n",
    ),
    ("b.lua", "t = {a = {1}, #t}\nlr = §0.1§\n", "-- MRL:grid['v'] = ['0.1'] -- rate\n"),
    ("run.sh", 'n=${#a[@]}; echo "${a[@]:1}" {#} #}\nlr=§0.1§\ncat <<EOF\nEOF\n', "# MRL:grid['v'] = ['0.1']\n"),
    (
        "a.tex",
        "\\newcommand{\\x}[1]{%\n  {{#1}} \\lr{§3§}%}\n",
        "% MRL:delimiters = ['<<', '>>'] % ours\n% MRL:grid['v'] = ['3']\n",
    ),
    (
        "b.tex",
        "\\newcommand{\\x}[1]{%\n  {{#1}} << \\lr{§3§}%}\n",
        "% MRL:grid['v'] = ['3']\n% MRL:delimiters = ['\\\\VAR{', '}']\n",
    ),
    (
        "a.bib",
        "@string{ijcv = {{IJCV}}}\n\tVolume = {§57§},\n",
        "% MRL:grid['v'] = ['57']\n% MRL:delimiters = ['@@', '@@']\n",
    ),
    ("c.bib", "\tVolume = {(§57§)},\n\tYear = {1996}}\n", "% MRL:grid['v'] = ['57']\n"),
    (
        "dbt.yml",
        "a: §2§\nb: \"{{ doc('x') }}\" # {% raw %}\n",
        "# MRL:grid['v'] = ['2']\n# MRL:delimiters = ['<<', '>>']\n",
    ),
    (
        "go.tmpl",
        "{{- range .Values }}{{ . }}{{ end -}}\nn: §2§\n",
        "{{/* MRL:grid['v'] = ['2'] */}}\n{{/* MRL:delimiters = ['<%', '%>'] */}}\n",
    ),
    (
        "a.h",
        "#define N §8§\nint a[] = {{0}, {1}};\n",
        "/* MRL:grid['v'] = ['8'] */\n/* MRL:delimiters = ['@', '@'] */\n",
    ),
    ("a.py", "d = {'a': {}, 'b': f'{x}'}  # 100%\nlr = §0.1§\n", "# MRL:grid['v'] = ['0.1']\n"),
    ("a.m", "x = {1, {2}};  % cell\nlr = §0.1§;\n", "% MRL:grid['v'] = ['0.1']\n"),
    ("a.jl", "x = Dict{String,Vector{Int}}()\nlr = §0.1§\n", "# MRL:grid['v'] = ['0.1']\n"),
    ("a.R", "f <- function(x) { x %% 2 }\nlr <- §0.1§\n", "# MRL:grid['v'] = ['0.1']\n"),
    ("Makefile", "N := §3§\nall: $(X) ${Y}\n\techo $$N $@\n", "# MRL:grid['v'] = ['3']\n"),
    ("a.nml", "&a\n dt = §600§,\n/\n", "! MRL:grid['v'] = ['600']\n"),
    ("a.bat", "set A=%A%\r\nset LR=§0.1§\r\n", "REM MRL:grid['v'] = ['0.1'] REM rate\r\n"),
    ("a.hs", "lr = §0.1§\n", "{- MRL:grid['v'] = ['0.1'] -}\n"),
    ("a.ml", "let lr = §0.1§\n", "(* MRL:grid['v'] = ['0.1'] *)\n"),
    ("hydra.yaml", "a: ${b:${c}}\nlr: §1§\n", "# MRL:grid['v'] = ['1']\n\n  \n"),
    ("tail.yaml", "lr: §1§\n\n \n\n", "# MRL:grid['v'] = ['1']\n"),
    ("ctrl.txt", "a\x0b\x0c\x1c\x1d\x85\u2028\u2029\xa0§1§ \x00\x1a\n", "# MRL:grid['v'] = ['1']\n"),
]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1", "cp1252"])
@pytest.mark.parametrize(("name", "text", "block"), FILES, ids=[name for name, *_ in FILES])
def test_a_file_of_any_kind_is_rendered_byte_for_byte(name: str, text: str, block: str, codec: str) -> None:
    if codec in ("latin-1", "cp1252"):
        text = text.replace("\u2028\u2029", "").replace("\x85", "") + "\xe9\xff" * text.endswith("§")
    start, end = "{{", "}}"
    if found := re.search(r"delimiters = \['(.+)', '(.+)'\]", block):
        start, end = found[1].replace("\\\\", "\\"), found[2]
    before, literal, after = text.split("§")
    template = Template.parse((before + start + "v" + end + after + block).encode(codec), name)
    assert template.params == [{"v": literal}]
    assert template.variables == {"v"}
    assert template.warnings == ()
    assert template.render({"v": literal, **IDS}) == (before + literal + after).encode(codec)


def test_values_appear_as_jinja_writes_them() -> None:
    values = "{'a': 1e-05, 'b': 1e16, 'c': 1, 'd': True, 'e': None, 'f': 'x', 'g': [1, 'y'], 'h': 0.1, 'i': {'k': 1.0}}"
    names = " ".join("{{" + name + "}}" for name in "abcdefghi")
    assert render(f"{names}\n# MRL:params = [{values}]\n") == b"1e-05 1e+16 1 True None x [1, 'y'] 0.1 {'k': 1.0}\n"
    assert render("{{expId}}/{{ subExpId }}") == b"0001/001"
    assert (
        render("{{ lambda }} {{ range }} {{ dict }}\n# MRL:params = [{'lambda': 1, 'range': 2, 'dict': 3}]\n")
        == b"1 2 3\n"
    )


def test_the_final_line_end_is_that_of_the_template() -> None:
    assert render("a\n# MRL:grid['v'] = [1]\n") == b"a\n"
    assert render("a\n# MRL:grid['v'] = [1]") == b"a"
    assert render("a\r\n# MRL:grid['v'] = [1]\r\n\r\n") == b"a\r\n"
    assert render("a\r\n\r\n# MRL:grid['v'] = [1]") == b"a"
    assert render("a\n\n# MRL:grid['v'] = [1]\n") == b"a\n\n"
    assert render("a\n# MRL:grid['v'] = [1]\n  ") == b"a"
    assert render("# MRL:grid['v'] = [1]\n") == b""
    assert render("a") == b"a"
    assert render("a\n\n") == b"a\n\n"
    assert render("") == b""


def test_the_block_is_read_upwards_over_blank_lines() -> None:
    template = Template.parse(
        b"x\n# MRL:grid['a'] = [1]\n\n \t\n# MRL:grid['b'] = [2]\r\n\n# MRL:where = \"a < b\"\n\n", "f"
    )
    assert [(one.line, one.kind, one.name) for one in template.directives] == [
        (2, "grid", "a"),
        (5, "grid", "b"),
        (7, "where", None),
    ]
    assert template.params == [{"a": 1, "b": 2}]
    assert template.render({"a": 1, "b": 2}) == b"x\n"


def test_jinja_keeps_line_ends_around_its_tags() -> None:
    text = (
        "a\r\n{% for i in [1, 2] %}\r\n {{i}}\n\r{% endfor %}\r{% if v %}y\r\n{% endif -%} \r\n\r\n z\n\r\n"
        "{%- raw %}{{q}}\r{% endraw %}\n{{\r\n v }}\r"
    )
    assert render(text + "# MRL:grid['v'] = [7]\r") == b"a\r\n\r\n 1\n\r\r\n 2\n\r\ry\r\nz{{q}}\r\n7\r"
    assert render("{% macro f(x) %}\r\n{{x}}\r{% endmacro %}{{ f(expId) }}\n") == b"\r\n0001\r\n"


_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
_PIECE = st.one_of(
    _ENDS,
    st.sampled_from(["{{v}}", "{{ v }}", "{% if v %}", "{% endif %}", "{{\r\nv\n}}", " ", "é"]),
    st.text(max_size=5),
)


@settings(deadline=None)
@given(st.lists(_PIECE, max_size=30), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
@example(["{{v}}", "\r", "\n", "{{v}}"], "utf-8")
def test_any_text_around_variables_is_kept(pieces: list[str], codec: str) -> None:
    pieces = ["" if "{" in piece and "v" not in piece and "%" not in piece else piece for piece in pieces]
    pieces = [piece for piece in pieces if not piece.startswith("{% ")] if pieces.count("{% if v %}") != 1 else pieces
    text = "".join(pieces)
    if text.count("{% if v %}") != text.count("{% endif %}") or text.find("{% if") > text.find("{% endif"):
        text = text.replace("{% if v %}", "").replace("{% endif %}", "")
    expected = re.sub(r"\{%.*?%\}", "", re.sub(r"\{\{\s*v\s*\}\}", "7", text))
    try:
        data = text.encode(codec)
        template = Template.parse(data, "f", directives=False)
    except (UnicodeEncodeError, TemplateError):
        assert re.search("[\ud800-\udfff]", text) or "{{" in expected or "{%" in expected
        return
    if "{{" not in expected and "{%" not in expected:
        assert template.render({"v": 7}) == expected.encode(codec)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
@example(b"\xff\xfe\x00\x00")
@example(b"\xff\xfea")
@example(b"\xef\xbb\xbf\xff")
@example(b"a\x00\r\x00\n\x00\x00\xd8")
@example(codecs.BOM_UTF32_BE + b"\x00\x00\xd8\x00")
def test_any_bytes_without_markers_are_kept(data: bytes) -> None:
    data = data.replace(b"{", b"").replace(b"MRL", b"")
    assert Template.parse(data, "f").render(IDS) == data
    assert Template.parse(data, "f", directives=False).render(IDS) == data


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60).filter(lambda text: "{" not in text and "MRL" not in text), st.text(max_size=20))
def test_any_text_and_any_value(text: str, value: str) -> None:
    if re.search("[\ud800-\udfff]", text + value) or value != value.encode("utf-8", "ignore").decode():
        return
    body = text.encode()
    template = Template.parse(body + b"{{v}}." + f"\n# MRL:grid['v'] = [{value!r}]".encode(), "f")
    assert template.params == [{"v": value}]
    assert template.render(template.params[0]) == body + value.encode() + b"."


def test_utf16_without_a_bom_is_seen() -> None:
    text = "lr: {{v}} é\r\n# MRL:grid['v'] = ['€']\r\n"
    for codec in ("utf-16-le", "utf-16-be"):
        assert render(text.encode(codec)) == "lr: € é\r\n".encode(codec)


def test_other_encodings_pass_through() -> None:
    gbk = "说明: 一\r\n名: {{v}}\r\n# MRL:grid['v'] = ['名']\r\n".encode("gbk")
    assert render(gbk) == "说明: 一\r\n名: 名\r\n".encode("gbk")


def test_what_the_encoding_cannot_hold_is_an_error() -> None:
    assert re.match(r"conf.yaml:2: .*latin-1.*u20ac.*UTF-8", fails(b"\xe9\nv: {{v}}\n# MRL:grid['v'] = ['\\u20ac']\n"))
    assert "conf.yaml:2:" in fails("{{ v }}\n# MRL:grid['v'] = ['\\ud800']\n")
    with pytest.raises(TemplateError, match=r"conf.yaml:1: .*utf-8"):
        render("{{ v }}\n", v="\ud800")


def test_large_files_are_quick() -> None:
    line = "some { text } with <things> = and more of them; \t\r\n"
    text = line * 25_000 + "lr = {{v}}\n" + line * 5
    with at_most(5):
        assert len(text) > 1e6
        assert render(text + "# MRL:grid['v'] = [1]\n") == text.replace("{{v}}", "1").encode()


def test_many_renders_are_quick() -> None:
    body = "".join(f"key{i}: {{{{lr}}}} and {{{{seed}}}} # {i}\r\n" for i in range(40))
    template = Template.parse(f"{body}# MRL:grid['seed'] = range(10000)\r\n# MRL:grid['lr'] = [0.1]\r\n".encode(), "f")
    with at_most(5):
        found = {template.render({**params, **IDS}) for params in template.params}
        assert len(found) == 10_000


# Errors


def test_an_undefined_variable_names_line_and_params() -> None:
    message = fails("a: 1\r\nb: {{momentum}}\n# MRL:grid['lr'] = [1]\n# MRL:grid['opt'] = ['sgd']\n")
    assert message.startswith("conf.yaml:2: 'momentum' is not defined; known are lr, opt, expId, subExpId")
    assert "did you mean momentum?" in fails("a\n\n{{momentun}}\n# MRL:grid['momentum'] = [1]\n")
    assert "conf.yaml:3:" in fails("\n\n{% if x %}{% endif %}")
    assert render("{{ x is defined }} {{ x | default(3) }}") == b"False 3"


@pytest.mark.parametrize(
    ("name", "text", "line", "advice"),
    [
        ("a.bib", "@a{b,\n c = {{IJCV}}}\n", 2, "% MRL:delimiters = ['<<', '>>']"),
        ("a.bib", "\n c = {{2012}}\n", 2, "% MRL:delimiters = ['<<', '>>']"),
        ("a.tex", "\\x{%\n}\n", 2, "% MRL:delimiters = ['<<', '>>']"),
        ("a.h", "int a[1][1] = {{0}};\n", 1, "// MRL:delimiters = ['<<', '>>']"),
        ("a.xml", "<a>{{ b.c }}</a>\n", 1, "<!-- MRL:delimiters = ['<<', '>>'] -->"),
        ("a.lua", "t = {{1, 2}}\n", 1, "-- MRL:delimiters = ['<<', '>>']"),
        ("a.yml", "b: {{ doc('x') }}\n", 1, "# MRL:delimiters = ['<<', '>>']"),
        ("a.yml", "b: {{ .Values.x }} << 3 [[ 4\n", 1, "# MRL:delimiters = ['<%', '%>']"),
        ("conf", "b: {{x\n/* MRL:grid['v'] = [1] */\n", 1, "/* MRL:delimiters = ['<<', '>>'] */"),
        ("a.sh", "cat <<EOF\n# MRL:delimiters = ['<<', '>>']\n", 1, "# MRL:delimiters = ['[[', ']]']"),
    ],
)
def test_colliding_braces_are_told_with_the_line_to_add(name: str, text: str, line: int, advice: str) -> None:
    message = fails(text, name)
    assert advice in message and re.match(rf"{name}:\d+: ", message)
    if "%\n" not in text:
        assert message.startswith(f"{name}:{line}: ")


def test_the_advice_works() -> None:
    text = "a: {{ doc('x') }} {{2012}} {%\nlr: {{lr}}\n# MRL:grid['lr'] = [1]\n"
    advice = re.search(r"write variables as (.+) and add the line: (.+)$", fails(text))
    assert advice
    assert render(text.replace("{{lr}}", advice[1]) + advice[2] + "\n") == b"a: {{ doc('x') }} {{2012}} {%\nlr: 1\n"


def test_braces_can_be_written_as_text() -> None:
    assert render("{{ '{{' }} {{ '}}' }} {% raw %}{{x}}{% endraw %} {{ '' }}{{expId}}") == b"{{ }} {{x}} 0001"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("# MRL:grid['lr'] = [9**9**9]", "conf.yaml:2: .*grow too large"),
        ("# MRL:grid['lr'] = [1, 1]", "conf.yaml:2: .*twice"),
        ("# MRL:grid['expId'] = [1]", "conf.yaml:2: expId"),
        ("# MRL:gird['lr'] = [1]", "conf.yaml:2: .*did you mean MRL:grid"),
        ('# MRL:where = "lr = 1"', "conf.yaml:2: .*=="),
        ("# MRL:delimiters = ['<<']", "conf.yaml:2: MRL:delimiters takes"),
        ("# MRL:delimiters = ['<<', 'x']", "conf.yaml:2: MRL:delimiters takes"),
        ("# MRL:delimiters = ['< <', '>>']", "conf.yaml:2: MRL:delimiters takes"),
        ("# MRL:delimiters = ['', '']", "conf.yaml:2: MRL:delimiters takes"),
        ("# MRL:delimiters = '<<>>'", "conf.yaml:2: MRL:delimiters takes"),
    ],
)
def test_a_broken_directive_is_an_error_with_its_line(line: str, message: str) -> None:
    assert re.match(message, fails(f"x\n{line}\n"))


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% for i in range(10**5) %}{% for j in range(10**5) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 10**9 ~ expId }}",
        "{{ (9**9)**(9**9) + expId | int }}",
        "{{ expId.ljust(10**9) }}",
        "{{ expId | center(10**9) }}",
        "{{ expId | indent(10**9) }}",
        "{{ '%1000000000d' % expId | int }}",
        "{{ '%*d' | format(10**9, expId | int) }}",
        "{{ '{:>1000000000}'.format(expId) }}",
        "{{ '{:{}}'.format(expId, 10**9) }}",
        "{{ expId | int | round(-10**9) }}",
        "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(40) }}{{ expId }}",
        "{% set ns = namespace(x=expId) %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x=9) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x + 9 %}{% endfor %}{{ expId }}",
        "{% set ns = namespace(x=[expId]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set n = namespace(x=[expId]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
        "{{ expId.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__ ~ expId }}",
        "{{ '{0.__class__}'.format(expId) }}",
        "{{ range.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ expId.upper }}",
        "{{ range(3) | map('string') }}",
        "{{ expId | random }}",
        "{{ lipsum() }}",
        "{% include 'x' %}{{expId}}",
        "{% import 'x' as x %}{{expId}}",
        "{{ 1 // (expId | int - 1) }}",
        "{{ expId.x }}",
        "{{ expId | nofilter }}",
        "{{ " + "(" * 2000 + "expId",
        "{{ " + "-" * 5000 + "expId }}",
        "{% if expId %}" * 120 + "{% endif %}" * 120,
        "{{",
        "{%",
        "{% if %}",
        "{{}}",
    ],
)
def test_runaway_and_forbidden_things_are_errors_at_once(text: str) -> None:
    with at_most(2):
        message = fails(text)
    assert message.startswith("conf.yaml:") and "object at 0x" not in message


def test_plain_jinja_works() -> None:
    assert (
        render("{% for n in layers %}{{ loop.index }}:{{ n }} {% endfor %}\n# MRL:grid['layers'] = [[64, 32]]\n")
        == b"1:64 2:32 \n"
    )
    formats = "{{ '%.3f' % lr }} {{ '%05d' | format(3 + lr | int) }} {{ '{:>6}'.format(lr) }} {{ lr | round(1) }}"
    assert render(formats + "\n# MRL:grid['lr'] = [0.25]\n") == b"0.250 00003   0.25 0.2\n"
    assert (
        render("{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}")
        == b"3"
    )
    assert render("{{ o.lr * 2 }} {{ o['items'] }}\n# MRL:grid['o'] = [{'lr': 1, 'items': 2}]\n") == b"2 2\n"


# Warnings, several templates


def test_what_looks_wrong_is_a_warning() -> None:
    text = (
        "# MRL:grid['a'] = [1]\nlr: {{lr}}\n#MRL:grid['b'] = [1]\n\n# MRL:grid['lr'] = [1]\n# MRL:params = [{'c': 1}]\n"
    )
    warnings = Template.parse(text.encode(), "x/conf.yaml").warnings
    assert [warning.partition(": ")[0] for warning in warnings] == ["x/conf.yaml:1", "x/conf.yaml:3", "x/conf.yaml:6"]
    assert warnings[2] == "x/conf.yaml:6: param 'c' is never used"
    assert all("\n" not in warning for warning in warnings)
    assert Template.parse(b"{% if lr is defined %}{% endif %}\n# MRL:grid['lr'] = [1]\n", "f").warnings == ()


def test_a_directive_above_the_block_is_named_where_its_param_is_missed() -> None:
    assert "line 2 looks like a directive" in fails("lr: {{lr}}\n# MRL:grid['lr'] = [1]\n# vim: ft=yaml\n")


def test_further_templates_are_text_with_the_delimiters_of_the_first() -> None:
    first = Template.parse(b"a\n# MRL:grid['v'] = [1]\n# MRL:delimiters = ['<<', '>>']\n", "a")
    assert first.delimiters == ("<<", ">>")
    second = Template.parse(b"b <<v>> {{v}}\n# MRL:x\n", "b", directives=False, delimiters=first.delimiters)
    assert second.render({"v": 1}) == b"b 1 {{v}}\n# MRL:x\n"
    assert second.params == [{}] and second.directives == ()
    assert Template.parse(b"{{v}}\n# MRL:grid['v'] = [1]\n", "b", directives=False).warnings == (
        "b:2: looks like a directive, but directives stand in the first template",
    )


def test_jinja_is_loaded_with_the_first_template_only(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, metarunlog.template; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
