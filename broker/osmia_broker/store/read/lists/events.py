"""The event log, oldest first. A reader that comes back reads here what it has missed."""

from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Select, bindparam, func, select

from osmia_broker.state.rows.event_log import EventKind, LoggedEvent
from osmia_broker.store import schema
from osmia_broker.store.read.lists.pages import PAGE_BYTES_MAX, size_of_texts
from osmia_broker.store.read.sources import Sources, of_cluster, question
from osmia_broker.store.read.sql.tables import columns_of, readable

TRUNCATED = '{"isTruncated":true}'  #: the details of an event that are too large for a message
NAME_CHARACTERS_MAX = 32_768
ROWS_MAX = 2_000  # looked through for one slice, whatever the filter lets through: some 10 ms

_event = schema.TABLES[LoggedEvent]
_FILTERS = {
    "process_instance_key": _event.c.process_instance_key == bindparam("process_instance_key"),
    "bpmn_process_id": _event.c.bpmn_process_id == bindparam("bpmn_process_id"),
    "kinds": _event.c.kind.in_(bindparam("kinds", expanding=True)),
}
_NEXT = (
    select(_event.c.key).where(_event.c.key > bindparam("after")).order_by(_event.c.key).limit(bindparam("size"))
).subquery()
_THROUGH = select(func.max(_NEXT.c.key))
_OLDEST = select(_event.c.key, _event.c.at_ms).order_by(_event.c.key).limit(bindparam("size"))
_COUNT = select(func.count()).select_from(_event)


class EventFilter(msgspec.Struct, frozen=True):
    """The events that are wanted. An empty field lets all through."""

    kinds: frozenset[EventKind] = frozenset()
    bpmn_process_id: str = ""
    process_instance_key: int = 0

    def passes(self, event: LoggedEvent) -> bool:
        """Return whether *event* is wanted."""
        return (
            (not self.kinds or event.kind in self.kinds)
            and (not self.bpmn_process_id or event.bpmn_process_id == self.bpmn_process_id)
            and (not self.process_instance_key or event.process_instance_key == self.process_instance_key)
        )

    def given(self) -> dict[str, Any]:
        """Return the fields that are not empty, as the values of parameters."""
        asked = {"bpmn_process_id": self.bpmn_process_id, "process_instance_key": self.process_instance_key}
        given: dict[str, Any] = {name: value for name, value in asked.items() if value}
        return given | {"kinds": sorted(map(str, self.kinds))} if self.kinds else given


class Slice(msgspec.Struct, frozen=True):
    """Some events, and the position up to which there is no other that is wanted."""

    events: list[LoggedEvent]
    through: int


@question(of_cluster)
async def read_events(sources: Sources, wanted: EventFilter, *, after: int, rows_max: int = ROWS_MAX) -> Slice:
    """Read the events behind the position *after*. If there is none, the slice ends at *after*."""
    given = wanted.given()
    async with sources.database.snapshot() as snapshot:
        [(through,)] = await snapshot.values(_THROUGH, {"after": after, "size": rows_max})
        if through is None:
            return Slice([], after)
        values = given | {"after": after, "through": through}
        found = await snapshot.values(_statement(frozenset(given)), values)
    return cut(readable(LoggedEvent, found), through)


@question(of_cluster)
async def oldest_events(sources: Sources, size: int) -> list[tuple[int, int]]:
    """Return (position, time) of the *size* oldest events."""
    async with sources.database.snapshot() as snapshot:
        return [(row[0], row[1]) for row in await snapshot.values(_OLDEST, {"size": size})]


@question(of_cluster)
async def count_events(sources: Sources) -> int:
    """Count the events in the log."""
    async with sources.database.snapshot() as snapshot:
        [(number,)] = await snapshot.values(_COUNT, {})
    return int(number)


def cut(events: list[LoggedEvent], through: int) -> Slice:
    """Make a slice of *events*; it ends earlier than at *through* if they would grow past one message, but has at least one.

    An event that alone is too large for a message comes without its details, and says so: a reader would stop at it for ever.
    """
    size = 0
    for place, event in enumerate(events):
        own = size_of_texts(event)
        if own > PAGE_BYTES_MAX:
            events[place] = replace(event, name=event.name[:NAME_CHARACTERS_MAX], details=TRUNCATED)
            own = size_of_texts(events[place])
        size += own
        if place and size > PAGE_BYTES_MAX:
            return Slice(events[:place], events[place - 1].key)
    return Slice(events, through)


@cache
def _statement(given: frozenset[str]) -> Select[Any]:
    """Build the statement with these filters, once. It reads a range of positions, whatever the filters."""
    conditions = [_FILTERS[name] for name in sorted(given)]
    place = (_event.c.key > bindparam("after"), _event.c.key <= bindparam("through"))
    return columns_of(LoggedEvent).where(*place, *conditions).order_by(_event.c.key)
