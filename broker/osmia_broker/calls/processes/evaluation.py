"""Evaluate an expression for a caller, as if it stood in a model: in a thread, because it may take a second."""

import asyncio

import msgspec

from osmia_broker import feel
from osmia_broker.base.errors import InvalidArgument, Overloaded
from osmia_broker.base.threads import to_the_end
from osmia_broker.calls import checks
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.faults import require
from osmia_broker.engine.answers import SeenScope
from osmia_broker.engine.commands import ReadScope, Variables
from osmia_broker.model.expressions import Expression, UnreadableExpression
from osmia_broker.model.expressions import feel as compile_feel
from osmia_broker.model.faults import quote
from osmia_broker.partition import Submits

EXPRESSION_CHARACTERS = 32_768
# Evaluations at a time. They are done one by one, so that the others share the processor with one thread only.
WAITING_MAX = 50


class Evaluated(msgspec.Struct, frozen=True):
    """The value of an expression as JSON, and the warnings of its evaluation."""

    value: str
    warnings: tuple[str, ...]


class Evaluations:
    """Evaluates expressions one after the other."""

    def __init__(self, partitions: Submits) -> None:
        self._partitions = partitions
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def evaluate(self, expression: str, *, scope_key: int = 0, variables: str = "") -> Evaluated:
        """Evaluate an expression with *variables*, over those that an element instance sees if *scope_key* names one.

        Without a leading `=` it is a text that means itself.

        Raises:
            InvalidArgument: there is none, it cannot be read, or its evaluation fails.
            NotFound: there is no such scope.
            Overloaded: too many expressions are being evaluated.

        """
        require(expression=expression)
        text = checks.at_most("expression", expression, EXPRESSION_CHARACTERS)
        key, given = checks.int64("scopeKey", scope_key), parse_variables(variables)
        if not text.startswith("="):
            return Evaluated(msgspec.json.encode(text).decode(), ())
        if self._waiting >= WAITING_MAX:
            raise Overloaded(
                f"Expected at most {WAITING_MAX} expressions to be evaluated at a time, but found one more"
            )
        self._waiting += 1
        try:
            async with self._turn:
                compiled = await to_the_end(_compiled, text[1:])
                seen: SeenScope = await self._partitions.submit(ReadScope(key, compiled.names - given.keys()))
                return await to_the_end(_evaluated, compiled, given, seen)
        finally:
            self._waiting -= 1


def _compiled(text: str) -> Expression:
    try:
        return compile_feel(text)
    except UnreadableExpression as fault:
        raise InvalidArgument(f"failed to parse expression '{quote(fault.text)}': {fault}") from fault


def _evaluated(expression: Expression, given: Variables, seen: SeenScope) -> Evaluated:
    values = seen.values | {name: msgspec.Raw(value.encode()) for name, value in given.items()}
    with feel.sharing(feel.Allowance(seen.expression_s)):
        result = expression.evaluate(values, seen.now)
    if result.failure is not None:
        raise InvalidArgument(result.failure)
    warnings = tuple(f"[{warning.type}] {warning.message}" for warning in result.warnings)
    return Evaluated(feel.to_json(result.value), warnings)
