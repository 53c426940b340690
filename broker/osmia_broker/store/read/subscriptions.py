"""The list of subscriptions to messages, signals and conditions, newest first: of process instances and of start events.

Start events have a table of their own. Its rows are few, one for each start event of each deployed version, so it is read as a whole.
Their timers are in the list of timers.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, false, literal, select, text, union_all

from osmia_broker.state.rows import ProcessDefinition, StartSubscription, Subscription, SubscriptionKind
from osmia_broker.store import schema
from osmia_broker.store.read import pages
from osmia_broker.store.read.pages import Page, merged, row_key
from osmia_broker.store.read.sources import Sources, of_all, question
from osmia_broker.store.read.tables import columns_of

LIST = "subscriptions"  #: the name in its cursors
OPEN, ENDED = "OPEN", "ENDED"

_subscription, _start = schema.TABLES[Subscription], schema.TABLES[StartSubscription]
_NAMED_KINDS = frozenset({SubscriptionKind.MESSAGE, SubscriptionKind.SIGNAL})
_KINDS = frozenset({*_NAMED_KINDS, SubscriptionKind.CONDITION})
_CONDITION = text("'CONDITION'")  # a literal, as in the condition of the index
_is_open = _subscription.c.ended_ms == schema.NOT_ENDED

_FILTERS = {
    "process_instance_key": _subscription.c.process_instance_key == bindparam("process_instance_key"),
    "element_id": _subscription.c.element_id == bindparam("element_id"),
    "bpmn_process_id": _subscription.c.bpmn_process_id == bindparam("bpmn_process_id"),
    "name": _subscription.c.name == bindparam("name"),
    "correlation_key": _subscription.c.correlation_key == bindparam("correlation_key"),
    "kinds": _subscription.c.kind.in_(bindparam("kinds", expanding=True)),
}
_START_FILTERS = {
    "element_id": _start.c.element_id == bindparam("element_id"),
    "bpmn_process_id": _start.c.bpmn_process_id == bindparam("bpmn_process_id"),
    "name": _start.c.name == bindparam("name"),
    "kinds": _start.c.kind.in_(bindparam("kinds", expanding=True)),
}
#: A row of a start event in the columns of a subscription.
_AS_SUBSCRIPTION: dict[str, ColumnElement[Any]] = {
    "process_instance_key": literal(0),
    "element_instance_key": literal(0),
    "correlation_key": literal(""),
    "created_ms": literal(0),
}


class SeenSubscription(msgspec.Struct, frozen=True):
    """A subscription, and the event that it belongs to."""

    row: Subscription
    definition: ProcessDefinition
    element_name: str


@question(of_all(merged(LIST, row_key)))
async def search(
    sources: Sources,
    *,
    process_instance_key: int = 0,
    element_id: str = "",
    bpmn_process_id: str = "",
    name: str = "",
    correlation_key: str = "",
    kinds: Iterable[str] = (),
    of_start_event: bool | None = None,
    states: Iterable[str] = (),
    limit: int = 0,
    after: str = "",
) -> Page[SeenSubscription]:
    """List the subscriptions that pass every filter. An empty filter lets all pass."""
    wanted = frozenset(kinds) or _KINDS
    asked = {
        "process_instance_key": process_instance_key,
        "element_id": element_id,
        "bpmn_process_id": bpmn_process_id,
        "name": name,
        "correlation_key": correlation_key,
    }
    given = {name: value for name, value in asked.items() if value}
    values = pages.values_of(LIST, limit, after) | given | {"kinds": sorted(wanted)}
    statement = _statement(frozenset({*given, "kinds"}), wanted, of_start_event, frozenset(states))
    async with sources.database.snapshot() as snapshot:
        page = await pages.read(snapshot, LIST, Subscription, statement, values)
        definitions = await sources.definitions.of(snapshot, (row.process_definition_key for row in page.items))
    names = await sources.element_names.of(definitions.values())

    def seen(row: Subscription) -> SeenSubscription:
        key = row.process_definition_key
        return SeenSubscription(row, definitions[key], names[key].get(row.element_id, ""))

    return Page([seen(row) for row in page.items], page.next)


@cache
def _statement(
    given: frozenset[str], kinds: frozenset[str], of_start_event: bool | None, states: frozenset[str]
) -> Select[Any]:
    """Build the statement with these filters, once: the newest of each table, then the newest of them all."""
    parts = []
    if of_start_event is not True:
        parts.append(_of_instances(given, kinds, states))
    if of_start_event is not False and not given & {"process_instance_key", "correlation_key"}:
        parts.append(_of_start_events(given, states))
    if not parts:  # no start event belongs to an instance
        return pages.newest_first(columns_of(Subscription).where(false()), Subscription)
    if len(parts) == 1:
        return parts[0]
    both = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return select(both).order_by(both.c.key.desc()).limit(bindparam("size"))


def _of_instances(given: frozenset[str], kinds: frozenset[str], states: frozenset[str]) -> Select[Any]:
    """Select subscriptions of process instances.

    Those of an instance come from its index. Without an instance, open ones that have a name come from an index too; ended ones are
    read newest first, until a page is full.
    """
    conditions = [_FILTERS[name] for name in sorted(given)]
    if "process_instance_key" in given or states != {OPEN}:
        if states in ({OPEN}, {ENDED}):
            conditions.append(_is_open if OPEN in states else _subscription.c.ended_ms > 0)
        return pages.newest_first(columns_of(Subscription).where(*conditions), Subscription)
    open_ones = []
    if kinds & _NAMED_KINDS:
        named = select(_subscription.c.key).where(_is_open, _subscription.c.kind != _CONDITION, *conditions)
        open_ones.append(pages.newest_open(named, Subscription))
    if SubscriptionKind.CONDITION in kinds and not given & {"name", "correlation_key"}:
        conditional = select(_subscription.c.key).where(_is_open, _subscription.c.kind == _CONDITION, *conditions)
        open_ones.append(pages.newest_open(conditional, Subscription))
    found = pages.among_all(_subscription.c.key, open_ones) if open_ones else false()
    return pages.newest_first(columns_of(Subscription).where(found), Subscription)


def _of_start_events(given: frozenset[str], states: frozenset[str]) -> Select[Any]:
    columns = [
        (_AS_SUBSCRIPTION[column.name] if column.name in _AS_SUBSCRIPTION else _start.c[column.name]).label(column.name)
        for column in _subscription.columns
    ]
    statement = select(*columns).where(*(_START_FILTERS[name] for name in sorted(given)))
    if states in ({OPEN}, {ENDED}):
        statement = statement.where(_start.c.ended_ms == 0 if OPEN in states else _start.c.ended_ms > 0)
    return pages.newest_first(statement, StartSubscription)
