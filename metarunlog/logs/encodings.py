"""Which encoding text has that is no UTF-8, by the lines that have such bytes.

It is UTF-8 with broken characters where half of these lines are UTF-8; else one of the encodings of East Asia, where
they all decode and what comes of it are characters that are used; else latin-1, which any bytes are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

BROKEN = "utf-8 with broken characters"
_SAMPLE = 1 << 16  # bytes of lines that are looked at
_LINE = 1 << 12  # of a line
_HIGH = re.compile(rb"[\x80-\xff]")
_END = re.compile(rb"[\r\n]")
_FEW = 0.8  # less of what is used makes it another encoding
#: encoding -> the first bytes of characters that are used: syllables and the more common ideographs, punctuation
_USED: dict[str, tuple[range, range]] = {
    "gb18030": (range(0xB0, 0xD8), range(0xA1, 0xA4)),
    "cp949": (range(0xB0, 0xC9), range(0xA1, 0xA4)),
    "cp950": (range(0xA4, 0xC7), range(0xA1, 0xA4)),
    "cp932": (range(0x88, 0x98), range(0x81, 0x84)),
}
#: where every character is two high bytes, lower ones are of rare characters that were added later
_HIGH_ONLY = ("gb18030", "cp949")
#: Korean is common Chinese, by its bytes, but other characters than these
_CHINESE = frozenset(
    "的一是在了不有和人这中大为上个以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所"
    "训练损失准确率验证测试轮第次步批习平均精度开始结束保存模型数据集最佳当前总共耗秒迭代样本误差值评估指标召回"
)


def guess(data: bytes) -> str:
    """The encoding of text that is no UTF-8 as a whole: one that Python knows, or BROKEN."""
    lines = _lines(data)
    if sum(map(_is_utf8, lines)) * 2 >= len(lines) > 1:
        return BROKEN
    scores = {encoding: _score(lines, encoding) for encoding in _USED}
    best = max(scores, key=lambda encoding: scores[encoding])  # the first of equal ones
    if scores[best] < _FEW:
        return "latin-1"
    if best == "gb18030" and scores["cp949"] >= scores[best] * 0.95 and not _is_chinese(lines):
        return "cp949"
    return best


def _lines(data: bytes) -> list[bytes]:
    """Lines with bytes that are not ASCII, from the start on, without one that has no end yet."""
    lines: list[bytes] = []
    size = at = 0
    while size < _SAMPLE and (found := _HIGH.search(data, at)):
        start = max(data.rfind(b"\n", 0, found.start()), data.rfind(b"\r", at, found.start()), at - 1) + 1
        end = _END.search(data, found.start())
        stop = len(data) if end is None else end.start()
        if stop - start > _LINE:  # cut it between characters: behind one that is ASCII
            start = max(start, found.start() - _LINE // 2)
            blank = data.find(b" ", start + _LINE, stop)
            stop = stop if blank < 0 else blank
        if end is None and lines:
            break
        lines.append(data[start:stop])
        size += stop - start
        at = stop
    return lines


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _score(lines: Sequence[bytes], encoding: str) -> float:
    """The share of characters that are used in this encoding, of all that are not ASCII; 0 where it is another one.

    One with a low second byte counts only beside another: an apostrophe of Windows and a letter are such a character.
    """
    used = letters = total = 0
    for line in lines:
        try:
            text = line.decode(encoding)
        except UnicodeDecodeError:
            return 0
        kinds = [_kind(char, encoding) for char in text]
        total += sum(kind != "" for kind in kinds)
        for before, kind, after in zip(["", *kinds], kinds, [*kinds[1:], ""]):
            if kind == "letter" or (kind == "weak" and ("letter" in (before, after) or "weak" in (before, after))):
                letters += 1
                used += 1
            used += kind == "mark"
    return used / total if letters * 4 >= used > 0 else 0


def _kind(char: str, encoding: str) -> str:
    """letter, weak (a letter with a low second byte) and mark are used, rare is not; nothing for ASCII."""
    if char.isascii():
        return ""
    raw = char.encode(encoding)
    letters, marks = _USED[encoding]
    if len(raw) != 2 or (encoding in _HIGH_ONLY and raw[1] < 0xA1):
        return "rare"
    if raw[0] in letters or (encoding == "cp932" and raw[0] in (0x82, 0x83)):
        return "weak" if raw[1] < 0x80 else "letter"
    return "mark" if raw[0] in marks else "rare"


def _is_chinese(lines: Sequence[bytes]) -> bool:
    """Whether a fifth of the ideographs are of those that are used most."""
    chars = [char for line in lines for char in line.decode("gb18030") if char >= "\u4e00"]
    return sum(char in _CHINESE for char in chars) * 5 >= len(chars)
