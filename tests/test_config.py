"""`.mrl.cfg`: what is read, what is refused, and with which line."""

from __future__ import annotations

from typing import Any

import pytest

from metarunlog import config
from metarunlog.config import Analysis
from metarunlog.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("{}", {}),
        ('{"name": "a, ]", "copyFiles": ["x",],}', {"name": "a, ]", "copyFiles": ["x"]}),
        ('# why\n// what\n{\n  // inside\n  "name": "# not // comments"\n}', {"name": "# not // comments"}),
        ("name: a\nrun: yes", {"name": "a", "run": "yes"}),
        ("x: [1e-3, 0o7, 12:30:00, 2020-01-01, off, on, 1_000, true, null, 0x1f, -2, .5]",
         {"x": [0.001, "0o7", "12:30:00", "2020-01-01", "off", "on", "1_000", True, None, 31, -2, 0.5]}),
        ("x: 010", {"x": 10}),
    ],
)  # fmt: skip
def test_what_is_read(text: str, value: dict[str, Any]) -> None:
    assert config.parse(text, "f") == value


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{"a": 1,\n"a": 2}', 2, "twice"),
        ("a: 1\nb: 2\na: 3", 3, "twice"),
        ('{"a": NaN}', 1, "NaN"),
        ('{"a": [1,\n-Infinity]}', 2, "Infinity"),
        ('{"a": 1e999}', 1, "1e999"),
        ("a: 1\nb: .nan", 2, ".nan"),
        ("a: .inf", 1, ".inf"),
        ("[1]", 1, "mapping"),
        ('{\n"a" 1\n}', 2, "broken"),
        ("a: [1\nb: 2", 2, "broken"),
        ("a: *nowhere", 1, "broken"),
        ("!!python/object/apply:os.system [ls]", 1, "broken"),
    ],
)
def test_what_is_refused(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError, match=f"^f:{line}: .*{says}"):
        config.parse(text, "f")


def make(text: str, override: str = "{}") -> tuple[config.Config, list[str]]:
    warnings: list[str] = []
    layers = [(config.parse(t, f), t, f) for t, f in ((text, ".mrl.cfg"), (override, "exp/0001/.mrl.cfg"))]
    return config.make(layers, warnings.append), warnings


def test_a_config_of_2016_is_read() -> None:
    text = """{"name": "old", "outdir": "exp", "singleExpFormat": "{expId:04d}", "subExpFormat": "{subExpId:03d}",
        "gitFailUntrackedDefault": "no", "copyFiles": ["conf.lua"], "confTemplFile": "conf.lua", "giturl": "",
        "analysis_overview": {"compare": ["loss"], "plain": []}, "analysis_subexp": {"one": []},
        "analysis_outdir": "analysis", "analysis_outfn": "index.html", "analysis_webdir": "", "hooks": [],
        "note_fn": ".mrl.note"}"""
    made, warnings = make(text)
    assert warnings == [] and made.confTemplFile == ("conf.lua",)
    assert made.analysis_overview == (Analysis("compare", ("loss",)), Analysis("plain"))


def test_the_full_form_of_an_analysis() -> None:
    made, _ = make('{"analysis_subexp": {"f": {"args": [1], "inputs": ["*.h5"], "always": true}}}')
    assert made.analysis_subexp == (Analysis("f", (1,), ("*.h5",), True),)


def test_an_experiment_overrides_some_keys() -> None:
    made, _ = make('{"run": "a", "name": "n"}', '{"run": "b"}')
    assert (made.run, made.name) == ("b", "n")
    for key in ("name", "outdir", "singleExpFormat", "subExpFormat", "hooks"):
        with pytest.raises(ConfigError, match=f'^exp/0001/.mrl.cfg:1: "{key}" cannot be overridden'):
            make("{}", f'{{"{key}": "x"}}')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{\n"run": 3}', ':2: "run" must be text, not a number'),
        ('{"copyFiles": "x,y", "confTemplFile": ["a", 1]}', '"confTemplFile" must be a list of texts'),
        ('{"outdir": "/abs"}', '"outdir" must be a folder below'),
        ('{"outdir": "../up"}', '"outdir" must be a folder below'),
        ('{"singleExpFormat": "{nope}"}', '"singleExpFormat" must be a format'),
        ('{"singleExpFormat": "fixed"}', '"singleExpFormat" must be a format'),
        ('{"analysis_subexp": ["card"]}', '"analysis_subexp" must be a mapping'),
        ('{"analysis_subexp": {"f": 1}}', "must be a list of arguments"),
        ('{"analysis_subexp": {"f": {"arg": []}}}', 'unknown key "arg"'),
        ('{"analysis_subexp": {"a b": []}}', "no Python name"),
        ('{"logs": {"a": "../x"}}', "inside the sub-experiment"),
        ('{"gitFailUntrackedDefault": "maybe"}', 'must be "yes" or "no"'),
        ('{"confTemplfile": "x"}', 'did you mean "confTemplFile"?'),
    ],
)
def test_wrong_types_are_told_with_the_key(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as e:
        make(text)
    assert says in str(e.value) and str(e.value).startswith(".mrl.cfg:")


def test_an_unknown_key_is_a_warning_and_kept() -> None:
    made, warnings = make('{"project_colour": "red"}')
    assert made.other == {"project_colour": "red"} and len(warnings) == 1
