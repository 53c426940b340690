"""Rows to read: definitions, process instances and incidents by number, and every list that is asked for often."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace
from sqlalchemy import text

from osmia_broker.state.rows import ElementState, Incident, ProcessDefinition
from osmia_broker.store.read import Reader
from osmia_broker.store.read.deployed.latest_definitions import KINDS, latest
from tests.bpmn import bpmn
from tests.store import rows
from tests.store.rows import BASE, INCIDENT, JOB, PROCESS, TASK

MODEL = bpmn("start > ask:job(name=Ask somebody) > end", id="p")
DONE, GONE = ElementState.COMPLETED, ElementState.TERMINATED
ENDLESS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
LIVING_STATES = ["ACTIVATABLE", "ACTIVATED", "FAILED", "ERROR_THROWN"]


def definition(number: int, process_id: str, version: int) -> ProcessDefinition:
    return replace(rows.definition, key=BASE + number, bpmn_process_id=process_id, version=version)


def instance(number: int, process: int = 1, state: ElementState = ElementState.ACTIVATED, **of_job: Any) -> list[Any]:
    """Rows of an instance of the definition with this number; it has ended if *state* says so."""
    ended = {"ended_ms": 50} if state in (DONE, GONE) else {}
    of_all = {"process_definition_key": BASE + process, **ended}
    whole, task, job, variable = rows.instance(number, **of_job)
    return [replace(whole, state=state, **of_all), replace(task, **of_all), replace(job, **of_all), variable]


def stop(number: int, **of_incident: Any) -> Incident:
    """An incident of the instance with this number, and of its job."""
    shift = 1_000 * number
    keys = {"key": INCIDENT + shift, "process_instance_key": PROCESS + shift, "job_key": JOB + shift}
    return replace(rows.incident, element_instance_key=TASK + shift, **{**keys, **of_incident})


def numbers(items: Any, first: int = PROCESS) -> list[int]:
    """The numbers of these instances, or of the instances of these jobs or incidents."""
    return [(item.row.key - first) // 1_000 for item in items]


LISTS: dict[str, Callable[[Reader], Awaitable[Any]]] = {
    "active instances": lambda reader: reader.process_instances(states=["ACTIVE"]),
    "a process": lambda reader: reader.process_instances(bpmn_process_id="p"),
    "a definition": lambda reader: reader.process_instances(process_definition_key=BASE + 1),
    "active of a process": lambda reader: reader.process_instances(bpmn_process_id="p", states=["ACTIVE"]),
    "active, not stopped": lambda reader: reader.process_instances(has_incident=False, states=["ACTIVE"]),
    "stopped": lambda reader: reader.process_instances(has_incident=True),
    "suspended": lambda reader: reader.process_instances(states=["SUSPENDED"]),
    "stopped of a process": lambda reader: reader.process_instances(has_incident=True, bpmn_process_id="p"),
    "misplaced business ids": lambda reader: reader.has_misplaced_ids(partitions=1),
    "misplaced holder of a business id": lambda reader: reader.misplaced_holder(
        bpmn_process_id="p", process_definition_key=0, business_id="b", partitions=3
    ),
    "misplaced holder, by a definition": lambda reader: reader.misplaced_holder(
        bpmn_process_id="", process_definition_key=BASE + 1, business_id="b", partitions=3
    ),
    "one instance": lambda reader: reader.process_instance(PROCESS),
    "open jobs of a type": lambda reader: reader.jobs(type="type", states=LIVING_STATES),
    "held jobs": lambda reader: reader.jobs(states=["ACTIVATED", "FAILED", "ERROR_THROWN"]),
    "jobs of an instance": lambda reader: reader.jobs(process_instance_key=PROCESS),
    "one job": lambda reader: reader.jobs(key=JOB, states=["FAILED"]),
    "one incident": lambda reader: reader.incidents(key=INCIDENT, states=["OPEN"]),
    "open incidents": lambda reader: reader.incidents(states=["OPEN"]),
    "called by an instance": lambda reader: reader.process_instances(parent_process_instance_key=PROCESS),
    "active and called": lambda reader: reader.process_instances(parent_process_instance_key=5, states=["ACTIVE"]),
    "processes and deleted ones that run": lambda reader: reader.process_definitions(with_draining=True),
    "latest definitions": lambda reader: latest(
        reader, [(kind, id) for kind in KINDS for id in ("p", "q", "dish", "drg", "form")]
    ),
    "variables": lambda reader: reader.variables(PROCESS),
    "waiting timers": lambda reader: reader.timers(states=["WAITING"]),
    "waiting timers of a process": lambda reader: reader.timers(states=["WAITING"], bpmn_process_id="p"),
    "timers of start events": lambda reader: reader.timers(states=["WAITING"], of_start_event=True),
    "timers of an instance": lambda reader: reader.timers(process_instance_key=PROCESS),
    "subscriptions to messages": lambda reader: reader.subscriptions(kinds=["MESSAGE", "SIGNAL"], states=["OPEN"]),
    "subscriptions to a name": lambda reader: reader.subscriptions(kinds=["MESSAGE"], name="paid", states=["OPEN"]),
    "subscriptions with a key": lambda reader: reader.subscriptions(
        name="paid", correlation_key="7", states=["OPEN"], kinds=["MESSAGE"]
    ),
    "subscriptions of an instance": lambda reader: reader.subscriptions(process_instance_key=PROCESS),
    "subscriptions of start events, of an instance": lambda reader: reader.subscriptions(
        of_start_event=True, process_instance_key=PROCESS
    ),
    "subscriptions of start events": lambda reader: reader.subscriptions(of_start_event=True),
    "evaluations of an instance": lambda reader: reader.decision_evaluations(process_instance_key=PROCESS),
    "one evaluation": lambda reader: reader.decision_evaluations(key=BASE + 27),
    "buffered messages": lambda reader: reader.messages(),
    "buffered messages of a name": lambda reader: reader.messages(name="paid", correlation_key="7"),
    "one buffered message": lambda reader: reader.messages(name="paid", correlation_key="7", message_id="one"),
    "counts": lambda reader: reader.counts(),
    "standing": lambda reader: reader.standing(5_000),
}
