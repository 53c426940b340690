"""The audit log: which commands are operations of people, and what the log keeps of each.

A door wraps the command of a person in `ByPerson`. Its entry is written in the same turn as its effects, so both are committed or neither.
Commands of workers are never wrapped: they pay nothing. User tasks have a log of their own (`TaskEvent`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from osmia_broker.engine import commands
from osmia_broker.engine.commands import Command, batches
from osmia_broker.engine.commands.tasks import (
    CreateGlobalTaskListener,
    DeleteGlobalTaskListener,
    UpdateGlobalTaskListener,
)
from osmia_broker.engine.engine import HANDLERS, handles
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance, Incident, Job
from osmia_broker.state.rows.history import AuditEntity, AuditEntry, AuditOperation

DESCRIPTION_CHARACTERS = 1_000


class ByPerson(Command, frozen=True, gc=False):
    """Carry *command* out for *user* (empty if nobody is named) and write it into the audit log. The answer is that of the command."""

    command: Command
    user: str

    @property
    def intent(self) -> str:  # type: ignore[override]  # of one command, where others have that of their class
        """The name of the command in error texts."""
        return self.command.intent

    @property
    def inner(self) -> Command:
        """The command of the person."""
        return self.command


class Subject(NamedTuple):
    """The subject of an operation. A key of 0: there is none."""

    key: int
    process_instance_key: int = 0
    definition_key: int = 0
    element_instance_key: int = 0
    description: str = ""


Find = Callable[[Turn, Any], Subject | None]  #: looks before the command; None: look at its answer
Read = Callable[[Any, Any], Subject]  #: makes the subject of a command and its answer


class Logged(NamedTuple):
    """The rule by which a command is logged. *find* looks for its subject before the command, *read* makes it of the answer if that found none."""

    entity: AuditEntity
    operation: AuditOperation
    find: Find | None = None
    read: Read | None = None


def _keyed(field: str) -> Find:
    """Return a `Find` for commands that name their subject in *field*, of which nothing else is known."""

    def find(_turn: Turn, command: Any) -> Subject:
        return Subject(getattr(command, field))

    return find


def _instance(turn: Turn, command: Any) -> Subject:
    row = turn.state.find(ElementInstance, command.process_instance_key)
    return Subject(command.process_instance_key, command.process_instance_key, row.process_definition_key if row else 0)


def _ended_instance(_turn: Turn, command: Any) -> Subject:
    return Subject(command.process_instance_key, command.process_instance_key)


def _scope(turn: Turn, command: commands.SetVariables) -> Subject:
    key, names = command.element_instance_key, ", ".join(command.variables)
    row = turn.state.find(ElementInstance, key)
    if row is None:
        return Subject(key)
    return Subject(key, row.process_instance_key, row.process_definition_key, key, names[:DESCRIPTION_CHARACTERS])


def _ad_hoc(turn: Turn, command: commands.ActivateAdHocElements) -> Subject:
    key, ids = command.ad_hoc_key, ", ".join(one.element_id for one in command.elements)
    row = turn.state.find(ElementInstance, key)
    if row is None:
        return Subject(key)
    instance = row.process_instance_key
    return Subject(instance, instance, row.process_definition_key, key, ids[:DESCRIPTION_CHARACTERS])


def _job(turn: Turn, command: Any) -> Subject:
    return _of_row(turn.state.find(Job, command.job_key), command.job_key)


def _incident(turn: Turn, command: commands.ResolveIncident) -> Subject:
    return _of_row(turn.state.find(Incident, command.incident_key), command.incident_key)


def _of_row(row: Any, key: int) -> Subject:
    if row is None:
        return Subject(key)
    return Subject(key, row.process_instance_key, row.process_definition_key, row.element_instance_key)


def _created(_command: Any, answer: Any) -> Subject:
    return Subject(answer.process_instance_key, answer.process_instance_key, answer.process_definition_key)


def _deployed(command: commands.DeployResources, answer: Any) -> Subject:
    names = ", ".join(resource.name for resource in command.resources)
    return Subject(answer.key, description=names[:DESCRIPTION_CHARACTERS])


def _evaluated(_command: Any, answer: Any) -> Subject:
    return Subject(answer.key, definition_key=answer.decision.key, description=answer.decision.decision_id)


def _cluster_variable(_turn: Turn, command: Any) -> Subject:
    return Subject(0, description=command.name)


def _task_listener(turn: Turn, command: Any) -> Subject | None:
    row = turn.global_listeners.of_id(command.id)
    return None if row is None else Subject(row.key, description=row.id)


def _created_listener(_command: Any, row: Any) -> Subject:
    return Subject(row.key, description=row.id)


#: The operations of people, by the command that carries them out.
OPERATIONS: dict[type[Command], Logged] = {
    commands.CreateProcessInstance: Logged(AuditEntity.PROCESS_INSTANCE, AuditOperation.CREATE, read=_created),
    commands.CancelProcessInstance: Logged(AuditEntity.PROCESS_INSTANCE, AuditOperation.CANCEL, _instance),
    commands.ModifyProcessInstance: Logged(AuditEntity.PROCESS_INSTANCE, AuditOperation.MODIFY, _instance),
    commands.ActivateAdHocElements: Logged(AuditEntity.PROCESS_INSTANCE, AuditOperation.MODIFY, _ad_hoc),
    commands.MigrateProcessInstance: Logged(AuditEntity.PROCESS_INSTANCE, AuditOperation.MIGRATE, _instance),
    commands.SuspendProcessInstance: Logged(AuditEntity.PROCESS_INSTANCE, AuditOperation.SUSPEND, _instance),
    commands.ResumeProcessInstance: Logged(AuditEntity.PROCESS_INSTANCE, AuditOperation.RESUME, _instance),
    commands.AssignBusinessId: Logged(AuditEntity.PROCESS_INSTANCE, AuditOperation.UPDATE, _instance),
    batches.DeleteEndedInstance: Logged(AuditEntity.PROCESS_INSTANCE, AuditOperation.DELETE, _ended_instance),
    commands.SetVariables: Logged(AuditEntity.VARIABLE, AuditOperation.UPDATE, _scope),
    commands.ResolveIncident: Logged(AuditEntity.INCIDENT, AuditOperation.RESOLVE, _incident),
    commands.UpdateJobRetries: Logged(AuditEntity.JOB, AuditOperation.UPDATE, _job),
    commands.UpdateJobTimeout: Logged(AuditEntity.JOB, AuditOperation.UPDATE, _job),
    commands.UpdateJobPriority: Logged(AuditEntity.JOB, AuditOperation.UPDATE, _job),
    commands.UpdateJob: Logged(AuditEntity.JOB, AuditOperation.UPDATE, _job),
    commands.DeployResources: Logged(AuditEntity.RESOURCE, AuditOperation.CREATE, read=_deployed),
    commands.DeleteResource: Logged(AuditEntity.RESOURCE, AuditOperation.DELETE, _keyed("resource_key")),
    commands.EvaluateDecision: Logged(AuditEntity.DECISION, AuditOperation.EVALUATE, read=_evaluated),
    batches.DeleteEvaluation: Logged(AuditEntity.DECISION, AuditOperation.DELETE, _keyed("evaluation_key")),
    batches.CreateBatch: Logged(
        AuditEntity.BATCH, AuditOperation.CREATE, read=lambda command, key: Subject(key, description=str(command.type))
    ),
    batches.SuspendBatch: Logged(AuditEntity.BATCH, AuditOperation.SUSPEND, _keyed("batch_key")),
    batches.ResumeBatch: Logged(AuditEntity.BATCH, AuditOperation.RESUME, _keyed("batch_key")),
    batches.CancelBatch: Logged(AuditEntity.BATCH, AuditOperation.CANCEL, _keyed("batch_key")),
    commands.CreateClusterVariable: Logged(AuditEntity.CLUSTER_VARIABLE, AuditOperation.CREATE, _cluster_variable),
    commands.UpdateClusterVariable: Logged(AuditEntity.CLUSTER_VARIABLE, AuditOperation.UPDATE, _cluster_variable),
    commands.DeleteClusterVariable: Logged(AuditEntity.CLUSTER_VARIABLE, AuditOperation.DELETE, _cluster_variable),
    CreateGlobalTaskListener: Logged(AuditEntity.TASK_LISTENER, AuditOperation.CREATE, read=_created_listener),
    UpdateGlobalTaskListener: Logged(AuditEntity.TASK_LISTENER, AuditOperation.UPDATE, _task_listener),
    DeleteGlobalTaskListener: Logged(AuditEntity.TASK_LISTENER, AuditOperation.DELETE, _task_listener),
}

#: The commands that programs send all day. One is an operation of a person only if the caller names that person.
DAILY = frozenset(
    {
        commands.CreateProcessInstance,
        commands.ActivateAdHocElements,
        commands.SetVariables,
        commands.EvaluateDecision,
        commands.UpdateJobRetries,
        commands.UpdateJobTimeout,
        commands.UpdateJobPriority,
        commands.UpdateJob,
    }
)


def by_person(command: Command, user: str) -> Command:
    """Return the command as the operation of *user*; as it is, if the audit log does not ask for it."""
    kind = type(command)
    return ByPerson(command, user) if kind in OPERATIONS and (user or kind not in DAILY) else command


@handles(ByPerson)
def carry_out_by_person(turn: Turn, operation: ByPerson) -> Any:
    """Carry the command out, then write its entry."""
    command = operation.command
    logged = OPERATIONS[type(command)]
    key = turn.next_key()
    subject = logged.find(turn, command) if logged.find is not None else None
    answer = HANDLERS[type(command)](turn, command)
    if subject is None and logged.read is not None:
        subject = logged.read(command, answer)
        if subject.key < key:
            return answer  # a creation that is repeated: nothing was created
    assert subject is not None, f"{type(command).__name__} has a subject"
    turn.notes[AuditEntry].write(
        AuditEntry(
            key=key,
            process_instance_key=subject.process_instance_key,
            definition_key=subject.definition_key,
            element_instance_key=subject.element_instance_key,
            entity_type=logged.entity,
            entity_key=subject.key or key,
            operation=logged.operation,
            description=subject.description,
            user=operation.user,
            at_ms=turn.now_ms,
        )
    )
    return answer


def name_of(command: Command) -> str:
    """Return the name of a command in metrics and logs: of an operation of a person, that of its command."""
    return type(command.inner).__name__
