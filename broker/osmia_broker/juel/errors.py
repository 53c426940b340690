"""What can go wrong with an expression: before it is compiled, or while it is evaluated."""

QUOTED_CHARACTERS_MAX = 200  # of the input, in any answer to a client


class ParseError(ValueError):
    """A text that is no expression of the subset. *line* and *column* count from 1, in the whole text."""

    def __init__(self, text: str, position: int, expected: str, found: str) -> None:
        self.text = text
        self.line = text.count("\n", 0, position) + 1
        self.column = position - text.rfind("\n", 0, position)
        self.expected = expected
        self.found = found
        super().__init__(
            f"failed to parse expression '{shorten(text)}': "
            f"Expected {expected}, but found {shorten(found)} (line {self.line}, column {self.column})"
        )


class EvaluationFailed(ValueError):
    """An expression met a value that it cannot work with; the text says which."""


def shorten(text: str) -> str:
    """*text*, cut to the length that answers may repeat."""
    return text if len(text) <= QUOTED_CHARACTERS_MAX else f"{text[:QUOTED_CHARACTERS_MAX]}…"
