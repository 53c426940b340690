"""The brokers of an imagined cluster: the real code from the router down, each on a machine of its own, over one network and one database."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from osmia_broker.base.errors import StoreFailed, Unavailable
from osmia_broker.calls.jobs.dispatcher import Dispatcher
from osmia_broker.engine.commands import Command
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Partition
from osmia_broker.running.databases import Database as Opened
from osmia_broker.running.databases import Sharers
from osmia_broker.running.partitions import Partitions, open_partitions
from osmia_broker.running.share import Share
from osmia_broker.settings.config import Settings
from osmia_broker.state.rows import Resource
from osmia_broker.store.postgres.sharing import SharedLease, SharedLife
from tests.clock import START_MS
from tests.simulation.database import Database, MemoryServer, SimulatedStore
from tests.simulation.network import Network
from tests.simulation.virtual import WORLD, Machine, VirtualLoop, passing

SECRET = "sixteen bytes or more of secret"
AGAIN_S = 1.0  # after which a broker that has ended by itself is started again


class Wall:
    """The clock of the wall on one machine; it may be set."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return START_MS + round(self._loop.time() * 1000) + self.ahead_ms


class NoReader:
    """Nobody asks for lists here."""

    async def close(self) -> None:
        """Nothing was opened."""


class SimulatedBroker:
    """One life of the broker *name*."""

    def __init__(self, cluster: "Cluster", name: str) -> None:
        self.cluster, self.name = cluster, name
        self.machine = Machine(cluster.loop, name)
        self.wall = cluster.walls[name]
        self.made: Partitions | None = None  # once it has started
        self.is_leaving = False
        self._leave = asyncio.Event()
        self.life: SharedLife | None = None
        self.leases: dict[int, SharedLease] = {}
        self.machine.do(self._run())

    async def _run(self) -> None:
        """Serve until it is told to leave. One that cannot start ends, and whoever watches it starts it again."""
        try:
            await self._serve()
        except StoreFailed as failure:
            self.cluster.say(f"{self.name} cannot start: {failure}")
            self.cluster.loop.call_later(AGAIN_S, self.cluster.start_again, self.name, context=WORLD)
        self.kill()

    async def _serve(self) -> None:
        cluster = self.cluster
        server: Any = MemoryServer(cluster.database)
        self.life = SharedLife(server, self.name, clock=cluster.loop.time)
        numbers = range(1, cluster.partitions + 1)
        self.leases = {number: SharedLease(self.life, number) for number in numbers}
        stores = {
            number: SimulatedStore(server, one, partitions=cluster.partitions) for number, one in self.leases.items()
        }
        counters = {number: PartitionCounters(number) for number in numbers}
        settings = Settings(
            data_dir=Path("/nowhere"),
            database_url="postgresql://memory/osmia",
            partitions=min(cluster.partitions, 64),
            links_secret=SECRET,
            links_host=self.name,
            links_port=7_000,
        )
        object.__setattr__(settings, "partitions", cluster.partitions)  # more than a person may choose
        sharers = Sharers(self.life, self.leases, stores[1].prepare)
        database = Opened(
            "postgresql",
            "memory",
            stores,
            NoReader(),
            self.leases,
            list(numbers),
            lambda: "simulated",
            lambda _: None,
            sharers,  # type: ignore[arg-type]
        )
        async with AsyncExitStack() as opened:
            made = await open_partitions(
                settings, Share(by_lease=True), self.wall, database, counters=counters, opened=opened
            )
            assert made.serving is not None, "it has links"
            self.dispatcher = Dispatcher(made.partitions.parts)
            opened.callback(self.dispatcher.stop, Unavailable("Expected the broker to serve, but it is stopping"))
            made.serving.offer_jobs()
            self.made = made
            await self._leave.wait()

    # --- as seen from outside

    @property
    def is_up(self) -> bool:
        """Whether it can be asked something."""
        return self.made is not None and not self.is_leaving and not self.machine.is_dead

    @property
    def parts(self) -> Mapping[int, Partition]:
        """The partitions that it leads, or may lead."""
        return self.made.own if self.made is not None else {}

    @property
    def led(self) -> list[int]:
        """Those for which it answers now."""
        return [number for number, one in self.parts.items() if one.is_open]

    def part(self, number: int) -> Any:
        """One partition, wherever it is led, as this broker reaches it."""
        assert self.made is not None, "it is up"
        return self.made.partitions.parts[number - 1]  # type: ignore[union-attr]

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Decide a command where it belongs."""
        assert self.made is not None, "it is up"
        return self.made.partitions.submit(command)

    def do(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Let it do *work*."""
        return self.machine.do(work)

    def leave(self) -> None:
        """Stop in good order."""
        self.is_leaving = True
        self.do(self._let_go())

    async def _let_go(self) -> None:
        self._leave.set()

    def kill(self, *, is_silent: bool = False) -> None:
        """Die; *is_silent*: as without power, so that nobody is told."""
        self.machine.kill()
        self.cluster.network.lose(self.machine, is_silent=is_silent)
        self.cluster.database.lose(self.machine, is_silent=is_silent)
        self.cluster.gone(self)


class Cluster:
    """All brokers on one database."""

    def __init__(
        self, loop: VirtualLoop, chance: random.Random, say: Callable[[str], None], *, partitions: int, brokers: int
    ) -> None:
        self.loop, self.say, self.partitions = loop, say, partitions
        self.network = Network(loop, chance)
        self.database = Database(loop, chance, partitions)
        self.ahead_ms_max = 0  # of all clocks that were ever set
        self.names = [f"127.0.0.{number}" for number in range(1, brokers + 1)]
        self.walls = {name: Wall(loop) for name in self.names}  # they outlive a broker
        self.brokers: dict[str, SimulatedBroker] = {}

    def start(self, name: str) -> SimulatedBroker:
        """Start a broker, for the first time or again."""
        self.network.found(name)
        broker = self.brokers[name] = SimulatedBroker(self, name)
        return broker

    def start_again(self, name: str) -> None:
        """Start a broker, unless that has been done."""
        if name not in self.brokers:
            self.say(f"{name} starts again")
            self.start(name)

    def set_clock(self, broker: SimulatedBroker, ahead_ms: int) -> None:
        """Set the clock of one machine."""
        broker.wall.ahead_ms = ahead_ms
        self.ahead_ms_max = max(self.ahead_ms_max, abs(ahead_ms))

    def gone(self, broker: SimulatedBroker) -> None:
        """Forget a broker that has gone."""
        if self.brokers.get(broker.name) is broker:
            del self.brokers[broker.name]

    @property
    def up(self) -> list[SimulatedBroker]:
        """The brokers that can be asked something; one that is stopped answers when it goes on."""
        return [one for one in self.brokers.values() if one.is_up]

    @property
    def leaders(self) -> dict[int, list[str]]:
        """Who answers for each partition, by its number."""
        found: dict[int, list[str]] = {number: [] for number in range(1, self.partitions + 1)}
        for broker in self.brokers.values():
            for number in broker.led:
                found[number].append(broker.name)
        return found

    def why_not_settled(self) -> str:
        """Say what is not yet as it has to be in fair weather; empty if everything is."""
        names = {one.name for one in self.up}
        if late := [*self.brokers.keys() - names]:
            return f"{late} have not started"
        share = -(-self.partitions // max(len(names), 1))
        for number, leaders in self.leaders.items():
            owner = self.database.tables.leases[number].owner
            if leaders != [owner] or owner not in names:
                return f"partition {number} is led by {leaders}, and the database says '{owner}'"
        for broker in self.up:
            if len(broker.led) > share:
                return f"{broker.name} leads {len(broker.led)} partitions, more than its share of {share}"
            if away := [number for number in self.leaders if not broker.part(number).is_open]:
                return f"{broker.name} cannot reach the partitions {away}"
        return ""

    async def settled(self, within_s: float) -> None:
        """Wait until all is as it has to be in fair weather."""
        until_s = self.loop.time() + within_s
        while why := self.why_not_settled():
            assert self.loop.time() < until_s, f"{why}, after {within_s:g} s of fair weather"
            await passing(0.5)

    async def contents(self, _reader: Any, checksums: Iterable[str]) -> dict[str, bytes]:
        """Read deployed files, as the reader of a broker does."""
        await passing(self.database.way_s() + self.database.way_s())
        kept = self.database.rows[1].values[Resource]
        return {checksum: kept[checksum,][1] for checksum in checksums if (checksum,) in kept}
