"""Timers: those that wait at a process instance, those of start events, and ended ones."""

from sqlalchemy import and_, case, true

from osmia_broker.state.rows import Timer
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity, Head
from osmia_broker.store.read.search.fields import Condition, date, flag, key, named, own_key, text
from osmia_broker.store.read.search.filters import Group

WAITING, SUSPENDED, ENDED = "WAITING", "SUSPENDED", "ENDED"

_timer = schema.TABLES[Timer].alias("timer")
_definition = beside.Definition(_timer.c.process_definition_key)
_is_open = _timer.c.ended_ms == schema.NOT_ENDED

#: The literals are those of the index of due timers.
STATES: dict[str, Condition] = {
    WAITING: and_(_timer.c.due_ms > schema.NO_DEADLINE, _is_open),
    SUSPENDED: and_(_timer.c.due_ms < schema.NO_DEADLINE, _is_open),
    ENDED: _timer.c.ended_ms > 0,
}
_state = case((_timer.c.ended_ms > 0, ENDED), (_timer.c.due_ms < 0, SUSPENDED), else_=WAITING)
_DUE = Head(STATES[WAITING], "timers_due")
_HELD = Head(and_(beside.is_suspended(_timer.c.process_instance_key), _is_open), "timers_of_instance")


def _heads(shape: Group) -> list[Head]:
    """Return the parts of the list of the timers of an instance, or of open ones."""
    if shape.leaf("processInstanceKey", "$eq"):
        return [Head(true(), "timers_of_instance")]
    state = shape.leaf("state", "$in")
    if state is None or ENDED in state.names:
        return []
    return [head for name, head in ((WAITING, _DUE), (SUSPENDED, _HELD)) if name in state.names]


TIMERS = Entity(
    "timers",
    _timer,
    (_timer.c.key,),
    (
        own_key("timerKey", _timer.c.key),
        named("state", _state, STATES),
        date("creationDate", _timer.c.created_ms, sorts=True, sorted_by=_timer.c.key, optional=False),
        date("endDate", _timer.c.ended_ms),
        text("elementId", _timer.c.element_id),
        key("elementInstanceKey", _timer.c.element_instance_key),
        key("processInstanceKey", _timer.c.process_instance_key),
        key("processDefinitionKey", _timer.c.process_definition_key),
        _definition.process_id,
        flag("isOfStartEvent", _timer.c.element_instance_key == 0),
    ),
    heads=_heads,
)
