"""Move through a text token by token, and report the place where another token should stand."""

import re
from typing import NoReturn

from osmia_broker.feel.errors import ParseError
from osmia_broker.feel.limits import Limits
from osmia_broker.feel.tokens import Token, token_at

_SURROGATE = re.compile("[\ud800-\udfff]")


class Cursor:
    """A position in a text: the *token* that comes next, and the *depth* of brackets around it."""

    def __init__(self, text: str, limits: Limits) -> None:
        self.text = text
        self.limits = limits
        self.depth = 0
        self.in_cell = False  # whether the text is a cell of a decision table, where `?` has a value
        self.ends_interval = False  # whether the operand being read is the end of an interval, as 5 in `[1..5[`
        if len(text) > limits.text:
            raise ParseError(text, 0, f"at most {limits.text} characters", f"{len(text)}")
        half = None if text.isascii() else _SURROGATE.search(text)
        if half is not None:
            shown = _SURROGATE.sub("\ufffd", text)
            raise ParseError(shown, half.start(), "Unicode text", "half of a surrogate pair")
        self.token = token_at(text, 0)

    def advance(self) -> Token:
        """Step past the current token and return it."""
        passed = self.token
        self.token = token_at(self.text, passed.end)
        return passed

    def jump(self, position: int) -> None:
        """Go on reading at *position*."""
        self.token = token_at(self.text, position)

    def next(self) -> Token:
        """Return the token after the current one."""
        return token_at(self.text, self.token.end)

    def at(self, text: str) -> bool:
        """Tell whether the current token is the operator or word *text*."""
        return self.token.text == text and self.token.kind in {"operator", "name"}

    def accept(self, text: str) -> bool:
        """Step past the current token if it is *text*."""
        if not self.at(text):
            return False
        self.advance()
        return True

    def expect(self, text: str) -> None:
        """Step past *text*, which must stand here."""
        if not self.accept(text):
            self.fail(f"'{text}'")

    def fail(self, expected: str) -> NoReturn:
        """Raise `ParseError`: *expected* should stand here instead of the current token."""
        raise ParseError(self.text, self.token.start, expected, self.token.describe())

    def end(self) -> None:
        """See that the text ends here."""
        if self.token.kind != "end":
            self.fail("an operator or the end")

    def deeper(self) -> None:
        """Enter one level of nesting; the caller leaves it again."""
        self.depth += 1
        if self.depth > self.limits.depth:
            self.fail(f"at most {self.limits.depth} levels of nesting")
