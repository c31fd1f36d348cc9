"""Names for the numbers in a line: the words before a number, or those behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from metarunlog.logs.cells import is_axis
from metarunlog.logs.passed import MARK, WORD

COUNT, TOTAL = "n", "total"  # the names of the numbers of 3/10 where they have none
STEP = "step"  # the name of a number that begins its line: `[0] train-rmse:1.2`
VALUE = "value"  # of one without a name behind one with: `step 1: 0.5`

#: of logging: no part of a name
LEVELS = ("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL")
_LEVEL = rf"\b(?:{'|'.join(LEVELS)})\b"
# what ends a name: signs, two blanks, the levels of logging; but not the colon in mAP@0.5:0.95
_BREAK = re.compile(
    r"[,;|(){}\[\]<>\t\"]|'(?!\w)|(?<!\w)'| {2,}| - |[:=](?=\s*\S)(?!(?<=\d:)\d)"
    rf"|{_LEVEL}"
)
_LETTERS = re.compile(r"[^\W\d_]")
_WORDS = r"[A-Za-z][\w/%.@^-]*(?: [A-Za-z][\w/%.@^-]*){0,2}"
_BEHIND = re.compile(rf"[ \t]+({_WORDS})(?= *(?:[,;|)\]]| - |$))")
# words and a break are of the number before, whatever comes then: ` ms | `
_OF_LAST = re.compile(rf" +{_WORDS} *(?:[,;|)]| - )")
_OPENED = re.compile(rf" +{_WORDS} *\(")
_UNIT = re.compile(r" +([munµ]?s|secs?|seconds?|min|minutes?|hours?|[kKMGT]?i?B|%|\w+/(?:s|sec|second))(?=[ ]+\S)")
_FILE = re.compile(
    r"\d.*\.(?:pt|pth|ckpt|wav|flac|mp3|png|jpe?g|npz|npy|h5|json|txt|csv|bin|safetensors|pkl|tar|gz|log)$"
)
_BETWEEN = ("of", "and", "per", "for", "with", "to", "at", "the")  # no name begins with one
_TIMES = ("ns", "us", "ms", "s", "sec")


def names_of(texts: Sequence[str], units: Sequence[str]) -> list[str]:
    """A name for each number, empty where it has none. `texts` are those before, between and behind the numbers."""
    names: list[str] = []
    for i, before in enumerate(texts[:-1]):
        name = "" if i and _is_of_last(before, texts[i + 1], last=i + 2 == len(texts)) else _key(before, first=not i)
        if before.strip() in ("/", "of", "out of") and names and names[-1]:
            name = TOTAL if names[-1] == COUNT else f"{names[-1]}_{TOTAL}"
        if not name and texts[i + 1].strip() == "/":
            name = COUNT
        names.append(name or _rate(units[i]) or _behind(texts[i + 1], last=i + 2 == len(texts)))
    return _with_unnamed(names, texts, units)


def _with_unnamed(names: list[str], texts: Sequence[str], units: Sequence[str]) -> list[str]:
    """With names for some of those without: the first of a line that has names, and what is right behind another."""
    if not any(names):
        return names
    if not names[0] and _begins(texts[0]):
        if len(names) > 2 and not names[1] and re.match(r"\[ *$", _bare(texts[0])) and texts[1].strip(" ") == ",":
            names[:2] = ["epoch", "batch"] if texts[2].lstrip().startswith("]") else ["", ""]
        elif not units[0] and not any(is_axis(name.rpartition(" ")[2]) for name in names):
            names[0] = STEP
    behind = [i for i in range(1, len(names)) if not names[i] and re.fullmatch(r"[\s:|=]+|[)\]]+ *[:=]\s*", texts[i])]
    for i in behind:
        if names[i - 1]:
            names[i] = VALUE if len(behind) == 1 else f"column{i + 1}"
    return names


def kept_words(names: Sequence[str]) -> set[str]:
    """The words in names whose digits tell them apart: acc1 is not acc5."""
    return {word for name in names for word in WORD.findall(name)}


def _begins(before: str) -> bool:
    """Whether a number begins its line, but for times and levels."""
    return not re.sub(_LEVEL, "", _bare(before)).strip(" \t[(|,:-")


def _bare(text: str) -> str:
    return MARK.sub("", text)


def _is_of_last(between: str, after: str, *, last: bool) -> bool:
    """Whether the words between two numbers, and nothing more, belong to the first."""
    if found := _OF_LAST.match(between):
        return not _LETTERS.search(between, found.end())
    return bool((found := _OPENED.match(between)) and found.end() == len(between) and _behind(after, last=last))


def _key(before: str, *, first: bool) -> str:
    """The name at the end of what stands before a number: `, val loss = ` is val loss."""
    if not first and (unit := _UNIT.match(before)) and _LETTERS.search(before, unit.end()):
        before = before[unit.end() :]  # of the number before
    text = MARK.sub(" , ", before).rstrip()
    text = re.sub(r"[\s:=\[({<|@\"'~]+$", "", text)
    bracket = ""
    if text.endswith(")") and (at := _opening(text)) is not None:
        text, bracket = text[:at], "" if "[" in before[len(text) :] and text[:at].strip() else text[at:]
    blank = " " if text[-1:] in (" ", "\t") else ""
    words = _BREAK.split(text.rstrip())[-1].strip(" \t-*>.:=_/").split()[-3:]
    if words and bracket:
        words[-1] += blank + bracket
    elif bracket:
        words = bracket[1:-1].split()[-3:]
    for i, word in enumerate(words[:-1]):
        if any(char.isdigit() for char in word) and (len(re.sub(r"\D", "", word)) > 3 or _FILE.search(word)):
            return _named(words[i + 1 :])
    if words and _FILE.search(words[-1]):
        return ""
    return _named(words)


def _named(words: Sequence[str]) -> str:
    while len(words) > 1 and words[0] in _BETWEEN:
        words = words[1:]
    name = " ".join(words)
    return name if _LETTERS.search(name) else ""


def _opening(text: str) -> int | None:
    """Where the bracket opens that is closed at the end."""
    depth = 0
    for at in range(len(text) - 1, max(len(text) - 40, -1), -1):
        depth += (text[at] == ")") - (text[at] == "(")
        if not depth:
            return at
    return None


def _behind(after: str, *, last: bool) -> str:
    """The unit, or words, that follow a number: ` ms/iter`; not where the next number is all that follows them."""
    found = _BEHIND.match(after)
    if found and not _FILE.search(found[1]) and (last or found.end() < len(after.rstrip(" "))):
        return found[1]
    unit = _UNIT.match(after)
    return unit[1] if unit and "/" in unit[1] else ""


def _rate(unit: str) -> str:
    """A name made of what is glued to a number: 120img/s."""
    head, slash, tail = unit.partition("/")
    if slash:
        return unit if tail in ("s", "sec", "second") else f"{'time' if head in _TIMES else head} per {tail}"
    return unit if unit == "fps" or "tok" in unit else ""
