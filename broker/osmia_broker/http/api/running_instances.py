"""Commands for running process instances: modify, migrate, suspend, resume, and name them."""

from osmia_broker.calls.faults import Faults, require
from osmia_broker.http.described import BusinessId, Referenced
from osmia_broker.http.instructions import (
    MigrationPlan,
    Modification,
    activations,
    check_modification,
    migration,
    moves,
    terminations,
)
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Body, Key

TAG = "Process instance"


class NewBusinessId(Body):
    """The business id of a process instance."""

    business_id: BusinessId | None = None


@operation("POST", "/process-instances/{processInstanceKey}/modification", tag=TAG, status=204)
async def modify_process_instance(call: Call, process_instance_key: Key, body: Modification) -> None:
    """Activate, terminate and move elements of a running process instance."""
    faults = Faults()
    check_modification(body, faults)
    faults.refuse()
    await call.calls.modify_instance(
        process_instance_key,
        activate=activations(body),
        terminate=terminations(body),
        move=moves(body.move_instructions),
    )


@operation("POST", "/process-instances/{processInstanceKey}/migration", tag=TAG, status=204)
async def migrate_process_instance(call: Call, process_instance_key: Key, body: MigrationPlan) -> None:
    """Let a running process instance go on in another definition."""
    plan = migration(body)
    await call.calls.migrate_instance(process_instance_key, plan.target_definition_key, plan.mappings)


@operation("POST", "/process-instances/{processInstanceKey}/suspension", tag=TAG, status=204)
async def suspend_process_instance(call: Call, process_instance_key: Key, body: Referenced | None = None) -> None:
    """Suspend a running process instance."""
    del body
    await call.calls.suspend_instance(process_instance_key)


@operation("POST", "/process-instances/{processInstanceKey}/resumption", tag=TAG, status=204)
async def resume_process_instance(call: Call, process_instance_key: Key, body: Referenced | None = None) -> None:
    """Let a suspended process instance go on."""
    del body
    await call.calls.resume_instance(process_instance_key)


@operation("POST", "/process-instances/{processInstanceKey}/business-id-assignment", tag=TAG, status=204)
async def assign_business_id(call: Call, process_instance_key: Key, body: NewBusinessId) -> None:
    """Give a running process instance that has no business id this one."""
    require(businessId=body.business_id)
    await call.calls.assign_business_id(process_instance_key, body.business_id or "")
