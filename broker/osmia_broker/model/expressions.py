"""One face for every text of a model that may be computed: FEEL after `=`, JUEL in `${…}`, or the text itself.

The engine neither knows nor asks which language a model was written in.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol


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

    def evaluate(self, scope: Scope, now: Any = None) -> "Static":  # noqa: ARG002 - it reads nothing
        """Itself: a constant is its own result."""
        return self
