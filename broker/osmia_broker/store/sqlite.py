"""A partition's rows in one SQLite file: WAL, `synchronous=FULL`, one connection used by the partition's writer thread.

A commit is durable when it returns. After any failure the connection is closed, and `open` makes a new one: a failed fsync is never
retried as if it had not happened.

Two brokers on one file are kept apart twice. A lock of the operating system refuses the second; and where that is lost (the lock file
was removed, a network file system that does not lock), the one that came later has raised the partition's epoch, which every commit
of the earlier one finds out.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Select, literal_column, select, union
from sqlalchemy import bindparam as param
from sqlalchemy.exc import SQLAlchemyError

from osmia_broker.errors import StoreFailed, StoreFull
from osmia_broker.state.exchange import WINDOW_JOBS, Changes, InstanceRows, Loaded, Start, Wanted
from osmia_broker.state.rows import (
    Decision,
    DecisionRequirements,
    ElementInstance,
    ElementState,
    ErrorType,
    Form,
    Incident,
    Job,
    JobState,
    ProcessDefinition,
    Row,
    Variable,
    WaitingToken,
)
from osmia_broker.store import schema
from osmia_broker.store.creation import bring_up_to_date
from osmia_broker.store.statements import among, delete, flat, in_groups, rows_of, sql, upsert

BUSY_MS = 5_000  # how long a commit waits for a reader that checkpoints; there is no other writer
STATEMENTS = 512  # prepared ones kept by the connection: every table in every group size
FULL = frozenset({sqlite3.SQLITE_FULL})

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Connect = Callable[[Path], sqlite3.Connection]


def connect(path: Path) -> sqlite3.Connection:
    """A connection for the writer thread, durable at every commit."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return db


_element, _job, _incident = schema.element_instances, schema.jobs, schema.incidents


def _living(row_type: type[Row]) -> Select[Any]:
    table = schema.TABLES[row_type]
    return rows_of(row_type).where(among(table.c.process_instance_key, "keys"), table.c.ended_ms == schema.NOT_ENDED)


_OWNERS = sql(
    union(
        *(
            select(table.c.process_instance_key).where(
                among(table.c.key, f"keys_{place}"), table.c.ended_ms == schema.NOT_ENDED
            )
            for place, table in enumerate((_element, _job, _incident))
        )
    )
)
_ELEMENTS, _TOKENS, _JOBS, _INCIDENTS = (sql(_living(row)) for row in (ElementInstance, WaitingToken, Job, Incident))
_VARIABLES = sql(rows_of(Variable).where(among(schema.variables.c.scope_key, "keys")))
_RESOURCE = sql(select(schema.resources.c.content).where(schema.resources.c.checksum == param("checksum")))
_WINDOW = (
    sql(
        select(_job.c.key)
        .where(
            _job.c.type == param("type"),
            _job.c.state == schema.ACTIVATABLE,
            _job.c.ended_ms == schema.NOT_ENDED,
            _job.c.key > param("after"),
        )
        .order_by(_job.c.key)
    )
    + f" LIMIT {WINDOW_JOBS}"
)
_DUE = sql(
    select(_job.c.deadline_ms, _job.c.key)
    .where(
        _job.c.deadline_ms > schema.NO_DEADLINE,
        _job.c.ended_ms == schema.NOT_ENDED,
        _job.c.deadline_ms > param("above"),
        _job.c.deadline_ms <= param("up_to"),
    )
    .order_by(_job.c.deadline_ms, _job.c.key)
)
_partition = schema.partition
_PARTITION = sql(select(_partition.c.next_key, _partition.c.epoch).where(_partition.c.id == param("partition")))
_TAKE_OVER = sql(
    _partition.update().where(_partition.c.id == param("partition")).values(epoch=literal_column("epoch + 1"))
)
_SAVE_NEXT_KEY = sql(
    _partition.update()
    .where(_partition.c.id == param("partition"), _partition.c.epoch == param("of_epoch"))
    .values(next_key=param("next_key"))
)
"""Its parameters come in the order of the text: next_key, partition, of_epoch."""


class SqliteStore:
    """The `Store` of one partition in the file *path*; its directory is made if need be, for its owner alone."""

    def __init__(self, path: Path, *, partition_id: int = 1, connect: Connect = connect) -> None:
        self._path = path
        self._partition_id = partition_id
        self._connect = connect
        self._db: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._epoch = 0  # the one that this store writes in; 0 before it has taken the partition over

    def open(self) -> Start:
        """Connect and read what a start needs. A database that another process has open, or a newer version made, is refused."""
        self._drop()
        return self._guarded(self._open)

    def commit(self, changes: Changes) -> None:
        """Write *changes* in one transaction."""
        self._guarded(lambda: self._commit(self._open_db(), changes))

    def load(self, wanted: Wanted) -> Loaded:
        """Read the rows that are wanted."""
        return self._guarded(lambda: self._load(self._open_db(), wanted))

    def close(self) -> None:
        """Give connection and lock back. Safe to call twice."""
        db, self._db = self._db, None
        if db is not None:
            try:
                db.close()
            except sqlite3.Error as error:  # nothing depends on it any longer
                raise StoreFailed(f"Expected to close {self._path.name}, but found: {error}") from error
        lock, self._lock = self._lock, None
        self._epoch = 0
        if lock is not None:
            os.close(lock)

    # --- guarding

    def _guarded(self, call: Callable[[], T]) -> T:
        """Make *call*; whatever the database says against it ends the connection."""
        try:
            return call()
        except sqlite3.Error as error:
            self._drop()
            full = getattr(error, "sqlite_errorcode", 0) & 0xFF in FULL
            raise (StoreFull if full else StoreFailed)(
                f"Expected the database {self._path.name} to answer, but found: {error}"
            ) from error
        except StoreFailed:
            self._drop()
            raise
        except (OSError, ValueError, KeyError, OverflowError, SQLAlchemyError) as error:
            # no directory; a row that no broker wrote, or none can store; a migration that failed
            self._drop()
            raise StoreFailed(f"Expected to use the database {self._path.name}, but found: {error}") from error

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            try:
                db.close()
            except sqlite3.Error:  # it has failed already, and that is what is told
                return

    def _open_db(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreFailed(f"Expected the database {self._path.name} to be open, but it is closed")
        return self._db

    # --- opening

    def _open(self) -> Start:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        self._db = db = self._connect(self._path)
        bring_up_to_date(db, self._path, self._partition_id)
        next_key = self._take_over(db)
        return Start(
            next_key=next_key,
            processes=_read(db, ProcessDefinition),
            requirements=_read(db, DecisionRequirements),
            decisions=_read(db, Decision),
            forms=_read(db, Form),
        )

    def _take_over(self, db: sqlite3.Connection) -> int:
        """Begin an epoch when the lock is new, or see that the own one lasts. Returns the next key."""
        if self._epoch == 0:
            db.execute(_TAKE_OVER, (self._partition_id,))
        row = db.execute(_PARTITION, (self._partition_id,)).fetchone()
        if row is None:
            raise StoreFailed(f"Expected partition {self._partition_id} in {self._path.name}, but found another one")
        next_key, epoch = row
        if self._epoch not in (0, epoch):
            raise self._fenced()
        self._epoch = epoch
        return int(next_key)

    def _fenced(self) -> StoreFailed:
        return StoreFailed(
            f"Expected to write {self._path.name} in epoch {self._epoch}, but found that another broker has taken it over"
        )

    def _take_lock(self) -> None:
        """One broker per file: a lock of the operating system, which ends with its process however that ends."""
        if self._lock is not None:
            return
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise StoreFailed(
                f"Expected to be the only broker on {self._path.name}, but found another one on the same data directory"
            ) from error
        self._lock = lock

    # --- writing

    def _commit(self, db: sqlite3.Connection, changes: Changes) -> None:
        db.execute("BEGIN IMMEDIATE")
        for row_type, rows in changes.written.items():
            table = schema.TABLES[row_type]
            for group in in_groups(rows):
                db.execute(upsert(table, len(group)), flat(group))
        for row_type, keys in changes.deleted.items():
            db.executemany(delete(schema.TABLES[row_type]), keys)
        saved = db.execute(_SAVE_NEXT_KEY, (changes.next_key, self._partition_id, self._epoch))
        if saved.rowcount != 1:
            raise self._fenced()
        db.execute("COMMIT")

    # --- reading

    def _load(self, db: sqlite3.Connection, wanted: Wanted) -> Loaded:
        loaded = Loaded()
        instances = self._owners(db, wanted)
        if instances:
            _load_instances(db, instances, loaded)
        for checksum in wanted.resources:
            row = db.execute(_RESOURCE, (checksum,)).fetchone()
            if row is None:
                raise StoreFailed(f"Expected the resource {checksum} of a deployed definition, but found none")
            loaded.resources[checksum] = row[0]
        for type, after in wanted.job_types:
            loaded.windows[type] = [key for (key,) in db.execute(_WINDOW, (type, after))]
        if wanted.due_jobs is not None:
            loaded.due_jobs = db.execute(_DUE, wanted.due_jobs).fetchall()
        return loaded

    def _owners(self, db: sqlite3.Connection, wanted: Wanted) -> set[int]:
        """The process instances that are wanted, or that own what is wanted."""
        instances = set(wanted.instances)
        if wanted.elements or wanted.jobs or wanted.incidents:
            keys = [_json(keys) for keys in (wanted.elements, wanted.jobs, wanted.incidents)]
            instances.update(key for (key,) in db.execute(_OWNERS, keys))
        return instances


def _json(keys: frozenset[int] | set[int] | list[int]) -> str:
    return msgspec.json.encode(keys).decode()


def _read(db: sqlite3.Connection, row_type: type[T]) -> list[T]:
    return [row_type(*values) for values in db.execute(_ALL[row_type])]


_ALL: dict[type, str] = {
    row_type: sql(rows_of(row_type)) for row_type in (ProcessDefinition, DecisionRequirements, Decision, Form)
}


def _load_instances(db: sqlite3.Connection, instances: set[int], loaded: Loaded) -> None:
    """All living rows of these process instances; those that are over have none."""
    keys = _json(instances)
    rows = loaded.instances
    scopes = []
    faults: dict[int, str] = {}
    for element in (ElementInstance(*values) for values in db.execute(_ELEMENTS, (keys,))):
        element.state = _one_of(ElementState, element.state, element, faults)
        rows.setdefault(element.process_instance_key, InstanceRows()).elements.append(element)
        scopes.append(element.key)
    for token in (WaitingToken(*values) for values in db.execute(_TOKENS, (keys,))):
        rows[token.process_instance_key].tokens.append(token)
    for job in (Job(*values) for values in db.execute(_JOBS, (keys,))):
        job.state = _one_of(JobState, job.state, job, faults)
        rows[job.process_instance_key].jobs.append(job)
    for incident in (Incident(*values) for values in db.execute(_INCIDENTS, (keys,))):
        incident.error_type = _one_of(ErrorType, incident.error_type, incident, faults)
        rows[incident.process_instance_key].incidents.append(incident)
    for variable in (Variable(*values) for values in db.execute(_VARIABLES, (_json(scopes),))):
        rows[variable.process_instance_key].variables.append(variable)
    for process_instance_key, fault in faults.items():
        found = rows.pop(process_instance_key)
        keys_of_rows = [row.key for row in found.elements] + [row.key for row in found.jobs]
        loaded.unreadable |= dict.fromkeys([*keys_of_rows, *(row.key for row in found.incidents)], fault)


def _one_of(enum: type[E], value: str, row: ElementInstance | Job | Incident, faults: dict[int, str]) -> E:
    """The member of *enum*; where the row was not written by a broker, a fault of its instance."""
    try:
        return enum(value)
    except ValueError:
        faults[row.process_instance_key] = (
            f"Expected the stored rows of process instance '{row.process_instance_key}' to be readable,"
            f" but found '{value}' in the row of '{row.element_id}'"
        )
        return next(iter(enum))
