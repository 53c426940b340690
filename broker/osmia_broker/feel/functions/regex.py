"""Run regular expressions in Java's notation by RE2, in time linear in the text.

RE2 has no look-around, no back references and no possessive repetition; such a pattern counts as faulty and gives null.
"""

import re
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

from osmia_broker.feel.errors import shorten
from osmia_broker.feel.functions import character_classes
from osmia_broker.feel.run import Run

_PATTERN_MAX = 10_000  # characters
_PROGRAM_MAX = 20_000  # instructions; with the bound of strings it keeps one match within the second


def found(run: Run, text: str, pattern: str, flags: str) -> bool | None:
    """Tell whether *pattern* is found anywhere in *text*; None for a faulty pattern."""
    program = _program(run, "matches", text, pattern, flags)
    return None if program is None else program.search(text) is not None


def replaced(run: Run, text: str, pattern: str, flags: str, replacement: str) -> str | None:
    """Return *text* with all matches replaced; None for a faulty pattern, or a reference to a group that is not there."""
    program = _program(run, "replace", text, pattern, flags)
    pieces = None if program is None else _pieces(replacement, program.groups, program.groupindex)
    if program is None or pieces is None:
        return None
    parts: list[str] = []
    end = length = 0
    for match in _matches(program, text):
        new = "".join(piece if isinstance(piece, str) else match.group(piece) or "" for piece in pieces)
        length += len(new)
        run.spend(1)
        if length > run.limits.string:
            run.made_string(length)  # fails; the length of a result in bounds is accounted for once, by the caller
        parts += (text[end : match.start()], new)
        end = match.end()
    return "".join((*parts, text[end:]))


def parts(run: Run, text: str, pattern: str) -> list[str] | None:
    """Return the texts between the matches of *pattern*; an empty match at the start separates nothing, as in Java."""
    program = _program(run, "split", text, pattern, "")
    if program is None:
        return None
    found_parts, start = [], 0
    for match in _matches(program, text):
        if match.end() == 0:
            continue
        found_parts.append(text[start : match.start()])
        start = match.end()
    return [*found_parts, text[start:]]


def all_found(run: Run, text: str, pattern: str) -> list[str] | None:
    """Return all matches of *pattern*."""
    program = _program(run, "extract", text, pattern, "")
    return None if program is None else [match.group() for match in _matches(program, text)]


def _matches(program: Any, text: str) -> Iterator[Any]:
    yield from program.finditer(text)


_REFERENCE = re.compile(r"\\(.)|\$(\d+)|\$\{(\w+)\}|\$", re.DOTALL | re.ASCII)


def _pieces(replacement: str, groups: int, names: dict[str, int]) -> list[str | int] | None:
    """Cut *replacement* into texts and numbers of groups; None if it refers to a group that is not there."""
    pieces: list[str | int] = []
    end = 0
    for reference in _REFERENCE.finditer(replacement):
        pieces.append(replacement[end : reference.start()])
        end = reference.end()
        if reference[1] is not None:
            pieces.append(reference[1])
        elif reference[2] is not None:
            number, rest = _group(reference[2], groups)
            if number > groups:
                return None
            pieces += (number, rest)
        elif reference[3] in names:
            pieces.append(names[reference[3]])
        else:
            return None
    return [piece for piece in (*pieces, replacement[end:]) if piece != ""]


def _group(digits: str, groups: int) -> tuple[int, str]:
    """Read `$12` as Java does: as many digits as still name a group that is there, at least one."""
    length = 1
    while length < len(digits) and int(digits[: length + 1]) <= groups:
        length += 1
    return int(digits[:length]), digits[length:]


def _program(run: Run, name: str, text: str, pattern: str, flags: str) -> Any:
    """Return the compiled pattern and account for its cost on *text*; None and a warning for a faulty one."""
    program = _compiled(pattern, "".join(sorted(set(flags) & set("imsx")))) if len(pattern) <= _PATTERN_MAX else None
    if program is None:
        where = " for delimiter" if name == "split" else ""
        run.warn_of_call(name, "Invalid pattern{where} '{pattern}'", where=where, pattern=shorten(pattern))
        return None
    run.spend(len(text) >> 3)
    return program


@lru_cache(maxsize=256)
def _compiled(pattern: str, flags: str) -> Any:
    import re2  # costs more to load than most processes ever need

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 4 << 20
    letters = flags.replace("x", "")
    try:
        translated = _translated(pattern, flags)
        program = re2.compile(f"(?{letters}){translated}" if letters else translated, options)
    except (re2.error, character_classes.Unsupported):
        return None
    return program if program.programsize <= _PROGRAM_MAX else None


_POSIX = {
    "Lower": "lower",
    "Upper": "upper",
    "ASCII": "ascii",
    "Alpha": "alpha",
    "Digit": "digit",
    "Alnum": "alnum",
    "Punct": "punct",
    "Graph": "graph",
    "Print": "print",
    "Blank": "blank",
    "Cntrl": "cntrl",
    "XDigit": "xdigit",
    "Space": "space",
}
# Blocks of Unicode, as `\p{IsBasicLatin}` in XML Schema and `\p{InBasicLatin}` in Java name them: those people write in.
_BLOCKS = {
    "BasicLatin": (0x00, 0x7F),
    "Latin-1Supplement": (0x80, 0xFF),
    "LatinExtended-A": (0x100, 0x17F),
    "LatinExtended-B": (0x180, 0x24F),
    "Greek": (0x370, 0x3FF),
    "GreekandCoptic": (0x370, 0x3FF),
    "Cyrillic": (0x400, 0x4FF),
    "Armenian": (0x530, 0x58F),
    "Hebrew": (0x590, 0x5FF),
    "Arabic": (0x600, 0x6FF),
    "Devanagari": (0x900, 0x97F),
    "Thai": (0xE00, 0xE7F),
    "GeneralPunctuation": (0x2000, 0x206F),
    "CurrencySymbols": (0x20A0, 0x20CF),
    "Hiragana": (0x3040, 0x309F),
    "Katakana": (0x30A0, 0x30FF),
    "CJKUnifiedIdeographs": (0x4E00, 0x9FFF),
    "HangulSyllables": (0xAC00, 0xD7A3),
}
_ESCAPE = re.compile(
    r"\\[pP]\{([\w-]+)\}|\\u([0-9a-fA-F]{4})|\\Q.*?(?:\\E|\Z)|(\\0(?![0-7]))|\\.|(\.)|\s+|\#[^\n]*", re.DOTALL
)
_OUTSIDE = re.compile(r"(?:\\Q.*?(?:\\E|\Z)|\\.|[^\\\[])+", re.DOTALL)  # of classes of characters
_OUTSIDE_SPACED = re.compile(r"(?:\\Q.*?(?:\\E|\Z)|\\.|\#[^\n]*|[^\\\[])+", re.DOTALL)
_DOT_ALL = re.compile(r"\(\?[a-z]*s")
_POINT = r"[^\n\r\x{85}\x{2028}\x{2029}]"  # Java's point leaves out these, RE2's only the first


def without_blanks(pattern: str) -> str:
    """Return *pattern* without its blanks but for those in classes, as the flag x of XPath asks; Java's flag differs."""
    pieces: list[str] = []
    position = 0
    while position < len(pattern):
        found = _OUTSIDE.match(pattern, position)
        start = position if found is None else found.end()
        position = character_classes.end_of_class(pattern, start) if pattern[start : start + 1] == "[" else start
        pieces += ("".join(found.group().split()) if found else "", pattern[start:position])
        if found is None and position == start:  # a lone backslash at the end
            break
    return "".join(pieces)


def _translated(pattern: str, flags: str) -> str:
    r"""Return *pattern* in RE2's notation.

    RE2 lacks Java's `\p{Alpha}` and `\u0041`, the flag x, and classes inside classes.
    """
    spaced = "x" in flags
    point = "." if "s" in flags or _DOT_ALL.search(pattern) else _POINT
    pieces, position = [], 0
    while position < len(pattern):
        if pattern[position] == "[":
            end = character_classes.end_of_class(pattern, position)
            pieces.append(_translated_class(pattern[position:end]))
        else:
            found = (_OUTSIDE_SPACED if spaced else _OUTSIDE).match(pattern, position)
            end = position + 1 if found is None else found.end()
            pieces.append(_ESCAPE.sub(partial(_outside, spaced=spaced, point=point), pattern[position:end]))
        position = end
    return "".join(pieces)


def _translated_class(text: str) -> str:
    if character_classes.is_nested(text):
        return character_classes.flattened(text)
    return _ESCAPE.sub(_inside, text)


def _outside(part: re.Match[str], *, spaced: bool, point: str) -> str:
    text = part.group()
    if part[1]:
        named = _named(part)
        return named if named[:2] in {r"\p", r"\P"} else f"[{named}]"
    if part[4]:
        return point
    return "" if spaced and (text[0].isspace() or text[0] == "#") else _common(part)


def _inside(part: re.Match[str]) -> str:
    return _named(part) if part[1] else _common(part)


def _common(part: re.Match[str]) -> str:
    if part[3]:
        raise character_classes.Unsupported  # octal digits are missing; RE2 would read NUL
    return r"\x{" + part[2] + "}" if part[2] else part.group()


def _named(part: re.Match[str]) -> str:
    """Return a POSIX class, a block, or a script or category of Unicode in RE2's notation."""
    name, negated = part[1], part.group()[1] == "P"
    if name in _POSIX:
        return f"[:{'^' if negated else ''}{_POSIX[name]}:]"
    plain = name[2:] if name[:2] in {"Is", "In"} else name
    if plain in _BLOCKS and name != plain and (name[:2] == "In" or plain not in _SCRIPTS):
        low, high = _BLOCKS[plain]
        return character_classes.written(low, high, negated=negated)
    return rf"\{'P' if negated else 'p'}{{{'L' if plain == 'Alphabetic' else plain}}}"


# Names of blocks that are scripts too, which `Is` means in Java.
_SCRIPTS = frozenset(
    {"Greek", "Cyrillic", "Armenian", "Hebrew", "Arabic", "Devanagari", "Thai", "Hiragana", "Katakana"}
)
