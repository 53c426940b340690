"""Keep the state of one evaluation: its variables, its bounds, and the decisions evaluated so far."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from osmia_broker import feel
from osmia_broker.dmn.errors import EvaluationFailed

Value: TypeAlias = Any  #: a FEEL value

SECONDS_MAX = 1.0  # for a whole evaluation, as for one expression
EXPRESSIONS_BETWEEN_LOOKS = 64  # at the clock; each expression is bounded by itself
JSON_CHARACTERS_MAX = 4 * 1024 * 1024  # of all inputs and outputs together; an answer holds no more
EVALUATED_MAX = 1_000  # entries before calls of knowledge models are no longer listed; a `for` may make a million


class Layer:
    """Names that hide those of the scope *below*.

    `functions` are the knowledge models that may be called here, which hide built-in functions of their name
    (see `feel.Scope`); a layer without any has those of the scope below.
    """

    __slots__ = ("below", "functions", "names")

    def __init__(
        self, names: Mapping[str, Value], below: feel.Scope, functions: Mapping[str, feel.Function] | None = None
    ) -> None:
        self.names = names
        self.below = below
        self.functions = functions or getattr(below, "functions", {})

    def __getitem__(self, name: str, /) -> Value:
        if name in self.names:
            return self.names[name]
        return self.functions[name] if name in self.functions else self.below[name]


class Variables:
    """The variables of the request, each parsed once although a large table reads it a thousand times."""

    __slots__ = ("_read", "_scope")

    def __init__(self, scope: feel.Scope) -> None:
        self._scope = scope
        self._read: dict[str, Value] = {}

    def __getitem__(self, name: str, /) -> Value:
        if name not in self._read:
            self._read[name] = _parsed(self._scope[name])
        return self._read[name]


def _parsed(found: Value) -> Value:
    """Return *found*, parsed if it is JSON text. A text that is no JSON is left to FEEL, which reports it."""
    if type(found) is not msgspec.Raw:
        return found
    try:
        return feel.from_json(bytes(found))
    except ValueError:
        return found


@dataclass(frozen=True, slots=True)
class EvaluatedInput:
    """An input of a table: its id, its label (or expression), and its value as JSON text."""

    input_id: str
    input_name: str
    input_value: str


@dataclass(frozen=True, slots=True)
class EvaluatedOutput:
    """An output of a matched rule: the output's id, its label (or name), and its value as JSON text."""

    output_id: str
    output_name: str
    output_value: str


@dataclass(frozen=True, slots=True)
class MatchedRule:
    """A rule whose input entries all held. *rule_index* counts from 1, in the order of the table."""

    rule_id: str
    rule_index: int
    evaluated_outputs: tuple[EvaluatedOutput, ...]


@dataclass(slots=True)
class Trace:
    """The inputs and the matched rules of a decision table, for the answer."""

    inputs: list[EvaluatedInput] = field(default_factory=list)
    matched: list[MatchedRule] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EvaluatedDecision:
    """A decision, or a knowledge model, that was evaluated.

    *output* is JSON text, "null" if it failed. Knowledge models have neither key nor version (on the wire both are -1).
    """

    decision_id: str
    decision_name: str
    decision_type: str
    output: str
    matched_rules: tuple[MatchedRule, ...]
    evaluated_inputs: tuple[EvaluatedInput, ...]
    is_knowledge_model: bool = False


class Run:
    """The state that all expressions of one evaluation share.

    *variables* are those of the request; *now* is the time that `now()` and `today()` give; *serve* evaluates a decision
    service, by its id, for arguments by name.
    """

    def __init__(self, variables: feel.Scope, now: feel.Instant | datetime | None, serve: "Serve") -> None:
        self._serve = serve
        self.variables = Variables(variables)
        self.now = now
        self.evaluated: list[EvaluatedDecision] = []
        self._expressions = 0
        self._characters = 0
        self._deadline = time.thread_time() + SECONDS_MAX

    def value(self, expression: feel.Expression, scope: feel.Scope) -> Value:
        """Return the value of *expression*. Raises EvaluationFailed if it fails or time is over."""
        self._spend()
        return _outcome(expression.evaluate(scope, self.now))

    def holds(self, test: feel.UnaryTests, scope: feel.Scope, input_value: Value) -> bool:
        """Tell whether *input_value* passes *test*. Raises EvaluationFailed as `value` does."""
        self._spend()
        return _outcome(test.evaluate(scope, input_value, self.now)) is True

    def json(self, value: Value) -> str:
        """Write *value* as JSON text.

        Raises EvaluationFailed when the texts of this evaluation pass 4 MiB together, and for a number that neither 64 bits
        nor a double hold.
        """
        try:
            text = feel.to_decision_json(value)
        except feel.EvaluationFailed as failed:  # a sum of outputs that no reader of JSON could take
            raise EvaluationFailed(str(failed)) from None
        self._characters += len(text)
        if self._characters > JSON_CHARACTERS_MAX:
            raise EvaluationFailed(
                f"Expected inputs and outputs of at most {JSON_CHARACTERS_MAX} characters, but found more"
            )
        return text

    def serve(self, service_id: str, arguments: Mapping[str, Value]) -> Value:
        """Return the value of a decision service. Raises EvaluationFailed if one of its decisions fails."""
        return self._serve(service_id, arguments, self)

    def note_repeatable(self, decision: EvaluatedDecision) -> None:
        """List *decision*, which a loop may evaluate often, among the evaluated ones; only the first thousand."""
        if len(self.evaluated) < EVALUATED_MAX:
            self.evaluated.append(decision)

    def _spend(self) -> None:
        self._expressions += 1
        if self._expressions % EXPRESSIONS_BETWEEN_LOOKS == 0 and time.thread_time() > self._deadline:
            raise EvaluationFailed(f"Expected a result within {SECONDS_MAX} s, but found none")


Serve: TypeAlias = Callable[[str, Mapping[str, Value], Run], Value]


def _outcome(result: feel.Result) -> Value:
    if result.failure is not None:
        raise EvaluationFailed(result.failure)
    return result.value
