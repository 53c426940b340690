"""Messages, signals and conditions: what reaches processes from outside."""

from msgspec import Raw, field

from osmia_broker.calls import checks
from osmia_broker.calls.faults import require
from osmia_broker.http.described import BusinessId, GivenVariables, LongName, Name
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Body, Item, Key, Long, Text, variables_text


class Publication(Body):
    """A message to publish. *time_to_live* is in milliseconds."""

    name: Name | None = None
    correlation_key: LongName | None = None
    time_to_live: Long | None = None
    message_id: LongName | None = None
    variables: GivenVariables = field(default_factory=Raw)
    tenant_id: Text | None = None
    business_id: BusinessId | None = None


class Published(Item):
    """A message that was published."""

    message_key: str
    tenant_id: str = checks.DEFAULT_TENANT


class Correlation(Body):
    """A message to correlate at once."""

    name: Name | None = None
    correlation_key: LongName | None = None
    variables: GivenVariables = field(default_factory=Raw)
    tenant_id: Text | None = None
    business_id: BusinessId | None = None


class Correlated(Item):
    """A message that has reached a process instance."""

    message_key: str
    process_instance_key: str
    tenant_id: str = checks.DEFAULT_TENANT


class Broadcast(Body):
    """A signal to broadcast."""

    signal_name: Name | None = None
    variables: GivenVariables = field(default_factory=Raw)
    tenant_id: Text | None = None


class Signalled(Item):
    """A signal that was broadcast."""

    signal_key: str
    tenant_id: str = checks.DEFAULT_TENANT


class Conditional(Body):
    """The variables for which conditional start events are to be evaluated."""

    variables: GivenVariables = field(default_factory=Raw)
    tenant_id: Text | None = None
    process_definition_key: Key | None = None


class StartedInstance(Item):
    """A process instance that was started."""

    process_definition_key: str
    process_instance_key: str


class Evaluated(Item):
    """The process instances whose conditions held."""

    conditional_evaluation_key: str
    process_instances: list[StartedInstance]
    tenant_id: str = checks.DEFAULT_TENANT


@operation("POST", "/messages/publication", tag="Message")
async def publish_message(call: Call, body: Publication) -> Published:
    """Publish a message; with a time to live it is kept for events that wait later."""
    require(messageName=body.name)
    checks.default_tenant("Publish Message", [body.tenant_id or ""])
    if body.business_id is not None:
        checks.business_id(body.business_id)
    key = await call.calls.publish_message(
        body.name or "",
        correlation_key=body.correlation_key or "",
        time_to_live_ms=body.time_to_live or 0,
        message_id=body.message_id or "",
        variables=variables_text(body.variables),
        business_id=body.business_id or "",
        traceparent=call.caller.traceparent,
    )
    return Published(message_key=str(key))


@operation("POST", "/messages/correlation", tag="Message")
async def correlate_message(call: Call, body: Correlation) -> Correlated:
    """Correlate a message at once, with the first event that waits for it."""
    require(messageName=body.name)
    checks.default_tenant("Correlate Message", [body.tenant_id or ""])
    if body.business_id is not None:
        checks.business_id(body.business_id)
    answer = await call.calls.correlate_message(
        body.name or "",
        correlation_key=body.correlation_key or "",
        variables=variables_text(body.variables),
        business_id=body.business_id or "",
        traceparent=call.caller.traceparent,
    )
    return Correlated(message_key=str(answer.message_key), process_instance_key=str(answer.process_instance_key))


@operation("POST", "/signals/broadcast", tag="Signal")
async def broadcast_signal(call: Call, body: Broadcast) -> Signalled:
    """Broadcast a signal to all events that wait for it now."""
    require(signalName=body.signal_name)
    checks.default_tenant("Broadcast Signal", [body.tenant_id or ""])
    key = await call.calls.broadcast_signal(body.signal_name or "", variables_text(body.variables))
    return Signalled(signal_key=str(key))


@operation("POST", "/conditionals/evaluation", tag="Conditional")
async def evaluate_conditionals(call: Call, body: Conditional) -> Evaluated:
    """Start the processes whose conditional start event holds for the given variables."""
    checks.default_tenant("Evaluate Conditional", [body.tenant_id or ""])
    answer = await call.calls.evaluate_conditional(body.process_definition_key or 0, variables_text(body.variables))
    started = [
        StartedInstance(process_definition_key=str(definition_key), process_instance_key=str(key))
        for definition_key, key in answer.started
    ]
    return Evaluated(conditional_evaluation_key=str(answer.key), process_instances=started)
