"""Keep the state of one evaluation: its variables, its costs and its warnings.

A `Run` lives for one call of `evaluate`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from time import thread_time
from typing import Any, Protocol

import msgspec

from osmia_broker.feel.errors import EvaluationFailed
from osmia_broker.feel.json_text import parse_document
from osmia_broker.feel.limits import DEFAULT_LIMITS, Limits
from osmia_broker.feel.temporal import Instant
from osmia_broker.feel.text import brief
from osmia_broker.feel.values import Function, Value


class Scope(Protocol):
    """The source of variables: a FEEL value or JSON text (`msgspec.Raw`) by name, `KeyError` for an unknown one.

    A scope may also have an attribute `functions`, a mapping of names to `Function` that hide built-in functions.
    """

    def __getitem__(self, name: str, /) -> Any:
        """Return the value of the variable *name*."""


class Warning(msgspec.Struct, frozen=True):
    """The reason why a part of an expression gave null: *type* as `NO_VARIABLE_FOUND`, *message* a sentence."""

    type: str
    message: str


_ARGUMENTS_SHOWN = 10  # of a call that failed; each may take 200 characters
WARNINGS_MAX = 100  # of one evaluation; a loop may cause millions
_STEPS_BETWEEN_LOOKS = 5_000  # at the clock; about half a millisecond


class Allowance:
    """Time that several evaluations use up together, so that many slow expressions cannot hold a thread many times as long.

    `with_allowance` makes it count for the evaluations of the calling thread; `begin` fills it up again.
    """

    __slots__ = ("deadline", "seconds")

    def __init__(self, seconds: float = DEFAULT_LIMITS.seconds) -> None:
        self.seconds = seconds  #: of processor time; it counts instead of that of `Limits`
        self.deadline = 0.0  # of the thread's processor time; 0 until an evaluation first looks at the clock

    def begin(self) -> None:
        """Fill the allowance up."""
        self.deadline = 0.0


_allowance: ContextVar[Allowance | None] = ContextVar("feel_allowance", default=None)
present_allowance = _allowance.get  #: the allowance that evaluations in this context use up; None without one
with_allowance = _allowance.set  #: lets the evaluations that follow in this context use up an allowance


@contextmanager
def sharing(allowance: Allowance) -> Iterator[None]:
    """Let the evaluations of the block use up *allowance* together, and those after it what they had before."""
    token = _allowance.set(allowance)
    try:
        yield
    finally:
        _allowance.reset(token)


class Run(msgspec.Struct):
    """The state of one evaluation."""

    scope: Scope
    now: Instant | datetime | None
    limits: Limits
    warnings: "list[Warning] | tuple[Warning, ...]" = ()
    parsed: dict[str, Value] | None = None
    spent: int = 0
    next_look: int = _STEPS_BETWEEN_LOOKS
    deadline: float = 0.0

    def read(self, name: str) -> Value:
        """Return the variable *name*; null and a warning if there is none. JSON text is parsed once per evaluation."""
        parsed = self.parsed
        if parsed is not None and name in parsed:
            return parsed[name]
        try:
            value = self.scope[name]
        except KeyError:
            self.warn("NO_VARIABLE_FOUND", "No variable found with name '{name}'", name=name)
            return None
        if type(value) is msgspec.Raw:
            value = parse_document(value)
            if parsed is None:
                self.parsed = {name: value}
            else:
                parsed[name] = value
        return value

    def function(self, name: str) -> Function | None:
        """Return the function that the scope has under *name*."""
        try:
            value = self.scope[name]
        except KeyError:
            return None
        return value if type(value) is Function else None

    def warn(self, type: str, template: str, *values: Value, **names: object) -> None:
        """Note why something gives null; `{}` in *template* stands for the values, `{name}` for plain text."""
        if len(self.warnings) >= WARNINGS_MAX:
            return
        if isinstance(self.warnings, tuple):
            self.warnings = []
        self.warnings.append(Warning(type, template.format(*map(brief, values), **names)))

    def warn_of_call(self, name: str, template: str, *values: Value, **names: object) -> None:
        """Note why the call of the built-in function *name* gives null."""
        self.warn(
            "FUNCTION_INVOCATION_FAILURE",
            "Failed to invoke function '{function}': " + template,
            *values,
            function=name,
            **names,
        )

    def warn_of_arguments(self, name: str, values: Sequence[Value]) -> None:
        """Note that no declaration of the built-in function *name* takes arguments of these types."""
        shown = ", ".join(["'{}'"] * min(len(values), _ARGUMENTS_SHOWN))
        self.warn_of_call(name, "Illegal arguments: " + shown, *values[:_ARGUMENTS_SHOWN])

    def spend(self, steps: int) -> None:
        """Count *steps*; ends the evaluation when there are too many or they take too long."""
        self.spent += steps
        if self.spent >= self.next_look:
            self._look()

    def _look(self) -> None:
        if self.spent > self.limits.steps:
            raise EvaluationFailed(f"Expected at most {self.limits.steps} steps, but found more")
        self.next_look = self.spent + _STEPS_BETWEEN_LOOKS
        now = thread_time()
        if self.deadline == 0.0:
            self._set_deadline(now)
        if now > self.deadline:
            allowance = _allowance.get()
            seconds = self.limits.seconds if allowance is None else allowance.seconds
            raise EvaluationFailed(f"Expected to finish within {seconds:g} s, but it takes longer")

    def _set_deadline(self, now: float) -> None:
        allowance = _allowance.get()
        if allowance is None:
            self.deadline = now + self.limits.seconds
            return
        if allowance.deadline == 0.0:
            allowance.deadline = now + allowance.seconds
        self.deadline = allowance.deadline

    def made_list(self, items: int) -> None:
        """Account for a new list of that many *items*."""
        if items > self.limits.items:
            raise EvaluationFailed(f"Expected at most {self.limits.items} items in a list, but found {items}")
        self.spend(items)

    def made_string(self, length: int) -> None:
        """Account for a new string of that many characters."""
        if length > self.limits.string:
            raise EvaluationFailed(f"Expected at most {self.limits.string} characters, but found {length}")
        self.spend(length >> 3)
