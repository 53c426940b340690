"""Views of one process instance for people: where its tokens are, its element instances in their scopes, the scopes of its variables."""

from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, case, func, or_, select

from osmia_broker.model import ElementType
from osmia_broker.state.rows import CalledInstance
from osmia_broker.state.rows.event_log import EventKind, LoggedEvent
from osmia_broker.store import schema
from osmia_broker.store.read.instances.element_conditions import is_open, is_stopped, number_of, of_instance
from osmia_broker.store.read.sources import Sources, of_all, of_key, question
from osmia_broker.store.read.sql import dialect

SCOPES_MAX = 200  # with variables, that one page offers
VALUES_MAX = 50  # of one variable, newest first

_element, _variable = schema.element_instances, schema.variables
_called, _event = schema.TABLES[CalledInstance], schema.TABLES[LoggedEvent]
#: They hold the instances of an element, which have the same id: counted as well, one token would be two.
_is_container = _element.c.type.in_(
    (
        ElementType.PROCESS.value,
        ElementType.MULTI_INSTANCE_BODY.value,
        ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE.value,
    )
)


class Tokens(msgspec.Struct, frozen=True):
    """The numbers of tokens at an element, by their state."""

    element_id: str
    active: int
    incident: int
    completed: int
    canceled: int

    @property
    def is_present(self) -> bool:
        """Whether a token is at the element now."""
        return bool(self.active or self.incident)

    @property
    def is_past(self) -> bool:
        """Whether a token has left it."""
        return bool(self.completed or self.canceled)

    def shown(self) -> dict[str, Any]:
        """Return the numbers by the names of a diagram."""
        numbers = {name: getattr(self, name) for name in ("active", "incident", "completed", "canceled")}
        return {"elementId": self.element_id, **numbers}


class Visit(msgspec.Struct, frozen=True):
    """An element instance of the history."""

    key: int
    element_id: str
    type: str
    state: str
    scope_key: int
    started_ms: int
    ended_ms: int
    loop_counter: int
    is_stopped: bool
    called_process_instance_key: int  # 0 unless it has called


class Scope(msgspec.Struct, frozen=True):
    """An element instance that owns variables."""

    key: int
    element_id: str
    type: str
    is_open: bool
    loop_counter: int


class PastValue(msgspec.Struct, frozen=True):
    """A value that a variable had."""

    at_ms: int
    intent: str
    details: str  # JSON, as the event log has it


_TOKENS = (
    select(
        _element.c.element_id,
        number_of(and_(is_open, ~is_stopped)),
        number_of(and_(is_open, is_stopped)),
        number_of(_element.c.state == "COMPLETED"),
        number_of(_element.c.state == "TERMINATED"),
    )
    .where(of_instance, or_(~_is_container, and_(is_stopped, _element.c.type != schema.PROCESS)))
    .group_by(_element.c.element_id)
    .order_by(func.min(_element.c.key))
)
_state = case((is_open, "ACTIVE"), else_=_element.c.state)
_VISITS = (
    select(
        _element.c.key,
        _element.c.element_id,
        _element.c.type,
        _state,
        _element.c.scope_key,
        _element.c.started_ms,
        _element.c.ended_ms,
        _element.c.loop_counter,
        and_(is_open, is_stopped),
        func.coalesce(_called.c.called_process_instance_key, 0),
    )
    .select_from(
        _element.outerjoin(
            _called,
            and_(
                _called.c.process_instance_key == _element.c.process_instance_key,
                _called.c.element_instance_key == _element.c.key,
            ),
        )
    )
    .where(of_instance, _element.c.type != schema.PROCESS, _element.c.key > bindparam("after"))
    .order_by(_element.c.key)
    .limit(bindparam("size"))
)
_VISITS_OF_ELEMENT = _VISITS.where(_element.c.element_id == bindparam("element_id"))
_owners = select(_variable.c.scope_key).where(_variable.c.process_instance_key == bindparam("key")).distinct()
_SCOPE_COLUMNS = (_element.c.key, _element.c.element_id, _element.c.type, is_open, _element.c.loop_counter)
_SCOPES = (
    select(*_SCOPE_COLUMNS)
    .where(of_instance, or_(_element.c.key.in_(_owners), and_(is_open, _element.c.type != schema.PROCESS)))
    .order_by((~is_open), _element.c.key)
    .limit(SCOPES_MAX)
)
_ELEMENTS = select(*_SCOPE_COLUMNS).where(dialect.among(_element.c.key, "keys"))
_VALUES = (
    select(_event.c.at_ms, _event.c.intent, _event.c.details)
    .where(
        _event.c.kind == EventKind.VARIABLE.value,
        _event.c.process_instance_key == bindparam("key"),
        _event.c.subject_key == bindparam("scope_key"),
        _event.c.name == bindparam("name"),
    )
    .order_by(_event.c.key.desc())
    .limit(VALUES_MAX)
)


@question(of_key("key"))
async def tokens(sources: Sources, key: int) -> list[Tokens]:
    """Count the tokens of a process instance by element and state, in the order in which the elements were first reached."""
    async with sources.database.snapshot() as snapshot:
        return [Tokens(*row) for row in await snapshot.values(_TOKENS, {"key": key})]


@question(of_key("key"))
async def visits(sources: Sources, key: int, *, element_id: str = "", after: int = 0, limit: int) -> list[Visit]:
    """List the element instances of a process instance behind *after*, oldest first: all, or those of one element."""
    statement = _VISITS_OF_ELEMENT if element_id else _VISITS
    values = {"key": key, "after": after, "size": limit} | ({"element_id": element_id} if element_id else {})
    async with sources.database.snapshot() as snapshot:
        return [_visit(row) for row in await snapshot.values(statement, values)]


@question(of_key("key"))
async def scopes(sources: Sources, key: int) -> list[Scope]:
    """List the scopes of a process instance that have variables or may get some: the open ones first, at most SCOPES_MAX."""
    async with sources.database.snapshot() as snapshot:
        return _scopes(await snapshot.values(_SCOPES, {"key": key}))


def _joined(found: list[dict[int, Scope]], _given: object) -> dict[int, Scope]:
    return {key: one for part in found for key, one in part.items()}


@question(of_all(_joined))
async def elements(sources: Sources, keys: list[int]) -> dict[int, Scope]:
    """Return element instances by their keys."""
    async with sources.database.snapshot() as snapshot:
        return {one.key: one for one in _scopes(await snapshot.values(_ELEMENTS, {"keys": dialect.array(keys)}))}


@question(of_key("key"))
async def past_values(sources: Sources, key: int, scope_key: int, name: str) -> list[PastValue]:
    """List the values that the event log has of a variable, newest first. It has none of times when nobody followed the events."""
    async with sources.database.snapshot() as snapshot:
        values = {"key": key, "scope_key": scope_key, "name": name}
        return [PastValue(*row) for row in await snapshot.values(_VALUES, values)]


def _visit(row: Any) -> Visit:
    key, id, type, state, scope, started_ms, ended_ms, counter, is_stopped, called = row
    return Visit(key, id, type, state, scope, started_ms, ended_ms, counter, bool(is_stopped), called)


def _scopes(found: list[Any]) -> list[Scope]:
    return [Scope(key, id, type, bool(is_open), counter) for key, id, type, is_open, counter in found]
