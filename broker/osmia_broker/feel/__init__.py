"""Evaluate FEEL, the expression language of processes and decisions; this package stands on its own.

    expression = feel.compile("order.total > 100")
    expression.evaluate({"order": {"total": 120}}).value       # True

It does no I/O and has no clock. Variables come from the scope that is handed in, as FEEL values, or as JSON text that is
parsed only when it is read. The moment for `now()` comes from the caller. Evaluation never raises: a mistake in an
expression gives null and a warning, and a passed bound gives a failure. There are two dialects (`Dialect`);
`docs/differences.md` compares the one of processes with the reference broker.
"""

from osmia_broker.feel.ai_parameters import ai_parameters
from osmia_broker.feel.dialect import Dialect
from osmia_broker.feel.errors import AssertionFailed, EvaluationFailed, FeelError, ParseError, explain
from osmia_broker.feel.expression import (
    Expression,
    Result,
    UnaryTests,
    Vocabulary,
    compile,  # noqa: A004  # feel.compile, as re.compile
    compile_unary_tests,
    warnings_text,
)
from osmia_broker.feel.functions import DECISION_FUNCTIONS, PROCESS_FUNCTIONS, STANDARD_FUNCTIONS
from osmia_broker.feel.json_text import from_json, to_decision_json, to_json
from osmia_broker.feel.limits import DEFAULT_LIMITS, Limits
from osmia_broker.feel.operators import equality_key
from osmia_broker.feel.run import Allowance, Scope, Warning, present_allowance, sharing, with_allowance  # noqa: A004  # the contract's word
from osmia_broker.feel.temporal import DateTime, DayTimeDuration, Instant, Time, YearMonthDuration
from osmia_broker.feel.tokens import trimmed
from osmia_broker.feel.values import Context, Function, Range, Value, type_name

__all__ = [
    "DECISION_FUNCTIONS",
    "DEFAULT_LIMITS",
    "PROCESS_FUNCTIONS",
    "STANDARD_FUNCTIONS",
    "Allowance",
    "AssertionFailed",
    "Context",
    "DateTime",
    "DayTimeDuration",
    "Dialect",
    "EvaluationFailed",
    "Expression",
    "FeelError",
    "Function",
    "Instant",
    "Limits",
    "ParseError",
    "Range",
    "Result",
    "Scope",
    "Time",
    "UnaryTests",
    "Value",
    "Vocabulary",
    "Warning",
    "YearMonthDuration",
    "ai_parameters",
    "compile",
    "compile_unary_tests",
    "equality_key",
    "explain",
    "from_json",
    "present_allowance",
    "sharing",
    "to_decision_json",
    "to_json",
    "trimmed",
    "type_name",
    "warnings_text",
    "with_allowance",
]
