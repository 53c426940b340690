"""Calls that report events to processes: messages, signals, conditions."""

from dataclasses import dataclass

from osmia import variables as variables_json
from osmia.arguments import calls_of
from osmia.calls.call import Calls
from osmia_proto import gateway, queries


@dataclass(frozen=True, slots=True)
class StartedInstance:
    """A process instance that `evaluate_conditional` has started."""

    key: int
    process_definition_key: int


@dataclass(frozen=True, slots=True)
class Correlation:
    """A message that was correlated, and the process instance that it has started or reached."""

    message_key: int
    process_instance_key: int


@calls_of("Client")
class EventCalls(Calls):
    """Publish and correlate messages, broadcast signals, evaluate conditions."""

    async def publish_message(
        self,
        name: str,
        correlation_key: str,
        variables: object = None,
        *,
        time_to_live_ms: int = 0,
        message_id: str = "",
        business_id: str | None = None,
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
                businessId=business_id,
                tenantId=tenant_id,
            ),
        )
        return int(answer.key)

    async def correlate_message(
        self, name: str, correlation_key: str = "", variables: object = None, *, business_id: str = ""
    ) -> Correlation:
        """Give a message at once to what waits for *name* with *correlation_key*: a start event, or the first process instance.

        It is not kept. With a *business_id* only process instances that have it are reached. Only Osmia's gateway has this call.

        Raises:
            NotFound: nothing waits for the message.
            Unimplemented: the gateway lacks the call.
        """
        answer = await self._call(
            "CorrelateMessage",
            queries.CorrelateMessageRequest(
                name=name,
                correlation_key=correlation_key,
                variables=variables_json.encode(variables),
                business_id=business_id,
            ),
        )
        return Correlation(answer.message_key, answer.process_instance_key)

    async def evaluate_conditional(
        self, variables: object = None, *, process_definition_key: int | None = None, tenant_id: str = ""
    ) -> list[StartedInstance]:
        """Start the processes whose conditional start event holds for *variables*, and return the new instances.

        Raises:
            NotFound: there is no definition of *process_definition_key*.
        """
        answer = await self._call(
            "EvaluateConditional",
            gateway.EvaluateConditionalRequest(
                tenantId=tenant_id,
                processDefinitionKey=process_definition_key,
                variables=variables_json.encode(variables),
            ),
        )
        return [StartedInstance(one.processInstanceKey, one.processDefinitionKey) for one in answer.processInstances]

    async def broadcast_signal(self, name: str, variables: object = None, *, tenant_id: str = "") -> int:
        """Broadcast a signal to all elements that wait for *name* now, and return its key. If none waits, this is no error."""
        answer = await self._call(
            "BroadcastSignal",
            gateway.BroadcastSignalRequest(
                signalName=name, variables=variables_json.encode(variables), tenantId=tenant_id
            ),
        )
        return int(answer.key)
