r"""Work out nested classes of characters in regular expressions: `[A-Z-[OI]]`, `[a-z&&[^q]]`, `[a[b-d]]`. RE2 has none.

The first is a subtraction (XML Schema, which DMN names as the source of its regular expressions; Java reads it as a
union), the others are Java's intersection and union. Such a class is worked out here to plain ranges of code points.
"""

import re
from bisect import bisect_right
from itertools import pairwise

_Ranges = list[tuple[int, int]]  # of code points, both ends included; sorted, apart from each other

_END = 0x10FFFF
_LEVELS_MAX = 16  # of classes inside classes; people write two
_DIGITS = [(0x30, 0x39)]
_WORD = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_SPACE = [(0x09, 0x0D), (0x20, 0x20)]
_SETS = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "a": 7, "e": 27}
_HEXADECIMAL = re.compile(r"u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})")


class Unsupported(Exception):  # never leaves the package `functions`
    """The class holds an escape that cannot be worked out here, or it is faulty."""


def end_of_class(pattern: str, start: int) -> int:
    """Return the position behind the class that opens at *start*; the end of *pattern* if it does not close."""
    level, position = 0, start
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            position += 1
        elif character == "[":
            level += 1
        elif character == "]":
            level -= 1
            if level == 0:
                return position + 1
        position += 1
    return len(pattern)


def is_nested(text: str) -> bool:
    """Tell whether the class *text* holds another class or an intersection; POSIX names (`[:alpha:]`) are no classes."""
    inner = re.sub(r"\\.", "", text[1:-1], flags=re.DOTALL)
    return "&&" in inner or re.search(r"\[(?!:)", inner) is not None


def flattened(text: str) -> str:
    """Return the class *text* as one without classes inside; raises `Unsupported`."""
    ranges, end = _class(text, 0)
    if end != len(text):
        raise Unsupported
    if not ranges:
        return r"[^\x{0}-\x{10FFFF}]"
    return "[" + _ranges_text(ranges) + "]"


def written(low: int, high: int, *, negated: bool) -> str:
    """Return the characters from *low* to *high*, or all others, as they stand inside of a class."""
    return _ranges_text(_complement([(low, high)]) if negated else [(low, high)])


def _ranges_text(ranges: _Ranges) -> str:
    return "".join(rf"\x{{{low:X}}}-\x{{{high:X}}}" for low, high in ranges)


def _class(text: str, start: int, level: int = 1) -> tuple[_Ranges, int]:
    """Work out the class that opens at *start*; return it and the position behind it."""
    if level > _LEVELS_MAX:
        raise Unsupported
    position = start + 1
    negated = text[position : position + 1] == "^"
    position += negated
    gathered: _Ranges = []  # of its own, so that it may grow in place
    result: _Ranges | None = None
    while position < len(text) and text[position] != "]":
        if text.startswith("-[", position):
            removed, position = _class(text, position + 1, level + 1)
            gathered = _intersection(_union(gathered), _complement(removed))
        elif text.startswith("&&", position):
            result = _union(gathered) if result is None else _intersection(result, _union(gathered))
            gathered, position = [], position + 2
        else:
            found, position = _item(text, position, level)
            gathered += found
    if position >= len(text):
        raise Unsupported
    ranges = _union(gathered) if result is None else _intersection(result, _union(gathered))
    return (_complement(ranges) if negated else ranges), position + 1


def _item(text: str, position: int, level: int) -> tuple[_Ranges, int]:
    """Work out a class, a set of characters, a single one or a range of them."""
    if text[position] == "[":
        return _class(text, position, level + 1)
    letter = text[position + 1 : position + 2] if text[position] == "\\" else ""
    if letter.lower() in _SETS:
        found = _SETS[letter.lower()]
        return (found if letter.islower() else _complement(found)), position + 2
    low, position = _character(text, position)
    after = text[position + 1 : position + 2]
    if text[position : position + 1] != "-" or after in {"]", "[", ""}:
        return [(low, low)], position
    high, position = _character(text, position + 1)
    if high < low:
        raise Unsupported
    return [(low, high)], position


def _character(text: str, position: int) -> tuple[int, int]:
    if text[position] != "\\":
        return ord(text[position]), position + 1
    number = _HEXADECIMAL.match(text, position + 1)
    if number is not None:
        return int(number[1] or number[2], 16), number.end()
    letter = text[position + 1 : position + 2]
    if letter in _CONTROLS:
        return _CONTROLS[letter], position + 2
    if not letter or letter.isalnum():
        raise Unsupported
    return ord(letter), position + 2


def _union(ranges: _Ranges) -> _Ranges:
    joined: _Ranges = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _complement(ranges: _Ranges) -> _Ranges:
    edges = [(-1, -1), *_union(ranges), (_END + 1, _END + 1)]
    return [(before[1] + 1, after[0] - 1) for before, after in pairwise(edges) if before[1] + 1 <= after[0] - 1]


def _intersection(left: _Ranges, right: _Ranges) -> _Ranges:
    starts = [low for low, _ in right]
    common: _Ranges = []
    for low, high in left:
        place = max(0, bisect_right(starts, low) - 1)
        while place < len(right) and right[place][0] <= high:
            if right[place][1] >= low:
                common.append((max(low, right[place][0]), min(high, right[place][1])))
            place += 1
    return common
