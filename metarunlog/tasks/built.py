"""The pages of a report that are as they were built: what went into them, and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarunlog import __version__, files, sealed
from metarunlog.engine.disk import Disk, FileState

if TYPE_CHECKING:
    from metarunlog.engine.spec import Place
    from metarunlog.report.pages import Page


class Built:
    """Pages in `outdir`, and what is kept of them in a file. Derived: what is broken there counts as empty.

    `version` is another where the same page comes to be made in another way.
    """

    def __init__(self, path: Path, place: Place, outdir: Path, version: int, *, trust: bool = True) -> None:
        self._path = path
        self._place = place
        self._outdir = outdir
        self._version = f"{__version__} {version}"
        self._disk = Disk(place, trust=trust)
        self._old: Mapping[str, Any] = self._read() if trust else {}
        self._new: dict[str, Any] = {}
        self._shared: list[str] = []

    def scripts(self, page: str, of: object) -> Collection[str] | None:
        """The parts of BokehJS that a page needs, if it was built of the same, and its files are as they were; else
        None. `of` is all that a page is made from, and shows it by its repr."""
        entry = self._old.get(page)
        if entry is None or entry[0] != _digest(of):
            return None
        _, at, states, scripts = entry
        if not all(self._disk.same(key, state, at) for key, state in states.items()):
            return None
        now = {key: self._disk.moved(key, state) for key, state in states.items()}
        self._new[page] = (entry[0], self._disk.since, now, scripts)
        return frozenset(scripts)

    def add(self, name: str, of: object, page: Page) -> None:
        """Write the files of a page that was built anew."""
        keys = [self._write(file, data) for file, data in page.files.items()]
        disk = Disk(self._place)
        states: dict[str, FileState] = {key: disk.state(key) for key in keys}
        self._new[name] = (_digest(of), disk.since, states, sorted(page.scripts))

    def share(self, made: Mapping[str, bytes]) -> None:
        """Write files that all pages share."""
        self._shared += [self._write(name, data) for name, data in made.items()]

    @property
    def digests(self) -> dict[str, str]:
        """Of all pages, in short, what they are made from."""
        return {page: entry[0][:16] for page, entry in self._new.items()}

    def finish(self) -> list[str]:
        """Keep it for the next time; returns the paths of all files of all pages."""
        if self._new != self._old:
            with contextlib.suppress(OSError):  # it would only have saved time
                files.write(self._path, sealed.dump({"version": self._version, "pages": self._new}))
        made = [key for _, _, states, _ in self._new.values() for key in states]
        return [self._place.path(key) for key in dict.fromkeys((*self._shared, *made))]

    def _write(self, name: str, data: bytes) -> str:
        files.write_if_changed(self._outdir / name, data)
        return self._place.key(f"{self._outdir}/{name}")

    def _read(self) -> Mapping[str, Any]:
        try:
            found = sealed.load(self._path.read_bytes())
            return dict(found["pages"]) if found["version"] == self._version else {}
        except (OSError, sealed.Broken, KeyError, TypeError, ValueError):
            return {}


def _digest(of: object) -> str:
    return files.sha256(repr(of).encode(errors="backslashreplace"))
