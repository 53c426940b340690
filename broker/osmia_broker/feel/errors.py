"""Define the errors of expressions.

    FeelError
    ├── ParseError         the text is no expression; raised when it is compiled
    └── EvaluationFailed   a bound was passed, or `?` has no input; becomes `Result.failure`
        └── AssertionFailed   `assert(...)` did not hold

Everything else that is wrong in an expression gives null and a warning (FEEL's rule), never an exception.
"""


class FeelError(Exception):
    """The root of all errors of this package."""


class ParseError(FeelError):
    """The text is not an expression.

    *text* is the whole expression; *line* and *column* (both from 1) are the place of the fault. *expected* names the
    text that could stand there, and *found* the text that stands there instead. *reason* is the sentence of them, without
    the expression.
    """

    def __init__(self, text: str, position: int, expected: str, found: str) -> None:
        before = text[:position]
        self.text = text
        self.position = position
        self.line = before.count("\n") + 1
        self.column = position - (before.rfind("\n") + 1) + 1
        self.expected = expected
        self.found = found
        self.reason = f"Expected {expected}, but found {found} (line {self.line}, column {self.column})"
        super().__init__(f"failed to parse expression '{shorten(text)}': {self.reason}")


class EvaluationFailed(FeelError):
    """Evaluation cannot go on: a failed assertion, `?` without an input, or a bound that was passed."""


class AssertionFailed(EvaluationFailed):
    """The condition of an `assert` is not true; the text is the cause that the expression gives."""


def explain(error: ParseError) -> str:
    """Return the error, the line it is in and a caret under the fault, for a terminal.

    >>> explain(error)
    Expected a value, but found the end
      1 +
         ^
    """
    lines = error.text.split("\n")
    line = lines[error.line - 1]
    start = max(0, error.column - 1 - _WINDOW)
    shown = line[start : start + 2 * _WINDOW].replace("\t", " ")
    caret = " " * (error.column - 1 - start) + "^"
    place = f" in line {error.line}" if len(lines) > 1 else ""
    return f"Expected {error.expected}, but found {error.found}{place}\n  {shown}\n  {caret}"


def shorten(text: str, length: int = 200) -> str:
    """Return *text*, or its first *length* characters and an ellipsis; answers repeat no more of an input than that."""
    return text if len(text) <= length else text[:length] + "…"


_WINDOW = 60  # columns shown on either side of a fault
