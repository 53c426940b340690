"""The command of each type of batch operation, for one item."""

from collections.abc import Callable, Sequence

from osmia_broker.engine.commands import (
    CancelProcessInstance,
    MigrateProcessInstance,
    ModifyProcessInstance,
    MoveInstruction,
    ResolveIncident,
    ResumeProcessInstance,
    SuspendProcessInstance,
    UpdateJob,
    UpdateJobRetries,
)
from osmia_broker.engine.commands.batches import BatchPlan, DeleteEndedInstance, DeleteEvaluation
from osmia_broker.engine.history_deletion import delete_ended_instance, delete_evaluation
from osmia_broker.engine.instances import cancel_process_instance
from osmia_broker.engine.jobs import update_job, update_job_retries
from osmia_broker.engine.migration import migrate_process_instance
from osmia_broker.engine.modification import modify_process_instance
from osmia_broker.engine.resolution import resolve_incident
from osmia_broker.engine.suspension.suspending import resume_process_instance, suspend_process_instance
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import ElementType
from osmia_broker.state.rows import ElementInstance
from osmia_broker.state.rows.batches import BatchItem, BatchType

Action = Callable[[Turn, BatchPlan, BatchItem], None]


def prepare(turn: Turn, type: BatchType, items: Sequence[BatchItem]) -> None:
    """Ask once for all process instances that the items belong to.

    Raises:
        Missing: some of them must be loaded first.

    """
    if type is not BatchType.DELETE_DECISION_INSTANCE:
        turn.state.find_all(ElementInstance, [item.target_instance_key for item in items])


def act(turn: Turn, type: BatchType, plan: BatchPlan, item: BatchItem) -> None:
    """Carry the command of a batch operation out for one item.

    Raises:
        Rejection: it is refused.

    """
    _ACTIONS[type](turn, plan, item)


def _cancel(turn: Turn, _plan: BatchPlan, item: BatchItem) -> None:
    cancel_process_instance(turn, CancelProcessInstance(item.item_key))


def _suspend(turn: Turn, _plan: BatchPlan, item: BatchItem) -> None:
    suspend_process_instance(turn, SuspendProcessInstance(item.item_key))


def _resume(turn: Turn, _plan: BatchPlan, item: BatchItem) -> None:
    resume_process_instance(turn, ResumeProcessInstance(item.item_key))


def _migrate(turn: Turn, plan: BatchPlan, item: BatchItem) -> None:
    mappings = plan.mappings + (_same_ids(turn, plan, item.item_key) if plan.maps_same_ids else ())
    migrate_process_instance(turn, MigrateProcessInstance(item.item_key, plan.target_definition_key, mappings))


def _same_ids(turn: Turn, plan: BatchPlan, process_instance_key: int) -> tuple[tuple[str, str], ...]:
    """Map each active element of a process instance that the plan says nothing of to the one with the same id."""
    active = {
        one.element_id for one in turn.elements.of_instance(process_instance_key) if one.type != ElementType.PROCESS
    }
    active |= {token.element_id for token in turn.tokens.of_instance(process_instance_key)}
    return tuple((id, id) for id in sorted(active - {source for source, _ in plan.mappings}))


def _modify(turn: Turn, plan: BatchPlan, item: BatchItem) -> None:
    moves = tuple(
        MoveInstruction(target, source_element_id=source, infers_ancestor=True) for source, target in plan.moves
    )
    modify_process_instance(turn, ModifyProcessInstance(item.item_key, move=moves))


def _resolve(turn: Turn, _plan: BatchPlan, item: BatchItem) -> None:
    """Resolve an incident; its job gets one more try if it has none left, because nobody looks at each job of a batch."""
    incident = turn.find_incident(item.item_key)
    if incident is not None and incident.job_key and turn.jobs[incident.job_key].retries <= 0:
        update_job_retries(turn, UpdateJobRetries(incident.job_key, 1))
    resolve_incident(turn, ResolveIncident(item.item_key))


def _delete(turn: Turn, _plan: BatchPlan, item: BatchItem) -> None:
    delete_ended_instance(turn, DeleteEndedInstance(item.item_key))


def _delete_evaluation(turn: Turn, _plan: BatchPlan, item: BatchItem) -> None:
    delete_evaluation(turn, DeleteEvaluation(item.item_key))


def _update_job(turn: Turn, plan: BatchPlan, item: BatchItem) -> None:
    update_job(turn, UpdateJob(item.item_key, plan.retries, plan.timeout_ms, plan.priority))


_ACTIONS: dict[BatchType, Action] = {
    BatchType.CANCEL_PROCESS_INSTANCE: _cancel,
    BatchType.DELETE_DECISION_INSTANCE: _delete_evaluation,
    BatchType.DELETE_PROCESS_INSTANCE: _delete,
    BatchType.MIGRATE_PROCESS_INSTANCE: _migrate,
    BatchType.MODIFY_PROCESS_INSTANCE: _modify,
    BatchType.RESOLVE_INCIDENT: _resolve,
    BatchType.RESUME_PROCESS_INSTANCE: _resume,
    BatchType.SUSPEND_PROCESS_INSTANCE: _suspend,
    BatchType.UPDATE_JOB: _update_job,
}
