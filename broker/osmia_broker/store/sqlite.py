"""A partition's rows in one SQLite file: WAL, `synchronous=FULL`, one connection, used by one thread.

A commit is durable when `write` returns. After any failure the connection is closed, and `open` makes a new one: a failed fsync is never
retried as if it had not happened.

Two brokers on one file are kept apart twice. A lock of the operating system refuses the second. That lock can be lost: its file is
removed, or a network file system does not lock. Then the later broker has raised the partition's epoch, and every commit of the earlier
one finds that out.
"""

import fcntl
import os
import sqlite3
from asyncio import Future
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from enum import StrEnum
from functools import partial
from operator import attrgetter, itemgetter
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, TypeVar

from osmia_broker.base.errors import StoreFailed, StoreFull, ValueRefused
from osmia_broker.base.system_errors import in_words
from osmia_broker.model.graph import ElementType
from osmia_broker.state.memory.filter import Filter
from osmia_broker.state.rows import DEFINITION_TYPES
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import (
    LANES_MAX,
    Changes,
    Due,
    DueWanted,
    Lane,
    Loaded,
    MatchWanted,
    RowValues,
    Start,
    Wanted,
    Written,
)
from osmia_broker.state.tables.windows import rank_of
from osmia_broker.store import schema, statements
from osmia_broker.store.assemble import NEXT_DUE, READERS, Assembly, CorruptRow, due_of
from osmia_broker.store.creation import bring_up_to_date
from osmia_broker.store.dialects import Prepared, delete, flattened, in_groups, packed, update, upsert
from osmia_broker.store.held import HeldSnapshot
from osmia_broker.store.refused import largest_value, refused_value
from osmia_broker.store.writer import Writer

BUSY_MS = 5_000  # how long a commit waits for a reader that checkpoints; there is no other writer
LOG_KEPT_BYTES = 32 * 1024**2  # of the log that are left on the disk once it was emptied; it begins anew at 4 MB
LOG_HELD_BYTES = 64 * 1024**2  # of a log that somebody keeps from being emptied: no commit is so large
LOOK_S = 1.0  # between looks at the size of the log
STATEMENTS = 512  # prepared ones kept by the connection: every table in every group size

# For sqlite3 a member of an enum is no text, and without an adapter it searches at each value for a way to make it one: 0.6 µs, with it 0.06.
_ENUMS: set[type[StrEnum]] = {ElementType, *(enum for kind in KINDS.values() for enum in kind.enums.values())}
for _enum in _ENUMS:
    sqlite3.register_adapter(_enum, attrgetter("_value_"))

T = TypeVar("T")
Connect = Callable[[Path], sqlite3.Connection]


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection for the writer thread, durable at every commit."""
    db = sqlite3.connect(path, isolation_level=None, cached_statements=STATEMENTS)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    db.execute(f"PRAGMA journal_size_limit = {LOG_KEPT_BYTES}")
    return db


def _prepared(of_types: dict[type, Any]) -> dict[type, Prepared]:
    return {row_type: Prepared(statement) for row_type, statement in of_types.items()}


_OWNERS = _prepared(statements.OWNERS)
_KINDS_OF_INSTANCES = Prepared(statements.KINDS_OF_INSTANCES)
_OF_INSTANCES = _prepared(statements.OF_INSTANCES)
_OF_SCOPES = _prepared(statements.OF_SCOPES)
_DEFINITIONS = _prepared(statements.DEFINITIONS)
_DUE = Prepared(statements.DUE)
_MATCHES = {place: Prepared(statement) for place, statement in statements.MATCHES.items()}
_KEPT_MESSAGES = Prepared(statements.KEPT_MESSAGES)
_RESOURCES = Prepared(statements.RESOURCES)
_LANES = {name: Prepared(statement) for name, statement in statements.LANES.items()}
_NEXT_FAIR_KEY = [Prepared(statement) for statement in statements.NEXT_FAIR_KEY]
_HELD = Prepared(statements.HELD)
_PARTITION = Prepared(statements.PARTITION)
_TAKE_OVER = Prepared(statements.TAKE_OVER)
_SAVE_NEXT_KEY = Prepared(statements.SAVE_NEXT_KEY)
_ERASE = [Prepared(statement) for statement in statements.ERASE]


class SqliteStore:
    """The `Store` of one partition in the file *path*, whose directory is made if need be, for its owner alone.

    It is used from one event loop at a time. A thread of its own makes all calls, in the order in which they were given. That thread
    lives as long as the store holds its lock: from the first successful `open` to `close`.
    """

    def __init__(
        self,
        path: Path,
        *,
        partition_id: int = 1,
        connect: Connect = connect,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._path, self._log_path = path, path.with_name(f"{path.name}-wal")
        self._partition_id = partition_id
        self._connect = connect
        self.held = HeldSnapshot(clock)  #: by a reader of the file
        self._clock, self._look_s = clock, 0.0
        self._writer = Writer(f"store-{partition_id}", is_needed=lambda: self._lock is not None)
        # The thread alone uses these.
        self._db: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._epoch = 0  # the one that this store writes in; 0 before it has taken the partition over

    @property
    def epoch(self) -> int:
        """The epoch in which this store writes; 0 before it has taken the partition over."""
        return self._epoch

    def open(self) -> "Future[Start]":
        """Connect and read the little that a start needs.

        Raises:
            StoreFailed: another process has the database open, a newer version of Osmia made it, or it cannot be used.

        """
        return self._writer.run(self._open)

    def write(self, changes: Changes | None, wanted: Wanted | None) -> "Future[Written]":
        """Write *changes* in one transaction, then read the rows that are *wanted*. Both take one turn of the thread."""
        return self._writer.run(partial(self._guarded, partial(self._write, changes, wanted)))

    def close(self) -> "Future[None]":
        """Give connection and lock back, after the calls that were made before. Safe to call twice."""
        return self._writer.run(self._close)

    # --- guarding

    def _guarded(self, call: Callable[[], T]) -> T:
        """Make *call*. Any failure closes the connection, and with it drops a transaction that is not committed."""
        try:
            return call()
        except StoreFailed:
            self._drop()
            raise
        except Exception as error:
            # No directory, a failed migration, a full disk: the partition starts over after each.
            self._drop()
            is_full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
            place = f" at '{error.filename}'" if isinstance(error, OSError) and error.filename else ""
            raise (StoreFull if is_full else StoreFailed)(
                f"Expected to use the database {self._path.name}, but found{place}: {in_words(error)}"
            ) from error

    def _drop(self) -> None:
        """Close the connection; the lock stays."""
        db, self._db = self._db, None
        if db is not None:
            try:
                db.close()
            except sqlite3.Error:  # it has failed already, and that failure is the one to report
                return

    def _open_db(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreFailed(f"Expected the database {self._path.name} to be open, but it is closed")
        return self._db

    # --- opening and closing

    def _open(self) -> Start:
        """Open; a first opening that fails leaves no lock behind."""
        self._drop()
        was_locked = self._lock is not None
        try:
            return self._guarded(self._start)
        except StoreFailed:
            if not was_locked:
                self._release_lock()
            raise

    def _start(self) -> Start:
        self._take_lock()
        self._db = db = self._connect(self._path)
        bring_up_to_date(db, self._path, self._partition_id)
        # What a statement of many rows has overwritten is kept in memory, not in a file of a folder for temporary files. After the migrations,
        # which may sort more than memory holds.
        db.execute("PRAGMA temp_store = MEMORY")
        next_key = self._take_over(db)
        definitions = {row_type: self._definitions(db, row_type) for row_type in DEFINITION_TYPES}
        next_due_ms = _due(db, NEXT_DUE).next_ms
        return Start(next_key, definitions, next_due_ms, _HELD.rows(db), _kept_messages(db))

    def _definitions(self, db: sqlite3.Connection, row_type: type) -> list[Any]:
        try:
            return [READERS[row_type].row(values) for values in _DEFINITIONS[row_type].rows(db)]
        except CorruptRow as fault:
            raise StoreFailed(f"Expected the database {self._path.name} to be readable, but found {fault}") from None

    def _take_over(self, db: sqlite3.Connection) -> int:
        """Begin an epoch when the lock is new, or check that the own one lasts. Returns the next key."""
        if self._epoch == 0:
            _TAKE_OVER.run(db, partition=self._partition_id)
        row = _PARTITION.run(db, partition=self._partition_id).fetchone()
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
        """Allow one broker per file: a lock of the operating system, which ends with its process however that ends."""
        if self._lock is not None:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            os.close(lock)
            process = f" (process {holder})" if holder.isdigit() else ""
            raise StoreFailed(
                f"Expected to be the only broker on {self._path.name},"
                f" but found another one{process} on the same data directory"
            ) from error
        self._lock = lock
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def _release_lock(self) -> None:
        lock, self._lock = self._lock, None
        self._epoch = 0
        if lock is not None:
            os.close(lock)

    def _close(self) -> None:
        db, self._db = self._db, None
        try:
            if db is not None:
                db.close()
        except sqlite3.Error as error:
            raise StoreFailed(f"Expected to close {self._path.name}, but found: {error}") from error
        finally:
            self._release_lock()

    # --- writing

    def _write(self, changes: Changes | None, wanted: Wanted | None) -> Written:
        db = self._open_db()
        written = Written()
        if changes is not None:
            begun = perf_counter()
            try:
                self._commit(db, changes)
            except (OverflowError, UnicodeEncodeError, sqlite3.Error) as error:
                raise self._value_refused(changes, error) from error
            written.commit_s = perf_counter() - begun
            self._look_at_log()
        if wanted:
            written.loaded = _load(db, wanted)
        return written

    def _commit(self, db: sqlite3.Connection, changes: Changes) -> None:
        db.execute("BEGIN IMMEDIATE")
        for row_type, rows in changes.written.items():
            table = schema.TABLES[row_type]
            changed = changes.changed.get(row_type)
            for group in in_groups(_update(db, row_type, rows, changed) if changed else rows):
                db.execute(upsert(table, len(group)), flattened(group))
        for row_type, keys in changes.deleted.items():
            db.executemany(delete(schema.TABLES[row_type]), keys)
        if changes.erased:
            self._erase(db, changes.erased)
        saved = _SAVE_NEXT_KEY.run(
            db, after_batch=changes.next_key, partition=self._partition_id, own_epoch=self._epoch
        )
        if saved.rowcount != 1:
            raise self._fenced()
        db.execute("COMMIT")

    def _look_at_log(self) -> None:
        """Notice a reader that keeps the log from being emptied: it grows with each commit then."""
        now_s = self._clock()
        if now_s < self._look_s:
            return
        self._look_s = now_s + LOOK_S
        try:
            log_bytes = self._log_path.stat().st_size
        except OSError:  # there is none in memory
            return
        holder = "a reader" if log_bytes > LOG_HELD_BYTES else None
        self.held.see(holder, partition=self._partition_id, log=self._log_path.name, log_bytes=log_bytes)

    @staticmethod
    def _erase(db: sqlite3.Connection, process_instance_keys: Sequence[int]) -> None:
        """Delete all rows of process instances, and what was noted about them."""
        keys = packed(process_instance_keys)
        for statement in _ERASE:
            statement.run(db, keys=keys)

    def _value_refused(self, changes: Changes, error: Exception) -> Exception:
        """Return `ValueRefused` if one value made the commit fail, else the *error* itself."""
        if isinstance(error, sqlite3.OperationalError):  # the disk, or a lock
            return error
        found = refused_value(changes)
        if found is None and isinstance(error, sqlite3.DataError):
            found = largest_value(changes)
        if found is None:
            return error
        return ValueRefused(f"Expected values that the database {self._path.name} can store, but found {found}")


def _update(
    db: sqlite3.Connection, row_type: type, rows: Sequence[RowValues], changed: Mapping[int, frozenset[str]]
) -> Sequence[RowValues]:
    """Set the columns that have *changed* of the rows that are known to be there; return the others of *rows*. Keys are first values."""
    names = KINDS[row_type].columns
    others: list[RowValues] = []
    alike: dict[frozenset[str], list[RowValues]] = defaultdict(list)
    for row in rows:
        columns = changed.get(row[0])
        (others if columns is None else alike[columns]).append(row)
    for columns, some in alike.items():
        places = [place for place, name in enumerate(names) if name in columns]
        values_of = itemgetter(0, *places)
        statement = partial(update, schema.TABLES[row_type], columns=tuple(names[place] for place in places))
        for group in in_groups([values_of(row) for row in some]):
            db.execute(statement(len(group)), flattened(group))
    return others


# --- reading


def _load(db: sqlite3.Connection, wanted: Wanted) -> Loaded:
    loaded = Loaded()
    rows = wanted.rows
    for match in wanted.matches:
        loaded.matches[match] = keys = _matching(db, match)
        rows |= {(match.row_type, key) for key in keys}
    if rows:
        _load_instances(db, rows, wanted.newer, loaded)
    if wanted.resources:
        found = _RESOURCES.rows(db, keys=packed(wanted.resources))
        loaded.resources = {checksum: content for checksum, content in found if isinstance(content, bytes)}
    for lane, after in wanted.windows:
        loaded.windows[lane] = _window(db, lane, after)
    for type, after_key in wanted.fair_keys:
        loaded.fair_keys[type] = _fair_keys(db, type, after_key)
    if wanted.due is not None:
        loaded.due = _due(db, wanted.due)
    return loaded


def _matching(db: sqlite3.Connection, match: MatchWanted) -> list[int]:
    """Return the keys of the rows with the values of *match*."""
    values = {f"value_{place}": value for place, value in enumerate(match.values)}
    try:
        return [key for (key,) in _MATCHES[match.row_type, match.columns].rows(db, after=match.after, **values)]
    except UnicodeEncodeError:  # half a surrogate pair; no row can hold it
        return []


def _window(db: sqlite3.Connection, lane: Lane, after: int) -> list[int]:
    """Return the next ranks of *lane*."""
    ranks: list[int] = []
    for name, place in statements.parts_of(lane, after):
        if len(ranks) < lane.jobs_max:
            rows = _LANES[name].rows(db, type=lane.type, rows_max=lane.jobs_max - len(ranks), **place)
            ranks += [rank_of(int(priority), key) for priority, key in rows]
    return ranks


def _fair_keys(db: sqlite3.Connection, type: str, after: str) -> list[str]:
    """Return the next keys that share the jobs of *type*; the first is that of the jobs without a key. Each costs one step in each index."""
    keys = [] if after else [""]
    while len(keys) < LANES_MAX:
        found = [one.run(db, type=type, after=keys[-1] if keys else after).fetchone()[0] for one in _NEXT_FAIR_KEY]
        lowest = min((key for key in found if key is not None), default=None)
        if lowest is None:
            break
        keys.append(lowest)
    return keys


def _kept_messages(db: sqlite3.Connection) -> Filter:
    """Read which names and correlation keys have messages: 2.3 µs each, half of it in SQLite. A covering index saves only 0.2 µs."""
    kept = Filter()
    kept.add_all(_KEPT_MESSAGES.run(db))
    return kept


def _load_instances(
    db: sqlite3.Connection, wanted: frozenset[tuple[type, int]], newer: Container[int], loaded: Loaded
) -> None:
    """Read all living rows of the process instances that own the rows of these keys, but not of the *newer* ones."""
    keys_of: dict[type, list[int]] = defaultdict(list)
    for row_type, key in wanted:
        keys_of[row_type].append(key)
    assembly = Assembly()
    for row_type, keys in keys_of.items():
        assembly.add_owners(_OWNERS[row_type].rows(db, keys=packed(keys)))
    if instance_keys := [key for key in assembly.instance_keys if key not in newer]:
        keys_parameter = packed(instance_keys)
        for (place,) in _KINDS_OF_INSTANCES.rows(db, keys=keys_parameter):
            kind = schema.KEYED_KINDS[place]
            assembly.add_rows(kind, _OF_INSTANCES[kind.row_type].rows(db, keys=keys_parameter))
        scopes_parameter = packed(assembly.scope_keys)
        for kind in schema.SCOPED_KINDS:
            assembly.add_rows_of_scopes(kind, _OF_SCOPES[kind.row_type].rows(db, keys=scopes_parameter))
    assembly.finish(loaded)


def _due(db: sqlite3.Connection, wanted: DueWanted) -> Due:
    """Return the rows that are due, and the time of the next one."""
    return due_of(_DUE.rows(db, **statements.due_values(wanted)), wanted)
