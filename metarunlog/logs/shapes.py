"""Lines of text logs by their shape: what stays the same in them, and the numbers in between with their names.

`[train] iter 10: loss 8.87 120 ms/iter` has the shape `[train] iter _: loss _ _ ms/iter` with numbers called iter, loss
and ms/iter. Times, dates, progress bars and the prefixes of logging libraries are no numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

# what is passed over
_DATE = r"\d{4}[-/]\d\d?[-/]\d\d?"
_CLOCK = r"\d{1,3}:\d\d(?::\d\d)?(?:[.,]\d+)?"
_PASSED_OVER = [
    r"(?<![^\n])[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [^\]\n]{1,200}\]",  # glog
    rf"{_DATE}(?:[T ,_-]+{_CLOCK})?(?:Z|[+-]\d\d:?\d\d)?",
    r"(?<=%)\|[^|\n]*\|",  # tqdm's bar
    r"\[[=>.# ]{3,}\]",  # Keras'
    r"\[[\d:?]+<[\d:?]+, *[\d.?]+ *[A-Za-z/]+",  # tqdm's times
    rf"(?<![\w.]){_CLOCK}(?![\w.:])",
    r"(?<![\w.])1\d{9}(?:\d{3})?(?:\.\d+)?(?![\w.])",  # seconds or milliseconds since 1970
    r"[\w./\\-]+\.[A-Za-z]{1,4}:\d+",  # a line of a source file
    r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w,])",  # 1,234: not 1, and not sure to be 1234
]
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf|NaN|Inf|NAN|INF)"
_UNITS = r"%|[kKMGT]?i?B(?:/s)?|[kKMGT](?![\w/])|[mun]?s(?:ec|econds?)?|min|[mhdx]|it/s|s/it|h"
TOKEN = re.compile(
    "|".join(f"(?P<over{i}>{look})" for i, look in enumerate(_PASSED_OVER))
    + rf"|(?<![\w.#])(?P<number>{_NUMBER})(?P<unit>{_UNITS})?(?![\w.]*\w)"
    + rf"|(?P<counted>#(?:{_NUMBER})(?![\w.]))"
)
# neither may be matched by half so that the rest of the line fits
_GROUP = rf"((?>{_NUMBER}))".encode()
#: units of time in seconds, of sizes and counts in ones: a log that goes from ms to s stays one column
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0, "second": 1.0, "min": 60.0}
_SECONDS |= {"m": 60.0, "h": 3600.0, "d": 86400.0}
_ONES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BYTES = {f"{k}{b}": f for b in ("B", "iB") for k, f in (("", 1.0), ("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9))}
_BYTES |= {"KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3}

_BREAK = re.compile(r"[,;|(){}\[\]<>\t\"]|'(?!\w)|(?<!\w)'| {2,}| - |[:=](?=\s*\S)")
COUNT, _TOTAL = "n", "total"  # the names of the numbers of 3/10 where they have none
_STEP = "step"  # the name of a number that begins its line: `[0] train-rmse:1.2`


@dataclass(frozen=True)
class Slot:
    """A number's place in a line. `unit` stands right behind it."""

    name: str
    unit: str


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
        return any(self.names) or not any(text.strip() for text in self.texts)

    @cached_property
    def words(self) -> str:
        """The letters of the line: lines that differ in signs and units only are of one table."""
        return " ".join(
            re.findall(r"[^\W\d_]+|#\d+", " ".join(re.sub(r"\0[0-9a-f]", " ", text) for text in self.texts))
        )

    @property
    def kind(self) -> tuple[tuple[str, ...], str]:
        """Shapes of one kind have the same names and words: they differ in units, signs and blanks."""
        return self.names, self.words

    @property
    def opening(self) -> str:
        """The letters before the first number."""
        return " ".join(re.findall(r"[^\W\d_]+|#\d+", re.sub(r"\0[0-9a-f]", " ", self.texts[0])))

    @property
    def tag(self) -> str:
        """What stands in brackets before the first number: [train], or the first words of the line."""
        found = re.search(r"\[([A-Za-z][\w -]*)\]", self.texts[0])
        return found[1] if found else ""

    @cached_property
    def pattern(self) -> bytes:
        """A regular expression for the line without its ends, a group a number."""
        made = _text_pattern(self.texts[0])
        for slot, text in zip(self.slots, self.texts[1:], strict=True):
            made += _GROUP + re.escape(slot.unit).encode() + _text_pattern(text)
        return made


def shape_of(line: str, *, counted: bool = False) -> Shape | None:
    """The shape of a line; None where it has no numbers. With `counted`, `#3` is a number too, else a word."""
    texts, numbers, at, text = [], [], 0, ""
    for token in TOKEN.finditer(line):
        kind = str(token.lastgroup)
        text += line[at : token.start()]
        at = token.end()
        if token["number"]:
            texts.append(text)
            numbers.append(token["unit"] or "")
            text = ""
        elif kind == "counted" and counted:
            texts.append(text + "#")
            numbers.append("")
            text = ""
        elif kind == "counted":
            text += token[0]
        else:
            text += f"\0{int(kind[4:]):x}"
    if not numbers:
        return None
    texts.append(text + line[at:])
    clean = tuple(re.sub(r"[ \t]+", " ", text) for text in texts)
    names = _names(texts)
    slots = tuple(Slot(name, unit) for name, unit in zip(names, numbers, strict=True))
    return Shape("\1".join(f"{t}\2{u}" for t, u in zip(clean, [*numbers, ""])), clean, slots)


def is_total(name: str) -> bool:
    """Whether it is the name of the second number of 3/10."""
    return name == _TOTAL or name.endswith(f"_{_TOTAL}")


def common_unit(units: Sequence[str]) -> tuple[str, list[float]] | None:
    """A unit, and factors that make it of several; None where there is none."""
    if len(set(units)) == 1:
        return units[0], [1.0] * len(units)
    for unit, factors in (("s", _SECONDS), ("", _ONES), ("B", _BYTES)):
        if all(one in factors for one in units):
            return unit, [factors[one] for one in units]
    return None


def _text_pattern(text: str) -> bytes:
    parts = []
    for part in re.split(r"(\0[0-9a-f]|[ \t]+)", text):
        if part[:1] == "\0":
            parts.append(f"(?>{_PASSED_OVER[int(part[1], 16)]})")
        elif part.strip():
            parts.append(re.escape(part))
        elif part:
            parts.append(r"[ \t]+")
    return "".join(parts).encode()


def _names(texts: Sequence[str]) -> list[str]:
    """A name for each number, by the words before it, or behind it where there are none."""
    names: list[str] = []
    for i, before in enumerate(texts[:-1]):
        name = _key(before)
        if before.strip() in ("/", "of") and names and names[-1]:
            name = _TOTAL if names[-1] == COUNT else f"{names[-1]}_{_TOTAL}"
        if not name and texts[i + 1].strip() == "/":
            name = COUNT
        if not name and (unit := _behind(texts[i + 1])) not in [_key(text) for text in texts[i + 1 : -1][:1]]:
            name = unit  # unless it is the name of the next
        if not name and i == 0 and re.match(r"[\[(]?$", before.strip()) and re.match(r"[\]:)]|\t", texts[1]):
            name = _STEP
        names.append(name)
    return names


def _key(before: str) -> str:
    """The name at the end of what stands before a number: `, val loss = ` is val loss."""
    text = re.sub(r"\0[0-9a-f]", " , ", before).rstrip()
    text = re.sub(r"[\s:=\[({<|@\"'~]+$", "", text)
    name = _BREAK.split(text)[-1].strip(" \t-*>.:=")
    words = name.split()[-3:]
    return " ".join(words) if words and any(c.isalpha() for c in name) else ""


def _behind(after: str) -> str:
    """The unit, or word, that follows a number: ` ms/iter`."""
    found = re.match(r"[ \t]+([A-Za-z][\w/%]*(?:/[A-Za-z]\w*)?)(?=[ \t]*(?:[,;|)\]]|$))", after)
    return found[1] if found else ""
