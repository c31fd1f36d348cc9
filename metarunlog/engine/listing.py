"""What a listing saw: the names in a folder, or those that match a pattern, and whether it would see the same now."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from metarunlog import files

LISTDIR = ""
GLOB = "glob"  # glob.glob
HIDDEN = "h"  # of GLOB: include_hidden
RECURSIVE = "r"  # of GLOB: recursive
PATH = "path"  # Path.glob
GONE = "gone"  # in place of a digest: there is no such folder


class Listing(NamedTuple):
    """One question. `pattern` is relative to `folder`; `how` is LISTDIR, PATH, or GLOB and its options."""

    folder: str  # absolute, or a key
    pattern: str = ""
    how: str = LISTDIR

    def __str__(self) -> str:
        """As the traces keep it."""
        return json.dumps(list(self))

    @classmethod
    def parse(cls, text: str) -> Listing:
        return cls(*json.loads(text))

    @property
    def shown(self) -> str:
        """For people: the folder, with the pattern where there is one."""
        return f"{self.folder}/{self.pattern}" if self.pattern else self.folder

    def names(self) -> list[str] | None:
        """What it sees now, relative to the folder; None where there is no such folder."""
        try:
            if self.how == LISTDIR:
                return os.listdir(self.folder)
            if not os.path.isdir(self.folder):
                return None
            if self.how == PATH:
                prefix = len(self.folder.rstrip("/")) + 1
                return [str(path)[prefix:] for path in Path(self.folder).glob(self.pattern)]
            options = self.how.removeprefix(GLOB)
            return glob.glob(
                self.pattern, root_dir=self.folder, recursive=RECURSIVE in options, include_hidden=HIDDEN in options
            )
        except (OSError, ValueError):
            return None


class Scope(NamedTuple):
    """The folders around a call: what is made in them is no input of the user's. Absolute paths; plain data."""

    root: str
    base: str
    derived: str
    memory: str
    code: str  # of the experiment, at its commit


class Found(NamedTuple):
    """What a listing found: a digest of the names that no task makes, and the names below the derived folder."""

    digest: str
    derived: tuple[str, ...] = ()


def found(listing: Listing, names: Iterable[str] | None, scope: Scope, wrote: Iterable[str] = ()) -> Found:
    """What counts of the names that a listing saw. `wrote`: paths that the call itself made."""
    if names is None:
        return Found(GONE)
    own = _with_parents(wrote, listing.folder)
    outside, derived = [], []
    for name in names:
        path = os.path.normpath(f"{listing.folder}/{name}")
        if path in own or path in (scope.derived, scope.memory) or path.startswith(scope.memory + "/"):
            continue
        if any(map(files.is_temporary, name.split("/"))):
            continue
        if path.startswith(scope.derived + "/"):
            derived.append(path)
        else:
            outside.append(name)
    return Found(names_digest(outside), tuple(sorted(derived)))


def digest(seen: Found, visible: Callable[[str], bool]) -> str:
    """Digest of what counts; of what lies in the derived folder, what tasks made that go before this one."""
    return seen.digest if seen.digest == GONE else names_digest([seen.digest, *filter(visible, seen.derived)])


def split_pattern(pattern: str) -> tuple[str, str]:
    """A glob pattern as its fixed folder and the rest: `a/b/*/c.csv` is `a/b` and `*/c.csv`."""
    parts = pattern.split("/")
    fixed = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return "/".join(parts[:fixed]) or ("/" if pattern.startswith("/") else ""), "/".join(parts[fixed:])


def _with_parents(paths: Iterable[str], folder: str) -> set[str]:
    """The paths below a folder, and the folders between."""
    every: set[str] = set()
    for path in paths:
        while path.startswith(folder.rstrip("/") + "/") and path not in every:
            every.add(path)
            path = os.path.dirname(path)
    return every


def names_digest(names: Iterable[str]) -> str:
    """Digest of a set of file names."""
    import hashlib

    return hashlib.sha256("\0".join(sorted(names)).encode("utf-8", "surrogateescape")).hexdigest()
