"""The list of timers, newest first: those that wait at a process instance, those of start events, and ended ones."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, or_, select, true

from osmia_broker.state.rows import ProcessDefinition, Timer
from osmia_broker.store import schema
from osmia_broker.store.read import pages
from osmia_broker.store.read.definitions import keys_of_process
from osmia_broker.store.read.pages import Page, merged, row_key
from osmia_broker.store.read.sources import Sources, of_all, question
from osmia_broker.store.read.tables import columns_of

LIST = "timers"  #: the name in its cursors
WAITING, SUSPENDED, ENDED = "WAITING", "SUSPENDED", "ENDED"

_timer = schema.TABLES[Timer]
_is_open = _timer.c.ended_ms == schema.NOT_ENDED

#: The literals are those of the index of due timers.
_STATES: dict[str, ColumnElement[bool]] = {
    WAITING: (_timer.c.due_ms > schema.NO_DEADLINE) & _is_open,
    SUSPENDED: (_timer.c.due_ms < schema.NO_DEADLINE) & _is_open,
    ENDED: _timer.c.ended_ms > 0,
}
_FILTERS = {
    "process_instance_key": _timer.c.process_instance_key == bindparam("process_instance_key"),
    "element_id": _timer.c.element_id == bindparam("element_id"),
    "bpmn_process_id": _timer.c.process_definition_key.in_(keys_of_process("bpmn_process_id")),
}
_is_of_start_event = _timer.c.element_instance_key == 0


class SeenTimer(msgspec.Struct, frozen=True):
    """A timer, and the event that it belongs to."""

    row: Timer
    definition: ProcessDefinition
    element_name: str
    state: str


@question(of_all(merged(LIST, row_key)))
async def search(
    sources: Sources,
    *,
    process_instance_key: int = 0,
    element_id: str = "",
    bpmn_process_id: str = "",
    of_start_event: bool | None = None,
    states: Iterable[str] = (),
    limit: int = 0,
    after: str = "",
) -> Page[SeenTimer]:
    """List the timers that pass every filter. An empty filter lets all pass."""
    asked = {
        "process_instance_key": process_instance_key,
        "element_id": element_id,
        "bpmn_process_id": bpmn_process_id,
    }
    given = {name: value for name, value in asked.items() if value}
    values = pages.values_of(LIST, limit, after) | given
    statement = _statement(frozenset(given), of_start_event, frozenset(states))
    async with sources.database.snapshot() as snapshot:
        page = await pages.read(snapshot, LIST, Timer, statement, values)
        definitions = await sources.definitions.of(snapshot, (row.process_definition_key for row in page.items))
    names = await sources.element_names.of(definitions.values())

    def seen(row: Timer) -> SeenTimer:
        key = row.process_definition_key
        return SeenTimer(row, definitions[key], names[key].get(row.element_id, ""), _state_of(row))

    return Page([seen(row) for row in page.items], page.next)


def _state_of(row: Timer) -> str:
    if row.ended_ms:
        return ENDED
    return SUSPENDED if row.due_ms < 0 else WAITING


@cache
def _statement(given: frozenset[str], of_start_event: bool | None, states: frozenset[str]) -> Select[Any]:
    """Build the statement with these filters, once.

    Timers of an instance come from its index. Without an instance, open timers of a state come from an index too; all others are read
    newest first, until a page is full.
    """
    conditions = [_FILTERS[name] for name in sorted(given)]
    if of_start_event is not None:
        conditions.append(_is_of_start_event if of_start_event else ~_is_of_start_event)
    if "process_instance_key" in given or not states or ENDED in states:
        any_state = or_(*(_STATES[state] for state in sorted(states))) if states else true()
        return pages.newest_first(columns_of(Timer).where(*conditions, any_state), Timer)
    open_ones = (
        pages.newest_open(select(_timer.c.key).where(_STATES[state], *conditions), Timer) for state in sorted(states)
    )
    return pages.newest_first(columns_of(Timer).where(pages.among_all(_timer.c.key, open_ones)), Timer)
