"""The variables of the Activiti dialect that no row holds: `initiator`, and those of a loop in a task that sees only mapped variables."""

import msgspec

from osmia_broker.engine.new_instances import origin_of
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import MultiInstance
from osmia_broker.state.rows import ElementInstance

INITIATOR = "initiator"

_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def initiator_of(turn: Turn, process_instance_key: int) -> str:
    """Return the user who started a resident process instance; empty if nobody was named."""
    origin = origin_of(turn, process_instance_key)
    return "" if origin is None else origin.initiator


def implied_initiator(turn: Turn, process: ElementInstance) -> msgspec.Raw:
    """Return the value of `initiator` in a process instance that has no variable of this name.

    Raises:
        KeyError: the process is of another dialect, where no such variable exists.
    """
    if not turn.definitions.process(process.process_definition_key).is_extensible:
        raise KeyError(INITIATOR)
    return msgspec.Raw(msgspec.json.encode(initiator_of(turn, process.key) or None))


def loop_variable(turn: Turn, instance: ElementInstance, name: str) -> msgspec.Raw | None:
    """Return the variable *name* of one instance of a loop, its counter or its item; None if it is neither."""
    element = turn.definitions.process(instance.process_definition_key).elements.get(instance.element_id)
    loop = None if element is None else element.loop
    if not isinstance(loop, MultiInstance) or not loop.names.are_variables:
        return None
    place = instance.loop_counter - 1
    if name == loop.names.counter:
        return msgspec.Raw(str(place + loop.names.counts_from).encode())
    if name != loop.element_variable:
        return None
    rows = turn.loops.by("element_instance_key", instance.scope_key)
    return _items(rows[0].items)[place] if rows and rows[0].items else None
