"""The calls of `osmia.v1.Queries` over gRPC: lists that see every answered command, and questions that are refused."""

import asyncio
import threading
from typing import Any

import grpc
import msgspec
import pytest

from osmia_broker.model import USER_TASK_JOB_TYPE
from osmia_broker.store.read import Reader
from osmia_broker.store.read.search import cursors
from osmia_proto import queries
from tests.clock import START_MS
from tests.gateway.conftest import Asking, Wire
from tests.store.reading import ENDLESS

INVALID, MISSING = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
MESSAGE_BYTES_MAX = 4 * 1024 * 1024


async def test_an_answered_command_is_seen_at_once(wire: Wire, ask: Asking, unique: str):
    await wire.deploy(f"start > work:job(type={unique}) > end", unique)
    for count in range(1, 6):
        key = await wire.create(unique)
        assert (await ask("GetProcessInstance", key=key)).elements[0].element_id == "work"
        assert len((await ask("SearchProcessInstances", bpmn_process_id=unique)).items) == count
        (job,) = await wire.activate(unique, maxJobsToActivate=1)
        (seen,) = (await ask("SearchJobs", process_instance_key=key)).items
        assert (seen.key, seen.worker, seen.state) == (job.key, "w", queries.JobState.JOB_STATE_ACTIVATED)
        assert seen.deadline_ms == job.deadline
        await wire.call("CompleteJob", jobKey=job.key)
        over = await ask("GetProcessInstance", key=key)
        assert over.state == queries.ProcessInstanceState.PROCESS_INSTANCE_STATE_COMPLETED
        assert (len(over.elements), over.start_ms >= START_MS, over.end_ms >= over.start_ms) == (0, True, True)


async def test_a_person_finds_what_a_task_is(wire: Wire, ask: Asking, unique: str):
    people = 'assignee=ada, groups="cooks, guests", users=bob, form=menu, due="2030-01-02T03:04:05Z"'
    await wire.deploy(f"start > eat:user(name=Eat dinner, {people}) > end", unique)
    key = await wire.create(unique)
    (task,) = (await ask("SearchJobs", process_instance_key=key, user_tasks_only=True)).items
    assert (task.type, task.element_name, task.assignee, task.form_key) == (
        USER_TASK_JOB_TYPE,
        "Eat dinner",
        "ada",
        "menu",
    )
    assert (list(task.candidate_groups), list(task.candidate_users)) == (["cooks", "guests"], ["bob"])
    assert task.due_date.startswith("2030-01-02T03:04:05")
    assert (task.follow_up_date, task.bpmn_process_id, task.process_definition_version) == ("", unique, 1)


async def test_only_user_tasks_are_for_people(wire: Wire, ask: Asking, unique: str):
    """A job is one by its type: a service task may have that too, and then lacks the headers."""
    await wire.deploy(
        f"start > a:job(type={unique}, header.assignee=ada) > b:job(type={USER_TASK_JOB_TYPE}) > end", unique
    )
    key = await wire.create(unique)
    (job,) = (await ask("SearchJobs", process_instance_key=key)).items
    assert (job.assignee, msgspec.json.decode(job.custom_headers)) == ("", {"assignee": "ada"})
    assert (await ask("SearchJobs", process_instance_key=key, user_tasks_only=True)).items == []
    await wire.call("CompleteJob", jobKey=job.key)
    (task,) = (await ask("SearchJobs", process_instance_key=key, user_tasks_only=True)).items
    assert (task.element_id, task.assignee, list(task.candidate_groups)) == ("b", "", [])
    assert (await ask("SearchJobs", process_instance_key=key, user_tasks_only=True, type=unique)).items == []


async def test_an_incident_is_told_where_it_stopped_and_when_it_was_mended(wire: Wire, ask: Asking, unique: str):
    await wire.deploy(f"start > work:job(type={unique}) > end", unique)
    key = await wire.create(unique)
    (job,) = await wire.activate(unique)
    await wire.call("FailJob", jobKey=job.key, retries=0, errorMessage="no oven")
    (stop,) = (await ask("SearchIncidents", process_instance_key=key, states=["INCIDENT_STATE_OPEN"])).items
    assert (stop.error_type, stop.message, stop.job_key) == ("JOB_NO_RETRIES", "no oven", job.key)
    assert [one.key for one in (await ask("SearchIncidents", key=stop.key)).items] == [stop.key]
    assert [one.key for one in (await ask("SearchJobs", key=job.key)).items] == [job.key]
    assert [one.version for one in (await ask("SearchProcessDefinitions", key=stop.process_definition_key)).items] == [
        1
    ]
    instance = await ask("GetProcessInstance", key=key)
    assert (instance.has_incident, instance.elements[0].incident_key) == (True, stop.key)
    assert [
        one.key for one in (await ask("SearchProcessInstances", has_incident=True, bpmn_process_id=unique)).items
    ] == [key]
    await wire.call("UpdateJobRetries", jobKey=job.key, retries=1)
    await wire.call("ResolveIncident", incidentKey=stop.key)
    assert (await ask("SearchIncidents", process_instance_key=key, states=["INCIDENT_STATE_OPEN"])).items == []
    (mended,) = (await ask("SearchIncidents", bpmn_process_id=unique)).items
    assert (mended.state, mended.resolved_ms > 0) == (queries.IncidentState.INCIDENT_STATE_RESOLVED, True)
    assert (await ask("SearchProcessInstances", has_incident=True, bpmn_process_id=unique)).items == []


async def test_pages_stay_below_what_clients_take(wire: Wire, ask: Asking, unique: str):
    """Counted in bytes, not characters, and with the texts that an item says twice."""
    text = "ж" * 20_000
    await wire.deploy(f'start > eat:user(groups="{text}", header.more="{text}") > end', unique)
    keys = {await wire.create(unique, f'{{"text": "{text}"}}') for _ in range(60)}
    page = await ask("SearchJobs", user_tasks_only=True, limit=1000)
    assert 0 < len(page.items) < 60
    assert page.ByteSize() < MESSAGE_BYTES_MAX
    found = [one.process_instance_key for one in await ask.everything("SearchJobs", user_tasks_only=True, limit=1000)]
    assert len(found) == len(set(found))
    assert keys <= set(found)


async def test_places_count_for_the_size_of_a_page(wire: Wire, ask: Asking, unique: str):
    name = "ж" * 2_000
    tasks = " | ".join(f"t{number}:user(name={name}) > end{number}" for number in range(30))
    await wire.deploy(f"start > fork:parallel [{tasks}]", unique)
    keys = [await wire.create(unique) for _ in range(40)]
    page = await ask("SearchProcessInstances", bpmn_process_id=unique, limit=1000)
    assert 0 < len(page.items) < 40
    assert page.ByteSize() < MESSAGE_BYTES_MAX
    found = await ask.everything("SearchProcessInstances", bpmn_process_id=unique, limit=1000)
    assert [one.key for one in found] == keys[::-1]
    assert {len(one.elements) for one in found} == {30}


async def test_variables_keep_every_digit(wire: Wire, ask: Asking, unique: str):
    await wire.deploy("start > work:job > end", unique)
    key = await wire.create(unique, '{"b": 9007199254740993, "a": {"x": [1.10, null]}, "ж": "\\u0000"}')
    found = await ask("SearchVariables", process_instance_key=key, limit=2)
    rest = await ask("SearchVariables", process_instance_key=key, after=found.next)
    assert [(one.name, one.value) for one in (*found.items, *rest.items)] == [
        ("a", '{"x":[1.10,null]}'),
        ("b", "9007199254740993"),
        ("ж", '"\\u0000"'),
    ]
    assert {one.scope_key for one in found.items} == {key}


async def test_a_question_stops_when_its_caller_leaves(ask: Asking, monkeypatch: pytest.MonkeyPatch):
    running, stopped = threading.Event(), threading.Event()

    async def count_endlessly(reader: Reader, **_asked: Any) -> None:
        try:
            async with reader.database.snapshot() as snapshot:
                await snapshot._driver.set_trace_callback(lambda _text: running.set())
                await snapshot.values(ENDLESS, {})
        finally:
            await asyncio.wait(reader.database.connections.ending)  # for ever, if the statement goes on
            stopped.set()

    monkeypatch.setattr(Reader, "jobs", count_endlessly)
    call = asyncio.create_task(ask("SearchJobs"))
    await asyncio.to_thread(running.wait)
    call.cancel()
    await asyncio.to_thread(stopped.wait)
    assert (await ask("Status")).broker_version


async def test_timers_are_listed_with_their_moment_and_their_event(wire: Wire, ask: Asking, unique: str):
    await wire.deploy("start > late:catch(name=Too late, timer=PT1H) > end", unique)
    key = await wire.create(unique)
    (timer,) = (await ask("SearchTimers", process_instance_key=key, states=["TIMER_STATE_WAITING"])).items
    assert (timer.element_id, timer.element_name, timer.bpmn_process_id) == ("late", "Too late", unique)
    assert (timer.due_ms - timer.created_ms, timer.repetitions) == (3_600_000, 1)
    assert timer.key in [one.key for one in await ask.everything("SearchTimers", bpmn_process_id=unique)]
    await wire.call("CancelProcessInstance", processInstanceKey=key)
    (ended,) = (await ask("SearchTimers", bpmn_process_id=unique)).items
    assert (ended.state, ended.ended_ms > 0) == (queries.TimerState.TIMER_STATE_ENDED, True)


async def test_the_timer_of_a_start_event_belongs_to_no_instance(wire: Wire, ask: Asking, unique: str):
    await wire.deploy("go:start(cycle=R/PT1H) > end", unique)
    (timer,) = (await ask("SearchTimers", bpmn_process_id=unique, of_start_event=True)).items
    assert (timer.element_id, timer.process_instance_key, timer.element_instance_key) == ("go", 0, 0)
    assert (timer.repetitions, timer.cycle != "") == (-1, True)
    assert (await ask("SearchTimers", bpmn_process_id=unique, of_start_event=False)).items == []
    assert (await ask("SearchSubscriptions", bpmn_process_id=unique)).items == []


async def test_subscriptions_are_listed_with_what_they_wait_for(wire: Wire, ask: Asking, unique: str):
    waits = 'm:catch(message=paid, key="=id") > e1:end | s:catch(signal=alarm) > e2:end | c:catch(condition="=full") > e3:end'
    await wire.deploy(f"start > fork:parallel [{waits}]", unique)
    key = await wire.create(unique, '{"id": 7, "full": false}')
    found = (await ask("SearchSubscriptions", process_instance_key=key, states=["SUBSCRIPTION_STATE_OPEN"])).items
    kinds = queries.SubscriptionKind
    assert sorted((one.element_id, kinds.Name(one.kind), one.name, one.correlation_key) for one in found) == [
        ("c", "SUBSCRIPTION_KIND_CONDITION", "", ""),
        ("m", "SUBSCRIPTION_KIND_MESSAGE", "paid", "7"),
        ("s", "SUBSCRIPTION_KIND_SIGNAL", "alarm", ""),
    ]
    await wire.call("PublishMessage", name="paid", correlationKey="7")
    (ended,) = (await ask("SearchSubscriptions", process_instance_key=key, states=["SUBSCRIPTION_STATE_ENDED"])).items
    assert (ended.element_id, ended.ended_ms > 0) == ("m", True)


async def test_the_subscription_of_a_start_event_is_listed_since_its_deployment(wire: Wire, ask: Asking, unique: str):
    await wire.deploy(f"go:start(message={unique}) > end", unique)
    (found,) = (await ask("SearchSubscriptions", name=unique, states=["SUBSCRIPTION_STATE_OPEN"])).items
    assert (found.element_id, found.process_instance_key) == ("go", 0)
    assert found.created_ms >= START_MS, "other tests move the clock of the shared broker forward"
    await wire.deploy(f"go:start(message={unique}) > other:end", unique)
    states = [one.state for one in (await ask("SearchSubscriptions", name=unique)).items]
    assert states == [1, 2], "the latest version waits, the older one does not"


async def test_a_buffered_message_is_listed_until_it_expires(wire: Wire, ask: Asking, unique: str, gateway_broker: Any):
    await wire.deploy(f'start > m:catch(message={unique}, key="=id") > end', unique)
    await wire.call("PublishMessage", name=unique, correlationKey="7", timeToLive=5_000, variables='{"x": 1}')
    (kept,) = (await ask("SearchMessages", name=unique)).items
    assert (kept.correlation_key, kept.variables, kept.expires_ms - kept.published_ms) == ("7", '{"x":1}', 5_000)
    assert list(kept.correlated_process_ids) == []
    await wire.create(unique, '{"id": 7}')
    (kept,) = (await ask("SearchMessages", name=unique, correlation_key="7")).items
    assert list(kept.correlated_process_ids) == [unique]
    gateway_broker.clock.ms += 5_001
    await asyncio.to_thread(gateway_broker.look_at_clock)
    assert (await ask("SearchMessages", name=unique)).items == []


async def test_called_instances_are_listed_by_their_caller_and_name_it(wire: Wire, ask: Asking, unique: str):
    await wire.deploy("start > work:job > end", f"{unique}_inner")
    await wire.deploy(f"start > c:call(process={unique}_inner) > end", unique)
    outer = await wire.create(unique)
    (inner,) = (await ask("SearchProcessInstances", parent_process_instance_key=outer)).items
    seen = await ask("GetProcessInstance", key=outer)
    assert (inner.parent_process_instance_key, inner.root_process_instance_key) == (outer, outer)
    assert inner.parent_element_instance_key == seen.elements[0].key
    assert (seen.elements[0].called_process_instance_key, seen.parent_process_instance_key) == (inner.key, 0)
    assert (await ask("SearchProcessInstances", parent_process_instance_key=inner.key)).items == []


async def test_an_instance_shows_its_marks(wire: Wire, ask: Asking, unique: str):
    await wire.deploy("start > work:job > end", unique)
    created = await wire.call(
        "CreateProcessInstance", bpmnProcessId=unique, version=-1, businessId="order-7", tags=["vip", "a:b"]
    )
    seen = await ask("GetProcessInstance", key=created.processInstanceKey)
    assert (seen.business_id, list(seen.tags), seen.suspended_ms) == ("order-7", ["vip", "a:b"], 0)


LISTS = [
    "SearchProcessInstances",
    "SearchJobs",
    "SearchIncidents",
    "SearchProcessDefinitions",
    "SearchTimers",
    "SearchSubscriptions",
    "SearchMessages",
]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("limit", [-1, 1_001, -(2**31)])
async def test_a_limit_out_of_range_is_refused(ask: Asking, name: str, limit: int):
    status, text = await ask.refusal(name, limit=limit)
    assert (status, f"but found {limit}" in text) == (INVALID, True), text


FORGED = [
    "x",
    "é",
    "====",
    "W10",  # []
    cursors.write("variables", "-creationTime", (5, 5)),
    cursors.write("jobs", "creationTime", (5, 5)),
    cursors.write("jobs", "-creationTime", (2**63, 5)),
    cursors.write("jobs", "-creationTime", (5, -(2**63) - 1)),
    cursors.write("jobs", "-creationTime", (10**40, 5)),
    cursors.write("jobs", "-creationTime", ("5", 5)),
    cursors.write("jobs", "-creationTime", (5, 6, 7)),
    cursors.write("jobs", "-creationTime", ()),
    cursors.write("jobs", "-creationTime", (True, 5)),
]


@pytest.mark.parametrize("after", FORGED)
async def test_a_cursor_that_no_such_list_gave_is_refused(ask: Asking, after: str):
    status, text = await ask.refusal("SearchJobs", after=after)
    assert (status, "Expected after to be a cursor that this search gave" in text) == (INVALID, True), text


@pytest.mark.parametrize("key", [0, 1, -1, 2**63 - 1])
async def test_an_unknown_process_instance_is_not_found(ask: Asking, key: int):
    status, text = await ask.refusal("GetProcessInstance", key=key)
    assert (status, f"'{key}'" in text) == (MISSING, True), text
    assert (await ask("SearchJobs", process_instance_key=key or 1)).items == []


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("SearchJobs", [0]),
        ("SearchJobs", [1, 99]),
        ("SearchProcessInstances", [-1]),
        ("SearchIncidents", [3]),
        ("SearchTimers", [4]),
        ("SearchSubscriptions", [0]),
    ],
)
async def test_a_state_that_is_none_is_refused(ask: Asking, name: str, states: list[int]):
    status, text = await ask.refusal(name, states=states)
    assert (status, "Expected states of" in text) == (INVALID, True), text


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("SearchJobs", "states"),
        ("SearchProcessInstances", "states"),
        ("SearchIncidents", "states"),
        ("SearchTimers", "states"),
        ("SearchSubscriptions", "states"),
        ("SearchSubscriptions", "kinds"),
        ("SearchDecisionEvaluations", "states"),
    ],
)
async def test_a_million_states_are_refused_before_they_are_read(ask: Asking, name: str, field: str):
    status, text = await ask.refusal(name, **{field: [1] * 1_000_000})
    assert (status, text) == (INVALID, f"Expected '{field}' to have at most 2000 items, but found 1000000")


async def test_a_kind_of_subscription_that_is_none_is_refused(ask: Asking):
    status, text = await ask.refusal("SearchSubscriptions", kinds=[7])
    assert (status, "Expected kinds of SUBSCRIPTION_KIND_MESSAGE" in text) == (INVALID, True), text


async def test_variables_are_asked_for_by_their_instance(ask: Asking):
    status, text = await ask.refusal("SearchVariables", scope_key=5)
    assert (status, "Expected a process_instance_key" in text) == (INVALID, True), text


async def test_status_counts_what_is_open(wire: Wire, ask: Asking, unique: str):
    before = await ask("Status")
    await wire.deploy(f"start > work:job(type={unique}) > end", unique)
    await wire.create(unique)
    await wire.create(unique)
    (job, _) = await wire.activate(unique)
    await wire.call("FailJob", jobKey=job.key, retries=0)
    now = await ask("Status")
    assert now.open_process_instances - before.open_process_instances == 2
    assert (now.open_jobs - before.open_jobs, now.open_incidents - before.open_incidents) == (2, 1)
    (partition,) = now.partitions
    assert (partition.id, partition.role, partition.key_counter > before.partitions[0].key_counter) == (
        1,
        "LEADER",
        True,
    )
    assert now.database.startswith("sqlite /")
