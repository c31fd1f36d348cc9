"""What is passed over in the lines of text logs: times, dates, bars, prefixes; and what is a number in them.

Each of these is matched whole or not at all: no half of a date or of `1,234` is a number.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_CLOCK = r"\d{1,3}:\d\d(?::\d\d)?(?:[.,]\d+)?(?: ?[AP]M\b)?"
_DATE = r"\d{4}[-/]\d\d?[-/]\d\d?"
_ZONE = r"(?:Z\b| ?(?:UTC|GMT)\b|[+-]\d\d:?\d\d)?"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? +"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
# what is no number because of its comma
COMMAS = r"\d+,\d+(?!\w|[.,]\d)"
#: a word of a text
WORD = re.compile(r"[^\s,;|(){}\[\]<>\"'=:\0\ue000-\ue0ff]+")
_PASSED_OVER = [
    r"(?<![^\n])[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [^\]\n]{1,200}\]",  # glog
    rf"(?<![^\n])\[[IWED] \d{{6}} {_CLOCK} \w+:\d+\]",  # tornado
    rf"{_DATE}(?:[T ,_-]+{_CLOCK})?{_ZONE}",
    rf"(?<![\w.])(?:{_DAY})?{_MONTH} +\d\d? +{_CLOCK}(?: \d{{4}}(?![\w.]))?",  # ctime, syslog
    rf"(?<![\w.])\d\d?[ -]{_MONTH}[ -]\d{{4}}(?:[ ,_-]+{_CLOCK})?",
    rf"(?<![\w.])(?:\d\d?/\d\d?/|\d\d?-\d\d?-|\d\d?\.\d\d?\.)\d{{2,4}}[ T,_-]+{_CLOCK}",  # 05/01/2023 10:00:00 AM
    r"(?<![\w.])(?:(?<![^\n\[])[01]\d/[0-3]\d|[01]\d-[0-3]\d)[ T,_-]+\d\d:\d\d:\d\d(?:[.,]\d+)?",  # 05-01 10:00:00
    r"(?<![\w.])20\d\d[01]\d[0-3]\d[ T_-]\d\d:?\d\d(?::?\d\d)?(?:[.,]\d+)?(?![\w.:])",  # 20230501_100000
    r"(?<=%)\|[^|\n]*\|",  # tqdm's bar
    r"\[[=>.# ]{3,}\]",  # Keras'
    r"\[[\d:?]+<[\d:?]+, *[\d.?]+ *[A-Za-z/]+",  # tqdm's times
    rf"(?<![\w.])(?:\d+ days?, +)?{_CLOCK}{_ZONE}(?![\w.:])",
    r"(?<![\w.])(?:\d+[dhms] ?(?=\d+[hms])){1,3}\d+[hms](?!\w)",  # 1h02m
    r"(?<![\w.])1\d{9}(?:\d{3})?(?:\.\d+)?(?![\w.])",  # seconds or milliseconds since 1970
    r"(?<![\w./\\-])[\w./\\-]+\.[A-Za-z]{1,4}:\d+",  # a line of a source file
    r"(?<![\w./\\-])[\w./\\-]+\.py(?:\"?,? line |\(| |\[line:|:\w{1,80}:)\d+",
    r"\[line:\d+\]",
    r"\((?:\w{1,80} )?pid=\d+(?:, ip=[\d.]+)?\)",  # Ray
    r"(?<!\w)cuda:\d+(?!\w)",
    r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d|,\d)",  # (1,234): not 1, and not sure to be 1234
    rf"(?<![\w.,]){COMMAS}",  # 0,93: not 0
    r"(?<![\w.+-])\d+(?:\.\d+)?-\d+(?:\.\d+)?(?![\w.-])",  # 0-99
    r"(?<![\w-])[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}(?![\w-])",
    r"(?<!\w)(?=\d*[a-f])(?=[a-f]*\d)(?!\d+e\d+\b)(?:[\da-f]{8,64}|(?=(?:[a-f]*\d){2})[\da-f]{6,7})(?!\w)",  # a hash
]
_WORD_BEFORE_NAN = "".join(rf"(?<!\b{word} )" for word in ("of", "any", "no", "found", "has"))
NUMBER = rf"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|{_WORD_BEFORE_NAN}[-+]?(?:nan|inf|NaN|Inf|NAN|INF)"
#: with commas, which are sure to be those of thousands only where its column counts
GROUPED = r"(?<![\w.#+,:\[({-])[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?!\d|,\d|\.\d)"
_UNITS = (
    r"[A-Za-z]{1,20}/(?:s|sec|second|min|hour|day|step|it|iter|epoch|batch)(?!\w)|%|[kKMGT]?i?B(?:/s)?"
    r"|[kKMGT](?!\w|/[A-Za-z])|[mun]?s(?:ec|econds?)?|min|[mhdxzCW]|fps|[kKMGT]?tok(?:ens)?|[kMG]?Hz"
)
# names of x axes with their number directly behind: Epoch03, epoch_3
_AXES = ("epoch", "ep", "step", "iter", "iteration", "episode", "gen", "generation", "batch", "round")
_BEHIND_AXIS = "|".join(
    rf"(?<=(?<![\w./-]){word}{sign})"
    for axis in _AXES
    for word in (axis, axis.title(), axis.upper())
    for sign in ("", "_", "-")
)
# digits that a sign ties to a word are a part of it: ROUGE-1, hit@10, R^2
_APART = r"(?<![\w.#+-])(?<!\w[@^])"
_BEFORE = rf"(?:{_APART}|(?:{_BEHIND_AXIS})(?=\d))"
_ENDS = r"(?!(?>\.*)\w|-\d)"
_TOKEN = re.compile(
    rf"(?P<grouped>(?>{GROUPED}))(?P<unit0>{_UNITS})?{_ENDS}|"
    + "|".join(f"(?P<over{i}>{look})" for i, look in enumerate(_PASSED_OVER))
    + r"|(?P<text>@\[?0?\.50?:(?:0?\.05:)?0?\.95)"  # of a name: mAP@0.5:0.95
    + rf"|{_BEFORE}(?P<number>(?>{NUMBER}))(?P<unit>{_UNITS})?{_ENDS}"
    + rf"|(?P<counted>#(?>{NUMBER})(?![\w.]))"
)
_NUMERALS = re.compile(r"[-+.\d]*\d[-+.\d]*")
#: a text may hold, in place of what is passed over, this sign and one that tells what it is
MARK = re.compile("\0.", re.DOTALL)
_FIRST = 0xE000  # no letters, no digits, no blanks
ANY_DIGITS = f"\0{chr(_FIRST + len(_PASSED_OVER))}"
# where lines may have a number, whatever else they have in its place
_NO_TOKEN = rf"(?!{_APART}(?>{GROUPED}|{NUMBER})(?:{_UNITS})?{_ENDS})"


@dataclass(frozen=True)
class Token:
    """A piece of a line that is not its text. `kind`: number, grouped, counted or over."""

    kind: str
    start: int
    end: int  # without the unit
    unit: str
    mark: str


def tokens(line: str) -> Iterator[Token]:
    """The numbers in a line, and what is passed over in it."""
    for found in _TOKEN.finditer(line):
        kind = str(found.lastgroup).rstrip("0123456789")
        if found["number"] or found["grouped"]:
            kind = "number" if found["number"] else "grouped"
            yield Token(kind, found.start(), found.end(kind), found["unit"] or found["unit0"] or "", "")
        elif kind != "text":
            mark = f"\0{chr(_FIRST + int(str(found.lastgroup)[4:]))}" if kind == "over" else ""
            yield Token(kind, found.start(), found.end(), "", mark)


def pattern_of(text: str) -> str:
    """A regular expression for what is before, between or behind numbers."""
    parts, before = [], ""
    for part in re.split("(\0.|[ \t]+)", text, flags=re.DOTALL):
        if part == ANY_DIGITS:
            glued = before[-1:].isalnum() or before[-1:] == "_"
            parts.append(r"(?>[-+.\d]+)" if glued else rf"{_NO_TOKEN}(?>[-+.\d]+)")
        elif part[:1] == "\0":
            parts.append(f"(?>{_PASSED_OVER[ord(part[1]) - _FIRST]})")
        elif part.strip():
            parts.append(re.escape(part))
        elif part:
            parts.append(r"[ \t]+")
        before = part or before
    return "".join(parts)


def digit_runs(text: str, kept: Collection[str]) -> list[tuple[int, int]]:
    """Where digits are in words; words that are to be kept are not looked into."""
    return [
        (word.start() + run.start(), word.start() + run.end())
        for word in WORD.finditer(text)
        if word[0] not in kept
        for run in _NUMERALS.finditer(word[0])
        if not word[0][: run.start()].endswith("#")
    ]


def with_any_digits(text: str, kept: Collection[str]) -> str:
    """The text with marks in place of the digits in its words, but for those that are to be kept."""
    for start, end in reversed(digit_runs(text, kept)):
        text = text[:start] + ANY_DIGITS + text[end:]
    return text
