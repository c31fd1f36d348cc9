"""For a new point of the grid, the orphan whose files are what the point would render: so that no run is repeated."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from metarunlog.errors import TemplateError
from metarunlog.experiment import SubExperiment
from metarunlog.files import sha256
from metarunlog.grid import canonical
from metarunlog.sources import Sources

_ROOM = 64 << 20  # bytes of the texts that are held, rather than read again

Lengths = tuple[int, int] | None  # of the beginning and the end that are compared; None is all of it
Index = dict[tuple[str, ...], list[SubExperiment]]


class Adoption:
    """The orphans that are left, found by the content of their files, in number order.

    Where the files hold the number of their sub-experiment, what is before its first and after its last place is
    looked up, and the candidates are then rendered with their own number. So the cost is that of the orphans and of the
    points, not of their product.
    """

    def __init__(self, sources: Sources, orphans: Iterable[SubExperiment]) -> None:
        self._sources = sources
        self._left = {sub.id: sub for sub in orphans}
        self._indexes: dict[tuple[bool, Lengths], Index] = {}
        experiment = sources.experiment
        digits = len(str(max((experiment.sub_number(id_) or 0 for id_ in self._left), default=0)))
        # two numbers that differ in each digit that the orphans' numbers may differ in
        self._probes = [experiment.sub_name(int(digit * digits)) for digit in "12"[: 1 + sources.uses_number]]

    def take(self, params: Mapping[str, Any]) -> SubExperiment | None:
        """The lowest orphan that fits, taken out; None where there is none."""
        for sub in self._candidates(params):
            there = self._sources.on_disk(sub.dir)
            rendered = self._sources.render(params, sub.id)
            same = there and all(self._sources.is_as_rendered(name, there[name], rendered[name]) for name in rendered)
            if same and not self._differs_unseen(params, sub.params):
                return self._left.pop(sub.id)
        return None

    def _differs_unseen(self, params: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
        """Whether a param that no file shows (`run` may use it) had another value: then it was another run."""
        unseen = params.keys() & before.keys() - self._sources.variables
        return any(canonical({name: params[name]}) != canonical({name: before[name]}) for name in unseen)

    def _candidates(self, params: Mapping[str, Any]) -> Iterator[SubExperiment]:
        if not self._left:
            return
        try:
            renders = [self._sources.render(params, id_) for id_ in self._probes]
        except TemplateError:  # it may be fine with the number of an orphan
            yield from list(self._left.values())
            return
        for of_2016 in self._forms:
            texts = [self._text(rendered, of_2016) for rendered in renders]
            lengths = _shared(*texts) if len(texts) == 2 else None
            found = self._index(of_2016, lengths).get(_key(texts[0], lengths), ())
            yield from [sub for sub in found if sub.id in self._left]

    def _index(self, of_2016: bool, lengths: Lengths) -> Index:
        if (of_2016, lengths) not in self._indexes:
            index = self._indexes[of_2016, lengths] = {}
            for sub, held in self._forms[of_2016]:
                text = held or self._text(self._sources.on_disk(sub.dir) or {}, of_2016)
                index.setdefault(_key(text, lengths), []).append(sub)
        return self._indexes[of_2016, lengths]

    @cached_property
    def _forms(self) -> Mapping[bool, list[tuple[SubExperiment, bytes]]]:
        """The orphans that have all files, by whether the 2016 version rendered them, with their texts while there is
        room for them."""
        forms: dict[bool, list[tuple[SubExperiment, bytes]]] = {}
        room = _ROOM
        for sub in self._left.values():
            if there := self._sources.on_disk(sub.dir):
                of_2016 = self._is_of_2016(there)
                text = self._text(there, of_2016)
                room -= len(text)
                forms.setdefault(of_2016, []).append((sub, text if room > 0 else b""))
        return dict(sorted(forms.items()))

    def _is_of_2016(self, contents: Mapping[str, bytes]) -> bool:
        return any(self._sources.above_directives(name, data) is not None for name, data in contents.items())

    def _text(self, contents: Mapping[str, bytes], of_2016: bool) -> bytes:
        """All of the files as one."""
        parts = []
        for name, data in contents.items():
            above = self._sources.above_directives(name, data)
            if of_2016 and name in self._sources.templates:
                data = data.rstrip(b"\r\n") if above is None else above
            parts.append(data if name in self._sources.templates else sha256(data).encode())
        return b"\0\0".join(parts)


def _shared(a: bytes, b: bytes) -> tuple[int, int]:
    """How long the beginning and the end are that two texts share."""
    shorter = min(len(a), len(b))
    start = bisect.bisect_left(range(shorter), True, key=lambda n: a[: n + 1] != b[: n + 1])
    rest = range(shorter - start)
    return start, bisect.bisect_left(rest, True, key=lambda n: a[-n - 1 :] != b[-n - 1 :])


def _key(text: bytes, lengths: Lengths) -> tuple[str, ...]:
    if lengths is None:
        return (sha256(text),)
    start, end = lengths
    return sha256(text[:start]), sha256(text[len(text) - end :])
