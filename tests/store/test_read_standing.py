"""What waits for people, as `/metrics` reports it."""

import pytest
from msgspec.structs import replace

from osmia_broker.state.rows import ErrorType, JobState
from tests.store import rows
from tests.store.conftest import Written
from tests.store.reading import DONE, instance, stop

NOW = 5_000


def task(number: int, **changed):
    return replace(
        rows.user_task, **{"key": rows.user_task.key + 1_000 * number, "assignee": "", "due_ms": 0, **changed}
    )


async def test_nothing_waits_in_a_new_database(written: Written):
    found = await written.reader().standing(NOW)
    assert found.tasks_open == found.tasks_overdue == {True: 0, False: 0}
    assert found.incidents_open == found.instances_active == found.jobs_waiting == {}
    assert found.messages_buffered == found.oldest_end_ms == (0,)


async def test_open_tasks_count_by_whether_somebody_has_them(written: Written):
    reader = await written(task(1), task(2, assignee="ada"), task(3, assignee="ada"), task(4, ended_ms=9))
    assert (await reader.standing(NOW)).tasks_open == {True: 2, False: 1}


async def test_running_instances_count_by_the_id_of_their_process(written: Written):
    two = replace(rows.definition, key=rows.definition.key + 1, version=2)
    reader = await written(rows.definition, two, *instance(1), *instance(2, process=2), *instance(3, state=DONE))
    assert (await reader.standing(NOW)).instances_active == {rows.definition.bpmn_process_id: 2}


@pytest.mark.parametrize(
    ("changed", "waiting"),
    [
        ({}, 1),
        ({"priority": 7}, 1),
        ({"fair_key": "acme"}, 1),
        ({"lease_token": "t"}, 1),
        ({"state": JobState.ACTIVATED}, 0),
        ({"state": JobState.FAILED}, 0),
        ({"state": JobState.COMPLETED, "ended_ms": 9}, 0),
    ],
)
async def test_a_job_waits_in_whatever_lane_it_stands(written: Written, changed: dict, waiting: int):
    plain = {"state": JobState.ACTIVATABLE, "ended_ms": 0, "lease_token": "", "priority": 0, "fair_key": ""}
    job = replace(rows.job, **plain | changed)
    found = await (await written(job)).standing(NOW)
    assert found.jobs_waiting == ({rows.job.type: waiting} if waiting else {})


@pytest.mark.parametrize(
    ("changed", "sent"),
    [({"target_partition": 2}, {2: 1}), ({"target_partition": 2, "due_ms": 7}, {})],  # the second is due here, later
)
async def test_messages_for_other_partitions_count_until_they_are_confirmed(
    written: Written, changed: dict, sent: dict
):
    follow_up = replace(rows.follow_up, **{"due_ms": 0, **changed})
    assert (await (await written(follow_up)).standing(NOW)).sent == (sent,)


@pytest.mark.parametrize(
    ("sent_ms", "since"),
    [((300, 200, 400), {2: 200}), ((0, 200, 0), {2: 200}), ((0, 0, 0), {})],  # 0: left before the column was there
)
async def test_messages_for_other_partitions_are_as_old_as_the_oldest(written: Written, sent_ms: tuple, since: dict):
    messages = [
        replace(rows.follow_up, key=rows.follow_up.key + number, target_partition=2, due_ms=0, sent_ms=moment)
        for number, moment in enumerate(sent_ms)
    ]
    found = await (await written(*messages)).standing(NOW)
    assert found.sent_since_ms == (since,)
    assert found.sent == ({2: 3},)


async def test_the_history_is_as_old_as_the_end_that_came_first(written: Written):
    late = [
        replace(one, ended_ms=70) if getattr(one, "type", "") == "PROCESS" else one for one in instance(1, state=DONE)
    ]
    reader = await written(*late, *instance(2, state=DONE), *instance(3))
    assert (await reader.standing(NOW)).oldest_end_ms == (50,)


@pytest.mark.parametrize(("changed", "buffered"), [({}, 1), ({"ended_ms": 9}, 0)])
async def test_messages_count_until_their_time_is_over(written: Written, changed: dict, buffered: int):
    message = replace(rows.message, **{"expires_ms": NOW + 1, "ended_ms": 0, **changed})
    assert (await (await written(message)).standing(NOW)).messages_buffered == (buffered,)


@pytest.mark.parametrize(
    ("due_ms", "overdue"),
    [(NOW - 1, 1), (NOW, 0), (NOW + 1, 0), (0, 0)],  # before, at that moment, after, none
)
async def test_a_task_is_overdue_after_its_due_date(written: Written, due_ms: int, overdue: int):
    reader = await written(task(1, due_ms=due_ms), task(2, due_ms=NOW - 1, ended_ms=9))
    found = await reader.standing(NOW)
    assert found.tasks_overdue == {True: 0, False: overdue}
    assert found.tasks_open[False] == 1


async def test_open_incidents_count_by_their_type(written: Written):
    reader = await written(
        *instance(1), *instance(2), *instance(3),
        stop(1, error_type=ErrorType.JOB_NO_RETRIES), stop(2, error_type=ErrorType.JOB_NO_RETRIES),
        stop(3, ended_ms=9),
    )  # fmt: skip
    assert (await reader.standing(NOW)).incidents_open == {"JOB_NO_RETRIES": 2}
