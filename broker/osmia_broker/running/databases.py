"""The databases of the broker's partitions: a file each in the data directory, or a server that several brokers can reach."""

import fcntl
import os
import shutil
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from osmia_broker.base import cluster_id, private_files, system_errors
from osmia_broker.base.addresses import without_password
from osmia_broker.base.counted import counted
from osmia_broker.base.errors import StoreFailed
from osmia_broker.metrics import PartitionCounters
from osmia_broker.settings.config import Settings
from osmia_broker.state.partitioning import COUNT_FILE
from osmia_broker.state.store_protocol import Leadership, Store
from osmia_broker.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from osmia_broker.store.postgres.connection import Server
    from osmia_broker.store.postgres.lease import Lease
    from osmia_broker.store.postgres.sharing import SharedLease, SharedLife
    from osmia_broker.store.read import Reader


@dataclass(frozen=True, slots=True)
class Sharers:
    """The needs of a broker that leads a part of the partitions: its life among the others, and all leases by number."""

    life: "SharedLife"
    leases: "Mapping[int, SharedLease]"
    prepare: Callable[[], Awaitable[None]]  #: makes the tables that all brokers share, if they are not there


@dataclass(frozen=True, slots=True)
class Database:
    """The stores of the partitions that this process leads, by number, who leads them, and a reader of all partitions."""

    kind: str  #: `sqlite` or `postgresql`
    name: str  #: for people
    stores: Mapping[int, Store]
    reader: "Reader"
    leaderships: Mapping[int, Leadership]  #: by number; none where no other broker can lead
    opening_order: Sequence[int]  #: of the numbers; they are closed in the reverse order
    cluster_id: Callable[[], str]  #: to ask once the partitions have been opened
    announce: Callable[[str], None]  #: takes the address at which other brokers can see that this one lives
    sharers: Sharers | None = None  #: if brokers lead a part each


def open_database(
    settings: Settings, counters: Mapping[int, PartitionCounters], opened: AsyncExitStack, folder: Path
) -> Database:
    """Make the reader, and the stores of the partitions of *counters*, by number; none of them is connected yet. *opened* gives back what they hold.

    *folder* is that of this process in the data directory.

    Raises:
        StoreFailed: another broker uses the data directory, it has another number of partitions, or a driver is not installed.

    """
    return _postgresql(settings, counters, opened, folder) if settings.database_url else _sqlite(settings, counters)


def path_of(data_dir: Path, partition: int) -> Path:
    """Return the file of a partition."""
    return data_dir / f"partition-{partition}.db"


def _sqlite(settings: Settings, counters: Mapping[int, PartitionCounters]) -> Database:
    # 5 MB that the process which watches several others, and only makes their files, has no use for.
    from osmia_broker.store.read import Reader

    data_dir, count = settings.data_dir, settings.partitions
    _fix_count(data_dir, count)
    paths = {number: path_of(data_dir, number) for number in range(1, count + 1)}
    stores = {number: SqliteStore(paths[number], partition_id=number) for number in counters}
    for number, own in counters.items():
        gauges = own.gauges
        gauges.store_bytes = partial(_size_of, paths[number])
        gauges.free_disk_bytes = lambda: shutil.disk_usage(data_dir).free
        gauges.epoch = partial(getattr, stores[number], "epoch")
        gauges.held_snapshot_seconds = partial(getattr, stores[number].held, "seconds")
    order = sorted(stores, reverse=True)  # where the first one is made, all are
    id_of_cluster = partial(cluster_id.read_or_make, data_dir)
    reader = Reader(*paths.values())
    return Database("sqlite", f"sqlite {data_dir}", stores, reader, {}, order, id_of_cluster, lambda _address: None)


async def make_files(settings: Settings) -> None:
    """Make the files of all partitions that are missing, and bring those of an older version up to date. Several processes will open them.

    Raises:
        StoreFailed: as `open_database`.

    """
    _fix_count(settings.data_dir, settings.partitions)
    for number in range(settings.partitions, 0, -1):
        store = SqliteStore(path_of(settings.data_dir, number), partition_id=number)
        await store.open()
        await store.close()


def _size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def _fix_count(data_dir: Path, count: int) -> None:
    """Keep the number of partitions of a new data directory, and compare it with that of an older one.

    The partitions are made in descending order, so where there is the first, all of them must be there.

    Raises:
        StoreFailed: the directory has another number of partitions, or one of them is missing or has lost its data.

    """
    file, is_used = data_dir / COUNT_FILE, path_of(data_dir, 1).exists()
    try:
        found = int(file.read_text("ascii"))
    except FileNotFoundError:
        found = 1 if is_used else 0
    except OSError as error:
        raise StoreFailed(f"Expected to read {file.name}, but found: {system_errors.in_words(error)}") from error
    except ValueError as error:
        raise StoreFailed(f"Expected {file.name} to have the number of partitions, but found another text") from error
    if not found and count > 1:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        private_files.replace(file, f"{count}\n".encode())
    elif found and found != count:
        raise StoreFailed(
            f"Expected {data_dir} to have {counted(count, 'partition')}, but found {found}: the number is fixed when the directory is made."
            f" Set partitions to {found}"
        )
    paths = [path_of(data_dir, number) for number in range(1, count + 1)]
    missing = next((one for one in paths if is_used and not one.exists()), None)
    if missing:
        raise StoreFailed(f"Expected {missing.name} in {data_dir}, but found none")
    _expect_data(data_dir, paths)


def _expect_data(data_dir: Path, paths: Sequence[Path]) -> None:
    """Expect the files of a data directory that a broker has used before: one that begins anew would not be noticed.

    The id of the cluster is kept after the files were made for the first time.

    Raises:
        StoreFailed: one of the files is missing, or has nothing in it.

    """
    if not (data_dir / cluster_id.FILE).exists():
        return
    for path in paths:
        if not path.exists() or not path.stat().st_size:
            found = "an empty file" if path.exists() else "none"
            raise StoreFailed(
                f"Expected {path.name} with the data of an earlier start in {data_dir}, but found {found}"
            )


def _postgresql(
    settings: Settings, counters: Mapping[int, PartitionCounters], opened: AsyncExitStack, folder: Path
) -> Database:
    from osmia_broker.store.postgres.connection import Server, driver
    from osmia_broker.store.postgres.store import PostgresStore
    from osmia_broker.store.read import Reader
    from osmia_broker.store.read.sql.on_postgres import sources

    driver()
    opened.callback(os.close, _locked(folder))
    url = settings.database_url
    broker_id = f"{socket.gethostname()}/{cluster_id.read_or_make(folder, cluster_id.BROKER_FILE)[:8]}"
    server, count = Server(url), settings.partitions
    shared = _shared_leases(server, broker_id, count) if settings.links_secret and count > 1 else {}
    leases = shared or _leases(server, broker_id, count)
    for number, own in counters.items():
        own.gauges.epoch = partial(getattr, leases[number], "epoch")
        own.gauges.held_snapshot_seconds = partial(getattr, leases[1].life.held, "seconds")

    def announce(address: str) -> None:
        leases[1].life.address = address

    stores = {number: PostgresStore(server, lease, partitions=count) for number, lease in leases.items()}
    order = sorted(stores)  # the first one has the leases of all
    sharers = Sharers(shared[1].life, shared, stores[1].prepare) if shared else None
    reader = Reader(*sources(server, count))
    id_of_cluster = partial(getattr, server, "cluster_id")
    return Database(
        "postgresql", without_password(url), stores, reader, leases, order, id_of_cluster, announce, sharers
    )


def _leases(server: "Server", broker_id: str, count: int) -> "Mapping[int, Lease]":
    """Make the leases of a broker that leads all partitions, or none."""
    from osmia_broker.store.postgres.lease import Lease
    from osmia_broker.store.postgres.life import Life

    first = Lease(Life(server, broker_id))
    return {number: first if number == 1 else Lease(first.life, number, first) for number in range(1, count + 1)}


def _shared_leases(server: "Server", broker_id: str, count: int) -> "Mapping[int, SharedLease]":
    """Make the leases of a broker that leads a part of the partitions."""
    from osmia_broker.store.postgres.sharing import SharedLease, SharedLife

    life = SharedLife(server, broker_id)
    return {number: SharedLease(life, number) for number in range(1, count + 1)}


def _locked(data_dir: Path) -> int:
    """Lock the data directory, or the folder of one process in it.

    So a broker that finds its own id in the database knows that its earlier life is over.
    """
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
