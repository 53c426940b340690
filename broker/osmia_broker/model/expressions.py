"""One face for every text of a model that may be computed: FEEL after `=`, JUEL in `${…}`, or the text itself.

The engine neither knows nor asks which language a model was written in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from osmia_broker.model.text import trimmed, without_shapeless_start


class Scope(Protocol):
    """Where names are looked up: a value of the expression languages, or a `msgspec.Raw` of JSON that is parsed on reading."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of *name*; KeyError when there is none."""


class Result(Protocol):
    """What an evaluation gave."""

    @property
    def value(self) -> Any:
        """The value, of FEEL's types (feel.to_json writes it)."""

    @property
    def failure(self) -> str | None:
        """Why there is no value; None when there is one."""

    @property
    def warnings(self) -> Any:
        """What the evaluation took for null on its way."""


class Expression(Protocol):
    """A compiled text. *now* is an aware datetime, or None where no clock is at hand."""

    @property
    def text(self) -> str:
        """As the model has it, without the sign that marks the language."""

    @property
    def names(self) -> frozenset[str]:
        """The variables it may read."""

    def evaluate(self, scope: Scope, now: Any = None) -> Result:
        """Never raises; a failure is in the result."""


@dataclass(frozen=True, slots=True)
class Static:
    """A text that stands for itself (or a number or a list, where the dialect says that its text means one)."""

    value: Any
    failure: None = None
    warnings: tuple[()] = ()
    names: frozenset[str] = field(default_factory=frozenset)

    @property
    def text(self) -> str:
        """The value as text."""
        return str(self.value)

    def evaluate(self, scope: Scope, now: Any = None) -> "Static":
        """Itself: a constant is its own result."""
        return self


class UnreadableExpression(ValueError):
    """A text that its language does not take. *text* is the expression, the message the language's reason."""

    def __init__(self, text: str, reason: object) -> None:
        super().__init__(str(reason))
        self.text = text


TEXTS_CACHED = 4096  # compiled texts; models repeat theirs, and all versions of a process share them
CACHED_CHARS_MAX = 500  # longer texts are rare, and would make the cache's memory a matter of who deploys


def feel(text: str) -> Expression:
    """Compile *text* as FEEL (without the leading `=`).

    Raises:
        UnreadableExpression: it does not parse.
    """
    return _cached_feel(text) if len(text) <= CACHED_CHARS_MAX else _compile_feel(text)


def juel(text: str) -> Expression:
    """Compile *text* as a JUEL template: literal text with `${…}` and `#{…}` in it.

    Raises:
        UnreadableExpression: it does not parse, or calls a method.
    """
    return _cached_juel(text) if len(text) <= CACHED_CHARS_MAX else _compile_juel(text)


def _compile_feel(text: str) -> Expression:
    from osmia_broker import feel as language

    try:
        return language.compile(text)
    except language.ParseError as error:
        raise UnreadableExpression(text, error) from error


def _compile_juel(text: str) -> Expression:
    from osmia_broker import juel as language

    try:
        return language.compile(text)
    except language.ParseError as error:
        raise UnreadableExpression(text, error) from error


_cached_feel = lru_cache(TEXTS_CACHED)(_compile_feel)
_cached_juel = lru_cache(TEXTS_CACHED)(_compile_juel)


def is_feel(text: str) -> bool:
    """Whether a text of the `zeebe:` dialect is an expression: its first visible character is `=`."""
    return trimmed(text).startswith("=")


def without_sign(text: str) -> str:
    """Return the FEEL expression of a text with the sign `=`."""
    return without_shapeless_start(trimmed(text)[1:])


def is_juel(text: str) -> bool:
    """Whether a text has an expression of the `activiti:` dialect in it."""
    return "${" in text or "#{" in text


@dataclass(frozen=True, slots=True)
class Computed:
    """The result of an evaluation made of others: a value, or why there is none."""

    value: Any
    failure: str | None = None
    warnings: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Converted:
    """An expression with a conversion of its value. *convert* raises ValueError for a value that it does not take."""

    expression: Expression
    convert: Callable[[Any], Any]

    @property
    def text(self) -> str:
        """The expression's own text."""
        return self.expression.text

    @property
    def names(self) -> frozenset[str]:
        """The variables that the expression may read."""
        return self.expression.names

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
    """The Activiti rule for candidates: every comma part is an expression, whose value may be a list or comma separated text.

    Its value is one flat list of texts, without blank ones, in the order of the parts.
    """

    text: str
    parts: tuple[Expression, ...]
    names: frozenset[str]

    def evaluate(self, scope: Scope, now: Any = None) -> Computed:
        """All parts' texts; a failure where a part fails or is neither text nor a list of texts (null, for one)."""
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
    """A list of comma parts with JUEL in them; `Static` where there is none.

    Raises:
        UnreadableExpression: a part does not parse.
    """
    parts = [trimmed(part) for part in _comma_parts(text)]
    if not is_juel(text):
        return Static([part for part in parts if part])
    compiled = tuple(juel(part) if is_juel(part) else Static(part) for part in parts if part)
    return ListOf(text, compiled, frozenset().union(*(part.names for part in compiled)))


def _comma_parts(text: str) -> list[str]:
    """Split at the commas that stand outside of `${…}`; one pass."""
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
