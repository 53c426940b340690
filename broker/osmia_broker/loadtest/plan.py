"""What a load test is to do, and what one client process brings back from its part."""

from array import array
from dataclasses import dataclass, field
from enum import StrEnum


class WorkerMode(StrEnum):
    """How the workers get their jobs."""

    POLL = "poll"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Plan:
    """A load test: *lanes* client processes share the load evenly; each completes the instances that it created.

    With *rate* (instances per second, > 0) instances become due at random moments of that mean, whatever the broker does (open
    loop); else *in_flight* are kept unfinished at any time (closed loop).
    """

    address: str
    run: str  # sets the process ids and job types of this run apart from others
    seconds: float
    lanes: int = 2
    in_flight: int = 64
    rate: float = 0.0
    mode: WorkerMode = WorkerMode.POLL
    workers: int = 4  # polls or streams open, over all lanes
    batch: int = 32  # jobs a poll asks for
    seed: int = 1

    def share(self, lane: int) -> int:
        """How many of the instances in flight are *lane*'s; the first lanes take what is left over."""
        return self.in_flight // self.lanes + (lane < self.in_flight % self.lanes)

    def lane_workers(self, lane: int) -> int:
        """How many of the workers are *lane*'s, at least one."""
        return max(1, self.workers // self.lanes + (lane < self.workers % self.lanes))

    def process_id(self, lane: int) -> str:
        """The process that *lane* starts."""
        return f"bench-{self.run}-{lane}"


@dataclass(slots=True)
class Books:
    """What one lane knows for sure, and what it does not."""

    created: "array[int]" = field(
        default_factory=lambda: array("q")
    )  #: keys of instances whose creation was acknowledged
    completed: "array[int]" = field(
        default_factory=lambda: array("q")
    )  #: instances whose job's completion was acknowledged
    latencies: "array[float]" = field(default_factory=lambda: array("d"))  #: seconds, of those completed
    in_time: int = 0  #: completed before the load ended; the rest came while it was worked off
    unknown_creates: int = 0  #: calls that may have created an instance: no answer came
    twice: int = 0  #: jobs that were handed out again while held
    busy: int = 0  #: answers RESOURCE_EXHAUSTED, repeated after a pause
    shed: int = 0  #: arrivals of the open loop beyond what may be in flight
    errors: dict[str, int] = field(default_factory=dict)  #: other failed calls by their text


def model(process_id: str) -> bytes:
    """A process of one service task, whose jobs only the lane of *process_id* takes."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
             targetNamespace="https://osmia.dev/bench">
  <process id="{process_id}" name="Load test" isExecutable="true">
    <startEvent id="begin"><outgoing>to-work</outgoing></startEvent>
    <sequenceFlow id="to-work" sourceRef="begin" targetRef="work"/>
    <serviceTask id="work" name="Work">
      <extensionElements><zeebe:taskDefinition type="{process_id}" retries="3"/></extensionElements>
      <incoming>to-work</incoming><outgoing>to-end</outgoing>
    </serviceTask>
    <sequenceFlow id="to-end" sourceRef="work" targetRef="end"/>
    <endEvent id="end"><incoming>to-end</incoming></endEvent>
  </process>
</definitions>
""".encode()
