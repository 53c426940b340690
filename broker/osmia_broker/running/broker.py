"""Put the parts of a broker together: open store, partition and doors in this order, and close them in reverse."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, cast

from osmia_broker import __version__
from osmia_broker.auth.access import Access, open_access
from osmia_broker.auth.guard import Guard
from osmia_broker.base.errors import Unavailable
from osmia_broker.base.ports import Ports
from osmia_broker.calls import Calls
from osmia_broker.calls.broker_identity import BrokerIdentity
from osmia_broker.calls.clock import ClockControl
from osmia_broker.calls.events.streams import EventStreams
from osmia_broker.calls.jobs.remote_workers import WorkersElsewhere
from osmia_broker.calls.processes.retention import Retention
from osmia_broker.calls.purge import Purge
from osmia_broker.calls.stored_documents import StoredDocuments
from osmia_broker.engine.commands.tasks import TaskPolicy
from osmia_broker.gateway.events_service import Events
from osmia_broker.gateway.items import Items
from osmia_broker.gateway.queries_service import Queries
from osmia_broker.gateway.server import Server, parse_address
from osmia_broker.gateway.user_tasks_service import UserTasks
from osmia_broker.http.operation import Services
from osmia_broker.http.web.live import Live
from osmia_broker.links import Links
from osmia_broker.metrics import Metrics, PartitionCounters, PeopleCounters
from osmia_broker.partition import (
    AnyPartition,
    Clock,
    MovingPartition,
    Partition,
    Partitions,
    PinnableClock,
    Router,
    SystemClock,
)
from osmia_broker.running.databases import Database, open_database
from osmia_broker.running.events import event_streams
from osmia_broker.running.management import ManagementServer, readiness
from osmia_broker.running.open_tracing import open_tracing
from osmia_broker.running.partitions import OpenedPartitions, open_partitions
from osmia_broker.running.share import WHOLE, Share
from osmia_broker.running.standing import people_counters
from osmia_broker.settings.config import Settings
from osmia_broker.store import sqlite_library
from osmia_broker.store.documents import Documents
from osmia_broker.store.read import Reader
from osmia_broker.tls import TlsFiles

if TYPE_CHECKING:
    from osmia_broker.running.tracing import Tracing

# Rows are no garbage cycles. At Python's 700 a busy broker spends 2 % of its time looking for some.
GC_THRESHOLDS = (20_000, 20, 50)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entrance:
    """The parts before the doors for clients: who may come in, with which certificate, and who traces them."""

    access: Access | None
    tls: TlsFiles | None
    tracing: "Tracing | None"

    @property
    def guard(self) -> Guard | None:
        """The guard that lets callers in; None if everybody is let in."""
        return self.access.guard if self.access else None


@dataclass(frozen=True, slots=True)
class _Offer:
    """The parts behind the doors: gRPC and HTTP offer the same."""

    calls: Calls
    reader: Reader
    events: EventStreams
    documents: StoredDocuments
    identity: BrokerIdentity

    def stop(self) -> None:
        """End every idle wait at once: polls, streams, awaited results."""
        stopping = Unavailable("Expected the broker to be open, but it is stopping")
        self.events.stop(stopping)
        self.calls.stop(stopping)


class Broker:
    """One broker process: the whole broker, or the *share* of one of several processes."""

    def __init__(self, settings: Settings, clock: Clock | None = None, share: Share = WHOLE) -> None:
        self.settings = settings
        self._share = share
        self.metrics = Metrics()
        self.grpc_port = self.http_port = self.management_port = 0  # the real ones, once started
        machine = clock or SystemClock()
        self._clock = PinnableClock(machine) if settings.clock_control else machine
        self._partitions: Partitions | None = None
        self._purge: Purge | None = None  # None unless a setting allows it
        self._has_open_doors = False  # gRPC and HTTP; the management door answers before them
        self._database: Database | None = None
        self._open = AsyncExitStack()

    @property
    def partitions(self) -> Partitions:
        """The partitions of this broker, as those who submit commands see them; only once started."""
        assert self._partitions is not None, "the broker is started"
        return self._partitions

    async def start(self) -> None:
        """Open everything; on return the broker is ready.

        Raises:
            StoreFailed: the database cannot be opened.
            OSError: a port cannot be had.
            UsersFileError: the users cannot be read.
            TlsError: the certificate cannot be used.

        """
        begun = monotonic()
        gc.set_threshold(*GC_THRESHOLDS)
        try:
            database = await self._start_parts(self._open)
        except BaseException:
            await self._open.aclose()
            raise
        folder = self._share.folder(self.settings.data_dir)
        Ports(self.grpc_port, self.http_port, self.management_port, os.getpid()).write(folder)
        where = {
            "grpc": self.grpc_port,
            "http": self.http_port,
            "management": self.management_port,
            "database": database.kind,
            "partitions": self.settings.partitions,
        }
        place = {"host": self.settings.host_of("grpc"), "data_dir": str(self.settings.data_dir.absolute())}
        took = f"{monotonic() - begun:.2f}s"
        log.info("broker ready", extra={"version": __version__, **where, **place, "pid": os.getpid(), "took": took})

    async def _start_parts(self, opened: AsyncExitStack) -> Database:
        """Open the parts one by one; *opened* closes in reverse those that were opened, even if one fails."""
        entrance = self._open_entrance(opened)
        await self._open_management(opened, entrance.tls)
        leads, folder = self._share.leads, self._share.folder(self.settings.data_dir)
        counters = {n: self.metrics.partition(n) for n in range(1, self.settings.partitions + 1) if leads(n)}
        database = self._database = open_database(self.settings, counters, opened, folder)
        made = await open_partitions(
            self.settings, self._share, self._clock, database, counters=counters, opened=opened
        )
        self._partitions = made.partitions
        self._keep_history(opened, made.own, database.reader, counters)
        if self.settings.purge_allowed:
            self._purge = Purge(made.partitions, database.reader, self._clock)
            opened.push_async_callback(self._purge.stop)
        offer = await self._make_offer(made, database, entrance.tracing)
        await self._open_grpc(opened, entrance, offer, database.name)
        database.announce(self.settings.advertised(self.grpc_port))
        await self._open_http(opened, entrance, offer, made.links)
        opened.callback(offer.stop)
        self._has_open_doors = True
        return database

    def _open_entrance(self, opened: AsyncExitStack) -> _Entrance:
        access = open_access(self.settings)
        if access is not None:
            opened.callback(access.close)
            asking = asyncio.ensure_future(access.warm_up())
            opened.callback(asking.cancel)
        tls = _tls(self.settings)
        tracing = open_tracing(self.settings, opened)
        if tracing is not None:
            self.metrics.http = tracing.http_counters()
        return _Entrance(access, tls, tracing)

    async def _make_offer(self, made: OpenedPartitions, database: Database, tracing: "Tracing | None") -> _Offer:
        settings = self.settings
        calls = self._make_calls(made, database.reader, tracing)
        events = event_streams(settings, made, database.reader, self._clock)
        await events.start()
        documents = StoredDocuments(Documents(settings.data_dir / "documents", self._clock.now_ms))
        identity = BrokerIdentity(settings.gateway_version, database.cluster_id())
        return _Offer(calls, database.reader, events, documents, identity)

    def _make_calls(self, made: OpenedPartitions, reader: Reader, tracing: "Tracing | None") -> Calls:
        partitions = made.partitions
        if tracing is not None:
            partitions.add_listener(tracing.job_spans())
            partitions = tracing.traced(partitions)
        policy = TaskPolicy(self.settings.task_policy)
        calls = Calls(partitions, policy, self._clock, reader, process=made.process, others=made.others)
        made.offer_jobs()
        if made.links is not None:
            calls.job_flow.elsewhere = WorkersElsewhere(calls.workers, made.links, made.siblings)
        self.metrics.gateway.workers = calls.workers.counts
        return calls

    def _keep_history(
        self,
        opened: AsyncExitStack,
        own: Mapping[int, Partition],
        reader: Reader,
        counters: Mapping[int, PartitionCounters],
    ) -> None:
        """Remove the history of each partition when it is old enough, if the settings say when."""
        if self.settings.history_retention is None:
            return
        keep_ms = int(self.settings.history_retention.total_seconds() * 1000)
        for number, partition in own.items():
            part, counted = cast("Reader", reader.parts[number - 1]), counters[number]
            retention = Retention(partition, part, self._clock, counted, keep_ms=keep_ms)
            retention.start()
            opened.push_async_callback(retention.stop)

    async def _open_management(self, opened: AsyncExitStack, tls: TlsFiles | None) -> None:
        management = ManagementServer(
            self.settings.host_of("management"),
            self.settings.management_port,
            ready=self._ready,
            metrics=self.metrics,
            refresh=self._count_standing,
            tls=tls.server_context(asks_clients=False) if tls else None,  # probes have no certificate
            clock=self._clock_control,
            purging=self._purging,
        )
        self.management_port = await management.start()
        opened.push_async_callback(management.stop)

    async def _open_grpc(self, opened: AsyncExitStack, entrance: _Entrance, offer: _Offer, database: str) -> None:
        settings, tracing = self.settings, entrance.tracing
        server = Server(
            offer.calls,
            Queries(self.partitions, offer.reader, database, Items(offer.calls, offer.reader)),
            Events(offer.events),
            self.metrics.gateway,
            offer.identity,
            user_tasks=UserTasks(offer.calls, offer.reader, offer.events),
            documents=offer.documents,
            message_bytes_max=settings.max_message_size,
            guard=entrance.guard,
            tls=entrance.tls,
            grpc_server=settings.grpc_server,
            wrap=tracing.rpc if tracing else None,
            shares_port=self._share.shares_ports,
        )
        opened.push_async_callback(server.stop, settings.shutdown_grace)
        self.grpc_port = await server.start(settings.host_of("grpc"), settings.grpc_port, settings.advertised_address)

    async def _open_http(self, opened: AsyncExitStack, entrance: _Entrance, offer: _Offer, links: Links | None) -> None:
        from osmia_broker.http.browser_sign_in import SignIn
        from osmia_broker.http.server import HttpServer

        settings, tracing = self.settings, entrance.tracing
        services = Services(
            offer.calls,
            offer.reader,
            offer.identity,
            parse_address(settings.advertised(self.grpc_port)),
            offer.documents,
            self._clock_control(),
            settings.max_message_size,
            entrance.guard,
            SignIn(entrance.access) if entrance.access else None,
            self._purge,
        )
        live = self._open_live(links)
        http = HttpServer(
            services,
            self.metrics.http,
            live,
            self._clock.now_ms,
            body_bytes_max=settings.max_message_size,
            public_url=settings.public_url,
            tls=entrance.tls,
            is_open=entrance.access is None and entrance.tls is None and not settings.insecure,
            wrap=tracing.app if tracing else None,
            shares_port=self._share.shares_ports,
        )
        opened.push_async_callback(http.stop, settings.shutdown_grace)
        self.http_port = await http.start(settings.host_of("http"), settings.http_port)
        opened.callback(live.stop)

    def _clock_control(self) -> ClockControl | None:
        """Return what callers move the clock with, if the settings allow it and the partitions are open."""
        if self._partitions is None or not isinstance(self._clock, PinnableClock):
            return None
        return ClockControl(self._partitions, self._clock)

    def _purging(self) -> tuple[Purge, list[int]] | None:
        if self._purge is None or self._partitions is None:
            return None
        return self._purge, [one.id for one in self._partitions.parts if one.is_open]

    def _open_live(self, links: Links | None) -> Live:
        """Return what notifies open pages of changes, here and over *links*."""
        live = Live()
        self.partitions.add_listener(live)
        if links is not None:
            from osmia_broker.http.web.live_elsewhere import LiveElsewhere

            LiveElsewhere(live, links)
        self.metrics.http.page_listeners = live.__len__
        return live

    async def stop(self) -> None:
        """Refuse new work, finish what was taken, commit, close. Nothing acknowledged is lost."""
        begun = monotonic()
        await self._open.aclose()
        log.info("broker stopped", extra={"took": f"{monotonic() - begun:.2f}s"})

    async def serve(self) -> None:
        """Start, run until SIGTERM or SIGINT, and stop. The process is this broker's alone, and has no connection of SQLite yet."""
        sqlite_library.set_up()
        stop_asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        starting = asyncio.ensure_future(self.start())

        def stop(reason: signal.Signals) -> None:
            log.info("broker stops", extra={"reason": reason.name})
            if not stop_asked.is_set():
                stop_asked.set()
                starting.cancel()

        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, stop, one)
        try:
            await starting
        except asyncio.CancelledError:
            if not stop_asked.is_set():
                raise
            log.info("broker stopped before it was ready")
            return
        gc.freeze()  # what was imported and opened stays
        gc.enable()
        try:
            await stop_asked.wait()
        finally:
            await self.stop()

    async def _count_standing(self) -> None:
        """Count what waits for people, for a scrape. A failure leaves those numbers out: old ones would be wrong."""
        self.metrics.people = PeopleCounters()
        if self._database is None or self._partitions is None or not self._partitions.parts[0].is_here:
            return  # whoever leads the first partition counts for all
        now_ms = self._clock.now_ms()
        self.metrics.people = people_counters(await self._database.reader.standing(now_ms), now_ms)

    def _ready(self) -> tuple[bool, str]:
        if self._partitions is None:
            return False, "the partition is starting"
        if not self._has_open_doors:
            return False, "the ports for gRPC and HTTP are not open yet"
        is_ready, reason = readiness(one for one in self._partitions.parts if one.is_here or _is_lost(one))
        degraded = self._partitions.why_degraded if isinstance(self._partitions, Router) else ""
        return is_ready and not degraded, reason or degraded


def _is_lost(part: AnyPartition) -> bool:
    """Whether other brokers should have led it long ago."""
    return isinstance(part, MovingPartition) and part.is_lost


def _tls(settings: Settings) -> TlsFiles | None:
    """Read the certificate of the doors; None if they speak plain text."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    tls = TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    tls.load()
    return tls
