"""Compile a text into literal parts and expressions, and evaluate it against the variables of a scope.

Evaluation takes time linear in the text and never loops; the text, the nesting and the result are bounded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import DecimalException

from osmia_broker.juel.errors import EvaluationFailed, ParseError, shorten
from osmia_broker.juel.parser import Evaluate, Parser
from osmia_broker.juel.tokens import Token, split
from osmia_broker.juel.values import Scope, Value, to_text

TEXT_CHARACTERS_MAX = 64 * 1024  # of a template; a person writes some dozens
RESULT_CHARACTERS_MAX = 4 * 1024 * 1024  # a message of the gateway holds no more


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of an evaluation: a *value*, or null and the text of a *failure*.

    *warnings* is always empty. FEEL's results have warnings, and the engine treats both alike.
    """

    value: Value = None
    failure: str | None = None
    warnings: tuple[str, ...] = ()


def compile(text: str) -> "Expression":
    """Compile *text*: literal text with any number of `${…}` and `#{…}` in it, or none.

    Raises:
        ParseError: wrong syntax, a method or function call, more than 65,536 characters or 32 levels of nesting.
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ParseError(text, 0, f"a text of at most {TEXT_CHARACTERS_MAX} characters", f"{len(text)}")
    names: set[str] = set()
    parts = [part if isinstance(part, str) else _compile_part(text, part, names) for part in split(text)]
    return Expression(text, frozenset(names), parts)


@dataclass(frozen=True, slots=True)
class Part:
    """One `${…}` of a text: its evaluation, and how it is written there."""

    evaluate: Evaluate
    text: str


def _compile_part(text: str, tokens: list[Token], names: set[str]) -> Part:
    parser = Parser(text, tokens)
    evaluate = parser.parse()
    names |= parser.names
    first, last = tokens[0].position, tokens[-1].position
    start = max(text.rfind("${", 0, first), text.rfind("#{", 0, first))
    return Part(evaluate, text[start : last + 1])


class Expression:
    """A compiled *text*. Threads may share it, because it keeps no state of an evaluation."""

    __slots__ = ("_parts", "names", "text")

    def __init__(self, text: str, names: frozenset[str], parts: list[str | Part]) -> None:
        self.text = text
        self.names = names  #: of the variables that it may read
        self._parts = parts

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    @property
    def constant(self) -> bool:
        """Whether the value is the same in every scope, because the text reads no variable."""
        return not self.names

    def evaluate(self, scope: Scope, now: object = None) -> Result:
        """Evaluate against *scope*, of which only the names in the taken branches are read. Never raises.

        A single `${…}` without text around it keeps the type of its value; anything else gives text.
        """
        try:
            return Result(self._evaluate(scope))
        except EvaluationFailed as failed:
            return Result(failure=f"failed to evaluate expression '{shorten(self.text)}': {failed}")
        except DecimalException as failed:
            return Result(failure=f"failed to evaluate expression '{shorten(self.text)}': {failed!r} in arithmetic")

    def evaluate_leniently(self, scope: Scope) -> Value:
        """Evaluate against *scope*. An expression that fails stays as it is written, beside the values of the others.

        Raises:
            ValueError: the result is too long.
        """
        if len(self._parts) == 1:
            return _value_or_text(self._parts[0], scope)
        return _join(to_text(_value_or_text(part, scope)) for part in self._parts)

    def _evaluate(self, scope: Scope) -> Value:
        if len(self._parts) == 1:
            [part] = self._parts
            return part if isinstance(part, str) else part.evaluate(scope)
        return _join(part if isinstance(part, str) else to_text(part.evaluate(scope)) for part in self._parts)


def _value_or_text(part: str | Part, scope: Scope) -> Value:
    if isinstance(part, str):
        return part
    try:
        return part.evaluate(scope)
    except (EvaluationFailed, DecimalException):
        return part.text


def _join(parts: Iterable[str]) -> str:
    texts: list[str] = []
    characters = 0
    for text in parts:
        texts.append(text)
        characters += len(text)
        if characters > RESULT_CHARACTERS_MAX:
            raise EvaluationFailed(f"Expected a text of at most {RESULT_CHARACTERS_MAX} characters, but found more")
    return "".join(texts)
