"""Rows to store: one of every kind, and batches of them."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from msgspec.structs import astuple, replace

from osmia_broker.state.rows import (
    AdHocCompletion,
    BusinessId,
    CalledInstance,
    Compensation,
    CreatedOnce,
    Decision,
    DecisionEvaluation,
    DecisionRequirements,
    ElementInstance,
    ElementState,
    ErrorType,
    FollowUp,
    Form,
    Incident,
    InstanceOrigin,
    Job,
    JobState,
    Loop,
    LoopResult,
    Message,
    ProcessDefinition,
    RemoteSubscription,
    Resource,
    StartSubscription,
    Subscription,
    SubscriptionKind,
    Timer,
    Variable,
    WaitingToken,
)
from osmia_broker.state.rows.batches import BatchItem, BatchOperation, BatchType, ClusterVariable
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import TaskOperation, TaskTransition, UserTask, UserTaskState
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

timer = Timer(BASE + 16, PROCESS, BASE + 1, TASK, "late", 0, 3, "PT1S", 10)
subscription = Subscription(BASE + 17, PROCESS, BASE + 1, TASK, "paid", "p", SubscriptionKind.MESSAGE, TEXT, TEXT, 11)
origin = InstanceOrigin(BASE + 18, PROCESS, PROCESS, "p", correlation_key=TEXT, tags='["a"]')
business_id = BusinessId(BASE + 19, PROCESS, PROCESS, "p", TEXT)
called = CalledInstance(BASE + 20, PROCESS, TASK, BASE + 1_000_010)
ad_hoc_completion = AdHocCompletion(BASE + 32, PROCESS, TASK)
loop = Loop(BASE + 21, PROCESS, TASK, "[1,2]", 2, 1, 1)
evaluation = DecisionEvaluation(BASE + 27, PROCESS, TASK, BASE + 3, "dish", '"stew"', "", "", "[]")
user_task = UserTask(
    BASE + 29, PROCESS, BASE + 1, TASK, "ask", JOB, TEXT, TEXT, "food", UserTaskState.CREATED, "ada",
    '["ben"]', '["family"]', "2030-01-01T01:00:00Z", "", LARGEST, 0, 70, BASE + 4, "", '{"a":"b"}', 13,
)  # fmt: skip
transition = TaskTransition(
    BASE + 30, PROCESS, TASK, BASE + 29, "assigning", TaskOperation.ASSIGN, "claim", "ada", '{"assignee":"ada"}'
)
loop_result = LoopResult(BASE + 22, PROCESS, TASK, 0, "[null,2]")
compensation = Compensation(BASE + 23, PROCESS, PROCESS, PROCESS, "ask", TASK, "undo", "{}")
message = Message(BASE + 24, BASE + 24, "paid", "7", "one", "{}", "", 12, 0)
created_once = CreatedOnce(BASE + 25, BASE + 25, TEXT, BASE + 1, "p", 1, PROCESS, 0)
start_timer = Timer(BASE + 27, BASE + 27, BASE + 1, 0, "start", 0, -1, "R/PT1S", 10)
batch = BatchOperation(BASE + 29, BASE + 29, BatchType.CANCEL_PROCESS_INSTANCE, "{}", TEXT, 13)
batch_item = BatchItem(BASE + 30, BASE + 30, BASE + 29, PROCESS, PROCESS)
signal = FollowUp(BASE + 28, BASE + 28, 1, "DeliverSignal", "{}", 0)
remote_subscription = RemoteSubscription(BASE + 31, BASE + 31, 2 * BASE + 17, 2 * BASE + 10, "p", TEXT, TEXT, "", 0)

cluster_variable = ClusterVariable(TEXT, "[1]", '{"a":1}')
start_subscription = StartSubscription(BASE + 26, BASE + 1, "p", "go", SubscriptionKind.MESSAGE, "go")

OF_FIRST_VERSION: tuple[Any, ...] = (process, task, token, job, variable, incident)
OF_EVENTS: tuple[Any, ...] = (
    timer,
    subscription,
    origin,
    business_id,
    called,
    ad_hoc_completion,
    loop,
    loop_result,
    evaluation,
    compensation,
    user_task,
    transition,
)
INSTANCE: tuple[Any, ...] = (*OF_FIRST_VERSION, follow_up, *OF_EVENTS)
# They come into memory by their own key.
ALONE: tuple[Any, ...] = (message, created_once, start_timer, signal, batch, batch_item, remote_subscription)
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
