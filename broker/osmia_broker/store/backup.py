"""Copy the data of a broker, also while it runs; put such a copy back; and check either.

A backup is a directory: one file for each partition, the documents, the users, the id of the cluster, and a list of all files with their
digests. Its name appears when it is complete. Two files of a data directory are left out: the ports, and the key of the page's sessions,
which end with a restore.

The copy of a database is one moment of it: SQLite reads all pages in one transaction, and a broker goes on writing beside it. Documents
are copied after the databases. A document exists before a variable can name it, so the copy has each one that a variable names, unless
it was deleted meanwhile.
"""

import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec

from osmia_broker import __version__
from osmia_broker.base import cluster_id
from osmia_broker.base.system_errors import in_words
from osmia_broker.state.partitioning import COUNT_FILE
from osmia_broker.store.creation import HEAD

LIST = "osmia.backup.json"
DATABASES = "partition-*.db"
KEPT = ("documents/*", "osmia.users.json", COUNT_FILE, cluster_id.FILE)
RESTORING = ".osmia-restoring"  # in the data directory until a restore is complete
EMPTY = {"lost+found"}  # what a new volume has
PAGES = 1_000  # copied at a time, 4 MB: between two of them the caller may report progress
CHUNK_BYTES = 1024**2
STANDSTILL_S = 5.0  # how long a copy of several partitions waits for the end of a commit

Progress = Callable[[int, int], None]  #: called with the number of bytes that are done, and of all


class BackupFailed(Exception):
    """A copy cannot be made, used or trusted. The text says why."""


class NoData(BackupFailed):
    """There is no database, or no backup, where one was named."""


class Occupied(BackupFailed):
    """The target has something in it already. Nothing is overwritten."""


class FileOfBackup(msgspec.Struct, frozen=True):
    """A file as it was copied: its length, and SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


class Backup(msgspec.Struct, frozen=True):
    """The list of a backup. *made* is ISO 8601 in UTC, *files* are by their path in the backup."""

    osmia: str
    database: str  # the revision of the schema
    made: str
    files: dict[str, FileOfBackup]

    @property
    def bytes(self) -> int:
        """The length of all files together."""
        return sum(file.bytes for file in self.files.values())


def back_up(data_dir: Path, target: Path, progress: Progress = lambda _done, _all: None) -> Backup:
    """Copy the data in *data_dir* to the new directory *target*, check the copy, and return its list.

    Raises:
        NoData: *data_dir* has no database.
        Occupied: *target* exists.
        BackupFailed: a file cannot be read or written, or the database is damaged.
    """
    databases = sorted(data_dir.glob(DATABASES))
    if not databases:
        raise NoData(f"Expected a database in '{data_dir}', but found none")
    if target.exists():
        raise Occupied(f"Expected '{target}' to be new, but found something with that name")
    draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    with _explained(f"copy '{data_dir}' to '{target}'"):
        draft.mkdir(mode=0o700, parents=True)
        try:
            with ExitStack() as opened:
                reading = _at_one_moment(databases, opened)
                revisions = {_copied_database(db, draft / one.name, progress) for one, db in reading.items()}
            for source in _kept(data_dir):
                _copied_file(source, draft / source.relative_to(data_dir))
            files = {str(path.relative_to(draft)): _record(path) for path in sorted(draft.rglob("*")) if path.is_file()}
            made = Backup(__version__, max(revisions), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", files)
            _written(draft / LIST, msgspec.json.format(msgspec.json.encode(made), indent=2))
            draft.rename(target)
            _sync_directory(target.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return made


def restore(backup: Path, data_dir: Path, progress: Progress = lambda _done, _all: None) -> Backup:
    """Copy the backup into *data_dir*, which must be missing or empty. Each file is checked first.

    Raises:
        NoData: there is no backup in *backup*.
        Occupied: *data_dir* has something in it.
        BackupFailed: a file is damaged or cannot be copied, or a newer Osmia made the backup.
    """
    listed = _read_list(backup)
    if data_dir.exists() and not data_dir.is_dir():
        raise Occupied(f"Expected '{data_dir}' to be a directory, but found a file")
    with _explained(f"read '{data_dir}'"):
        found = [one.name for one in data_dir.iterdir() if one.name not in EMPTY] if data_dir.exists() else []
    if found:
        raise Occupied(f"Expected '{data_dir}' to be empty, but found '{min(found)}' in it")
    if listed.database > HEAD:
        raise BackupFailed(
            f"Expected a backup of Osmia {__version__} or older, but found one of Osmia {listed.osmia}, whose database is newer"
        )
    if problems := check(backup):
        raise BackupFailed(f"Expected the backup in '{backup}' to be whole, but found: {problems[0]}")
    draft, done = data_dir / RESTORING, 0
    with _explained(f"copy '{backup}' to '{data_dir}'"):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            for name, record in listed.files.items():
                _copied_file(backup / name, draft / name)
                done += record.bytes
                progress(done, listed.bytes)
            for name in sorted(listed.files, key=lambda name: PurePosixPath(name).match(DATABASES)):  # databases last
                (data_dir / name).parent.mkdir(mode=0o700, exist_ok=True)
                (draft / name).rename(data_dir / name)
            _sync_directory(data_dir)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return listed


def check(directory: Path) -> list[str]:
    """Check a backup or a data directory, also of a running broker. Return what is wrong with it, or an empty list.

    Raises:
        NoData: there is neither in *directory*.
        BackupFailed: a file cannot be read.
    """
    problems = []
    if (directory / LIST).exists():
        for name, record in _read_list(directory).files.items():
            if not (directory / name).is_file():
                problems.append(f"'{name}' is missing")
            elif _record(directory / name) != record:
                problems.append(f"'{name}' is not what was copied")
    problems += _missing(directory)
    databases = sorted(directory.glob(DATABASES))
    if not databases and not problems:
        raise NoData(f"Expected a database in '{directory}', but found none")
    for database in databases:
        if not database.stat().st_size:  # SQLite takes it for a database without tables
            problems.append(f"{database.name}: the file is empty")
            continue
        with _explained(f"read '{database.name}'"), closing(_reading(database)) as db:
            problems += [f"{database.name}: {fault}" for fault in _faults(db)]
    return problems


def _missing(directory: Path) -> list[str]:
    """Return what is wrong with the number of partitions."""
    try:
        count = int((directory / COUNT_FILE).read_text("ascii"))
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"'{COUNT_FILE}' cannot be read: {in_words(error)}"]
    except ValueError:
        return [f"Expected '{COUNT_FILE}' to have the number of partitions, but found another text"]
    names = (f"partition-{number}.db" for number in range(1, count + 1))
    return [f"'{name}' is missing" for name in names if not (directory / name).is_file()]


def _read_list(backup: Path) -> Backup:
    try:
        listed = msgspec.json.decode((backup / LIST).read_bytes(), type=Backup)
    except FileNotFoundError:
        raise NoData(f"Expected a backup in '{backup}', but found no {LIST} there") from None
    except (OSError, msgspec.DecodeError) as error:
        raise BackupFailed(f"Expected {LIST} of '{backup}' to be readable, but found: {in_words(error)}") from error
    for name in listed.files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise BackupFailed(f"Expected the files of the backup to be in '{backup}', but found '{name}'")
    return listed


def _reading(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def _at_one_moment(databases: Sequence[Path], opened: ExitStack) -> dict[Path, sqlite3.Connection]:
    """Begin to read all databases at one moment; *opened* closes them.

    Partitions send messages to each other. If one had been copied before and the other after a message, it would be lost, or it would
    come again. So nobody may write while the reading begins, which takes a few milliseconds.
    """
    with ExitStack() as held:
        for one in databases if len(databases) > 1 else ():
            uri = f"{one.absolute().as_uri()}?mode=rw"
            lock = held.enter_context(
                closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=STANDSTILL_S))
            )
            lock.execute("BEGIN IMMEDIATE")
        reading = {one: opened.enter_context(closing(_reading(one))) for one in databases}
        for db in reading.values():
            db.execute("BEGIN")  # one transaction for all pages
            _revision(db)  # the first statement fixes the moment
    return reading


def _copied_database(db: sqlite3.Connection, target: Path, progress: Progress) -> str:
    """Copy the moment of a database that *db* reads to one file, check it, and return the revision of its schema."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
        revision = _revision(db)
        db.backup(
            copy,
            pages=PAGES,
            progress=lambda _status, left, pages: progress((pages - left) * page_bytes, pages * page_bytes),
        )
        db.execute("COMMIT")
        copy.execute("PRAGMA journal_mode = DELETE")  # everything in the one file
        if faults := _faults(copy):
            raise BackupFailed(f"Expected a whole database in {target.name}, but found: {faults[0]}")
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return revision


def _revision(db: sqlite3.Connection) -> str:
    try:
        row = db.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        row = None
    if row is None:
        raise BackupFailed("Expected a database of Osmia, but found one without its tables")
    return str(row[0])


def _faults(db: sqlite3.Connection) -> list[str]:
    try:
        found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(10)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def _kept(data_dir: Path) -> Iterator[Path]:
    """Yield the other files of a data directory; not those that are only half written."""
    for pattern in KEPT:
        yield from (path for path in sorted(data_dir.glob(pattern)) if path.is_file() and path.suffix != ".new")


def _copied_file(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with source.open("rb") as read, _new(target) as write:
            shutil.copyfileobj(read, write, CHUNK_BYTES)
            write.flush()
            os.fsync(write.fileno())
    except FileNotFoundError:  # a document that was deleted since it was listed
        target.unlink(missing_ok=True)


def _new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb")


def _written(path: Path, content: bytes) -> None:
    with _new(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _record(path: Path) -> FileOfBackup:
    with path.open("rb") as file:
        return FileOfBackup(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn an error of the system or of SQLite into a `BackupFailed`."""
    try:
        yield
    except OSError as error:
        raise BackupFailed(f"Expected to {what}, but found: {in_words(error)}") from error
    except sqlite3.Error as error:
        raise BackupFailed(f"Expected to {what}, but found: {error}") from error
