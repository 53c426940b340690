"""A whole broker in the process of the tests, with a clock that stands."""

import asyncio
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import osmia
from osmia_broker.base import cluster_id, ports
from osmia_broker.running import databases
from osmia_broker.running.broker import Broker
from osmia_broker.running.share import Share
from osmia_broker.settings.config import NAMES, Settings
from osmia_broker.store.sqlite import SqliteStore
from tests.clock import FakeClock
from tests.disk import without_fsync
from tests.patience import ANSWER_MS, ANSWER_S, settle

GRPC_SERVER = os.environ.get("OSMIA_GRPC_SERVER") or NAMES["grpc_server"].default  # of every broker that a test starts


class RunningBroker:
    """A broker on an event loop in a thread of its own, with a clock that stands.

    With *processes* it is as many brokers on one loop, each with its share, as if they were processes. `broker`, `address` and `client` are then
    those of the last one, which does not lead the first partition.
    """

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.clock = FakeClock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="broker under test", daemon=True)
        self._thread.start()
        held, held_port = ports.hold("127.0.0.1")  # so that clients find it again after a restart
        self._release = weakref.finalize(self, os.close, held.detach())  # also if it does not start
        grpc_port = 0 if "processes" in settings else held_port
        doors = {"grpc_port": grpc_port, "http_port": 0, "management_port": 0}
        self._settings = {"data_dir": data_dir, **doors, "grpc_server": GRPC_SERVER, **settings}
        self._start(self._settings)
        self.address = self.addresses[-1]
        self.client = osmia.SyncClient(self.address, call_timeout_ms=ANSWER_MS)

    def _start(self, given: dict[str, Any]) -> None:
        settings = Settings(**given)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(databases, "SqliteStore", partial(SqliteStore, connect=without_fsync))
            count, by_lease = settings.processes, bool(settings.database_url)
            shares = [Share(number, count, by_lease=by_lease) for number in range(1, count + 1)]
            self.brokers = [Broker(settings, self.clock, share) for share in shares]
            self.run(self._started(settings))

    async def _started(self, settings: Settings) -> None:
        if settings.processes > 1:
            if not settings.database_url:
                await databases.make_files(settings)
            settings.data_dir.mkdir(exist_ok=True)
            cluster_id.read_or_make(settings.data_dir)
        await asyncio.gather(*(one.start() for one in self.brokers))

    @property
    def broker(self) -> Broker:
        """The broker, or the last of its processes."""
        return self.brokers[-1]

    @property
    def addresses(self) -> list[str]:
        """The gRPC addresses of all processes."""
        return [f"127.0.0.1:{one.grpc_port}" for one in self.brokers]

    def restart(self, **settings: Any) -> None:
        """Stop the broker, and start it again on its data and at its gRPC port, with *settings* over those it had."""
        self._stop()
        self._start({**self._settings, **settings})

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(ANSWER_S)

    def look_at_clock(self) -> None:
        """Let the broker see the time; on return, everything that was due is done and committed."""

        async def look() -> None:
            for one in self.brokers:
                one.partitions.check_clock()
            await self._settled()

        self.run(look())

    def settle(self) -> None:
        """Return when everything that follows from what was answered is done and committed: the next instance of a loop, say."""
        self.run(self._settled())

    async def _settled(self) -> None:
        for one in self.brokers:
            await settle(one.partitions)

    def _stop(self) -> None:
        async def stopped() -> None:
            await asyncio.gather(*(one.stop() for one in self.brokers))

        self.run(stopped())

    def stop(self) -> None:
        self.client.close()
        self._stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._release()


@contextmanager
def running_broker(data_dir: Path, **settings: Any) -> Iterator[RunningBroker]:
    """A broker for the time of a test."""
    broker = RunningBroker(data_dir, **settings)
    try:
        yield broker
    finally:
        broker.stop()
