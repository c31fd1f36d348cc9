"""Lines of text logs by their shape: what stays the same in them, and the numbers in between with their names.

`[train] iter 10: loss 8.87 120 ms/iter` has the shape `[train] iter _: loss _ _ ms/iter` with numbers called iter, loss
and ms/iter. Times, dates, progress bars and the prefixes of logging libraries are no numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from metarunlog.logs.naming import LEVELS, TOTAL, kept_words, names_of
from metarunlog.logs.passed import ANY_DIGITS, COMMAS, GROUPED, MARK, NUMBER, pattern_of, tokens, with_any_digits

# neither number nor what is passed over may be matched by half so that the rest of the line fits
_GROUP, _GROUPED = rf"((?>{NUMBER}))", rf"((?>{GROUPED}))"
#: units of time in seconds, of sizes and counts in ones: a log that goes from ms to s stays one column
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0, "second": 1.0, "min": 60.0}
_SECONDS |= {"m": 60.0, "h": 3600.0, "d": 86400.0}
_ONES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BYTES = {f"{k}{b}": f for b in ("B", "iB") for k, f in (("", 1.0), ("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9))}
_BYTES |= {"KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3}

LETTERS = re.compile(r"[^\W\d_]+|#\d+")
_MAX_WORDS = 100  # with digits in a line; more are a dump, of which the expression would be huge
_MODULE = re.compile(r"\([\w.]+\): [A-Za-z]\w*\(")  # (0): Conv2d(3, 64, ...


@dataclass(frozen=True)
class Slot:
    """A number's place in a line. `unit` stands right behind it; with `grouped` it has commas as 1,234 has."""

    name: str
    unit: str
    grouped: bool = False


@dataclass(frozen=True)
class Shape:
    """A kind of lines. `key` is what they share; `texts` are what is before, between and behind the numbers."""

    key: str
    texts: tuple[str, ...]
    slots: tuple[Slot, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(slot.name for slot in self.slots)

    @property
    def may_be_row(self) -> bool:
        """Whether its lines may be rows of a table: numbers with names, or nothing but numbers."""
        return any(self.names) or not any(MARK.sub("", text).strip(" \t|,;") for text in self.texts)

    @cached_property
    def bare(self) -> str:
        """What lines share beside numerals."""
        return re.sub(rf"{ANY_DIGITS}|[-+.\d]", "", self.key)

    @cached_property
    def places(self) -> list[int]:
        """The place of each number among all that stands in its line, times and dates too."""
        before = accumulate(len(MARK.findall(text)) for text in self.texts)
        return [i + passed for i, passed in zip(range(len(self.slots)), before)]

    @property
    def width(self) -> int:
        """How many numbers, times and dates its lines have."""
        return len(self.slots) + sum(len(MARK.findall(text)) for text in self.texts)

    @cached_property
    def words(self) -> str:
        """The letters of the line: lines that differ in signs and units only are of one table."""
        return " ".join(LETTERS.findall(MARK.sub(" ", " ".join(self.texts))))

    @property
    def kind(self) -> tuple[tuple[str, ...], str]:
        """Shapes of one kind have the same names and words: they differ in units, signs and blanks."""
        return self.names, self.words

    @property
    def opening(self) -> str:
        """The letters before the first number."""
        return " ".join(LETTERS.findall(MARK.sub(" ", self.texts[0])))

    @property
    def tag(self) -> str:
        """What stands in brackets before the first number: [train], or the first words of the line."""
        found = re.search(r"\[([A-Za-z][\w -]*)\]", self.texts[0])
        return found[1] if found and found[1] not in LEVELS else ""

    @cached_property
    def pattern(self) -> bytes:
        """A regular expression for the line without its ends, a group a number."""
        made = pattern_of(self.texts[0])
        for slot, text in zip(self.slots, self.texts[1:], strict=True):
            made += f"(?!{COMMAS})" if text == "," else ""
            made += (_GROUPED if slot.grouped else _GROUP) + re.escape(slot.unit) + pattern_of(text)
        return made.encode()


def shape_of(line: str, *, counted: bool = False) -> Shape | None:
    """The shape of a line; None where it has no numbers. With `counted`, `#3` is a number too, else a word."""
    if "\0" in line or _MODULE.match(line):
        return None
    texts, numbers, at, text = [], [], 0, ""
    for token in tokens(line):
        text += line[at : token.start]
        at = token.end + len(token.unit)
        if token.kind == "over":
            text += token.mark
        elif token.kind == "counted" and not counted:
            text += line[token.start : at]
        else:
            texts.append(text + "#" * (token.kind == "counted"))
            numbers.append(token)
            text = ""
    if not numbers:
        return None
    texts.append(text + line[at:])
    names = names_of(texts, [token.unit for token in numbers])
    around = ["", *names, ""]
    clean = tuple(
        with_any_digits(re.sub(r"[ \t]+", " ", text), kept_words(around[i : i + 2])) for i, text in enumerate(texts)
    )
    if sum(text.count(ANY_DIGITS) for text in clean) > _MAX_WORDS:
        return None
    slots = tuple(Slot(name, token.unit, token.kind == "grouped") for name, token in zip(names, numbers, strict=True))
    units = [f"{slot.unit}\3" if slot.grouped else slot.unit for slot in slots]
    return Shape("\1".join(f"{t}\2{u}" for t, u in zip(clean, [*units, ""])), clean, slots)


def is_total(name: str) -> bool:
    """Whether it is the name of the second number of 3/10."""
    return name == TOTAL or name.endswith(f"_{TOTAL}")


def common_unit(units: Sequence[str]) -> tuple[str, list[float]] | None:
    """A unit, and factors that make it of several; None where there is none."""
    if len(set(units)) == 1:
        return units[0], [1.0] * len(units)
    heads, slashes, tails = zip(*(one.partition("/") for one in units))
    if slashes[0] and len(set(tails)) == 1 and (common := common_unit(heads)):
        return f"{common[0]}/{tails[0]}", common[1]  # ms/step
    for unit, factors in (("s", _SECONDS), ("", _ONES), ("B", _BYTES)):
        if all(one in factors for one in units):
            return unit, [factors[one] for one in units]
    return None
