"""What of a call's reads and writes counts: what is the user's, not what libraries, caches or mrl itself look at."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from metarunlog import files
from metarunlog.engine.listing import Found, Listing, Scope, found
from metarunlog.engine.tracing import Recorder
from metarunlog.fileinfo import Numbers

_SYSTEM = ("/proc/", "/sys/", "/dev/", "/usr/", "/etc/", "/lib/", "/lib64/", "/var/cache/")
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_BUILT = (".pyc", ".so")


@dataclass(frozen=True)
class Seen:
    """What a call read and wrote that counts: absolute paths. Plain data."""

    reads: dict[str, Numbers | None] = field(default_factory=dict)  # None: it was not there
    writes: list[str] = field(default_factory=list)
    listings: dict[Listing, Found] = field(default_factory=dict)
    imports: dict[str, Numbers | None] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    backups: dict[str, str] = field(default_factory=dict)


def what_counts(recorder: Recorder, scope: Scope, since_ns: int) -> Seen:
    """Leave out what is no input of the user's. `since_ns`: when the workers were started; temporary files that are
    older were there before and are inputs, younger ones are the libraries'."""
    counts = _Counts(scope, since_ns)
    written = set(_written(recorder))
    return Seen(
        reads={
            p: s
            for p, s in sorted(recorder.reads.items())
            if p not in written and counts(p, s) and not os.path.isdir(p)
        },
        writes=[p for p in sorted(written) if not files.is_temporary(os.path.basename(p))],
        listings={
            question: found(question, names, scope, written)
            for question, names in sorted(recorder.listings.items())
            if counts.listing(question.folder + "/")
        },
        imports={p: s for p, s in sorted(recorder.imports.items()) if counts.is_users(p)},
        hidden=sorted(recorder.hidden),
        backups=dict(recorder.backups),
    )


class _Counts:
    def __init__(self, scope: Scope, since_ns: int) -> None:
        home = os.path.expanduser("~")
        environ = (os.environ.get(name) for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"))
        self._scope = scope
        self._since = since_ns
        self._temporary = tempfile.gettempdir() + "/"
        self._libraries = tuple({sys.prefix + "/", sys.base_prefix + "/", sys.exec_prefix + "/", _PACKAGE})
        self._elsewhere = (
            *_SYSTEM,
            *(f"{home}/{name}/" for name in (".cache", ".config", ".local", ".fonts", ".matplotlib")),
            *(f"{folder}/" for folder in environ if folder),
        )

    def __call__(self, path: str, state: Numbers | None) -> bool:
        scope = self._scope
        if path.startswith((scope.code + "/", scope.memory + "/")) or path.endswith(_BUILT):
            return False
        if files.is_temporary(os.path.basename(path)) or not self.is_users(path):
            return False
        if path.startswith((scope.root + "/", scope.derived + "/")):
            return not path.startswith(scope.root + "/.git/")
        if path.startswith(self._temporary):
            return state is None or max(state[1], state[3]) < self._since
        return True

    def listing(self, folder: str) -> bool:
        """Folders for temporary files change all the time, and are listed where they are deleted."""
        inside = folder.startswith((self._scope.root + "/", self._scope.derived + "/"))
        return self(folder, None) and (inside or not folder.startswith(self._temporary))

    def is_users(self, path: str) -> bool:
        """Neither a library's nor the system's."""
        if path.startswith(self._libraries) or "/__pycache__/" in path:
            return False
        if path.startswith(self._scope.root + "/"):
            return True
        return not path.startswith(self._elsewhere) and "/site-packages/" not in path and path.startswith("/")


def _written(recorder: Recorder) -> Iterator[str]:
    """The files that were written, and those in folders that were renamed as a whole."""
    yield from (path for path in recorder.writes if not os.path.isdir(path))
    for moved in recorder.moved:
        for folder, _, names in os.walk(moved):
            yield from (f"{folder}/{name}" for name in names)
