"""Calls that let something happen from outside: messages, signals, conditions."""

from collections.abc import Awaitable

from osmia_broker.base.business_ids import BUSINESS_ID_CHARACTERS
from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.calls import checks
from osmia_broker.calls.base import CallGroup
from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine.answers import ConditionalsEvaluated, Correlated
from osmia_broker.engine.commands import BroadcastSignal, CorrelateAtOnce, EvaluateConditional, PublishMessage


class EventCalls(CallGroup):
    """Publish and correlate messages, broadcast signals, evaluate conditional start events."""

    def publish_message(
        self,
        name: str,
        *,
        correlation_key: str,
        time_to_live_ms: int,
        message_id: str,
        variables: str,
        business_id: str = "",
        traceparent: str = "",
    ) -> Awaitable[int]:
        """Publish a message; the answer is its key. With a *time_to_live_ms* above 0 it is kept that long."""
        return self._partitions.submit(
            PublishMessage(
                _message_name(name),
                checks.name("correlationKey", correlation_key),
                checks.int64("timeToLive", time_to_live_ms),
                checks.name("messageId", message_id),
                parse_variables(variables),
                checks.at_most("businessId", business_id, BUSINESS_ID_CHARACTERS),
                traceparent,
            )
        )

    def correlate_message(
        self, name: str, *, correlation_key: str, variables: str, business_id: str = "", traceparent: str = ""
    ) -> Awaitable[Correlated]:
        """Give a message to what waits for it now. It is refused if nothing does.

        Raises:
            NotFound: nothing waits for it.

        """
        return self._partitions.submit(
            CorrelateAtOnce(
                _message_name(name),
                checks.name("correlationKey", correlation_key),
                parse_variables(variables),
                checks.at_most("businessId", business_id, BUSINESS_ID_CHARACTERS),
                traceparent,
            )
        )

    def broadcast_signal(self, name: str, variables: str) -> Awaitable[int]:
        """Broadcast a signal; the answer is a key."""
        return self._partitions.submit(BroadcastSignal(checks.name("signalName", name), parse_variables(variables)))

    def evaluate_conditional(self, process_definition_key: int, variables: str) -> Awaitable[ConditionalsEvaluated]:
        """Start the processes whose conditional start event holds for *variables*: all (key 0), or only one."""
        key = checks.int64("processDefinitionKey", process_definition_key)
        if key < 0:
            raise NotFound(
                f"Expected to evaluate the process definition with key '{key}', but no such definition was found"
            )
        return self._partitions.submit(EvaluateConditional(key, parse_variables(variables)))


def _message_name(name: str) -> str:
    if not name:
        raise InvalidArgument("Expected a message to have a name, but found an empty one")
    return checks.name("name", name)
