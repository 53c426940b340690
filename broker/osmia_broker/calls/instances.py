"""Calls that change running process instances, and the definitions that they run."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import checks
from osmia_broker.calls.base import PartitionCalls
from osmia_broker.engine.commands import (
    ActivateInstruction,
    AssignBusinessId,
    CancelProcessInstance,
    CreateProcessInstance,
    MigrateProcessInstance,
    ModifyProcessInstance,
    MoveInstruction,
    ResumeProcessInstance,
    SuspendProcessInstance,
    TerminateInstruction,
)

LATEST = -1  #: as a version: the latest one of a process
TAGS_MAX = 10  # of one process instance, as the reference allows
TAG_CHARACTERS = 100
IDEMPOTENCY_KEY_CHARACTERS = 256
USER_CHARACTERS = 256  # of the name of a user


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks that a caller gives to a new process instance, and the elements after which it is terminated."""

    business_id: str | None = None  # None for none; an empty one is refused
    tags: tuple[str, ...] = ()
    terminate_after: tuple[str, ...] = ()
    idempotency_key: str = ""
    initiator: str = ""  # the user who calls
    traceparent: str = ""  # their trace context, valid

    def added_to(self, command: CreateProcessInstance) -> CreateProcessInstance:
        """Return *command* with these marks.

        Raises:
            InvalidArgument: one of them is empty or too long, or there are too many.

        """
        if self is NO_MARKS:
            return command
        checks.few("runtimeInstructions", self.terminate_after)
        if not all(self.terminate_after):
            raise InvalidArgument("Expected a runtime instruction to name an element, but found none")
        if len(self.tags) > TAGS_MAX:
            raise InvalidArgument(f"Expected at most {TAGS_MAX} tags, but found {len(self.tags)}")
        return replace(
            command,
            business_id="" if self.business_id is None else checks.business_id(self.business_id),
            tags=tuple(checks.tag(tag, TAG_CHARACTERS) for tag in self.tags),
            terminate_after=self.terminate_after,
            idempotency_key=checks.at_most("idempotency key", self.idempotency_key, IDEMPOTENCY_KEY_CHARACTERS),
            initiator=checks.at_most("osmia-user", self.initiator, USER_CHARACTERS),
            traceparent=self.traceparent,
        )


NO_MARKS = Marks()


class InstanceCalls(PartitionCalls):
    """Cancel, modify, migrate, suspend and name process instances; delete definitions."""

    def cancel_instance(self, process_instance_key: int) -> Awaitable[None]:
        """End an instance with everything in it."""
        return self._partition.submit(CancelProcessInstance(checks.int64("processInstanceKey", process_instance_key)))

    def modify_instance(
        self,
        process_instance_key: int,
        *,
        activate: Sequence[ActivateInstruction] = (),
        terminate: Sequence[TerminateInstruction] = (),
        move: Sequence[MoveInstruction] = (),
    ) -> Awaitable[None]:
        """Activate, terminate and move elements of a running instance: all instructions, or none."""
        key = checks.int64("processInstanceKey", process_instance_key)
        checks.few("the instructions", (*activate, *terminate, *move))
        return self._partition.submit(ModifyProcessInstance(key, tuple(activate), tuple(terminate), tuple(move)))

    def migrate_instance(
        self, process_instance_key: int, target_definition_key: int, mappings: Sequence[tuple[str, str]]
    ) -> Awaitable[None]:
        """Let a running instance go on in another definition. *mappings* are (source element id, target element id)."""
        checks.few("mappingInstructions", mappings)
        return self._partition.submit(
            MigrateProcessInstance(
                checks.int64("processInstanceKey", process_instance_key),
                checks.int64("targetProcessDefinitionKey", target_definition_key),
                tuple(mappings),
            )
        )

    def assign_business_id(self, process_instance_key: int, business_id: str) -> Awaitable[None]:
        """Give a running instance that has no business id this one."""
        given = checks.business_id(business_id)
        return self._partition.submit(AssignBusinessId(checks.int64("processInstanceKey", process_instance_key), given))

    def suspend_instance(self, process_instance_key: int) -> Awaitable[None]:
        """Suspend a running instance."""
        return self._partition.submit(SuspendProcessInstance(checks.int64("processInstanceKey", process_instance_key)))

    def resume_instance(self, process_instance_key: int) -> Awaitable[None]:
        """Let a suspended instance go on."""
        return self._partition.submit(ResumeProcessInstance(checks.int64("processInstanceKey", process_instance_key)))
