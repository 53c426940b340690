"""The door of gRPC: a broker in this process and the SDK's blocking client, over loopback."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import osmia
import osmia.results
from tests.doors.seen import Refused, SeenIncident, SeenJob, with_ancestor
from tests.running_broker import RunningBroker


class GrpcDoor:
    """A broker in this process and the SDK's blocking client, over loopback."""

    def __init__(self, broker: RunningBroker) -> None:
        self._broker = broker
        self.clock = broker.clock
        self._client = broker.client
        self._created: list[int] = []

    def close(self) -> None:
        """Cancel the instances of this test: their jobs would be handed to the next one."""
        for key in self._created:
            with suppress(osmia.NotFound):
                self._client.cancel_instance(key)

    def _do(self, call: Callable[..., Any], *values: Any, **named: Any) -> Any:
        try:
            answer = call(*values, **named)
        except osmia.OsmiaError as refusal:
            raise Refused(refusal.code.name, refusal.details) from refusal
        self._broker.settle()  # an answer comes before what follows from it, as the next instance of a loop
        return answer

    def deploy(self, *files: tuple[str, bytes]) -> Any:
        return self._do(self._client.deploy, *files)

    def create(self, process_id: str, variables: str, version: int = -1) -> int:
        created = self._do(self._client.create_instance, process_id, variables, version=version)
        self._created.append(created.key)
        return int(created.key)

    def activate(self, type: str, max_jobs: int, timeout_ms: int, names: tuple[str, ...] = ()) -> list[SeenJob]:
        jobs = self._do(
            self._client.activate_jobs,
            type,
            worker="worker",
            max_jobs=max_jobs,
            timeout_ms=timeout_ms,
            fetch_variables=names,
            wait_ms=-1,
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
        self._do(self._client.complete_job, key, variables)

    def fail(self, key: int, retries: int, message: str, back_off_ms: int, variables: str) -> None:
        self._do(
            self._client.fail_job, key, retries=retries, message=message, back_off_ms=back_off_ms, variables=variables
        )

    def throw(self, key: int, code: str, message: str, variables: str = "{}") -> None:
        self._do(self._client.throw_error, key, code, message=message, variables=variables)

    def update_retries(self, key: int, retries: int) -> None:
        self._do(self._client.update_job_retries, key, retries)

    def update_timeout(self, key: int, timeout_ms: int) -> None:
        self._do(self._client.update_job_timeout, key, timeout_ms)
        self.advance(0)

    def set_variables(self, scope: int, variables: str, *, local: bool) -> None:
        self._do(self._client.set_variables, scope, variables, local=local)

    def resolve(self, incident: int) -> None:
        self._do(self._client.resolve_incident, incident)

    def cancel(self, instance: int) -> None:
        self._do(self._client.cancel_instance, instance)

    def publish(self, name: str, key: str, ttl_ms: int, message_id: str, variables: str) -> int:
        publish, given = self._client.publish_message, {"time_to_live_ms": ttl_ms, "message_id": message_id}
        return int(self._do(publish, name, key, variables, **given))

    def signal(self, name: str, variables: str) -> int:
        return int(self._do(self._client.broadcast_signal, name, variables))

    def modify(
        self,
        instance: int,
        activate: list[str],
        terminate: list[str | int],
        move: list[tuple[str, str]],
        variables: dict[str, dict[str, Any]],
    ) -> None:
        self._do(
            self._client.modify_instance,
            instance,
            activate=[osmia.Activate(id, variables, key) for id, key in map(with_ancestor, activate)],
            terminate=[one for one in terminate if isinstance(one, int)],
            terminate_elements=[one for one in terminate if isinstance(one, str)],
            move=[osmia.Move(source, target) for source, target in move],
        )

    def migrate(self, instance: int, definition: int, mappings: list[tuple[str, str]]) -> None:
        self._do(self._client.migrate_instance, instance, target_definition_key=definition, mapping=dict(mappings))

    def definition(self, process_id: str) -> int:
        found = self._do(self._client.search_definitions, bpmn_process_id=process_id).items
        return max((one.version, one.key) for one in found)[1] if found else 0

    def version(self, process_id: str) -> int:
        found = self._do(self._client.search_definitions, bpmn_process_id=process_id).items
        return max((one.version for one in found), default=0)

    def delete(self, key: int) -> None:
        self._do(self._client.delete_resource, key)

    def instances(self, process_id: str) -> list[int]:
        found = self._do(
            self._client.search_instances, bpmn_process_id=process_id, states=[osmia.results.InstanceState.ACTIVE]
        ).items
        return sorted(one.key for one in found)

    def advance(self, ms: int) -> None:
        self.clock.ms += ms
        self._broker.look_at_clock()

    def jobs(self, instance: int) -> list[SeenJob]:
        found = self._do(self._client.search_jobs, process_instance_key=instance).items
        return [
            SeenJob(job.key, job.element_id, job.type, str(job.state), job.retries, job.headers)
            for job in found
            if not job.ended_ms
        ]

    def incidents(self, instance: int) -> list[SeenIncident]:
        found = self._do(self._client.search_incidents, process_instance_key=instance).items
        return [
            SeenIncident(one.key, one.element_id, one.error_type, one.message) for one in found if not one.resolved_ms
        ]

    def variables(self, instance: int) -> dict[str, Any]:
        found = self._do(self._client.search_variables, instance, scope_key=instance).items
        return {one.name: one.value for one in found}

    def elements(self, instance: int) -> list[tuple[int, str]]:
        found = self._do(self._client.get_instance, instance)
        return [(one.key, one.element_id) for one in found.elements]

    def is_over(self, instance: int) -> bool:
        return not self._do(self._client.get_instance, instance).is_running
