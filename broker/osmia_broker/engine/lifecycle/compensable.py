"""Remember completed activities that may have to be compensated later (BPMN 2.0, 10.7)."""

from osmia_broker.engine.lifecycle.moves import plan_completion
from osmia_broker.engine.turn import Turn
from osmia_broker.model.events import CompensationEvent
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.json_text import document
from osmia_broker.state.rows import Compensation, ElementInstance, ElementState


def keep_for_compensation(turn: Turn, instance: ElementInstance, element: Element, scope: ElementInstance) -> None:
    """Keep *instance*, which completes in *scope*, if it has a compensation handler, or holds activities that have one.

    If it is a handler itself, its row ends.
    """
    finish_handler(turn, instance)
    inner = turn.compensations.by("scope_key", instance.key)
    if instance.type == ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE:
        for row in inner:
            # The subprocess that it belongs to is kept as a whole, with all that its inner instances have done.
            _move(turn, row, scope.key, scope.key if row.place == instance.key else row.place)
        return
    handler = _handler_of(element) if element.boundaries and not instance.loop_counter else None
    if handler is None and not inner:
        return
    variables = {name: row.value for name, row in turn.variables.of_scope(instance.key).items()}
    turn.compensations.insert(
        Compensation(
            key=turn.next_key(),
            process_instance_key=instance.process_instance_key,
            scope_key=scope.key,
            place=scope.key,
            element_id=element.id,
            completed_key=instance.key,
            handler_id="" if handler is None else handler.id,
            variables=document(variables),
        )
    )
    for row in inner:  # a subprocess that has ended holds nothing any longer, so its scope does
        _move(turn, row, scope.key, row.place)


def _move(turn: Turn, row: Compensation, scope_key: int, place: int) -> None:
    """Let the scope of *scope_key* hold *row* from now on."""
    turn.compensations.end(row, turn.now_ms)
    turn.compensations.insert(
        Compensation(
            key=turn.next_key(),
            process_instance_key=row.process_instance_key,
            scope_key=scope_key,
            place=place,
            element_id=row.element_id,
            completed_key=row.completed_key,
            handler_id=row.handler_id,
            variables=row.variables,
        )
    )


def finish_handler(turn: Turn, handler: ElementInstance) -> None:
    """If *handler*, which has ended in any way, is for compensation, end its row; with the last one of a throwing event, complete that event."""
    for row in turn.compensations.by("scope_key", handler.scope_key):
        if row.handler_key == handler.key:
            turn.compensations.end(row, turn.now_ms)
            left = turn.compensations.by("scope_key", handler.scope_key)
            thrower = turn.elements.get(row.thrower_key)
            is_waiting = thrower is not None and thrower.state is ElementState.ACTIVATED
            if thrower is not None and is_waiting and all(one.thrower_key != row.thrower_key for one in left):
                plan_completion(turn, thrower)
            return


def _handler_of(element: Element) -> Element | None:
    """Return the compensation handler of an activity; None if it has none."""
    for event in element.boundaries:
        if isinstance(event.event, CompensationEvent):
            return event.compensation_handler
    return None
