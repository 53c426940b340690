"""The texts of a model that may be computed, as one interface: FEEL after `=`, JUEL in `${…}`, or the text itself.

The engine evaluates them all alike and does not know the language.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from osmia_broker.model.text import trimmed, without_shapeless_start


class Scope(Protocol):
    """The variables that an expression can read, by name: values, or JSON as `msgspec.Raw` that is parsed when it is read."""

    def __getitem__(self, name: str, /) -> Any:
        """Return the variable *name*; raise KeyError if there is none."""


class Result(Protocol):
    """The outcome of an evaluation."""

    @property
    def value(self) -> Any:
        """The value, of one of FEEL's types; `feel.to_json` writes it."""

    @property
    def failure(self) -> str | None:
        """The reason why there is no value; None if there is one."""

    @property
    def warnings(self) -> Any:
        """The reasons why parts of the expression gave null."""


class Expression(Protocol):
    """A compiled text of a model."""

    @property
    def text(self) -> str:
        """The text of the model, without the sign that marks the language."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the variables that it may read."""

    def evaluate(self, scope: Scope, now: Any = None) -> Result:
        """Evaluate against *scope*, at the moment *now* (an instant, or None). Never raises: the result has the failure."""


@dataclass(frozen=True, slots=True)
class Static:
    """A constant: a text, or the number or list that the text means in its dialect."""

    value: Any
    failure: None = None
    warnings: tuple[()] = ()
    names: frozenset[str] = field(default_factory=frozenset)

    @property
    def text(self) -> str:
        """The value, written as text."""
        return str(self.value)

    def evaluate(self, scope: Scope, now: Any = None) -> "Static":
        """Return itself: a constant is its own result."""
        return self


class UnreadableExpression(ValueError):
    """A text that cannot be parsed. *text* is the expression; the message is the reason that the language gives."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(reason)
        self.text = text


TEXTS_CACHED = 4096  # compiled texts; models repeat theirs, and all versions of a process share them
CACHED_CHARS_MAX = 500  # bounds the memory of the cache; longer texts are rare


def feel(text: str) -> Expression:
    """Compile *text* as FEEL (without the leading `=`).

    Raises:
        UnreadableExpression: it cannot be parsed.
    """
    return _cached_feel(text) if len(text) <= CACHED_CHARS_MAX else _compile_feel(text)


def juel(text: str) -> Expression:
    """Compile *text* as a JUEL template: literal text with `${…}` and `#{…}` in it.

    Raises:
        UnreadableExpression: it cannot be parsed, or calls a method.
    """
    return _cached_juel(text) if len(text) <= CACHED_CHARS_MAX else _compile_juel(text)


def variable_of(expression: Expression | None) -> str:
    """Return the variable that a FEEL expression names, or takes a property of; empty for any other expression."""
    if expression is None:
        return ""
    from osmia_broker import feel as language  # loaded with the first expression only

    return expression.variable if isinstance(expression, language.Expression) else ""


def path_of(expression: Expression) -> tuple[str, ...]:
    """Return the name of a variable, or of a variable and of one property of it, if a FEEL expression is no more than that; else nothing."""
    from osmia_broker import feel as language

    return expression.path if isinstance(expression, language.Expression) else ()


def _compile_feel(text: str) -> Expression:
    from osmia_broker import feel as language

    try:
        return language.compile(text)
    except language.ParseError as error:
        raise UnreadableExpression(text, error.reason) from error


def _compile_juel(text: str) -> Expression:
    from osmia_broker import juel as language

    try:
        return language.compile(text)
    except language.ParseError as error:
        raise UnreadableExpression(text, error.reason) from error


_cached_feel = lru_cache(TEXTS_CACHED)(_compile_feel)
_cached_juel = lru_cache(TEXTS_CACHED)(_compile_juel)


def is_feel(text: str) -> bool:
    """Whether a text of the `zeebe:` dialect is an expression: its first visible character is `=`."""
    return trimmed(text).startswith("=")


def without_sign(text: str) -> str:
    """Return the FEEL expression of a text with the sign `=`."""
    return without_shapeless_start(trimmed(text)[1:])


def is_juel(text: str) -> bool:
    """Whether a text of the `activiti:` dialect contains an expression."""
    return "${" in text or "#{" in text


@dataclass(frozen=True, slots=True)
class Computed:
    """A result that was made from other results."""

    value: Any
    failure: str | None = None
    warnings: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class _Around:
    """An expression with something put around it: the text and the names are its own."""

    expression: Expression

    @property
    def text(self) -> str:
        """The text of the expression."""
        return self.expression.text

    @property
    def names(self) -> frozenset[str]:
        """The names of the variables that the expression may read."""
        return self.expression.names


@dataclass(frozen=True, slots=True)
class OrNull(_Around):
    """An expression that gives null where it fails: of a variable that does not exist."""

    def evaluate(self, scope: Scope, now: Any = None) -> Result:
        """Evaluate the expression; a failure becomes null."""
        result = self.expression.evaluate(scope, now)
        return result if result.failure is None else Computed(None)


@dataclass(frozen=True, slots=True)
class Converted(_Around):
    """An expression with a conversion of its value. *convert* raises ValueError for a value that it does not take."""

    convert: Callable[[Any], Any]

    def evaluate(self, scope: Scope, now: Any = None) -> Computed:
        """Evaluate the expression and convert its value. A value that cannot be converted is a failure."""
        result = self.expression.evaluate(scope, now)
        if result.failure is not None:
            return Computed(None, result.failure)
        try:
            return Computed(self.convert(result.value), None, tuple(result.warnings))
        except ValueError as error:
            return Computed(None, f"Expected '{self.text}' to give {error}")


@dataclass(frozen=True, slots=True)
class ListOf:
    """The candidates of an Activiti user task: comma-separated parts, each a text or an expression.

    The value of a part is a list of texts, or a text with commas. All texts together, without blank ones and in the order of the parts,
    make one list.
    """

    text: str
    parts: tuple[Expression, ...]
    names: frozenset[str]

    def evaluate(self, scope: Scope, now: Any = None) -> Computed:
        """Evaluate all parts. The result is a failure if a part fails, or gives neither text nor a list of texts (null, for example)."""
        texts: list[str] = []
        for part in self.parts:
            result = part.evaluate(scope, now)
            if result.failure is not None:
                return Computed(None, result.failure)
            items = result.value.split(",") if isinstance(result.value, str) else result.value
            if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
                return Computed(
                    None, f"Expected '{self.text}' to give text or a list of texts, but found {_found(items)}"
                )
            texts += [text for item in items if (text := trimmed(item))]
        return Computed(texts)


def _found(value: Any) -> str:
    from osmia_broker import juel as language

    return language.describe(value)


def list_of(text: str) -> Expression:
    """Compile comma-separated parts, each a text or a JUEL template; without any JUEL the result is `Static`.

    Raises:
        UnreadableExpression: a part cannot be parsed.
    """
    parts = [trimmed(part) for part in _comma_parts(text)]
    if not is_juel(text):
        return Static([part for part in parts if part])
    compiled = tuple(juel(part) if is_juel(part) else Static(part) for part in parts if part)
    return ListOf(text, compiled, frozenset().union(*(part.names for part in compiled)))


def _comma_parts(text: str) -> list[str]:
    """Split *text* at the commas outside of `${…}`, in one pass."""
    parts, start, inside, quoted = [], 0, False, ""
    for index, character in enumerate(text):
        if quoted:
            quoted = "" if character == quoted and text[index - 1] != "\\" else quoted
        elif inside:
            quoted = character if character in "'\"" else ""
            inside = character != "}"
        elif character == "{" and index and text[index - 1] in "$#":
            inside = True
        elif character == ",":
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]
