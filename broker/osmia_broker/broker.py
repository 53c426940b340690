"""Put the parts of a broker together: open store, partition and doors in this order, and close them in reverse."""

import asyncio
import gc
import logging
import os
import signal
from contextlib import AsyncExitStack
from time import monotonic

from osmia_broker import __version__, cluster_id
from osmia_broker.calls import Calls
from osmia_broker.config import Settings
from osmia_broker.errors import Unavailable
from osmia_broker.gateway.gateway_service import Identity
from osmia_broker.gateway.queries_service import Queries
from osmia_broker.gateway.server import Server
from osmia_broker.management import ManagementServer, readiness
from osmia_broker.metrics import Metrics
from osmia_broker.partition import Clock, Partition, SystemClock
from osmia_broker.ports import Ports
from osmia_broker.store.read import Reader
from osmia_broker.store.sqlite import SqliteStore

GC_THRESHOLDS = (
    20_000,
    20,
    50,
)  # rows are no garbage cycles; at Python's 700 a busy broker spends 2 % looking for some

log = logging.getLogger(__name__)


class Broker:
    """One broker process."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.grpc_port = self.http_port = self.management_port = 0  # the real ones, once started
        self._clock = clock or SystemClock()
        self._partition: Partition | None = None
        self._open = AsyncExitStack()

    @property
    def partition(self) -> Partition:
        """The partition that this broker leads; only once started."""
        assert self._partition is not None, "the broker is started"
        return self._partition

    async def start(self) -> None:
        """Open everything; on return the broker is ready.

        Raises:
            StoreFailed: the database cannot be opened.
            OSError: a port cannot be had.

        """
        begun = monotonic()
        gc.set_threshold(*GC_THRESHOLDS)
        try:
            await self._start_parts(self._open)
        except BaseException:
            await self._open.aclose()
            raise
        gc.collect()
        gc.freeze()  # what was imported and opened stays
        Ports(self.grpc_port, self.http_port, self.management_port, os.getpid()).write(self.settings.data_dir)
        where = {"grpc": self.grpc_port, "management": self.management_port, "database": "sqlite", "partitions": 1}
        took = f"{monotonic() - begun:.2f}s"
        log.info("broker ready", extra={"version": __version__, **where, "pid": os.getpid(), "took": took})

    async def _start_parts(self, opened: AsyncExitStack) -> None:
        """Open the parts one by one; *opened* closes in reverse those that were opened, even if one fails."""
        settings = self.settings
        management = ManagementServer(
            settings.host_of("management"), settings.management_port, ready=self._ready, metrics=self.metrics
        )
        self.management_port = await management.start()
        opened.push_async_callback(management.stop)
        database = settings.data_dir / "partition-1.db"
        counters = self.metrics.partition(1)
        counters.store_bytes = lambda: sum(file.stat().st_size for file in database.parent.glob(f"{database.name}*"))
        partition = Partition(
            SqliteStore(database),
            self._clock,
            counters,
            queue_max=settings.queue_limit,
            memory_bytes=settings.memory_limit,
            unique_business_ids=settings.unique_business_ids,
        )
        opened.push_async_callback(partition.close)
        await partition.open()
        self._partition = partition
        reader = Reader(database)
        opened.push_async_callback(reader.close)
        queries = Queries(partition, reader, f"sqlite {settings.data_dir}")
        calls = Calls(partition, self._clock)
        self.metrics.gateway.workers = calls.workers.counts
        identity = Identity(settings.gateway_version, cluster_id.read_or_make(settings.data_dir))
        server = Server(calls, queries, self.metrics.gateway, identity, message_bytes_max=settings.max_message_size)
        opened.push_async_callback(server.stop, settings.shutdown_grace)
        self.grpc_port = await server.start(settings.host_of("grpc"), settings.grpc_port, settings.advertised_address)
        opened.callback(calls.stop, Unavailable("Expected the broker to be open, but it is stopping"))

    async def stop(self) -> None:
        """Refuse new work, finish what was taken, commit, close. Nothing acknowledged is lost."""
        begun = monotonic()
        await self._open.aclose()
        log.info("broker stopped", extra={"took": f"{monotonic() - begun:.2f}s"})

    async def serve(self) -> None:
        """Start, run until SIGTERM or SIGINT, and stop."""
        told_to_stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, told_to_stop.set)
        await self.start()
        try:
            await told_to_stop.wait()
        finally:
            await self.stop()

    def _ready(self) -> tuple[bool, str]:
        if self._partition is None:
            return False, "the partition is starting"
        return readiness([self._partition])
