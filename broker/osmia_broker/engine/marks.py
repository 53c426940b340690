"""The marks of process instances: business ids, and the keys by which a repeated creation is recognised (contract-8.10.md, section 2)."""

from osmia_broker.engine.answers import Created
from osmia_broker.engine.commands import AssignBusinessId, ExpireCreation
from osmia_broker.engine.engine import handles
from osmia_broker.engine.new_instances import origin_of
from osmia_broker.engine.suspension import refuse_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.errors import AlreadyExists, InvalidState, NotFound
from osmia_broker.model.graph import ElementType
from osmia_broker.state.rows import BusinessId, CreatedOnce, ElementInstance

RETENTION_MS = 24 * 3_600_000  # how long a creation is remembered: longer than any client tries


# --- business ids


def business_id_of(turn: Turn, process_instance_key: int) -> str:
    """Return the business id of a resident instance; empty without."""
    found = turn.business_ids.by("element_instance_key", process_instance_key)
    return found[0].business_id if found else ""


def give_business_id(turn: Turn, process: ElementInstance, business_id: str) -> None:
    """Give *process*, which has none, a business id.

    Raises:
        AlreadyExists: another living instance of the process has it, and business ids are unique here.

    """
    if turn.unique_business_ids:
        columns = ("bpmn_process_id", "business_id")
        living, _ = turn.state.match(BusinessId, columns, (process.element_id, business_id))
        if living:
            raise AlreadyExists(
                f"Expected to create instance of process '{process.element_id}' with business id '{business_id}',"
                f" but process instance '{living[0].process_instance_key}' has it"
            )
    turn.business_ids.insert(BusinessId(turn.next_key(), process.key, process.key, process.element_id, business_id))


@handles(AssignBusinessId)
def assign_business_id(turn: Turn, command: AssignBusinessId) -> None:
    """Give a running root instance its business id."""
    key = command.process_instance_key
    process = turn.find_element(key)
    if process is None or process.type != ElementType.PROCESS:
        raise NotFound(
            f"Expected to assign a business id to process instance with key '{key}', but no such process was found"
        )
    refuse_suspended(turn, key, f"assign a business id to process instance '{key}'")
    give_late(turn, process, command.business_id)


def give_late(turn: Turn, process: ElementInstance, business_id: str) -> None:
    """Give a running root instance its business id.

    Raises:
        InvalidState: it was called by another instance, or has a business id already.
        AlreadyExists: another living instance of the process has it, and business ids are unique here.

    """
    key = process.key
    origin = origin_of(turn, key)
    if origin is not None and origin.parent_process_instance_key:
        raise InvalidState(
            f"Expected to assign a business id to a root process instance, but '{key}' was called by another one"
        )
    if has := business_id_of(turn, key):
        raise InvalidState(f"Expected process instance '{key}' to have no business id, but found '{has}'")
    give_business_id(turn, process, business_id)


# --- creations that are repeated


def find_first(turn: Turn, idempotency_key: str) -> Created | None:
    """Return the answer to the first creation with this key; None if there was none within RETENTION_MS."""
    found, _ = turn.state.match(CreatedOnce, ("idempotency_key",), (idempotency_key,))
    for row in found:
        if row.expires_ms > turn.now_ms:
            return Created(
                row.process_definition_key, row.bpmn_process_id, row.version, row.created_process_instance_key
            )
    return None


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
