"""A running broker under test: its loop, its parts, its clock, and the connection to it."""

from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from osmia.client import Client
from osmia_broker.base.errors import Unavailable
from osmia_broker.calls import Calls
from osmia_broker.calls.broker_identity import BrokerIdentity
from osmia_broker.calls.events.stream import EventStream
from osmia_broker.calls.events.streams import EventStreams
from osmia_broker.calls.stored_documents import StoredDocuments
from osmia_broker.engine.commands.tasks import TaskPolicy
from osmia_broker.gateway.door import Door
from osmia_broker.gateway.events_service import Events
from osmia_broker.gateway.gateway_service import Gateway
from osmia_broker.gateway.items import Items
from osmia_broker.gateway.queries_service import Queries
from osmia_broker.gateway.services import services_of
from osmia_broker.gateway.user_tasks_service import UserTasks
from osmia_broker.metrics import GatewayCounters, PartitionCounters
from osmia_broker.partition import Partition, Partitions
from osmia_broker.store.documents import Documents
from osmia_broker.store.read import Reader
from osmia_broker.store.sqlite import SqliteStore
from osmia_broker.testing.channel import InProcessChannel, InProcessClient
from osmia_broker.testing.clock import TestClock
from osmia_broker.testing.loop import BrokerLoop
from osmia_broker.testing.quiet import advance, settle

DATABASE = "partition-1.db"
LEVEL = "8.9.0"  # of the contract, as Topology names it


class Running(ABC):
    """A broker under test that has been started. `database` is the path of its rows, `address` that of its port, if it has one."""

    address = ""

    def __init__(self, clock: TestClock) -> None:
        self.clock = clock
        self.loop = BrokerLoop()
        try:
            self.loop.run(self._start())
        except BaseException:
            self.loop.close()
            raise

    partitions: Partitions
    database: Path
    client: Client

    @abstractmethod
    async def _start(self) -> None:
        """Open everything, in the loop."""

    @abstractmethod
    async def _stop(self) -> None:
        """Close everything, in the loop."""

    async def settle(self) -> None:
        """Wait in the caller's loop until the broker has nothing to do now."""
        await self.loop.call(settle(self.partitions))

    def settle_now(self) -> None:
        """Wait in this thread until the broker has nothing to do now."""
        self.loop.run(settle(self.partitions))

    async def advance(self, until_ms: int) -> bool:
        """Move the clock to the next moment at which something is due, or to *until_ms*; return whether it is there."""
        return await self.loop.call(advance(self.partitions, self.clock, until_ms))

    def close(self) -> None:
        """Stop the broker and its loop."""
        try:
            self.loop.run(self._stop())
        finally:
            self.loop.close()


class InProcess(Running):
    """A broker without a port on *store*, whose database is at the path *database*."""

    def __init__(self, clock: TestClock, store: SqliteStore, database: Path) -> None:
        self._store, self.database = store, database
        self._opened = AsyncExitStack()
        super().__init__(clock)

    async def _start(self) -> None:
        self.partitions = partition = Partition(self._store, self.clock, PartitionCounters(1))
        self._opened.push_async_callback(partition.close)
        await partition.open()
        reader = Reader(self.database)
        self._opened.push_async_callback(reader.close)
        stream = EventStream(partition, reader, self.clock, retention_ms=3_600_000, events_max=100_000)
        events = EventStreams([stream])
        await events.start()
        calls = Calls(partition, TaskPolicy.OPEN, reader=reader)
        stopping = Unavailable("Expected the broker to be open, but it is stopping")
        self._opened.callback(calls.stop, stopping)
        self._opened.callback(events.stop, stopping)
        gateway = Gateway(calls, BrokerIdentity(LEVEL, "test"), ("127.0.0.1", 0))
        queries = Queries(partition, reader, f"sqlite {self.database}", Items(calls, reader))
        documents = StoredDocuments(Documents(self.database.parent / "documents", self.clock.now_ms))
        services = services_of(
            gateway, calls, queries, Events(events), UserTasks(calls, reader, events), documents=documents
        )
        self.client = InProcessClient(InProcessChannel(self.loop, Door(GatewayCounters()), services))

    async def _stop(self) -> None:
        await self._opened.aclose()


class WithPorts(Running):
    """A whole broker: a file in *data_dir*, and free ports of this machine."""

    def __init__(self, clock: TestClock, data_dir: Path, **settings: Any) -> None:
        from osmia_broker.running.broker import Broker  # with it come the servers, which few tests need
        from osmia_broker.settings.config import Settings

        ports = {"grpc_port": 0, "http_port": 0, "management_port": 0}
        self._broker = Broker(Settings(data_dir=data_dir, **{**ports, **settings}), clock)
        self.database = data_dir / DATABASE
        super().__init__(clock)

    async def _start(self) -> None:
        await self._broker.start()
        self.partitions = self._broker.partitions
        self.address = f"127.0.0.1:{self._broker.grpc_port}"
        self.client = Client(self.address)

    async def _stop(self) -> None:
        await self._broker.stop()
