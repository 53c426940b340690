"""The database of the broker's partition, as the settings name it: a file in the data directory, or a server that several brokers can reach."""

import fcntl
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from osmia_broker import cluster_id
from osmia_broker.addresses import without_password
from osmia_broker.config import Settings
from osmia_broker.errors import StoreFailed
from osmia_broker.metrics import PartitionCounters
from osmia_broker.state.store_protocol import Leadership, Store
from osmia_broker.store.read import Reader
from osmia_broker.store.sqlite import SqliteStore

BROKER_ID = "osmia.broker-id"  #: the file of the id by which other brokers know this data directory


@dataclass(frozen=True, slots=True)
class Database:
    """The store of partition 1, who leads it, and a reader."""

    kind: str  #: `sqlite` or `postgresql`
    name: str  #: for people
    store: Store
    reader: Reader
    leadership: Leadership | None
    announce: Callable[[str], None]  #: takes the address at which other brokers can see that this one lives


def open_database(settings: Settings, counters: PartitionCounters, opened: AsyncExitStack) -> Database:
    """Make the store and the reader; neither is connected yet. *opened* gives back what they hold.

    Raises:
        StoreFailed: another broker uses the data directory, or a driver is not installed.

    """
    return _postgresql(settings, counters, opened) if settings.database_url else _sqlite(settings, counters)


def _sqlite(settings: Settings, counters: PartitionCounters) -> Database:
    path = settings.data_dir / "partition-1.db"
    store = SqliteStore(path)
    counters.epoch = lambda: store.epoch
    counters.store_bytes = lambda: sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    counters.free_disk_bytes = lambda: shutil.disk_usage(path.parent).free
    return Database("sqlite", f"sqlite {settings.data_dir}", store, Reader(path), None, lambda _address: None)


def _postgresql(settings: Settings, counters: PartitionCounters, opened: AsyncExitStack) -> Database:
    from osmia_broker.store.postgres.connection import Server, driver
    from osmia_broker.store.postgres.lease import Lease
    from osmia_broker.store.postgres.store import PostgresStore
    from osmia_broker.store.read.on_postgres import PostgresSource

    driver()
    opened.callback(os.close, _locked(settings.data_dir))
    url = settings.database_url
    broker_id = f"{socket.gethostname()}/{cluster_id.read_or_make(settings.data_dir, BROKER_ID)[:8]}"
    server = Server(url)
    lease = Lease(server, broker_id, 1)
    counters.epoch = lambda: lease.epoch

    def announce(address: str) -> None:
        lease.address = address

    reader = Reader(PostgresSource(url))
    return Database("postgresql", without_password(url), PostgresStore(server, lease), reader, lease, announce)


def _locked(data_dir: Path) -> int:
    """Lock the data directory, so that a broker that finds its own id in the database knows that its earlier life is over."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(data_dir / "broker.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StoreFailed(
            f"Expected to be the only broker on {data_dir}, but found another one on the same data directory"
        ) from error
    return lock
