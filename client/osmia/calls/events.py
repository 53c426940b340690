"""Calls that report events to processes: messages and signals. Osmia's broker does not have them yet (`Unimplemented`)."""

from osmia import variables as variables_json
from osmia.calls.call import Calls
from osmia_proto import gateway


class EventCalls(Calls):
    """Publish messages and broadcast signals."""

    async def publish_message(
        self,
        name: str,
        correlation_key: str,
        variables: object = None,
        *,
        time_to_live_ms: int = 0,
        message_id: str = "",
        tenant_id: str = "",
    ) -> int:
        """Publish a message to the elements that wait for *name* with *correlation_key*, and return the message's key.

        If no element waits, this is no error. The message is kept for *time_to_live_ms* for elements that begin to wait
        later. With a *message_id* it can be published only once while it is kept, so a call that may have failed can be
        repeated.

        Raises:
            AlreadyExists: a message with the same name, correlation key and *message_id* is kept.
        """
        answer = await self._call(
            "PublishMessage",
            gateway.PublishMessageRequest(
                name=name,
                correlationKey=correlation_key,
                timeToLive=time_to_live_ms,
                messageId=message_id,
                variables=variables_json.encode(variables),
                tenantId=tenant_id,
            ),
        )
        return int(answer.key)

    async def broadcast_signal(self, name: str, variables: object = None, *, tenant_id: str = "") -> int:
        """Broadcast a signal to all elements that wait for *name* now, and return its key. If none waits, this is no error."""
        answer = await self._call(
            "BroadcastSignal",
            gateway.BroadcastSignalRequest(
                signalName=name, variables=variables_json.encode(variables), tenantId=tenant_id
            ),
        )
        return int(answer.key)
