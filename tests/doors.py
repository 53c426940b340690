"""Ways into the same rules: a partition in memory, one restarted from disk after every command, several partitions, several processes, and gRPC.

A door takes the same calls and gives the same plain answers, so that one scenario can be played at each. A refusal is a `Refused` with the
name of its status.
"""

import asyncio
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

import osmia
import osmia.results
from osmia_broker.base import cluster_id, ports
from osmia_broker.base.errors import OsmiaError
from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.metrics import PartitionCounters
from osmia_broker.model import ElementType
from osmia_broker.partition import Following, OutboxDelivery, Partition, Partitions, Router
from osmia_broker.running import databases
from osmia_broker.running.broker import Broker
from osmia_broker.running.share import Share
from osmia_broker.settings.config import NAMES, Settings
from osmia_broker.state.definitions import Definitions
from osmia_broker.state.kinds import KINDS
from osmia_broker.state.residency import MEMORY_BYTES
from osmia_broker.state.rows import ElementInstance, Incident, Job, Resource, Variable
from osmia_broker.store.sqlite import SqliteStore, connect
from tests import postgres
from tests.memory_store import MemoryStore
from tests.patience import ANSWER_MS, ANSWER_S

START_MS = 1_800_000_000_000
GRPC_SERVER = os.environ.get("OSMIA_GRPC_SERVER") or NAMES["grpc_server"].default  # of every broker that a test starts


def without_fsync(path: Path) -> sqlite3.Connection:
    """Open a file of a partition that nobody needs after a crash of the machine. A test process that is killed loses nothing by it."""
    db = connect(path)
    db.execute("PRAGMA synchronous = OFF")
    return db


class FakeClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms


class Refused(Exception):
    """A call was refused with this status."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


@dataclass
class SeenJob:
    """A living job as a scenario looks at it."""

    key: int
    element_id: str
    type: str
    state: str
    retries: int
    headers: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    worker: str = ""


@dataclass
class SeenIncident:
    """An open incident."""

    key: int
    element_id: str
    error_type: str
    message: str


async def settle(partitions: Partitions) -> None:
    """Wait until no partition has anything to do now."""
    while not partitions.is_at_rest:
        await asyncio.sleep(0)


class EngineDoor:
    """A partition without any door. With a *path*, it is closed after every command and opened again from the disk.

    With a *url* its rows are in PostgreSQL, and no process instance stays in memory: every command loads what it needs.
    """

    def __init__(self, path: Path | None = None, url: str = "") -> None:
        self.clock = FakeClock()
        self._path, self._url = path, url
        self._store: Any = MemoryStore() if path is None else SqliteStore(path, connect=without_fsync)
        if url:
            self._store = postgres.store(url)
        self._memory_bytes = 1 if url else MEMORY_BYTES
        self._looking: Any = None  # a connection to the database, from the first look at its rows
        self._runner = asyncio.Runner()
        self._partition: Any = self._opened()

    def _opened(self) -> Partition:
        async def opened() -> Partition:
            partition = Partition(self._store, self.clock, PartitionCounters(1), memory_bytes=self._memory_bytes)
            await partition.open()
            await settle(partition)
            return partition

        return self._runner.run(opened())

    def close(self) -> None:
        self._runner.run(self._partition.close())
        if self._looking is not None:
            self._runner.run(self._looking.close())
        self._runner.close()

    def _do(self, command: commands.Command) -> Any:
        async def done() -> Any:
            answer = await self._partition.submit(command)
            await settle(self._partition)
            return answer

        try:
            answer = self._runner.run(done())
        except OsmiaError as refusal:
            raise Refused(refusal.status, str(refusal)) from refusal
        if self._path is not None:
            self._runner.run(self._partition.close())
            self._partition = self._opened()
        return answer

    @property
    def definitions(self) -> Definitions:
        """Everything that was deployed."""
        return self._partition.state.definitions

    def deploy(self, *files: tuple[str, bytes]) -> Any:
        try:
            resources = compile_resources(list(files))
        except OsmiaError as refusal:
            raise Refused(refusal.status, str(refusal)) from refusal
        return self._do(commands.DeployResources(resources))

    def create(self, process_id: str, variables: str, version: int = -1) -> int:
        command = commands.CreateProcessInstance(process_id, version, 0, self._parsed(variables))
        return int(self._do(command).process_instance_key)

    def activate(self, type: str, max_jobs: int, timeout_ms: int, names: tuple[str, ...] = ()) -> list[SeenJob]:
        command = commands.ActivateJobs(type, "worker", timeout_ms, max_jobs, names)
        return [
            SeenJob(job.key, job.element_id, job.type, "ACTIVATED", job.retries,
                    msgspec.json.decode(job.headers), msgspec.json.decode(job.variables), job.worker)
            for job in self._do(command)
        ]  # fmt: skip

    def complete(self, key: int, variables: str) -> None:
        self._do(commands.CompleteJob(key, self._parsed(variables)))

    def fail(self, key: int, retries: int, message: str, back_off_ms: int, variables: str) -> None:
        self._do(commands.FailJob(key, retries, message, back_off_ms, self._parsed(variables)))

    def throw(self, key: int, code: str, message: str, variables: str = "{}") -> None:
        self._do(commands.ThrowError(key, code, message, self._parsed(variables)))

    def update_retries(self, key: int, retries: int) -> None:
        self._do(commands.UpdateJobRetries(key, retries))

    def update_timeout(self, key: int, timeout_ms: int) -> None:
        self._do(commands.UpdateJobTimeout(key, timeout_ms))
        self.advance(0)

    def set_variables(self, scope: int, variables: str, *, local: bool) -> None:
        self._do(commands.SetVariables(scope, self._parsed(variables), local))

    def resolve(self, incident: int) -> None:
        self._do(commands.ResolveIncident(incident))

    def cancel(self, instance: int) -> None:
        self._do(commands.CancelProcessInstance(instance))

    def publish(self, name: str, key: str, ttl_ms: int, message_id: str, variables: str) -> int:
        return int(self._do(commands.PublishMessage(name, key, ttl_ms, message_id, self._parsed(variables))))

    def signal(self, name: str, variables: str) -> int:
        return int(self._do(commands.BroadcastSignal(name, self._parsed(variables))))

    def modify(
        self,
        instance: int,
        activate: list[str],
        terminate: list[str | int],
        move: list[tuple[str, str]],
        variables: dict[str, dict[str, Any]],
    ) -> None:
        given = tuple(
            (scope, self._parsed(msgspec.json.encode(values).decode())) for scope, values in variables.items()
        )
        self._do(
            commands.ModifyProcessInstance(
                instance,
                tuple(commands.ActivateInstruction(id, key, given) for id, key in map(_with_ancestor, activate)),
                tuple(
                    commands.TerminateInstruction(one)
                    if isinstance(one, int)
                    else commands.TerminateInstruction(0, one)
                    for one in terminate
                ),
                tuple(commands.MoveInstruction(target, source_element_id=source) for source, target in move),
            )
        )

    def migrate(self, instance: int, definition: int, mappings: list[tuple[str, str]]) -> None:
        self._do(commands.MigrateProcessInstance(instance, definition, tuple(mappings)))

    def definition(self, process_id: str) -> int:
        latest = self.definitions.processes.latest(process_id)
        return latest.key if latest is not None else 0

    def suspend(self, instance: int) -> None:
        self._do(commands.SuspendProcessInstance(instance))

    def resume(self, instance: int) -> None:
        self._do(commands.ResumeProcessInstance(instance))

    def version(self, process_id: str) -> int:
        latest = self.definitions.processes.latest(process_id)
        return latest.version if latest is not None else 0

    def delete(self, key: int) -> None:
        self._do(commands.DeleteResource(key))

    def instances(self, process_id: str) -> list[int]:
        """The living instances of a process, oldest first."""
        rows = self._rows(ElementInstance)
        return [
            row.key
            for row in rows
            if row.type == ElementType.PROCESS and row.element_id == process_id and not row.ended_ms
        ]

    def advance(self, ms: int) -> None:
        async def passed() -> None:
            self._partition.check_clock()
            await settle(self._partition)

        self.clock.ms += ms
        self._runner.run(passed())

    def jobs(self, instance: int) -> list[SeenJob]:
        return [
            SeenJob(job.key, job.element_id, job.type, str(job.state), job.retries, msgspec.json.decode(job.headers))
            for job in self._living(Job, instance)
        ]

    def incidents(self, instance: int) -> list[SeenIncident]:
        rows = self._living(Incident, instance)
        return [SeenIncident(row.key, row.element_id, str(row.error_type), row.message) for row in rows]

    def variables(self, instance: int) -> dict[str, Any]:
        rows = self._living(Variable, instance)
        return {row.name: msgspec.json.decode(row.value) for row in rows if row.scope_key == instance}

    def elements(self, instance: int) -> list[tuple[int, str]]:
        rows = self._living(ElementInstance, instance)
        return [(row.key, row.element_id) for row in rows if row.type != ElementType.PROCESS]

    def is_over(self, instance: int) -> bool:
        return not self._living(ElementInstance, instance)

    def _rows(self, row_type: type) -> list[Any]:
        if self._url:
            if self._looking is None:
                self._looking = self._runner.run(postgres.connected(self._url))
            found = self._runner.run(postgres.rows(self._looking, KINDS[row_type].table))
            return [row_type(*values) for values in found]
        if self._path is None:
            return list(self._store.living(row_type))
        with closing(sqlite3.connect(self._path)) as db:
            return [row_type(*values) for values in db.execute(f"SELECT * FROM {KINDS[row_type].table} ORDER BY 1, 2")]

    def _living(self, row_type: type, instance: int) -> list[Any]:
        """The committed living rows of an instance."""
        rows = self._rows(row_type)
        return [row for row in rows if row.process_instance_key == instance and not getattr(row, "ended_ms", 0)]

    @staticmethod
    def _parsed(variables: str) -> Mapping[str, str]:
        try:
            return parse_variables(variables)
        except OsmiaError as refusal:
            raise Refused(refusal.status, str(refusal)) from refusal


class SeveralDoor(EngineDoor):
    """So many partitions behind their router, in memory."""

    def __init__(self, partitions: int) -> None:
        self._stores = [MemoryStore() for _ in range(partitions)]
        super().__init__()

    def _opened(self) -> Any:
        async def contents(checksums: Any) -> dict[str, bytes]:
            return {checksum: self._stores[0].values[Resource][checksum,][1] for checksum in checksums}

        async def opened() -> Router:
            parts = [
                Partition(
                    store,
                    self.clock,
                    PartitionCounters(number),
                    partition_id=number,
                    partitions=len(self._stores),
                )
                for number, store in enumerate(self._stores, 1)
            ]
            following = Following(parts[0], parts[1:], self.clock, contents)
            router = Router(parts, following, OutboxDelivery(parts, parts, following))
            for one in parts:
                await one.open()
            await settle(router)
            return router

        return self._runner.run(opened())

    def close(self) -> None:
        async def closed() -> None:
            await self._partition.close()
            for one in self._partition.parts:
                await one.close()

        self._runner.run(closed())
        self._runner.close()

    @property
    def definitions(self) -> Definitions:
        return self._partition.parts[0].state.definitions

    def activate(self, type: str, max_jobs: int, timeout_ms: int, names: tuple[str, ...] = ()) -> list[SeenJob]:
        router, found = self._partition, []
        for one in router.parts:
            self._partition = one
            found += super().activate(type, max_jobs - len(found), timeout_ms, names) if len(found) < max_jobs else []
        self._partition = router
        return found

    def _rows(self, row_type: type) -> list[Any]:
        return [row for store in self._stores for row in store.living(row_type)]


class ProcessesDoor(SeveralDoor):
    """Three partitions that two processes lead; commands reach them through the second process, which does not lead the first partition."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(3)

    def _opened(self) -> Any:
        from tests.partition.processes import Processes

        async def opened() -> Processes:
            made = Processes(self._folder, self._stores, self.clock, number=2, front=2)
            await made.start()
            return made

        return self._runner.run(opened())

    def close(self) -> None:
        self._runner.run(self._partition.close())
        self._runner.close()

    @property
    def definitions(self) -> Definitions:
        return self._partition.led[0].state.definitions


class GrpcDoor:
    """A broker in this process and the SDK's blocking client, over loopback."""

    def __init__(self, broker: "RunningBroker") -> None:
        self._broker = broker
        self.clock = broker.clock
        self._client = broker.client
        self._created: list[int] = []

    def close(self) -> None:
        """Cancel the instances of this test: their jobs would be handed to the next one."""
        for key in self._created:
            with suppress(osmia.NotFound):
                self._client.cancel_instance(key)

    def _do(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except osmia.OsmiaError as refusal:
            raise Refused(refusal.code.name, refusal.details) from refusal

    def deploy(self, *files: tuple[str, bytes]) -> Any:
        return self._do(lambda: self._client.deploy(*files))

    def create(self, process_id: str, variables: str, version: int = -1) -> int:
        created = self._do(lambda: self._client.create_instance(process_id, variables, version=version))
        self._created.append(created.key)
        return int(created.key)

    def activate(self, type: str, max_jobs: int, timeout_ms: int, names: tuple[str, ...] = ()) -> list[SeenJob]:
        jobs = self._do(
            lambda: self._client.activate_jobs(
                type, worker="worker", max_jobs=max_jobs, timeout_ms=timeout_ms, fetch_variables=names, wait_ms=-1
            )
        )
        return [
            SeenJob(
                job.key,
                job.element_id,
                job.type,
                "ACTIVATED",
                job.retries,
                dict(job.headers),
                dict(job.variables),
                job.worker,
            )
            for job in jobs
        ]

    def complete(self, key: int, variables: str) -> None:
        self._do(lambda: self._client.complete_job(key, variables))

    def fail(self, key: int, retries: int, message: str, back_off_ms: int, variables: str) -> None:
        self._do(
            lambda: self._client.fail_job(
                key, retries=retries, message=message, back_off_ms=back_off_ms, variables=variables
            )
        )

    def throw(self, key: int, code: str, message: str, variables: str = "{}") -> None:
        self._do(lambda: self._client.throw_error(key, code, message=message, variables=variables))

    def update_retries(self, key: int, retries: int) -> None:
        self._do(lambda: self._client.update_job_retries(key, retries))

    def update_timeout(self, key: int, timeout_ms: int) -> None:
        self._do(lambda: self._client.update_job_timeout(key, timeout_ms))
        self.advance(0)

    def set_variables(self, scope: int, variables: str, *, local: bool) -> None:
        self._do(lambda: self._client.set_variables(scope, variables, local=local))

    def resolve(self, incident: int) -> None:
        self._do(lambda: self._client.resolve_incident(incident))

    def cancel(self, instance: int) -> None:
        self._do(lambda: self._client.cancel_instance(instance))

    def publish(self, name: str, key: str, ttl_ms: int, message_id: str, variables: str) -> int:
        publish = self._client.publish_message
        return int(self._do(lambda: publish(name, key, variables, time_to_live_ms=ttl_ms, message_id=message_id)))

    def signal(self, name: str, variables: str) -> int:
        return int(self._do(lambda: self._client.broadcast_signal(name, variables)))

    def modify(
        self,
        instance: int,
        activate: list[str],
        terminate: list[str | int],
        move: list[tuple[str, str]],
        variables: dict[str, dict[str, Any]],
    ) -> None:
        self._do(
            lambda: self._client.modify_instance(
                instance,
                activate=[osmia.Activate(id, variables, key) for id, key in map(_with_ancestor, activate)],
                terminate=[one for one in terminate if isinstance(one, int)],
                terminate_elements=[one for one in terminate if isinstance(one, str)],
                move=[osmia.Move(source, target) for source, target in move],
            )
        )

    def migrate(self, instance: int, definition: int, mappings: list[tuple[str, str]]) -> None:
        self._do(
            lambda: self._client.migrate_instance(instance, target_definition_key=definition, mapping=dict(mappings))
        )

    def definition(self, process_id: str) -> int:
        found = self._do(lambda: self._client.search_definitions(bpmn_process_id=process_id)).items
        return max((one.version, one.key) for one in found)[1] if found else 0

    def version(self, process_id: str) -> int:
        found = self._do(lambda: self._client.search_definitions(bpmn_process_id=process_id)).items
        return max((one.version for one in found), default=0)

    def delete(self, key: int) -> None:
        self._do(lambda: self._client.delete_resource(key))

    def instances(self, process_id: str) -> list[int]:
        found = self._do(
            lambda: self._client.search_instances(
                bpmn_process_id=process_id, states=[osmia.results.InstanceState.ACTIVE]
            )
        ).items
        return sorted(one.key for one in found)

    def advance(self, ms: int) -> None:
        self.clock.ms += ms
        self._broker.look_at_clock()

    def jobs(self, instance: int) -> list[SeenJob]:
        found = self._do(lambda: self._client.search_jobs(process_instance_key=instance)).items
        return [
            SeenJob(job.key, job.element_id, job.type, str(job.state), job.retries, job.headers)
            for job in found
            if not job.ended_ms
        ]

    def incidents(self, instance: int) -> list[SeenIncident]:
        found = self._do(lambda: self._client.search_incidents(process_instance_key=instance)).items
        return [
            SeenIncident(one.key, one.element_id, one.error_type, one.message) for one in found if not one.resolved_ms
        ]

    def variables(self, instance: int) -> dict[str, Any]:
        found = self._do(lambda: self._client.search_variables(instance, scope_key=instance)).items
        return {one.name: one.value for one in found}

    def elements(self, instance: int) -> list[tuple[int, str]]:
        found = self._do(lambda: self._client.get_instance(instance))
        return [(one.key, one.element_id) for one in found.elements]

    def is_over(self, instance: int) -> bool:
        return not self._do(lambda: self._client.get_instance(instance)).is_running


def _with_ancestor(element: str) -> tuple[str, int]:
    """`b@123` is the element b in the scope with key 123; without a key the scope is found."""
    id, _, key = element.partition("@")
    return id, int(key or 0)


Door = EngineDoor | GrpcDoor


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
            for one in self.brokers:
                await settle(one.partitions)

        self.run(look())

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
