"""The calls about the flow of jobs: pauses, limits, and the workers that ask for them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from osmia_broker.calls import checks
from osmia_broker.calls.jobs.workers import Presence, Workers
from osmia_broker.engine.answers import JobFlowAnswer
from osmia_broker.engine.commands.job_flow import LimitJobs, ListJobFlow, PauseJobs, ResumeJobs
from osmia_broker.partition import Submits

NEVER_ASKED = Presence(0, 0)


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker of one job type, with the number of jobs that it holds."""

    job_type: str
    name: str
    presence: Presence
    held: int


class JobFlowCalls:
    """The calls about the flow of jobs. `elsewhere` is there if other processes have workers, too."""

    def __init__(self, partitions: Submits, workers: Workers) -> None:
        self._partitions = partitions
        self._workers = workers
        self.elsewhere: Callable[[], Awaitable[Mapping[tuple[str, str], Presence]]] | None = None  #: of all processes

    def pause(self, job_type: str, process_definition_key: int) -> Awaitable[None]:
        """Hand out no more jobs of a type, or of a process definition."""
        key = checks.int64("process_definition_key", process_definition_key)
        return self._partitions.submit(PauseJobs(checks.name("job_type", job_type), key))

    def resume(self, job_type: str, process_definition_key: int) -> Awaitable[None]:
        """Hand out jobs of a type, or of a process definition, again."""
        key = checks.int64("process_definition_key", process_definition_key)
        return self._partitions.submit(ResumeJobs(checks.name("job_type", job_type), key))

    def limit(
        self, job_type: str, *, held_max: int, per_second_max: int, held_per_key_max: int, fair_by: str
    ) -> Awaitable[None]:
        """Set all limits of a job type; 0 is none."""
        return self._partitions.submit(
            LimitJobs(
                checks.name("job_type", job_type),
                checks.int32("held_max", held_max),
                checks.int32("per_second_max", per_second_max),
                checks.int32("held_per_key_max", held_per_key_max),
                fair_by,
            )
        )

    def settings(self) -> Awaitable[JobFlowAnswer]:
        """List all pauses and limits, and the jobs that workers hold."""
        return self._partitions.submit(ListJobFlow())

    async def workers(self, job_type: str = "") -> list[SeenWorker]:
        """List the workers of a type, or of all, by type and name: who asks, who asked lately, and who holds jobs."""
        held: dict[tuple[str, str], int] = {}
        for type, _, worker, number in (await self.settings()).held:
            held[type, worker] = held.get((type, worker), 0) + number
        present = self._workers.present if self.elsewhere is None else await self.elsewhere()
        places = sorted({*held, *present})
        return [
            SeenWorker(*place, present.get(place, NEVER_ASKED), held.get(place, 0))
            for place in places
            if not job_type or place[0] == job_type
        ]
