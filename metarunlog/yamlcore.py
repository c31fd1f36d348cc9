"""A YAML loader with the core schema of YAML 1.2, less octal numbers: no yes/no/on/off, sexagesimals or dates.

Schema: https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from typing import Any

import yaml


class _AtLine(ValueError):
    def __init__(self, what: str, node: yaml.Node) -> None:
        super().__init__(what)
        self.line = node.start_mark.line + 1


class DuplicateKey(_AtLine):
    pass


class NotFinite(_AtLine):
    pass


class CoreLoader(yaml.SafeLoader):
    """Resolves plain scalars as YAML 1.2 does; duplicate keys, NaN and infinity are errors."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (yaml's own name)


def _float(loader: CoreLoader, node: yaml.ScalarNode) -> float:
    text = node.value.lower()
    if "inf" in text or "nan" in text:
        raise NotFinite(f"{node.value} is not allowed as a value; write a number or a text", node)
    value = float(text)
    if value - value != 0:
        raise NotFinite(f"{node.value} is too large; write a smaller number or a text", node)
    return value


def _int(loader: CoreLoader, node: yaml.ScalarNode) -> int:
    return int(node.value, 16 if node.value.startswith("0x") else 10)


def _bool(loader: CoreLoader, node: yaml.ScalarNode) -> bool:
    return str(node.value).lower() == "true"


def _mapping(loader: CoreLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key, _ in node.value:
        if key.value in seen:
            raise DuplicateKey(f'the key "{key.value}" stands twice; remove one', key)
        seen.add(key.value)
    loader.flatten_mapping(node)
    return {str(loader.construct_object(k, deep=True)): loader.construct_object(v, deep=True) for k, v in node.value}


_TAG = "tag:yaml.org,2002:"
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    CoreLoader.add_implicit_resolver(_TAG + _tag, re.compile(f"^(?:{_pattern})$"), _first)
CoreLoader.add_constructor(_TAG + "float", _float)
CoreLoader.add_constructor(_TAG + "int", _int)
CoreLoader.add_constructor(_TAG + "bool", _bool)
CoreLoader.add_constructor(_TAG + "map", _mapping)
