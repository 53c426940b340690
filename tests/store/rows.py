"""Rows to store: one of every kind, and batches of them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, replace
from typing import Any

from osmia_broker.state.rows import (
    KINDS,
    Decision,
    DecisionRequirements,
    ElementInstance,
    ElementState,
    ErrorType,
    FollowUp,
    Form,
    Incident,
    Job,
    JobState,
    ProcessDefinition,
    Resource,
    Variable,
    WaitingToken,
)
from osmia_broker.state.store_protocol import Changes, Wanted

BASE = 1 << 51
PROCESS, TASK, JOB, INCIDENT, TOKEN, FOLLOW_UP = (BASE + n for n in (10, 11, 12, 13, 14, 15))
LARGEST = 2**63 - 1
TEXT = 'ä "q" 😀 \\ \n'

process = ElementInstance(PROCESS, PROCESS, BASE + 1, "p", "PROCESS", ElementState.ACTIVATED, 0, "", 5)
task = ElementInstance(TASK, PROCESS, BASE + 1, "ask", "SERVICE_TASK", ElementState.ACTIVATED, PROCESS, "flow", 6)
token = WaitingToken(TOKEN, PROCESS, PROCESS, "join", "flow", 7)
job = Job(JOB, PROCESS, BASE + 1, TASK, "ask", "type", JobState.ACTIVATABLE, 3, "", 0, "{}", TEXT, "", 8)
variable = Variable(PROCESS, TEXT, '{"a":[1,null]}', PROCESS)
incident = Incident(INCIDENT, PROCESS, BASE + 1, TASK, "ask", JOB, ErrorType.JOB_NO_RETRIES, TEXT, 9)
follow_up = FollowUp(FOLLOW_UP, PROCESS, 1, "CompleteJob", TEXT, 0)
definition = ProcessDefinition(BASE + 1, "p", 1, "name", "tag", "p.bpmn", "c" * 64, BASE, LARGEST)
requirements = DecisionRequirements(BASE + 2, "drg", 1, "name", "d.dmn", "d" * 64, BASE, 1)
decision = Decision(BASE + 3, "dish", 1, "Dish", BASE + 2, "drg", BASE)
form = Form(BASE + 4, "form", 2, "f.form", "e" * 64, BASE, 1)
resource = Resource("c" * 64, bytes(range(256)))

INSTANCE: tuple[Any, ...] = (process, task, token, job, variable, incident, follow_up)
DEPLOYED: tuple[Any, ...] = (definition, requirements, decision, form, resource)


def changes(*rows: Any, next_key: int = BASE + 100, deleted: Iterable[Any] = ()) -> Changes:
    """Return these rows as one batch that also deletes those of *deleted*."""
    batch = Changes(next_key=next_key, written=defaultdict(list), deleted=defaultdict(list))
    for row in rows:
        batch.written[type(row)].append(astuple(row))
    for row in deleted:
        batch.deleted[type(row)].append(tuple(getattr(row, name) for name in KINDS[type(row)].primary_key))
    return batch


def wanted(*keys: int, of: type = ElementInstance, **rest: Any) -> Wanted:
    """Ask for the instances that own the rows of one class with these keys."""
    return Wanted(rows=frozenset((of, key) for key in keys), **rest)


def instance(number: int, **of_job: Any) -> tuple[Any, ...]:
    """Return the rows of one more waiting instance; its keys lie *number* thousands higher."""
    shift = number * 1_000
    key = PROCESS + shift
    return (
        replace(process, key=key, process_instance_key=key),
        replace(task, key=TASK + shift, process_instance_key=key, scope_key=key),
        replace(job, key=JOB + shift, process_instance_key=key, element_instance_key=TASK + shift, **of_job),
        replace(variable, scope_key=key, process_instance_key=key),
    )
