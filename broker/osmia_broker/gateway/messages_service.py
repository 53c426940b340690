"""The calls of `osmia.v1.Messages`: message to call, answer to message."""

from osmia_broker.calls import Caller, Calls
from osmia_proto import queries


class Messages:
    """Answers the calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def CorrelateMessage(
        self, request: queries.CorrelateMessageRequest, caller: Caller
    ) -> queries.CorrelateMessageResponse:
        """Give a message at once to what waits for it."""
        found = await self._calls.correlate_message(
            request.name,
            correlation_key=request.correlation_key,
            variables=request.variables,
            business_id=request.business_id,
            traceparent=caller.traceparent,
        )
        return queries.CorrelateMessageResponse(
            message_key=found.message_key, process_instance_key=found.process_instance_key
        )
