"""Bokeh figures as frame blocks, the same bytes for the same figure.

Bokeh numbers its models over the life of the process and adds random ids, so two builds of one figure differ. Here a
model's id is its place in the document.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from metarunlog.report.figures import FigureError
from metarunlog.report.model import Block

CORE = "bokeh.min.js"
WIDGETS = "bokeh-widgets.min.js"
TABLES = "bokeh-tables.min.js"
GL = "bokeh-gl.min.js"
MATHJAX = "bokeh-mathjax.min.js"
SCRIPTS = (CORE, WIDGETS, TABLES, GL, MATHJAX)
TARGET = "figure"  # the id of the element in the frame

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PAIR_IDS = re.compile(rf'"docid"\s*:\s*"({_UUID})"|<div[^>]*\bid="({_UUID})"')
_MATH = re.compile(r'"(?:\$\$|\\\\\[|\\\\\()')  # a JSON string that starts as TeX does: $$, \[ or \(


def is_bokeh(data: Any) -> bool:
    """Without importing bokeh: whoever has a model has imported it."""
    module = sys.modules.get("bokeh.model")
    return module is not None and isinstance(data, module.Model)


def frame(data: Any) -> Block:
    """A model, or the (script, div) of ``bokeh.embed.components``, as a frame block with the scripts that it needs.

    Raises FigureError for anything else.
    """
    if is_bokeh(data):
        item = document(data)
        # As text: BokehJS reads a document in the order written, where a reference follows what it refers to.
        return {"type": "frame", "item": item, "scripts": _scripts(data, item)}
    if isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], str):
        divs = [data[1]] if isinstance(data[1], str) else data[1].values() if isinstance(data[1], dict) else data[1]
        # What is needed only its script knows: all of BokehJS but mathjax, which is larger than the rest together.
        return {"type": "frame", "html": stable_pair("\n".join([*divs, data[0]])), "scripts": [CORE, WIDGETS, TABLES]}
    raise FigureError(f"needs a Bokeh figure or the (script, div) of bokeh.embed.components, not {type(data).__name__}")


def document(model: Any) -> str:
    """The JSON that ``Bokeh.embed.embed_item`` takes, with ids by their place in the document."""
    from bokeh.embed import json_item

    item = json.loads(json.dumps(json_item(model), allow_nan=False))
    ids: dict[str, str] = {}
    _collect(item["doc"], ids)
    doc = _renamed(item["doc"], ids)
    found = {"target_id": TARGET, "root_id": ids[item["root_id"]], "doc": doc, "version": item["version"]}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def stable_pair(html: str) -> str:
    """The random ids of a (script, div) pair, those of the document and the elements, by their place in it."""
    found = [match[1] or match[2] for match in _PAIR_IDS.finditer(html)]
    for number, uuid in enumerate(dict.fromkeys(found)):
        html = html.replace(uuid, f"00000000-0000-4000-8000-{number:012x}")
    return html


def script_source(name: str) -> str:
    """The text of one of SCRIPTS, from the installed Bokeh."""
    import bokeh

    if name not in SCRIPTS:
        raise ValueError(f"not a part of BokehJS: {name}")
    return (Path(bokeh.__file__).parent / "server" / "static" / "js" / name).read_text(encoding="utf-8")


def _scripts(model: Any, item: str) -> list[str]:
    from bokeh.models.glyphs import MathTextGlyph
    from bokeh.models.plots import Plot
    from bokeh.models.text import MathText
    from bokeh.models.widgets import TableWidget, Widget

    models = list(model.references())
    tables = any(isinstance(one, TableWidget) for one in models)
    needed = {
        CORE: True,
        WIDGETS: tables or any(isinstance(one, Widget) for one in models),
        TABLES: tables,
        GL: any(isinstance(one, Plot) and one.output_backend == "webgl" for one in models),
        MATHJAX: any(isinstance(one, (MathText, MathTextGlyph)) for one in models) or bool(_MATH.search(item)),
    }
    return [name for name in SCRIPTS if needed[name]]


def _collect(node: Any, ids: dict[str, str]) -> None:
    """Every model is spelt out once, as {"type": "object", "name", "id", "attributes"}."""
    if isinstance(node, dict):
        if node.get("type") == "object" and isinstance(node.get("id"), str):
            ids.setdefault(node["id"], f"m{len(ids) + 1}")
        for value in node.values():
            _collect(value, ids)
    elif isinstance(node, list):
        for one in node:
            _collect(one, ids)


def _renamed(node: Any, ids: dict[str, str]) -> Any:
    """References are {"id": ...} alone; nothing else in a document holds an id."""
    if isinstance(node, dict):
        model = node.get("type") == "object" or set(node) == {"id"}
        return {
            key: ids.get(value, value) if model and key == "id" and isinstance(value, str) else _renamed(value, ids)
            for key, value in node.items()
        }
    return [_renamed(one, ids) for one in node] if isinstance(node, list) else node
