"""Split a template into literal text and expressions, and the expressions into tokens."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from osmia_broker.juel.errors import ParseError

Kind: TypeAlias = Literal["number", "text", "name", "sign", "end"]

WORDS = frozenset(
    {"and", "or", "not", "eq", "ne", "lt", "gt", "le", "ge", "true", "false", "null", "empty", "div", "mod"}
)

_OPENING = re.compile(r"\\?[$#]\{")
_BLANK = re.compile(r"\s*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    |(?P<name>(?:[^\W\d]|\$)[\w$]*)
    |(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,\[\](){}])""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A number, the content of a quoted text, a name, or a sign. The words of the language (`and`, `eq`) are signs too."""

    kind: Kind
    text: str
    position: int  # offset in the whole template


def split(template: str) -> list[str | list[Token]]:
    r"""Return the literal parts and the expressions of *template*, in order. `\${` in a literal part means `${`.

    An expression is the list of its tokens, closed by one of kind "end" at its `}`.

    Raises:
        ParseError: an expression has no end, or a character that begins no token.
    """
    parts: list[str | list[Token]] = []
    literal, position = "", 0
    while found := _OPENING.search(template, position):
        literal += template[position : found.start()]
        position = found.end()
        if found.group().startswith("\\"):
            literal += found.group()[1:]
            continue
        if literal:
            parts.append(literal)
        tokens = _tokens(template, position)
        parts.append(tokens)
        literal, position = "", tokens[-1].position + 1
    literal += template[position:]
    return [*parts, literal] if literal or not parts else parts


def _tokens(template: str, position: int) -> list[Token]:
    """Return the tokens from *position* to the closing `}`."""
    tokens: list[Token] = []
    while True:
        token, position = _next_token(template, position)
        tokens.append(token)
        if token.kind == "end":
            return tokens


def _next_token(template: str, position: int) -> tuple[Token, int]:
    """Return the first token at or after *position*, and the offset after it."""
    blank = _BLANK.match(template, position)
    start = blank.end() if blank else position
    if start == len(template):
        raise ParseError(template, start, "'}'", "the end of the text")
    found = _TOKEN.match(template, start)
    if found is None:
        raise ParseError(template, start, "a name, a value or an operator", f"'{template[start]}'")
    return _token(template, found), found.end()


def _token(template: str, found: re.Match[str]) -> Token:
    text = found.group()
    if found.lastgroup == "number":
        return Token("number", text, found.start())
    if found.lastgroup == "text":
        return Token("text", _unescape(template, found), found.start())
    if found.lastgroup == "name" and text not in WORDS:
        return Token("name", text, found.start())
    return Token("end" if text == "}" else "sign", text, found.start())


def _unescape(template: str, quoted: re.Match[str]) -> str:
    r"""Return the content of a quoted text. Only the quotes and the backslash may be escaped."""
    for escape in _ESCAPED.finditer(quoted.group()):
        if escape.group(1) not in "'\"\\":
            raise ParseError(
                template, quoted.start() + escape.start(), r"one of the escapes \\, \' and \"", f"'{escape.group()}'"
            )
    return _ESCAPED.sub(r"\1", quoted.group()[1:-1])
