"""The calls of `osmia.v1.Expressions`: message to call, answer to message."""

from osmia_broker.calls import Calls
from osmia_proto import queries


class Expressions:
    """Answers the calls."""

    def __init__(self, calls: Calls) -> None:
        self._evaluations = calls.evaluations

    async def EvaluateExpression(
        self, request: queries.EvaluateExpressionRequest
    ) -> queries.EvaluateExpressionResponse:
        """Evaluate an expression, as if it stood in a model."""
        found = await self._evaluations.evaluate(
            request.expression, scope_key=request.scope_key, variables=request.variables
        )
        return queries.EvaluateExpressionResponse(value=found.value, warnings=found.warnings)
