"""The files of an experiment's folder that make a sub-experiment, and what they make: bytes by file name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from metarunlog import files
from metarunlog.errors import TemplateError
from metarunlog.experiment import Experiment
from metarunlog.files import sha256
from metarunlog.template import Template, above_directives


@dataclass(frozen=True)
class Sources:
    """Templates, and files that are copied as they are."""

    experiment: Experiment
    templates: Mapping[str, Template]
    copies: Mapping[str, bytes]

    @classmethod
    def read(cls, experiment: Experiment) -> Sources:
        """TemplateError where there is no template or it is broken."""
        config = experiment.config
        if not config.confTemplFile:
            raise TemplateError("no template: set confTemplFile", file=files.CONFIG)
        templates: dict[str, Template] = {}
        for name in config.confTemplFile:
            shown = f"{experiment.path}/{name}"
            data = _read(experiment, name)
            if data is None:
                raise TemplateError(
                    "there is no such template; create it, or copy one with `mrl new -cp EXP`", file=shown
                )
            first = next(iter(templates.values()), None)
            templates[name] = Template.parse(data, shown) if first is None else first.further(data, shown)
        copies = {name: _read(experiment, name) for name in config.copyFiles if name not in templates}
        return cls(experiment, templates, {name: data for name, data in copies.items() if data is not None})

    @property
    def first(self) -> Template:
        """The template with the directives."""
        return next(iter(self.templates.values()))

    @property
    def uses_number(self) -> bool:
        """Whether the same params give another file in another sub-experiment."""
        return "subExpId" in self.variables

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names that the templates use."""
        return frozenset().union(*(template.variables for template in self.templates.values()))

    def render(self, params: Mapping[str, Any], id_: str) -> dict[str, bytes]:
        """File name -> content, for one point of the grid."""
        values = {**params, "subExpId": id_, "expId": self.experiment.id}
        return {**{name: template.render(values) for name, template in self.templates.items()}, **self.copies}

    def hashes(self, rendered: Mapping[str, bytes]) -> dict[str, str]:
        """File name -> sha256 of what `render` made."""
        return {name: self._copy_hashes.get(name) or sha256(data) for name, data in rendered.items()}

    @cached_property
    def _copy_hashes(self) -> Mapping[str, str]:
        return {name: sha256(data) for name, data in self.copies.items()}

    def is_as_rendered(self, name: str, data: bytes, rendered: bytes) -> bool:
        """Whether a file is what is rendered now, or what the 2016 version rendered, with the directives in it."""
        if data == rendered:
            return True
        above = self.above_directives(name, data)
        return above is not None and above == rendered.rstrip(b"\r\n")

    def above_directives(self, name: str, data: bytes) -> bytes | None:
        """What is above the directives of a file that the 2016 version rendered, without its last line ends; None where
        that did not."""
        return above_directives(data) if name == next(iter(self.templates)) else None

    def on_disk(self, folder: Path) -> dict[str, bytes] | None:
        """The same files as they are in a sub-experiment's folder; None where one is missing."""
        found = {name: files.read(folder / name) for name in (*self.templates, *self.copies)}
        there = {name: data for name, data in found.items() if data is not None}
        return there if len(there) == len(found) else None

    @property
    def warnings(self) -> list[str]:
        """What looks wrong in the files, a line each. A param is used if a template or the command of a launch does."""
        config = self.experiment.config
        used = {*self.variables, *re.findall(r"\w+", config.run)}
        found = [warning for template in self.templates.values() for warning in template.warnings]
        found = [warning for warning in found if not any(f"'{name}'" in warning for name in used)]
        missing = [name for name in config.copyFiles if name not in self.templates and name not in self.copies]
        where = self.experiment.path
        return [*found, *(f"{where}/{name}: copyFiles names it, but it is not there" for name in missing)]


def _read(experiment: Experiment, name: str) -> bytes | None:
    """A file of the experiment's folder; None where there is none. TemplateError for what is no file."""
    path = experiment.dir / name
    try:
        if path.exists() and not path.is_file():  # the opening of a named pipe would wait for a writer
            raise TemplateError("is no file; put a file there", file=f"{experiment.path}/{name}")
        return files.read(path)
    except OSError as error:
        what = f"cannot be read ({error.strerror}); make it readable"
        raise TemplateError(what, file=f"{experiment.path}/{name}") from None
