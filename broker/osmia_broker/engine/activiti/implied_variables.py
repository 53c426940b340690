"""The variables of the Activiti dialect that no row holds.

They are `initiator`, `execution`, and those of a loop in a task that sees only mapped variables.
"""

import msgspec

from osmia_broker.engine.new_instances import business_id_of, origin_of
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import MultiInstance
from osmia_broker.state.rows import ElementInstance

INITIATOR = "initiator"
EXECUTION = "execution"

_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def initiator_of(turn: Turn, process_instance_key: int) -> str:
    """Return the user who started a resident process instance; empty if nobody was named."""
    origin = origin_of(turn, process_instance_key)
    return "" if origin is None else origin.initiator


def implied_variable(turn: Turn, process: ElementInstance, name: str, element_instance_key: int) -> msgspec.Raw | None:
    """Return the value of *name*, of which no row is, as an expression at an element instance of *process* reads it; None if there is no such value.

    Processes of another dialect than Activiti's have none.
    """
    if name not in _IMPLIED or not turn.definitions.process(process.process_definition_key).is_extensible:
        return None
    return msgspec.Raw(msgspec.json.encode(_IMPLIED[name](turn, process, element_instance_key)))


def _initiator(turn: Turn, process: ElementInstance, _element_instance_key: int) -> str | None:
    return initiator_of(turn, process.key) or None


def _execution(turn: Turn, process: ElementInstance, element_instance_key: int) -> dict[str, str | None]:
    """Return the properties of the instance that models of Activiti read; its methods are no expressions here."""
    element = turn.elements.get(element_instance_key)
    return {
        "id": str(element_instance_key),
        "currentActivityId": None if element is None or element is process else element.element_id,
        "processDefinitionId": str(process.process_definition_key),
        "processInstanceId": str(process.key),
        "processInstanceBusinessKey": business_id_of(turn, process.key) or None,
    }


_IMPLIED = {INITIATOR: _initiator, EXECUTION: _execution}


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
