"""Commands for process instances: create and cancel."""

from typing import Annotated

from msgspec import Raw, field

from osmia_broker.calls import checks
from osmia_broker.calls.checks import quoted
from osmia_broker.calls.faults import Faults
from osmia_broker.calls.processes.new_instance import LATEST, TAGS_MAX, Marks, NewInstance
from osmia_broker.engine.answers import Created
from osmia_broker.http.described import (
    BusinessId,
    GivenVariables,
    Int32,
    Name,
    OperationReference,
    Referenced,
    SeenVariables,
    Tag,
    one_of,
    schema,
)
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Body, Item, Key, Long, Text, variables_text

TAG = "Process instance"
TERMINATE = Text("TERMINATE_PROCESS_INSTANCE")  #: the only runtime instruction that there is


class StartInstruction(Body):
    """An element to begin at, instead of the start event."""

    element_id: Text


class RuntimeInstruction(Body):
    """An instruction for the time when the instance runs: end it after an element has completed."""

    type: Annotated[Text, one_of(TERMINATE)] = TERMINATE
    after_element_id: Name = Text("")


class Creation(Body):
    """A process instance to create. The process is named by its id, with a version or a version tag, or by the key of its definition."""

    process_definition_id: Text | None = None
    process_definition_key: Key | None = None
    process_definition_version: Int32 | None = None
    process_definition_version_tag: Text | None = None
    variables: GivenVariables = field(default_factory=Raw)
    tenant_id: Text | None = None
    start_instructions: list[StartInstruction] | None = None
    runtime_instructions: list[RuntimeInstruction] | None = None
    await_completion: bool | None = None  # null as absent
    fetch_variables: list[Text] | None = None
    request_timeout: Long | None = None  # ms
    tags: Annotated[list[Tag], schema(maxItems=TAGS_MAX)] | None = None
    business_id: BusinessId | None = None
    operation_reference: OperationReference | None = None


class CreatedInstance(Item):
    """A process instance that was created."""

    process_definition_id: str
    process_definition_version: int
    process_definition_key: str
    process_instance_key: str
    tenant_id: str
    variables: SeenVariables
    tags: list[str]
    business_id: str | None


@operation("POST", "/process-instances", tag=TAG, waits=True)
async def create_process_instance(call: Call, body: Creation) -> CreatedInstance:
    """Create a process instance, and wait for its end if the request asks for it."""
    faults = Faults()
    faults.require_one(
        processDefinitionId=body.process_definition_id, processDefinitionKey=body.process_definition_key or None
    )
    _check_version(faults, body)
    for one in body.runtime_instructions or ():
        if one.type.upper() != TERMINATE:
            faults.add(f"Expected a runtime instruction of type '{TERMINATE}', but found '{quoted(one.type)}'.")
    faults.refuse()
    checks.default_tenant("Create Process Instance", [body.tenant_id or ""])
    new = NewInstance(
        bpmn_process_id=body.process_definition_id or "",
        version=LATEST if body.process_definition_version is None else body.process_definition_version,
        version_tag=body.process_definition_version_tag or "",
        process_definition_key=body.process_definition_key or 0,
        variables=variables_text(body.variables),
        start_elements=tuple(one.element_id for one in body.start_instructions or ()),
        marks=_marks(call, body),
    )
    if not body.await_completion:
        return _created(await call.calls.create_instance(new), "{}")
    created, variables = await call.calls.create_instance_and_await_result(
        new, fetch_variables=tuple(body.fetch_variables or ()), wait_ms=body.request_timeout or 0
    )
    return _created(created, variables)


@operation("POST", "/process-instances/{processInstanceKey}/cancellation", tag=TAG, status=204)
async def cancel_process_instance(call: Call, process_instance_key: Key, body: Referenced | None = None) -> None:
    """Cancel a process instance with everything in it."""
    del body
    await call.calls.cancel_instance(process_instance_key)


def _check_version(faults: Faults, body: Creation) -> None:
    """Check that a version tag stands beside an id, and alone."""
    if body.process_definition_version_tag is None:
        return
    faults.require("processDefinitionVersionTag", body.process_definition_version_tag)
    others = {
        "processDefinitionKey": body.process_definition_key or None,
        "processDefinitionVersion": body.process_definition_version,
    }
    for name, value in others.items():
        if value is not None:
            faults.require_one(**{name: value, "processDefinitionVersionTag": body.process_definition_version_tag})


def _marks(call: Call, body: Creation) -> Marks:
    return Marks(
        business_id=body.business_id,
        tags=tuple(body.tags or ()),
        terminate_after=tuple(one.after_element_id for one in body.runtime_instructions or ()),
        idempotency_key=call.caller.idempotency_key,
        initiator=call.caller.user,
        traceparent=call.caller.traceparent,
    )


def _created(created: Created, variables: str) -> CreatedInstance:
    return CreatedInstance(
        process_definition_id=created.bpmn_process_id,
        process_definition_version=created.version,
        process_definition_key=str(created.process_definition_key),
        process_instance_key=str(created.process_instance_key),
        tenant_id=checks.DEFAULT_TENANT,
        variables=Raw(variables.encode()),
        tags=list(created.tags),
        business_id=created.business_id or None,
    )
