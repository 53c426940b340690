"""Cut a text into tokens, one at a time, where the parser asks.

The parser asks by position because the same characters are read in two ways: `a+b` is a sum, but a key in `{a+b: 1}`.
"""

import re

import msgspec

from osmia_broker.feel.errors import shorten


class Token(msgspec.Struct, frozen=True, gc=False):
    """One token: its *kind*, its *text* as written, and where it starts and ends.

    Kinds: number, string, name (also of a keyword), quoted (a name in backticks), operator, bad (none of these), end.
    """

    kind: str
    text: str
    start: int
    end: int

    def describe(self) -> str:
        """Return the token as an error message names it."""
        return "the end" if self.kind == "end" else f"'{shorten(self.text, 40)}'"


# The words that cannot be names. Others (`if`, `for`, `between`) are names wherever they cannot be keywords.
RESERVED = frozenset({"null", "true", "false", "function", "in", "return", "then", "else", "satisfies", "and", "or"})

# The only properties and types with blanks in their names; all others need backticks.
WIDE_PROPERTIES = ("time offset", "start included", "end included")
WIDE_TYPES = ("date and time", "days and time duration", "years and months duration")

NAME = r"(?:[^\W\d]|\$)[\w$]*"
# White space of Unicode, and three characters without a shape that copied texts carry (DMN 1.5, 10.3.1.2).
BLANK = r"[\s\u180e\u200b\ufeff]"
_SPACE = re.compile(rf"(?:{BLANK}+|//[^\n]*|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_TOKEN = re.compile(
    rf"""
      (?P<number>\d+(?:\.\d+)?|\.\d+)
    | (?P<string>"(?:[^"\\]|\\.)*+")
    | (?P<name>{NAME})
    | (?P<quoted>`[^`]+`)
    | (?P<operator>\.\.|\*\*|<=|>=|!=|-+|[-+*/<>=()\[\]{{}},:.?@])
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANK_RUN = re.compile(rf"{BLANK}+")
_BAD = re.compile(r"\"[^\n]*|/\*|[^\s\w]|\S+")
_BLANKS = "".join(character for code in range(0x3001) if (character := chr(code)).isspace()) + "\u180e\u200b\ufeff"


def trimmed(text: str) -> str:
    """Return *text* without the white space of FEEL at both ends."""
    return text.strip(_BLANKS)


def one_blank(text: str) -> str:
    """Return *text* without white space at both ends, and with one blank for each run of it inside."""
    return _BLANK_RUN.sub(" ", trimmed(text))


def token_at(text: str, position: int) -> Token:
    """Return the first token at or after *position*, white space and comments skipped."""
    start = _SPACE.match(text, position).end()  # type: ignore[union-attr]  # matches the empty text too
    if start >= len(text):
        return Token("end", "", len(text), len(text))
    found = _TOKEN.match(text, start)
    if found is not None:
        return Token(found.lastgroup or "bad", found.group(), start, found.end())
    rest = _BAD.match(text, start)
    return Token("bad", rest.group() if rest else text[start], start, rest.end() if rest else start + 1)


def is_name(token: Token) -> bool:
    """Tell whether *token* can be a name."""
    return token.kind == "name" and token.text not in RESERVED


_OPENERS = frozenset({"(", "[", "{", "?", "@"})


def starts_value(token: Token) -> bool:
    """Tell whether an expression can begin with *token*."""
    if token.kind == "operator":
        return token.text in _OPENERS or token.text[0] == "-"
    if token.kind == "name":
        return token.text not in RESERVED or token.text in {"null", "true", "false", "function"}
    return token.kind in {"number", "string", "quoted"}


_ESCAPE = re.compile(
    r"\\(?:([nrtbfs'\"\\])|u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{6}))"
)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "s": " ", "'": "'", '"': '"', "\\": "\\"}


def unquote(text: str) -> str:
    r"""Return the string that a literal stands for, its escapes translated.

    `\uXXXX`, a pair of surrogates written so, and `\UXXXXXX` stand for the character with that number (DMN 1.5, 10.3.1.2).
    `\s` is a blank, and an escape that names no character stays as it is written, such as `\d` (both measured).
    """
    inner = text[1:-1]
    return _ESCAPE.sub(_unescaped, inner) if "\\" in inner else inner


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return _ESCAPED[found[1]]
    if found[2]:
        return chr(0x10000 + (int(found[2], 16) - 0xD800) * 0x400 + int(found[3], 16) - 0xDC00)
    number = int(found[4] or found[5], 16)
    return found.group() if 0xD800 <= number < 0xE000 or number > 0x10FFFF else chr(number)


_QUOTED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", '"': '\\"', "\\": "\\\\"}


def quote(text: str) -> str:
    """Return the literal that stands for *text*."""
    return '"' + "".join(_QUOTED.get(character, character) for character in text) + '"'
