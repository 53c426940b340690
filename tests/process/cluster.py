"""Several real brokers on one real database, each leading a part of the partitions."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from osmia_broker.running.child import ChildBroker
from tests import postgres
from tests.patience import until

PARTITIONS = 4


class Cluster:
    """Brokers on one database, by name. Each has a data directory of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.brokers: dict[str, ChildBroker] = {}
        self._secret = folder / "secret"
        self._secret.write_text("a secret of brokers")

    def secret(self, text: str) -> Path:
        """A file with another secret."""
        file = self.folder / text.replace(" ", "-")
        file.write_text(text)
        return file

    def make(self, name: str, *more: str) -> ChildBroker:
        flags = ("--database-url", self.url, "--partitions", str(PARTITIONS))
        links = () if "--processes" in more else ("--links-secret-file", str(self._secret))
        broker = self.brokers[name] = ChildBroker(self.folder / name, flags=(*flags, *links, *more))
        return broker

    async def start(self, name: str, *more: str) -> ChildBroker:
        broker = self.make(name, *more)
        await asyncio.to_thread(broker.start)
        return broker

    def sql(self, text: str) -> str:
        return postgres.server().sql(text, self.url.rpartition("/")[2])

    @property
    def shares(self) -> list[int]:
        """How many partitions each leader leads, the fewest first."""
        found = self.sql("SELECT count(*) FROM partition GROUP BY owner ORDER BY 1")
        return [int(one) for one in found.split()]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Ask the database again and again, until something holds of it."""
        await asyncio.to_thread(until, holds)

    def beats(self) -> dict[str, int]:
        """How often each broker has beaten: once a second of its own, or less often where it gets no time to."""
        rows = self.sql("SELECT id, beat FROM brokers").split("\n")
        return {id: int(beat) for id, _, beat in (row.rpartition("|") for row in rows)}

    def beats_since(self, before: dict[str, int]) -> int:
        """How often the broker that leads partition 1 has beaten since then. A machine that is busy makes that no more."""
        leader = self.owners()[1]
        return self.beats()[leader] - before[leader]

    def owners(self) -> dict[int, str]:
        rows = self.sql("SELECT id, owner FROM partition ORDER BY id").split("\n")
        return {int(number): owner for number, _, owner in (row.partition("|") for row in rows)}

    def stop(self) -> None:
        for broker in self.brokers.values():
            if broker.pid:
                with suppress(ProcessLookupError):
                    os.kill(broker.pid, signal.SIGCONT)
                broker.kill()
