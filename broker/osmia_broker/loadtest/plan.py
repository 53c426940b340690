"""Describe a load test: the plan for all client processes, and the books that each one sends back."""

from array import array
from dataclasses import dataclass, field
from enum import StrEnum


class WorkerMode(StrEnum):
    """The way in which the workers get their jobs."""

    POLL = "poll"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Plan:
    """A load test: *lanes* client processes share the load evenly; each completes the instances that it created.

    With *rate* (instances per second, > 0) instances become due at random moments of that mean, even if the broker falls
    behind (open loop). Without it *in_flight* instances are unfinished at any time (closed loop).
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
        """Return the number of *lane*'s instances in flight. The first lanes take the rest of the division."""
        return self.in_flight // self.lanes + (lane < self.in_flight % self.lanes)

    def lane_workers(self, lane: int) -> int:
        """Return the number of *lane*'s workers, at least one."""
        return max(1, self.workers // self.lanes + (lane < self.workers % self.lanes))

    def process_id(self, lane: int) -> str:
        """Return the id of the process that *lane* starts."""
        return f"bench-{self.run}-{lane}"


@dataclass(slots=True)
class Books:
    """The calls of one lane: those that were acknowledged, and those whose effect is unknown."""

    #: Keys of instances whose creation was acknowledged.
    created: "array[int]" = field(default_factory=lambda: array("q"))
    #: Instances whose job's completion was acknowledged.
    completed: "array[int]" = field(default_factory=lambda: array("q"))
    latencies: "array[float]" = field(default_factory=lambda: array("d"))  #: seconds, of those completed
    in_time: int = 0  #: completed before the load ended; the rest were completed after it
    unknown_creates: int = 0  #: calls that may have created an instance: no answer came
    twice: int = 0  #: jobs that were handed out again while held
    busy: int = 0  #: answers RESOURCE_EXHAUSTED, repeated after a pause
    shed: int = 0  #: arrivals of the open loop that were dropped, because too many were in flight
    errors: dict[str, int] = field(default_factory=dict)  #: other failed calls by their text


def model(process_id: str) -> bytes:
    """Return a process of one service task. Only the lane of *process_id* takes its jobs."""
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
