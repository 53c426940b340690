"""Cuts a text into tokens, one at a time, where the parser asks.

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
        """As an error message names it."""
        return "the end" if self.kind == "end" else f"'{shorten(self.text, 40)}'"


# The words that cannot be names. Others (`if`, `for`, `between`) are names wherever they cannot be keywords.
RESERVED = frozenset({"null", "true", "false", "function", "in", "return", "then", "else", "satisfies", "and", "or"})

# The only properties and types with blanks in their names; all others need backticks.
WIDE_PROPERTIES = ("time offset", "start included", "end included")
WIDE_TYPES = ("date and time", "days and time duration", "years and months duration")

NAME = r"(?:[^\W\d]|\$)[\w$]*"
_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*(?:[^*]|\*(?!/))*+\*/)*+")
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
_BAD = re.compile(r"\"[^\n]*|/\*|[^\s\w]|\S+")


def token_at(text: str, position: int) -> Token:
    """The first token at or after *position*, white space and comments skipped."""
    start = _SPACE.match(text, position).end()  # type: ignore[union-attr]  # matches the empty text too
    if start >= len(text):
        return Token("end", "", len(text), len(text))
    found = _TOKEN.match(text, start)
    if found is not None:
        return Token(found.lastgroup or "bad", found.group(), start, found.end())
    rest = _BAD.match(text, start)
    return Token("bad", rest.group() if rest else text[start], start, rest.end() if rest else start + 1)


_ESCAPE = re.compile(r"\\([nrtbfs'\"\\])")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "s": " ", "'": "'", '"': '"', "\\": "\\"}


def unquote(text: str) -> str:
    r"""The string that a literal stands for; `\s` is a blank and unknown escapes like `\d` stay (both measured)."""
    inner = text[1:-1]
    return _ESCAPE.sub(lambda found: _ESCAPED[found.group(1)], inner) if "\\" in inner else inner


_QUOTED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", '"': '\\"', "\\": "\\\\"}


def quote(text: str) -> str:
    """The literal that stands for *text*."""
    return '"' + "".join(_QUOTED.get(character, character) for character in text) + '"'
