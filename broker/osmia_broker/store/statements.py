"""The statements that the store of a partition needs, in SQLAlchemy's words and in no database's dialect.

Many keys are one parameter (`dialects.among_keys`), called `keys`. Rows that have ended are never read.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Delete,
    Select,
    Table,
    Update,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    text,
    union_all,
)

from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.state.rows import DEFINITION_TYPES, DUE_KINDS, JobState
from osmia_broker.state.rows.kinds import KINDS, Kind
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.state.store_protocol import MATCHES_MAX, DueWanted, Lane
from osmia_broker.state.tables.windows import NO_PRIORITY, key_of, priority_of
from osmia_broker.store import schema
from osmia_broker.store.dialects import among_keys, unpacked

LATEST_MS = INT64_MAX  #: the largest integer of a column; in SQLite every text is larger


def rows_of(row_type: type) -> Select[Any]:
    """Select all columns of a row class, in the order of its fields."""
    return select(*schema.TABLES[row_type].columns)


def _is_living(kind: Kind, table: Table) -> list[ColumnElement[bool]]:
    """Return the condition for rows that have not ended; rows of a kind that does not end are deleted instead."""
    return [table.c.ended_ms == schema.NOT_ENDED] if kind.ends else []


def _owners(kind: Kind) -> Select[Any]:
    table = schema.TABLES[kind.row_type]
    return select(table.c.key, table.c.process_instance_key).where(
        among_keys(table.c.key, "keys"), *_is_living(kind, table)
    )


def _of_instances(kind: Kind) -> Select[Any]:
    table = schema.TABLES[kind.row_type]
    return rows_of(kind.row_type).where(among_keys(table.c.process_instance_key, "keys"), *_is_living(kind, table))


def _kinds_of_instances() -> CompoundSelect[Any]:
    """Select the places in KEYED_KINDS of the kinds of which the instances have living rows at all.

    Most instances have rows of few kinds. This costs 17 µs for one instance, where asking every table for its rows costs 11 µs a table.
    """
    wanted = select(unpacked("keys").c.value).cte("wanted").prefix_with("MATERIALIZED")

    def has_rows(kind: Kind) -> ColumnElement[bool]:
        table = schema.TABLES[kind.row_type]
        of_instance = table.c.process_instance_key == wanted.c.value
        return exists().select_from(wanted.join(table, of_instance)).where(*_is_living(kind, table))

    return union_all(
        *(select(literal_column(str(place))).where(has_rows(kind)) for place, kind in enumerate(schema.KEYED_KINDS))
    )


def _due() -> CompoundSelect[Any]:
    """Select (time, place in DUE_KINDS, key) of the earliest *rows_max* rows of each kind that are due, and of the next one of each.

    No other row is read, however many are due or wait. Of two lower bounds SQLite searches by the one that stands first, and it would plan
    a statement anew for each value that it compares with `>`, as the partial index does. A value that is no integer, which only a corrupt row
    has, is passed over.
    """
    parts = []
    for place, kind in enumerate(DUE_KINDS):
        table = schema.TABLES[kind.row_type]
        due = table.c[kind.due]
        rows = select(due.label("due_ms"), literal_column(str(place)).label("place"), table.c.key)
        is_waiting = (due > schema.NO_DEADLINE, *_is_living(kind, table))
        by_time = (due, table.c.key)
        is_next = (due >= bindparam("after_ms"), due <= bindparam("latest_ms", LATEST_MS - 1), *is_waiting)
        parts += [
            rows.where(due <= bindparam("now_ms"), *is_waiting).order_by(*by_time).limit(bindparam("rows_max")),
            rows.where(*is_next).order_by(*by_time).limit(literal_column("1")),
        ]
    return union_all(*(select(part.subquery(f"due_{number}")) for number, part in enumerate(parts)))


def due_values(wanted: DueWanted) -> dict[str, int]:
    """Return the values for DUE. One row more than wanted may be due: the next one."""
    return {
        "now_ms": wanted.now_ms,
        "rows_max": wanted.rows_max + 1,
        "after_ms": min(wanted.now_ms + 1, LATEST_MS),
    }


def _matches(kind: Kind, columns: tuple[str, ...]) -> Select[Any]:
    """Select the keys of living rows with the values `value_0`, `value_1` … in *columns*: those *after* a key, ascending."""
    table = schema.TABLES[kind.row_type]
    where = schema.matched_where(kind, columns)
    return (
        select(table.c.key)
        .where(
            *(table.c[name] == bindparam(f"value_{place}") for place, name in enumerate(columns)),
            *([text(where)] if where else []),
            table.c.key > bindparam("after"),
        )
        .order_by(table.c.key)
        .limit(MATCHES_MAX)
    )


def _erase(kind: Kind) -> Delete:
    """Delete the rows of process instances."""
    table = schema.TABLES[kind.row_type]
    return table.delete().where(among_keys(table.c.process_instance_key, "keys"))


def _erase_scoped(kind: Kind) -> Delete:
    """Delete the rows of the scopes of process instances."""
    scopes = schema.element_instances
    of_instances = select(scopes.c.key).where(among_keys(scopes.c.process_instance_key, "keys"))
    table = schema.TABLES[kind.row_type]
    return table.delete().where(table.c.scope_key.in_(of_instances))


def _erase_history(kind: Kind) -> Delete:
    """Delete what was noted about process instances: that about a user task is found by its task."""
    table = schema.TABLES[kind.row_type]
    if "user_task_key" not in kind.columns:
        return _erase(kind)
    tasks = schema.TABLES[UserTask]
    of_instances = select(tasks.c.key).where(among_keys(tasks.c.process_instance_key, "keys"))
    return table.delete().where(table.c.user_task_key.in_(of_instances))


def _waiting(index: str, *place: ColumnElement[bool]) -> Select[Any]:
    """Select (priority, key) of the first *rows_max* jobs of a *type* that are in *index* and whose *place* is as wanted, by rank."""
    jobs = schema.jobs.c
    order = [jobs.key] if index == schema.PLAIN else [jobs.priority.desc(), jobs.key]
    of_key = [] if index == schema.PLAIN else [jobs.fair_key == bindparam("fair_key")]
    return (
        select(jobs.priority, jobs.key)
        .where(jobs.type == bindparam("type"), text(index), *of_key, *place)
        .order_by(*order)
        .limit(bindparam("rows_max"))
    )


def _next_fair_key(index: str) -> Select[Any]:
    """Select the lowest key beyond *after* of the jobs of a *type* that are in *index*."""
    jobs = schema.jobs.c
    return select(func.min(jobs.fair_key)).where(
        jobs.type == bindparam("type"), text(index), jobs.fair_key > bindparam("after")
    )


def _held() -> Select[Any]:
    """Select (type, key, worker, number) of the jobs that workers hold."""
    jobs = schema.jobs.c
    place = (jobs.type, jobs.fair_key, jobs.worker)
    return (
        select(*place, func.count())
        .where(
            jobs.deadline_ms > schema.NO_DEADLINE, jobs.ended_ms == schema.NOT_ENDED, jobs.state == JobState.ACTIVATED
        )
        .group_by(*place)
    )


def _save_next_key() -> Update:
    """Save the key counter, if no later epoch has begun."""
    partition = schema.partition
    return (
        partition.update()
        .where(partition.c.id == bindparam("partition"), partition.c.epoch == bindparam("own_epoch"))
        .values(next_key=bindparam("after_batch"))
    )


_NAMES = {schema.RANKED: "ranked", schema.LEASED: "leased"}

#: (key, process_instance_key) of rows by their keys.
OWNERS = {kind.row_type: _owners(kind) for kind in schema.KEYED_KINDS}
KINDS_OF_INSTANCES = _kinds_of_instances()  #: places in KEYED_KINDS
OF_INSTANCES = {kind.row_type: _of_instances(kind) for kind in schema.KEYED_KINDS}  #: rows by process instances
OF_SCOPES = {  #: rows by their scopes
    kind.row_type: rows_of(kind.row_type).where(among_keys(schema.TABLES[kind.row_type].c.scope_key, "keys"))
    for kind in schema.SCOPED_KINDS
}
DEFINITIONS = {row_type: rows_of(row_type) for row_type in DEFINITION_TYPES}  #: all rows
DUE = _due()  #: the parts are not in one order
#: Keys of rows by their values, for each row class and each of its `matches`.
MATCHES = {(kind.row_type, columns): _matches(kind, columns) for kind in KINDS.values() for columns in kind.matches}
KEPT_MESSAGES = select(schema.messages.c.name, schema.messages.c.correlation_key).where(
    schema.messages.c.ended_ms == schema.NOT_ENDED
)
RESOURCES = select(schema.resources.c.checksum, schema.resources.c.content).where(
    among_keys(schema.resources.c.checksum, "keys")
)
#: To be run in this order: the first ones find their rows by element instances and user tasks, which the last ones delete.
ERASE = [
    *map(_erase_scoped, schema.SCOPED_KINDS),
    *map(_erase_history, schema.HISTORY_KINDS),
    *map(_erase, schema.KEYED_KINDS),
]
# The parts of a lane. Each statement reads just the part of its index that it returns; one with an alternative in its condition would
# read what is before it too.
PLAIN_JOBS = _waiting(schema.PLAIN, schema.jobs.c.key > bindparam("after"))  #: those after a key
SAME_PRIORITY = {  #: those of one priority after a key, by index
    index: _waiting(index, schema.jobs.c.priority == bindparam("priority"), schema.jobs.c.key > bindparam("after"))
    for index in (schema.RANKED, schema.LEASED)
}
BETWEEN_PRIORITIES = {  #: those of all priorities between two, by index
    index: _waiting(index, schema.jobs.c.priority < bindparam("below"), schema.jobs.c.priority > bindparam("above"))
    for index in (schema.RANKED, schema.LEASED)
}

LANES = {  #: the parts of lanes by name
    "plain": PLAIN_JOBS,
    **{f"same priority, {_NAMES[index]}": statement for index, statement in SAME_PRIORITY.items()},
    **{f"between, {_NAMES[index]}": statement for index, statement in BETWEEN_PRIORITIES.items()},
}


def parts_of(lane: Lane, after: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the names of the parts of *lane* behind the rank *after*, in order of rank, with the parameters that say where each begins."""
    priority, key = priority_of(after), key_of(after)
    index = _NAMES[schema.LEASED if lane.is_leased else schema.RANKED]
    of_key = {"fair_key": lane.fair_key}
    has_plain = not lane.is_leased and not lane.fair_key  # its jobs of priority 0 are in an index of their own
    if priority or not has_plain:
        yield f"same priority, {index}", {"priority": priority, "after": key, **of_key}
    if has_plain and priority >= 0:
        yield f"between, {index}", {"below": priority, "above": 0, **of_key}
        yield "plain", {"after": 0 if priority else key}
    below = min(priority, 0) if has_plain else priority
    yield f"between, {index}", {"below": below, "above": NO_PRIORITY, **of_key}


NEXT_FAIR_KEY = [_next_fair_key(index) for index in (schema.RANKED, schema.LEASED)]
HELD = _held()

PARTITION = select(schema.partition.c.next_key, schema.partition.c.epoch).where(
    schema.partition.c.id == bindparam("partition")
)
TAKE_OVER = (
    schema.partition.update()
    .where(schema.partition.c.id == bindparam("partition"))
    .values(epoch=literal_column("epoch + 1"))
)
SAVE_NEXT_KEY = _save_next_key()
