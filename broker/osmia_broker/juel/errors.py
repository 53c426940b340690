"""The errors of expressions: of a text that cannot be compiled, and of an evaluation that fails."""

QUOTED_CHARACTERS_MAX = 200  # of an input that an answer repeats


class ParseError(ValueError):
    """A text that is no expression of this language. *line* and *column* count from 1, in the whole text; *reason* does not repeat it."""

    def __init__(self, text: str, position: int, expected: str, found: str) -> None:
        self.text = text
        self.line = text.count("\n", 0, position) + 1
        self.column = position - text.rfind("\n", 0, position)
        self.expected = expected
        self.found = found
        self.reason = f"Expected {expected}, but found {shorten(found)} (line {self.line}, column {self.column})"
        super().__init__(f"failed to parse expression '{shorten(text)}': {self.reason}")


class EvaluationFailed(ValueError):
    """A value of the wrong kind in an evaluation; the text names it."""


def shorten(text: str) -> str:
    """Cut *text* to the length that an answer may repeat."""
    return text if len(text) <= QUOTED_CHARACTERS_MAX else f"{text[:QUOTED_CHARACTERS_MAX]}…"
