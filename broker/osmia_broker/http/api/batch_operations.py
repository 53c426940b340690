"""Batch operations: begin them over a filter, look at them, and stop them."""

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from osmia_broker.calls.batches.plans import job_changes, modification_plan
from osmia_broker.http.batches import BatchCreated, InstancesFilter, begin
from osmia_broker.http.described import Name, Referenced, schema
from osmia_broker.http.instructions import MigrationPlan, migration
from osmia_broker.http.job_bodies import JobChanges
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.searching import filter_schema, serve_get, serve_search
from osmia_broker.http.types import Body, Empty, Key
from osmia_broker.state.rows.batches import BatchType
from osmia_broker.store.read.entities import (
    DECISION_INSTANCES,
    JOBS,
)

TAG, INSTANCE_TAG = "Batch operation", "Process instance"
BATCH = "/batch-operations/{batchOperationKey}"


class Migration(InstancesFilter):
    """The process instances to migrate, and how."""

    migration_plan: MigrationPlan | None = None


class MoveOfAll(Body):
    """Tokens to move from one element to another, in every process instance."""

    source_element_id: Name | None = None
    target_element_id: Name | None = None


class MovesOfAll(InstancesFilter):
    """The process instances to modify, and the tokens to move."""

    move_instructions: list[MoveOfAll] | None = None


class ChangesOfJobs(Referenced):
    """The jobs to change, and their new values."""

    filter: Annotated[dict[str, Any], schema(**filter_schema(JOBS))] | UnsetType | None = UNSET
    changeset: JobChanges | None = None


class EvaluationsFilter(Referenced):
    """The evaluations of decisions to delete."""

    filter: Annotated[dict[str, Any], schema(**filter_schema(DECISION_INSTANCES))] | UnsetType | None = UNSET


@operation("POST", "/process-instances/cancellation", tag=INSTANCE_TAG)
async def cancel_process_instances(call: Call, body: InstancesFilter) -> BatchCreated:
    """Cancel the root process instances that pass a filter."""
    return await begin(call, BatchType.CANCEL_PROCESS_INSTANCE, body.filter)


@operation("POST", "/process-instances/suspension", tag=INSTANCE_TAG)
async def suspend_process_instances(call: Call, body: InstancesFilter) -> BatchCreated:
    """Suspend the root process instances that pass a filter."""
    return await begin(call, BatchType.SUSPEND_PROCESS_INSTANCE, body.filter)


@operation("POST", "/process-instances/resumption", tag=INSTANCE_TAG)
async def resume_process_instances(call: Call, body: InstancesFilter) -> BatchCreated:
    """Let the suspended root process instances that pass a filter go on."""
    return await begin(call, BatchType.RESUME_PROCESS_INSTANCE, body.filter)


@operation("POST", "/process-instances/deletion", tag=INSTANCE_TAG)
async def delete_process_instances(call: Call, body: InstancesFilter) -> BatchCreated:
    """Delete the ended process instances that pass a filter, with their history."""
    return await begin(call, BatchType.DELETE_PROCESS_INSTANCE, body.filter)


@operation("POST", "/process-instances/migration", tag=INSTANCE_TAG)
async def migrate_process_instances(call: Call, body: Migration) -> BatchCreated:
    """Migrate the process instances that pass a filter."""
    plan = migration(body.migration_plan or MigrationPlan())
    return await begin(call, BatchType.MIGRATE_PROCESS_INSTANCE, body.filter, plan)


@operation("POST", "/process-instances/modification", tag=INSTANCE_TAG)
async def modify_process_instances(call: Call, body: MovesOfAll) -> BatchCreated:
    """Move tokens in the process instances that pass a filter."""
    moves = [(one.source_element_id or "", one.target_element_id or "") for one in body.move_instructions or ()]
    return await begin(call, BatchType.MODIFY_PROCESS_INSTANCE, body.filter, modification_plan(moves))


@operation("POST", "/process-instances/incident-resolution", tag=INSTANCE_TAG)
async def resolve_incidents(call: Call, body: InstancesFilter | None = None) -> BatchCreated:
    """Resolve the incidents of the process instances that pass a filter; without one, all incidents."""
    return await begin(call, BatchType.RESOLVE_INCIDENT, None if body is None else body.filter)


@operation("POST", "/process-instances/{processInstanceKey}/incident-resolution", tag=INSTANCE_TAG)
async def resolve_process_instance_incidents(call: Call, process_instance_key: Key) -> BatchCreated:
    """Resolve all incidents of one process instance."""
    return BatchCreated.of(await call.calls.resolve_incidents_of(process_instance_key, user=call.caller.user))


@operation("POST", "/process-instances/{processInstanceKey}/deletion", tag=INSTANCE_TAG, status=204)
async def delete_process_instance(call: Call, process_instance_key: Key, body: Referenced | None = None) -> None:
    """Delete a process instance that has ended, with its history."""
    del body
    await call.calls.delete_ended_instance(process_instance_key)


@operation("POST", "/jobs/batch-update", tag="Job")
async def update_jobs(call: Call, body: ChangesOfJobs) -> BatchCreated:
    """Change the jobs that pass a filter."""
    changes = body.changeset or JobChanges()
    plan = job_changes(retries=changes.retries, timeout_ms=changes.timeout, priority=changes.priority)
    return await begin(call, BatchType.UPDATE_JOB, body.filter, plan)


@operation("POST", "/decision-instances/deletion", tag="Decision instance")
async def delete_decision_instances(call: Call, body: EvaluationsFilter) -> BatchCreated:
    """Delete the evaluations of decisions that pass a filter."""
    return await begin(call, BatchType.DELETE_DECISION_INSTANCE, body.filter)


@operation("POST", "/decision-instances/{decisionEvaluationKey}/deletion", tag="Decision instance", status=204)
async def delete_decision_instance(call: Call, decision_evaluation_key: Key, body: Referenced | None = None) -> None:
    """Delete one evaluation of a decision."""
    del body
    await call.calls.delete_evaluation(decision_evaluation_key)


@operation("POST", BATCH + "/cancellation", tag=TAG, status=204)
async def cancel_batch_operation(call: Call, batch_operation_key: Key, body: Empty | None = None) -> None:
    """End a batch operation; nothing is done to the items that are left."""
    del body
    await call.calls.cancel_batch(batch_operation_key)


@operation("POST", BATCH + "/suspension", tag=TAG, status=204)
async def suspend_batch_operation(call: Call, batch_operation_key: Key, body: Empty | None = None) -> None:
    """Pause a batch operation until it is resumed."""
    del body
    await call.calls.suspend_batch(batch_operation_key)


@operation("POST", BATCH + "/resumption", tag=TAG, status=204)
async def resume_batch_operation(call: Call, batch_operation_key: Key, body: Empty | None = None) -> None:
    """Let a suspended batch operation go on."""
    del body
    await call.calls.resume_batch(batch_operation_key)


serve_get(BATCH, name="get_batch_operation", tag=TAG)
serve_search(
    "/batch-operations/search",
    name="search_batch_operations",
    tag=TAG,
    summary="Search batch operations.",
)
serve_search(
    "/batch-operation-items/search",
    name="search_batch_operation_items",
    tag=TAG,
    summary="Search the items of batch operations.",
)
