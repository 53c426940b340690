"""One statement for a whole commit: the fence first, then every table.

    WITH fence AS (UPDATE partition SET next_key = …, batch = … WHERE ctid = … AND id = … AND epoch = … RETURNING ctid),
         part0 AS (INSERT INTO jobs (…) SELECT … FROM ROWS FROM (…) AS u (…) WHERE EXISTS (SELECT FROM fence) ON CONFLICT …),
         …
    SELECT (SELECT ctid FROM fence) AS place

The answer is the new place of the lease's row, or null: then nothing was written, because a later epoch has begun or the row is somewhere else. A
statement is a transaction of its own, so a commit is one round trip. Its text depends on the tables alone, not on the number of rows, so the
server plans it once.

The row is named by its place because it changes in every commit: while somebody holds a snapshot, all its versions stay, and a search by its id
steps over each of them (8 µs for 1,000 commits).

All parts see the database as it was before the statement. So no row may be in two parts: a row that an erasure takes away is not written.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Table

from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.state.store_protocol import Changes, RowValues
from osmia_broker.store import schema, statements
from osmia_broker.store.postgres.dialect import Parameters, embedded, packed, quoted
from osmia_broker.store.postgres.lease import Place

_IF_LEADING = "EXISTS (SELECT FROM fence)"


def commit(
    changes: Changes, *, leases: str, place: Place, partition: int, epoch: int, batch: int
) -> tuple[str, list[Any]]:
    """Return the statement that writes *changes* as the batch of this number, and its parameters. *leases* is their table, *place* that of the row.

    Raises:
        TypeError, UnicodeEncodeError, ValueError: a value cannot be stored; see `packed`.

    """
    written = _without_erased(changes) if changes.erased or changes.deleted else changes.written
    rows = {row_type: some for row_type, some in written.items() if some}
    keys = {row_type: some for row_type, some in changes.deleted.items() if some}
    text = _text(leases, tuple(rows), tuple(keys), bool(changes.erased))
    values: list[Any] = [changes.next_key, batch, place, partition, epoch]
    for row_type, some in rows.items():
        values += map(packed, schema.VALUE_TYPES[row_type], zip(*some, strict=True))
    for row_type, some in keys.items():
        values += map(packed, _key_types(row_type), zip(*some, strict=True))
    if changes.erased:
        values.append(packed(int, changes.erased))
    return text, values


def _without_erased(changes: Changes) -> Mapping[type, Sequence[RowValues]]:
    """Return the rows to write that the same batch does not delete again."""
    erased = {"process_instance_key": frozenset(changes.erased), "user_task_key": _tasks_of_erased(changes)}
    return {row_type: _kept(row_type, rows, changes, erased) for row_type, rows in changes.written.items()}


def _tasks_of_erased(changes: Changes) -> frozenset[int]:
    """Return the keys of the written user tasks whose process instances are erased; what was noted about them goes too."""
    place, erased = KINDS[UserTask].columns.index("process_instance_key"), frozenset(changes.erased)
    return frozenset(row[0] for row in changes.written.get(UserTask, ()) if row[place] in erased)


def _kept(
    row_type: type, rows: Sequence[RowValues], changes: Changes, erased: Mapping[str, frozenset[int]]
) -> Sequence[RowValues]:
    kind = KINDS[row_type]
    gone = frozenset(changes.deleted.get(row_type, ()))
    key_of = itemgetter(*map(kind.columns.index, kind.primary_key))
    if len(kind.primary_key) == 1:
        gone = frozenset(key for (key,) in gone)
    kept = [row for row in rows if key_of(row) not in gone] if gone else rows
    for name, keys in erased.items():
        if keys and name in kind.columns:
            place = kind.columns.index(name)
            kept = [row for row in kept if row[place] not in keys]
    return kept


@lru_cache(maxsize=512)
def _text(leases: str, written: tuple[type, ...], deleted: tuple[type, ...], erases: bool) -> str:
    place = Parameters()
    to_key, to_batch = place(), place()
    own = f"ctid = {place()} AND id = {place()} AND epoch = {place()}"
    fence = f"UPDATE {leases} SET next_key = {to_key}, batch = {to_batch} WHERE {own}"
    parts = [_upsert(row_type, place) for row_type in written]
    parts += [_delete(row_type, place) for row_type in deleted]
    if erases:
        keys = place.keys(int)
        parts += [f"{embedded(one, keys=keys)} AND {_IF_LEADING}" for one in statements.ERASE]
    named = [f"fence AS ({fence} RETURNING ctid)", *(f"part{number} AS ({part})" for number, part in enumerate(parts))]
    return f"WITH {', '.join(named)} SELECT (SELECT ctid FROM fence) AS place"


def _upsert(row_type: type, place: Parameters) -> str:
    """Insert rows, or update those whose primary key is there already."""
    table, types = schema.TABLES[row_type], schema.VALUE_TYPES[row_type]
    names = [quoted(column.name) for column in table.columns]
    values = [
        f"decode(u.{name}, 'hex')" if type is bytes else f"u.{name}" for name, type in zip(names, types, strict=True)
    ]
    changing = [quoted(column.name) for column in table.columns if column.info["changes"]]
    then = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in changing)}" if changing else "NOTHING"
    return (
        f"INSERT INTO {quoted(table.name)} ({', '.join(names)}) SELECT {', '.join(values)}"
        f" FROM {_rows(types, names, place)} WHERE {_IF_LEADING} ON CONFLICT ({_key(table)}) DO {then}"
    )


def _delete(row_type: type, place: Parameters) -> str:
    """Delete the rows with these primary keys."""
    table = schema.TABLES[row_type]
    name, keys = quoted(table.name), [quoted(column.name) for column in table.primary_key]
    alike = " AND ".join(f"{name}.{key} = u.{key}" for key in keys)
    rows = _rows(_key_types(row_type), keys, place)
    return f"DELETE FROM {name} USING {rows} WHERE {alike} AND {_IF_LEADING}"


def _rows(types: Sequence[type], names: Sequence[str], place: Parameters) -> str:
    """Return a table of rows, each column of which is one parameter."""
    return f"ROWS FROM ({', '.join(map(place.column, types))}) AS u ({', '.join(names)})"


def _key(table: Table) -> str:
    return ", ".join(quoted(column.name) for column in table.primary_key)


@lru_cache(maxsize=64)
def _key_types(row_type: type) -> tuple[type, ...]:
    kind = KINDS[row_type]
    types = dict(zip(kind.columns, schema.VALUE_TYPES[row_type], strict=True))
    return tuple(types[name] for name in kind.primary_key)
