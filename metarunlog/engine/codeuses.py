"""What one top-level statement binds and uses, as found by codescope."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

FIRST = ""  # `import a.b` binds a
ITSELF = "."  # `import a.b as c` binds a.b
STAR = "*"


class Import(NamedTuple):
    """One name bound by an import statement."""

    level: int  # number of leading dots
    module: str  # dotted, may be empty after dots
    name: str  # the name taken from the module, or FIRST, ITSELF, STAR


class Use(NamedTuple):
    """A global name, or an import made inside a function, with the attributes read from it."""

    root: str | Import
    attrs: tuple[str, ...] = ()
    # Of import_module("x"): the argument, ending in * where only its start is known. Of vars(x): "obj". Else None.
    argument: str | None = None


class Mark(Enum):
    """What makes the names of a statement unknowable."""

    SELF = "every name of its own module"  # globals()
    LOADED = "every name of every module that is imported"  # sys.modules, pickle
    DOCS = "docstrings"
    SOURCE = "the text of every module that is imported"


@dataclass
class Uses:
    """What one top-level statement binds and uses."""

    bound: dict[str, list[Import]] = field(default_factory=dict)  # name -> the imports that bind it, often none
    uses: set[Use] = field(default_factory=set)
    eager: set[str] = field(default_factory=set)  # global names read while the statement runs, not in a later call
    imports: set[Import] = field(default_factory=set)  # made anywhere within
    import_time: set[Import] = field(default_factory=set)  # made while the statement runs
    guarded: set[Import] = field(default_factory=set)  # made where an error that they raise may be caught
    marks: set[Mark] = field(default_factory=set)
