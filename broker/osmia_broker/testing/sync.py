"""The same broker under test for tests that are not async.

    def test_dinner(sync_broker):
        sync_broker.deploy("dinner.bpmn")
        instance = sync_broker.start("dinner", {"guests": 4})
        instance.waits_at("decide").complete_task("decide", {"dinner": "Pasta"}).passed("decide")

The implementation is that of `Broker` and `Instance`; this module runs it in a loop of its own. Handlers of workers under test run there.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from osmia.sync import LoopThread, SyncClient
from osmia_broker.testing.broker import Broker
from osmia_broker.testing.channel import InProcessSyncClient
from osmia_broker.testing.expectations import Expectations
from osmia_broker.testing.instance import Instance
from osmia_broker.testing.view import View

P = ParamSpec("P")
R = TypeVar("R")


def _blocking(
    call: Callable[Concatenate[Broker, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["SyncBroker", P], R]:
    """Return a method that makes the same call of `Broker` and waits for its end."""

    @functools.wraps(call)
    def wait(self: "SyncBroker", /, *arguments: P.args, **named: P.kwargs) -> R:
        __tracebackhide__ = True
        return self.loop.run(call(self.asynchronous, *arguments, **named))

    return wait


def _chained(
    call: Callable[Concatenate[Instance, P], Coroutine[Any, Any, Instance]],
) -> "Callable[Concatenate[SyncInstance, P], SyncInstance]":
    """Return a method that makes the same call of `Instance`, waits for its end, and returns the instance."""

    @functools.wraps(call)
    def wait(self: "SyncInstance", /, *arguments: P.args, **named: P.kwargs) -> "SyncInstance":
        __tracebackhide__ = True
        broker = self.broker
        broker.loop.run(call(Instance(broker.asynchronous, self.key), *arguments, **named))
        return self

    return wait


class SyncBroker:
    """A `Broker` for code without an event loop. `client` is a `SyncClient` of it."""

    def __init__(self, *, data_dir: Path | str | None = None, ports: bool = False, **settings: Any) -> None:
        """Start a broker; the parameters are those of `Broker`."""
        self.asynchronous = Broker(data_dir=data_dir, ports=ports, **settings)
        self.loop = LoopThread()
        self.worker, self.add_worker = self.asynchronous.worker, self.asynchronous.add_worker
        self.stub_job = self.asynchronous.stub_job

    deploy = _blocking(Broker.deploy)
    restart = _blocking(Broker.restart)
    advance = _blocking(Broker.advance)
    set_time = _blocking(Broker.set_time)
    settle = _blocking(Broker.settle)
    complete_job = _blocking(Broker.complete_job)
    fail_job = _blocking(Broker.fail_job)
    throw_error = _blocking(Broker.throw_error)
    complete_task = _blocking(Broker.complete_task)
    claim_task = _blocking(Broker.claim_task)
    publish = _blocking(Broker.publish)
    broadcast = _blocking(Broker.broadcast)
    set_variables = _blocking(Broker.set_variables)
    resolve_incident = _blocking(Broker.resolve_incident)
    play = _blocking(Broker.play)

    def wait_for(self, call: Callable[[], R]) -> R:
        """Make a call of the client, in a thread of its own, while the workers under test work: see `Broker.wait_for`."""
        return self.loop.run(self.asynchronous.wait_for(asyncio.to_thread(call)))

    @property
    def client(self) -> SyncClient:
        """The SDK's client of this broker, for code without an event loop."""
        return InProcessSyncClient(self.asynchronous.client, self.loop)

    @property
    def view(self) -> View:
        """A look at the stored rows."""
        return self.asynchronous.view

    @property
    def address(self) -> str:
        """The HOST:PORT of the gRPC door; empty without ports."""
        return self.asynchronous.address

    @property
    def now(self) -> datetime:
        """The present moment of the broker, in UTC."""
        return self.asynchronous.now

    def start(self, process_id: str, variables: object = None, **options: Any) -> "SyncInstance":
        """Start an instance of a process; *options* are those of `SyncClient.create_instance`."""
        return SyncInstance(self, self.loop.run(self.asynchronous.start(process_id, variables, **options)).key)

    def instances(self, process_id: str = "") -> "list[SyncInstance]":
        """Return all instances, or those of one process, running and ended, oldest first."""
        return [SyncInstance(self, one.key) for one in self.asynchronous.instances(process_id)]

    def instance(self, process_id: str) -> "SyncInstance":
        """Return the newest instance of a process.

        Raises:
            AssertionError: there is none.

        """
        __tracebackhide__ = True
        return SyncInstance(self, self.asynchronous.instance(process_id).key)

    def close(self) -> None:
        """Stop the broker. Safe to call twice."""
        if self.asynchronous.is_running:
            self.loop.run(self.asynchronous.client.close())
        self.asynchronous.close()
        self.loop.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SyncInstance(Expectations):
    """A process instance under test, for code without an event loop."""

    def __init__(self, broker: SyncBroker, key: int) -> None:
        super().__init__(broker.view, key)
        self.broker = broker

    complete_job = _chained(Instance.complete_job)
    fail_job = _chained(Instance.fail_job)
    throw_error = _chained(Instance.throw_error)
    complete_task = _chained(Instance.complete_task)
    claim_task = _chained(Instance.claim_task)
    set_variables = _chained(Instance.set_variables)
    resolve_incidents = _chained(Instance.resolve_incidents)
    cancel = _chained(Instance.cancel)

    def called(self, process_id: str) -> "SyncInstance":
        """Expect that it has called an instance of this process, and return the newest one."""
        __tracebackhide__ = True
        return SyncInstance(self.broker, self._called(process_id))
