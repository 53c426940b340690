"""A new process instance, as a caller asks for it."""

from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import checks
from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine.commands import CreateProcessInstance

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
        tags = tuple(dict.fromkeys(self.tags))  # a set, in the order of the caller
        if len(tags) > TAGS_MAX:
            raise InvalidArgument(f"Expected at most {TAGS_MAX} tags, but found {len(tags)}")
        return replace(
            command,
            business_id="" if self.business_id is None else checks.business_id(self.business_id),
            tags=tuple(checks.tag(tag, TAG_CHARACTERS) for tag in tags),
            terminate_after=self.terminate_after,
            idempotency_key=checks.at_most("idempotency key", self.idempotency_key, IDEMPOTENCY_KEY_CHARACTERS),
            initiator=checks.at_most("osmia-user", self.initiator, USER_CHARACTERS),
            traceparent=self.traceparent,
        )


NO_MARKS = Marks()


class NewInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance of a process, which is named by its id (and a version or a version tag) or else by its key."""

    bpmn_process_id: str = ""
    version: int = LATEST  # below 0 the latest
    version_tag: str = ""
    process_definition_key: int = 0
    variables: str = ""  # a JSON object
    start_elements: tuple[str, ...] = ()
    marks: Marks = NO_MARKS

    def command(self) -> CreateProcessInstance:
        """Return the command that creates it.

        Raises:
            InvalidArgument: a value is none of its kind, or too long.

        """
        checks.few("startInstructions", self.start_elements)
        return self.marks.added_to(
            CreateProcessInstance(
                bpmn_process_id=self.bpmn_process_id,
                version=checks.int32("version", self.version),
                process_definition_key=checks.int64("processDefinitionKey", self.process_definition_key),
                variables=parse_variables(self.variables),
                start_elements=self.start_elements,
                version_tag=self.version_tag,
            )
        )
