"""The files of an experiment's folder that make a sub-experiment, and what they make: bytes by file name."""

from __future__ import annotations

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
        delimiters = None
        for name in config.confTemplFile:
            shown = f"{experiment.path}/{name}"
            data = files.read(experiment.dir / name)
            if data is None:
                raise TemplateError(
                    "there is no such template; create it, or copy one with `mrl new -cp EXP`", file=shown
                )
            templates[name] = Template.parse(data, shown, directives=not templates, delimiters=delimiters)
            delimiters = delimiters or templates[name].delimiters
        copies = {name: files.read(experiment.dir / name) for name in config.copyFiles if name not in templates}
        return cls(experiment, templates, {name: data for name, data in copies.items() if data is not None})

    @property
    def first(self) -> Template:
        """The template with the directives."""
        return next(iter(self.templates.values()))

    @property
    def uses_number(self) -> bool:
        """Whether the same params give another file in another sub-experiment."""
        return any("subExpId" in template.variables for template in self.templates.values())

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
        """What looks wrong in the templates, a line each. A param counts as used if any template uses it."""
        used = {name for template in self.templates.values() for name in template.variables}
        found = [warning for template in self.templates.values() for warning in template.warnings]
        return [warning for warning in found if not any(f"'{name}'" in warning for name in used)]
