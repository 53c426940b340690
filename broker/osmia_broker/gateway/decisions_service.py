"""The calls of `osmia.v1.Decisions`: message to call, answer to message."""

from osmia_broker.calls import Caller, Calls
from osmia_proto import queries


class Decisions:
    """Answers the calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def DeleteDecisionEvaluation(
        self, request: queries.DeleteDecisionEvaluationRequest, caller: Caller
    ) -> queries.DeleteDecisionEvaluationResponse:
        """Delete the evaluation of a decision."""
        await self._calls.by(caller).delete_evaluation(request.decision_evaluation_key)
        return queries.DeleteDecisionEvaluationResponse()
