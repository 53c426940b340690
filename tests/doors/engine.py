"""The door into a partition of this process: commands as they are, and rows as they are stored."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.metrics import PartitionCounters
from osmia_broker.model import ElementType
from osmia_broker.partition import Partition
from osmia_broker.state.memory.residency import MEMORY_BYTES
from osmia_broker.state.rows import ElementInstance, Incident, Job, Variable
from osmia_broker.state.tables.definitions import Definitions
from tests.clock import FakeClock
from tests.doors.seen import SeenIncident, SeenJob, refusals, with_ancestor
from tests.memory_store import MemoryStore
from tests.patience import settle


class EngineDoor:
    """A partition in memory without any door, or with another *store*."""

    def __init__(self, store: Any = None, memory_bytes: int = MEMORY_BYTES) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore() if store is None else store
        self.runner = asyncio.Runner()
        self._memory_bytes = memory_bytes
        self.partition: Any = self._opened()

    def _opened(self) -> Partition:
        async def opened() -> Partition:
            partition = Partition(self.store, self.clock, PartitionCounters(1), memory_bytes=self._memory_bytes)
            await partition.open()
            await settle(partition)
            return partition

        return self.runner.run(opened())

    def close(self) -> None:
        self.runner.run(self.partition.close())
        self.runner.close()

    def do(self, command: commands.Command) -> Any:
        """Carry out a command and all that follows from it now."""
        return self.answered(lambda: self.partition.submit(command))

    def answered(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make a call, carry out all that follows from it now, and return its answer."""

        async def done() -> Any:
            answer = await call()
            await settle(self.partition)
            return answer

        with refusals():
            return self.runner.run(done())

    @property
    def definitions(self) -> Definitions:
        """Everything that was deployed."""
        return self.partition.state.definitions

    def deploy(self, *files: tuple[str, bytes]) -> Any:
        with refusals():
            resources = compile_resources(list(files))
        return self.do(commands.DeployResources(resources))

    def create(self, process_id: str, variables: str, version: int = -1) -> int:
        command = commands.CreateProcessInstance(process_id, version, 0, parsed(variables))
        return int(self.do(command).process_instance_key)

    def activate(self, type: str, max_jobs: int, timeout_ms: int, names: tuple[str, ...] = ()) -> list[SeenJob]:
        command = commands.ActivateJobs(type, "worker", timeout_ms, max_jobs, names)
        return [
            SeenJob(job.key, job.element_id, job.type, "ACTIVATED", job.retries,
                    msgspec.json.decode(job.headers), msgspec.json.decode(job.variables), job.worker)
            for job in self.do(command)
        ]  # fmt: skip

    def complete(self, key: int, variables: str) -> None:
        self.do(commands.CompleteJob(key, parsed(variables)))

    def fail(self, key: int, retries: int, message: str, back_off_ms: int, variables: str) -> None:
        self.do(commands.FailJob(key, retries, message, back_off_ms, parsed(variables)))

    def throw(self, key: int, code: str, message: str, variables: str = "{}") -> None:
        self.do(commands.ThrowError(key, code, message, parsed(variables)))

    def update_retries(self, key: int, retries: int) -> None:
        self.do(commands.UpdateJobRetries(key, retries))

    def update_timeout(self, key: int, timeout_ms: int) -> None:
        self.do(commands.UpdateJobTimeout(key, timeout_ms))
        self.advance(0)

    def set_variables(self, scope: int, variables: str, *, local: bool) -> None:
        self.do(commands.SetVariables(scope, parsed(variables), local))

    def resolve(self, incident: int) -> None:
        self.do(commands.ResolveIncident(incident))

    def cancel(self, instance: int) -> None:
        self.do(commands.CancelProcessInstance(instance))

    def publish(self, name: str, key: str, ttl_ms: int, message_id: str, variables: str) -> int:
        return int(self.do(commands.PublishMessage(name, key, ttl_ms, message_id, parsed(variables))))

    def signal(self, name: str, variables: str) -> int:
        return int(self.do(commands.BroadcastSignal(name, parsed(variables))))

    def modify(
        self,
        instance: int,
        activate: list[str],
        terminate: list[str | int],
        move: list[tuple[str, str]],
        variables: dict[str, dict[str, Any]],
    ) -> None:
        given = tuple((scope, parsed(msgspec.json.encode(values).decode())) for scope, values in variables.items())
        self.do(
            commands.ModifyProcessInstance(
                instance,
                tuple(commands.ActivateInstruction(id, key, given) for id, key in map(with_ancestor, activate)),
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
        self.do(commands.MigrateProcessInstance(instance, definition, tuple(mappings)))

    def definition(self, process_id: str) -> int:
        latest = self.definitions.processes.latest(process_id)
        return latest.key if latest is not None else 0

    def suspend(self, instance: int) -> None:
        self.do(commands.SuspendProcessInstance(instance))

    def resume(self, instance: int) -> None:
        self.do(commands.ResumeProcessInstance(instance))

    def version(self, process_id: str) -> int:
        latest = self.definitions.processes.latest(process_id)
        return latest.version if latest is not None else 0

    def delete(self, key: int) -> None:
        self.do(commands.DeleteResource(key))

    def instances(self, process_id: str) -> list[int]:
        """The living instances of a process, oldest first."""
        rows = self.rows(ElementInstance)
        return [
            row.key
            for row in rows
            if row.type == ElementType.PROCESS and row.element_id == process_id and not row.ended_ms
        ]

    def advance(self, ms: int) -> None:
        async def passed() -> None:
            self.partition.check_clock()
            await settle(self.partition)

        self.clock.ms += ms
        self.runner.run(passed())

    def jobs(self, instance: int) -> list[SeenJob]:
        return [
            SeenJob(job.key, job.element_id, job.type, str(job.state), job.retries, msgspec.json.decode(job.headers))
            for job in self.living(Job, instance)
        ]

    def incidents(self, instance: int) -> list[SeenIncident]:
        rows = self.living(Incident, instance)
        return [SeenIncident(row.key, row.element_id, str(row.error_type), row.message) for row in rows]

    def variables(self, instance: int) -> dict[str, Any]:
        rows = self.living(Variable, instance)
        return {row.name: msgspec.json.decode(row.value) for row in rows if row.scope_key == instance}

    def elements(self, instance: int) -> list[tuple[int, str]]:
        rows = self.living(ElementInstance, instance)
        return [(row.key, row.element_id) for row in rows if row.type != ElementType.PROCESS]

    def is_over(self, instance: int) -> bool:
        return not self.living(ElementInstance, instance)

    def rows(self, row_type: type) -> list[Any]:
        """All committed rows of one kind, ended ones too, by their keys."""
        return list(self.store.rows(row_type))

    def living(self, row_type: type, instance: int) -> list[Any]:
        """The committed living rows of an instance."""
        rows = self.rows(row_type)
        return [row for row in rows if row.process_instance_key == instance and not getattr(row, "ended_ms", 0)]


def parsed(variables: str) -> Mapping[str, str]:
    """The variables of a JSON object, each still as text."""
    with refusals():
        return parse_variables(variables)
