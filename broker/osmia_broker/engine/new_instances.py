"""The creation of process instances: by a command, by a start event, by a call activity."""

import msgspec

from osmia_broker.engine.domain_events import INSTANCE
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import ElementType
from osmia_broker.state.rows import ElementInstance, ElementState, InstanceOrigin, ProcessDefinition


def new_process(turn: Turn, definition: ProcessDefinition) -> ElementInstance:
    """Add a process instance without planning anything."""
    key = turn.next_key()
    process = ElementInstance(
        key=key,
        process_instance_key=key,
        process_definition_key=definition.key,
        element_id=definition.bpmn_process_id,
        type=ElementType.PROCESS,
        state=ElementState.ACTIVATING,
        scope_key=0,
        entered_by="",
        started_ms=turn.now_ms,
    )
    turn.elements.insert(process)
    turn.note(INSTANCE, "created", definition.bpmn_process_id, key, key)
    return process


def add_origin(turn: Turn, process: ElementInstance, **circumstances: int | str) -> InstanceOrigin:
    """Record the circumstances of a new process instance: fields of `InstanceOrigin`."""
    origin = InstanceOrigin(
        key=turn.next_key(),
        process_instance_key=process.key,
        element_instance_key=process.key,
        bpmn_process_id=process.element_id,
        **circumstances,  # type: ignore[arg-type]  # each caller names fields of their types
    )
    turn.origins.insert(origin)
    return origin


def origin_of(turn: Turn, process_instance_key: int) -> InstanceOrigin | None:
    """Return the origin of a resident process instance; None if it was simply created."""
    return turn.origins.first_by("element_instance_key", process_instance_key)


def business_id_of(turn: Turn, process_instance_key: int) -> str:
    """Return the business id of a resident instance; empty without."""
    found = turn.business_ids.first_by("element_instance_key", process_instance_key)
    return "" if found is None else found.business_id


def traceparent_of(turn: Turn, process_instance_key: int) -> str:
    """Return the trace context of what caused a resident process instance; empty without one."""
    origin = origin_of(turn, process_instance_key)
    return "" if origin is None else origin.traceparent


def take_traceparent(turn: Turn, process: ElementInstance, traceparent: str) -> None:
    """Let *process* have the trace context of a new cause from outside, from which its next jobs come."""
    origin = origin_of(turn, process.key)
    if origin is None:
        add_origin(turn, process, traceparent=traceparent)
    else:
        turn.origins.update(origin, traceparent=traceparent)


def encode_tags(tags: tuple[str, ...]) -> str:
    """Return *tags* as they are stored."""
    return msgspec.json.encode(tags).decode() if tags else ""


def decode_tags(text: str) -> tuple[str, ...]:
    """Return stored tags."""
    return tuple(msgspec.json.decode(text)) if text else ()
