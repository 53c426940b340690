"""A broker: its store, its partition and its doors, opened in that order and closed in reverse. The composition root."""

import asyncio
import logging
import os
import signal
import sys
from time import monotonic

from osmia_broker.config import Settings
from osmia_broker.gateway.server import Server
from osmia_broker.management import ManagementServer
from osmia_broker.metrics import Metrics
from osmia_broker.partition import Clock, Partition, SystemClock
from osmia_broker.ports import Ports
from osmia_broker.store.sqlite import SqliteStore

SWITCH_INTERVAL_S = 0.0005  # the writer thread waits so long for the interpreter lock, not 5 ms (docs/decisions)

log = logging.getLogger(__name__)


class Broker:
    """One broker process. Made and run on one event loop."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.grpc_port = self.http_port = self.management_port = 0
        database = settings.data_dir / "partition-1.db"
        self._partition = Partition(
            SqliteStore(database),
            clock or SystemClock(),
            self.metrics.partition(1),
            queue_max=settings.queue_limit,
        )
        self._server = Server(
            self._partition, self.metrics.gateway, message_bytes_max=settings.max_message_size
        )
        self._management = ManagementServer(
            settings.host_of("management"), settings.management_port, ready=self._ready, metrics=self.metrics
        )

    @property
    def partition(self) -> Partition:
        """The partition that this broker leads."""
        return self._partition

    async def start(self) -> None:
        """Open everything; on return the broker is ready.

        Raises:
            StoreFailed: the database cannot be opened.
            OSError: a port cannot be had.

        """
        begun = monotonic()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        settings = self.settings
        await self._partition.open()
        try:
            self.grpc_port = await self._server.start(settings.host_of("grpc"), settings.grpc_port)
        except RuntimeError as error:
            raise OSError(f"Expected to listen on port {settings.grpc_port}, but found: {error}") from error
        self.management_port = await self._management.start()
        Ports(self.grpc_port, self.http_port, self.management_port, os.getpid()).write(settings.data_dir)
        log.info(
            "broker ready  grpc=%d management=%d database=sqlite pid=%d took=%.2fs",
            self.grpc_port,
            self.management_port,
            os.getpid(),
            monotonic() - begun,
        )

    async def stop(self) -> None:
        """Refuse new work, finish what was taken, commit, close. Nothing acknowledged is lost."""
        begun = monotonic()
        await self._server.stop(self.settings.shutdown_grace)
        await self._partition.close()
        await self._management.stop()
        log.info("broker stopped  took=%.2fs", monotonic() - begun)

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
        return self._partition.is_open, self._partition.why_away
