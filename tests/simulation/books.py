"""The books of a client: what it was told, and so what each of its calls must answer."""

from dataclasses import dataclass, field

from osmia_broker.state.rows import ElementInstance, Job, JobState
from tests.memory_store import MemoryStore


@dataclass
class KnownJob:
    """A job that the client has seen."""

    key: int
    process_instance_key: int
    state: str  # held, backing off, parked, completed, canceled
    until_ms: int = 0  # a worker has it, or it backs off, until then


@dataclass
class Books:
    """Everything that was acknowledged."""

    running: set[int] = field(default_factory=set)  # process instances
    ended: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    jobs: dict[int, KnownJob] = field(default_factory=dict)

    def cancel(self, process_instance_key: int) -> None:
        self.running.discard(process_instance_key)
        self.cancelled.add(process_instance_key)
        for job in self.jobs.values():
            if job.process_instance_key == process_instance_key and job.state != "completed":
                job.state = "canceled"

    def learn(self, store: MemoryStore) -> None:
        """After a call with an unknown outcome: take the truth from the rows, as a client would by asking."""
        for key in list(self.running):
            instance = store.row(ElementInstance, key)
            if instance.ended_ms:
                self.running.discard(key)
                (self.ended if instance.state == "COMPLETED" else self.cancelled).add(key)
        for job in self.jobs.values():
            row = store.row(Job, job.key)
            job.state = STATES[row.state, row.deadline_ms > 0]
            job.until_ms = row.deadline_ms


STATES = {
    (JobState.ACTIVATABLE, False): "held",
    (JobState.ACTIVATED, True): "held",
    (JobState.FAILED, True): "backing off",
    (JobState.FAILED, False): "parked",
    (JobState.COMPLETED, False): "completed",
    (JobState.CANCELED, False): "canceled",
}

#: what a report on a job must answer, by the state that the books know (reliability.md, section 2)
REPORTABLE = {
    "held": "OK",
    "backing off": "InvalidState",
    "parked": "InvalidState",
    "completed": "NotFound",
    "canceled": "NotFound",
}
