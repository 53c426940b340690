"""The marks of process instances: business ids, and the keys by which a repeated creation is recognised."""

from osmia_broker.base.errors import AlreadyExists, InvalidState, NotFound
from osmia_broker.engine.answers import Created
from osmia_broker.engine.commands import AssignBusinessId, CreateProcessInstance
from osmia_broker.engine.commands.due import ExpireCreation
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.remote import report_opened
from osmia_broker.engine.lifecycle import is_ending
from osmia_broker.engine.new_instances import business_id_of, decode_tags, encode_tags, origin_of
from osmia_broker.engine.suspension.suspending import refuse_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import ElementType
from osmia_broker.state.rows import BusinessId, CreatedOnce, ElementInstance

_BY_ID = ("bpmn_process_id", "business_id")
RETENTION_MS = 24 * 3_600_000  # how long a creation is remembered: longer than any client tries


# --- business ids


def taken_by(turn: Turn, process_id: str, business_id: str) -> int:
    """Return the key of the living root instance of a process with this business id, where these are unique; else 0.

    Called instances do not count: they have the business id of their caller, or the one that the call names.
    """
    after, has_more = 0, turn.unique_business_ids
    while has_more:
        found, has_more = turn.state.match(BusinessId, _BY_ID, (process_id, business_id), after)
        for row in found:
            origin = origin_of(turn, row.process_instance_key)
            if origin is None or not origin.parent_process_instance_key:
                return int(row.process_instance_key)
        after = found[-1].key if found else 0
    return 0


def needs_creation(turn: Turn) -> bool:
    """Whether only a creation can give a business id here: they are unique over several partitions."""
    return turn.unique_business_ids and turn.partitions > 1


def refuse_late(turn: Turn, business_id: str, verb: str) -> None:
    """Refuse to give a business id where only a creation can.

    A creation is carried out in the partition that decides about the id. An instance that runs in another one cannot go there, and
    neither can a message, which meets what waits for it in the partition of its key.
    """
    if needs_creation(turn):
        raise InvalidState(
            f"Expected to {verb} with business id '{business_id}' when it is created, because business ids are unique over"
            f" {turn.partitions} partitions, but found a later moment or a message"
        )


def give_business_id(
    turn: Turn, process: ElementInstance, business_id: str, verb: str, *, is_creation: bool = False
) -> None:
    """Give *process*, which has none, a business id. *verb* says for the refusal what is being done.

    Raises:
        AlreadyExists: another living instance of the process has it, and business ids are unique here.
        InvalidState: as `refuse_late`, unless it *is_creation*.

    """
    if not is_creation:
        refuse_late(turn, business_id, verb)
    if other := taken_by(turn, process.element_id, business_id):
        raise AlreadyExists(
            f"Expected to {verb} with business id '{business_id}', but process instance '{other}' has it"
        )
    turn.business_ids.insert(BusinessId(turn.next_key(), process.key, process.key, process.element_id, business_id))
    for subscription in turn.subscriptions.of_instance(process.key):
        report_opened(turn, subscription)


@handles(AssignBusinessId)
def assign_business_id(turn: Turn, command: AssignBusinessId) -> None:
    """Give a running root instance its business id, for a caller."""
    key = command.process_instance_key
    process = turn.find_element(key)
    if process is None or process.type != ElementType.PROCESS or is_ending(turn, process):
        raise NotFound(
            f"Expected to assign a business id to process instance with key '{key}', but no such process was found"
        )
    refuse_suspended(turn, key, f"assign a business id to process instance '{key}'")
    assign(turn, process, command.business_id)


def assign(turn: Turn, process: ElementInstance, business_id: str) -> None:
    """Give a running root instance its business id. A repetition with the same one changes nothing.

    Raises:
        InvalidState: it has another one, or it was called by another instance.
        AlreadyExists: another instance has it, and business ids are unique here.

    """
    origin = origin_of(turn, process.key)
    if origin is not None and origin.parent_process_instance_key:
        raise InvalidState(
            f"Expected to assign a business id to a root process instance, but '{process.key}' was called by another one"
        )
    has = business_id_of(turn, process.key)
    if has and has != business_id:
        raise InvalidState(f"Expected process instance '{process.key}' to have no business id, but found '{has}'")
    if not has:
        give_business_id(turn, process, business_id, f"assign process instance '{process.key}'")


# --- creations that are repeated


def find_first(turn: Turn, command: CreateProcessInstance) -> Created | None:
    """Return the answer to the first creation with the key of *command*; None if there was none within RETENTION_MS.

    The repetition may differ in its variables and marks: the first creation counts.

    Raises:
        AlreadyExists: the first creation was one of another process, so the caller has used a key twice.

    """
    found, _ = turn.state.match(CreatedOnce, ("idempotency_key",), (command.idempotency_key,))
    row = next((one for one in found if one.expires_ms > turn.now_ms), None)
    if row is None:
        return None
    if command.bpmn_process_id:
        is_same = command.bpmn_process_id == row.bpmn_process_id
    else:
        is_same = command.process_definition_key == row.process_definition_key
    if not is_same:
        raise AlreadyExists(
            f"Expected an idempotency key that was not used yet, but process instance '{row.created_process_instance_key}'"
            f" of process '{row.bpmn_process_id}' was created with '{command.idempotency_key}'"
        )
    return Created(
        process_definition_key=row.process_definition_key,
        bpmn_process_id=row.bpmn_process_id,
        version=row.version,
        process_instance_key=row.created_process_instance_key,
        business_id=row.business_id,
        tags=decode_tags(row.tags),
    )


def keep_first(turn: Turn, idempotency_key: str, created: Created) -> None:
    """Remember a creation, for those who repeat it."""
    key = turn.next_key()
    turn.created_once.insert(
        CreatedOnce(
            key=key,
            process_instance_key=key,
            idempotency_key=idempotency_key,
            process_definition_key=created.process_definition_key,
            bpmn_process_id=created.bpmn_process_id,
            version=created.version,
            created_process_instance_key=created.process_instance_key,
            business_id=created.business_id,
            tags=encode_tags(created.tags),
            expires_ms=turn.now_ms + RETENTION_MS,
        )
    )


@handles(ExpireCreation)
def expire_creation(turn: Turn, command: ExpireCreation) -> None:
    """Forget a creation that nobody repeats any more."""
    row: CreatedOnce | None = turn.state.find(CreatedOnce, command.created_once_key)
    if row is None:
        return
    if row.expires_ms > turn.now_ms:  # the clock was set back since the look
        turn.state.deadlines.add(row.expires_ms)
    else:
        turn.created_once.delete(row)
