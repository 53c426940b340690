"""The answers of the engine to commands, as plain values: the rows may change again before an answer leaves."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from osmia_broker.feel import Instant
from osmia_broker.state.rows import Decision, DecisionRequirements, Form, ProcessDefinition
from osmia_broker.state.rows.job_flow import JobFlow

if TYPE_CHECKING:  # the package is loaded with the first decision only
    from osmia_broker.dmn import EvaluatedDecision as EvaluatedStep

NOT_DEPLOYED = -1  # key and version of a knowledge model, which is evaluated but is no decision of its own (measured)


class Created(msgspec.Struct, frozen=True, gc=False):
    """The answer to a creation. *has_ended* is set if the caller waits for a result that was there before: the history has it."""

    process_definition_key: int
    bpmn_process_id: str
    version: int
    process_instance_key: int
    business_id: str = ""
    tags: tuple[str, ...] = ()
    has_ended: bool = False


class Correlated(msgspec.Struct, frozen=True, gc=False):
    """The answer to CorrelateAtOnce: the message, and the first process instance that it has reached."""

    message_key: int
    process_instance_key: int


class SeenScope(msgspec.Struct, frozen=True):
    """The answer to ReadScope: the values by name, without those that are not there, the time, and how long an evaluation may take."""

    values: dict[str, Any]
    now: Instant
    expression_s: float


class ConditionalsEvaluated(msgspec.Struct, frozen=True, gc=False):
    """The answer to EvaluateConditional: (process definition key, process instance key) of each instance that was started."""

    key: int
    started: tuple[tuple[int, int], ...]


class ActivatedJob(msgspec.Struct, frozen=True, gc=False):
    """A job as it is handed to a worker. *headers* and *variables* are JSON objects as text."""

    key: int
    type: str
    process_instance_key: int
    bpmn_process_id: str
    process_definition_version: int
    process_definition_key: int
    element_id: str
    element_instance_key: int
    headers: str
    worker: str
    retries: int
    deadline_ms: int
    variables: str
    kind: str = "BPMN_ELEMENT"  # rows.JobKind
    listener_event: str = ""  # START or END of a listener's job, else empty
    business_id: str = ""
    tags: tuple[str, ...] = ()
    priority: int = 0
    lease_token: str = ""  # empty if no lease was asked for
    root_process_instance_key: int = 0


ENVELOPE_BYTES = 512  # of a job on the wire besides its texts, generously
CHARACTER_BYTES_MAX = 4  # in UTF-8


def size_of(job: ActivatedJob) -> int:
    """Return how many bytes *job* takes in an answer, at most. The name of the worker is its caller's: `size_with_worker` counts it too."""
    names = len(job.type) + len(job.bpmn_process_id) + len(job.element_id) + len(job.business_id)
    names += sum(map(len, job.tags))
    return ENVELOPE_BYTES + CHARACTER_BYTES_MAX * names + len(job.variables.encode()) + len(job.headers.encode())


def size_with_worker(job: ActivatedJob) -> int:
    """Return how many bytes *job* takes in an answer, at most, with the name of the worker that has it."""
    return size_of(job) + CHARACTER_BYTES_MAX * len(job.worker)


class JobFlowAnswer(msgspec.Struct, frozen=True):
    """The rows of flow control, and (type, key, worker, number) of the jobs that workers hold."""

    rows: tuple[JobFlow, ...]
    held: tuple[tuple[str, str, str, int], ...]


class Deployed(msgspec.Struct, frozen=True):
    """The definitions of a deployment, in the order of the wire: processes, decisions, graphs of decisions, forms."""

    key: int
    processes: list[ProcessDefinition]
    decisions: list[Decision]
    requirements: list[DecisionRequirements]
    forms: list[Form]


class EvaluatedDecision(msgspec.Struct, frozen=True):
    """The answer to an evaluation: *evaluation* is the result of the dmn package, *decisions* the rows of the whole graph by decision id."""

    decision: Decision
    evaluation: Any
    decisions: dict[str, Decision]
    key: int

    def steps(self) -> Iterator[tuple["EvaluatedStep", int, int, str]]:
        """Yield each decision that was evaluated, with its key and version (a knowledge model has neither), and the key of this step."""
        for number, step in enumerate(self.evaluation.evaluated_decisions, 1):
            row = self.decisions.get(step.decision_id)
            key, version = (row.key, row.version) if row is not None else (NOT_DEPLOYED, NOT_DEPLOYED)
            yield step, key, version, f"{self.key}-{number}"


class EventLogState(msgspec.Struct, frozen=True, gc=False):
    """The answer about the event log: *complete_after* is the position after which no event is missing, *last* the newest position."""

    is_recording: bool
    complete_after: int
    last: int
