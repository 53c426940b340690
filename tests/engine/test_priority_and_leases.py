"""The order in which jobs are handed out, and leases that fence workers who are late (contract-8.10.md, section 2)."""

from typing import Any

import pytest

from osmia_broker.base.errors import InvalidState, NotFound, OsmiaError
from osmia_broker.engine import commands
from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.engine.commands.due import ReachDeadlines
from osmia_broker.engine.resources import compile_resources
from osmia_broker.state.rows import Incident, Job
from tests.partition.opened import Opened, create, deploy, opened


def prioritized(
    of_task: str = "", of_process: str = "", model: str = "start > ask:job > end"
) -> commands.DeployResources:
    """Deploy *model* with a priority of its task, of the process, or of both; empty: none."""
    command = deploy(model)
    [resource] = command.resources
    content = resource.content.decode()
    of = '<zeebe:jobPriorityDefinition priority="{}"/>'
    if of_task:
        content = content.replace("<zeebe:taskDefinition", of.format(of_task) + "<zeebe:taskDefinition", 1)
    if of_process:
        extension = f"<bpmn:extensionElements>{of.format(of_process)}</bpmn:extensionElements>"
        place = content.index(">", content.index("<bpmn:process")) + 1
        content = content[:place] + extension + content[place:]
    return commands.DeployResources(compile_resources([("process.bpmn", content.encode())]))


async def take(it: Opened, max_jobs: int = 100, *, leases: bool = False, timeout_ms: int = 1_000) -> list[ActivatedJob]:
    taken: list[ActivatedJob] = await it.do(commands.ActivateJobs("ask", "w", timeout_ms, max_jobs, leases=leases))
    return taken


# --- priority


@pytest.mark.parametrize(
    ("of_task", "of_process", "expected"),
    [
        ("", "", 0),
        ("7", "", 7),
        ("", "-3", -3),
        ("7", "-3", 7),  # the task's own wins
        ("0", "42", 0),
        ("=p + 1", "", 6),
        ("", "=p", 5),
        ("2147483647", "", 2**31 - 1),
        ("-2147483648", "", -(2**31)),
    ],
)
async def test_the_model_says_the_priority(of_task: str, of_process: str, expected: int):
    async with opened() as it:
        await it.do(prioritized(of_task, of_process))
        await it.do(create(p="5"))
        [job] = await take(it)
        assert job.priority == expected


@pytest.mark.parametrize("text", ["many", "2147483648", "-2147483649", "1e3", "=1 +", " "])
def test_a_priority_that_is_no_number_of_32_bits_is_refused_with_its_model(text: str):
    with pytest.raises(OsmiaError, match=r"priority|Number|number|expression"):
        prioritized(text)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('"high"', "for the job priority to be 'NUMBER', but was 'STRING'"),
        ("null", "for the job priority to be 'NUMBER', but was 'NULL'"),
        ("1.5", "for the job priority to be an integer within the 32-bit signed range, but was '1.5'"),
        ("2147483648", "for the job priority to be an integer within the 32-bit signed range, but was '2147483648'"),
        ("-2147483649", "for the job priority to be an integer within the 32-bit signed range, but was '-2147483649'"),
    ],
)
async def test_a_priority_that_cannot_be_evaluated_is_an_incident_without_a_job(value: str, words: str):
    async with opened() as it:
        await it.do(prioritized("=p"))
        await it.do(create(p=value))
        assert await take(it) == []
        [incident] = it.store.rows(Incident)
        assert (incident.error_type, incident.job_key) == ("EXTRACT_VALUE_ERROR", 0)
        assert words in incident.message


async def test_a_whole_number_with_a_fraction_of_zero_is_a_priority():
    async with opened() as it:
        await it.do(prioritized("=p"))
        await it.do(create(p="1.0"))
        [job] = await take(it)
        assert job.priority == 1


@pytest.mark.parametrize("listener", ["ask:job(on_start=l)", "ask:user(native=yes, creating=l)"])
async def test_the_job_of_a_listener_does_not_take_the_priority_of_the_process(listener: str):
    async with opened() as it:
        await it.do(prioritized("", "77", f"start > {listener} > end"))
        await it.do(create())
        [job] = it.store.living(Job)
        assert (job.type, job.priority) == ("l", 0)


async def test_the_higher_priority_comes_first_and_then_the_older_job():
    async with opened() as it:
        await it.do(prioritized("=p"))
        for priority in (0, 5, -5, 5, 0):
            await it.do(create(p=str(priority)))
        jobs = await take(it)
        assert [job.priority for job in jobs] == [5, 5, 0, 0, -5]
        assert [job.key for job in jobs] == sorted((job.key for job in jobs), key=lambda key: _rank(jobs, key))


def _rank(jobs: list[ActivatedJob], key: int) -> tuple[int, int]:
    [priority] = [job.priority for job in jobs if job.key == key]
    return -priority, key


async def test_a_new_priority_gives_a_waiting_job_its_new_place():
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        for _ in range(4):
            await it.do(create())
        keys = [job.key for job in await take(it)]
        await it.do(commands.GiveBackJobs(tuple((key, it.clock.ms + 1_000) for key in keys)))
        await it.do(commands.UpdateJobPriority(keys[2], 10))
        await it.do(commands.UpdateJobPriority(keys[0], -1))
        assert [job.key for job in await take(it)] == [keys[2], keys[1], keys[3], keys[0]]


async def test_a_job_that_is_given_back_after_its_lease_stays_with_the_next_worker():
    """An answer that does not reach its caller is noticed late; meanwhile the job may be leased anew."""
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        first_deadline_ms = it.clock.ms + 1_000
        [job] = await take(it)
        it.clock.ms = first_deadline_ms
        await it.do(ReachDeadlines((job.key,)))
        assert [again.key for again in await take(it)] == [job.key]
        await it.do(commands.GiveBackJobs(((job.key, first_deadline_ms),)))
        assert await take(it) == []


async def test_a_new_priority_of_a_held_job_counts_when_it_is_handed_out_again():
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        for _ in range(2):
            await it.do(create())
        first, second = await take(it)
        await it.do(commands.UpdateJobPriority(second.key, 1))
        for job in (first, second):
            await it.do(commands.FailJob(job.key, 1, "", 0, {}))
        assert [job.key for job in await take(it)] == [second.key, first.key]


async def test_the_priority_of_a_job_that_is_gone_cannot_be_changed():
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        [job] = await take(it)
        await it.do(commands.CompleteJob(job.key, {}))
        with pytest.raises(NotFound):
            await it.do(commands.UpdateJobPriority(job.key, 1))


async def test_jobs_behind_a_full_window_keep_their_order_when_priorities_change(monkeypatch: pytest.MonkeyPatch):
    """With windows of three jobs, what is loaded from the store and what changed in memory meet in every way."""
    monkeypatch.setattr("osmia_broker.state.store_protocol.WINDOW_JOBS", 3)
    monkeypatch.setattr("osmia_broker.state.tables.windows.WINDOW_LOADS", 1)
    async with opened() as it:
        await it.do(prioritized("=p"))
        for number in range(30):
            await it.do(create(p=str(number * 7 % 5 - 2)))
        for row in it.store.rows(Job)[::4]:
            await it.do(commands.UpdateJobPriority(row.key, row.key % 9 - 4))
        taken: list[ActivatedJob] = []
        while jobs := await take(it, 2):
            taken += jobs
        expected = sorted(it.store.rows(Job), key=lambda row: (-row.priority, row.key))
        assert [job.key for job in taken] == [row.key for row in expected]


# --- leases

RIGHT, OLD, NONE, WRONG = "right", "old", "none", "wrong"


def _reports(key: int, token: str) -> dict[str, commands.Command]:
    return {
        "complete": commands.CompleteJob(key, {}, lease_token=token),
        "fail": commands.FailJob(key, 1, "", 0, {}, token),
        "throw": commands.ThrowError(key, "code", "", {}, token),
        "retries": commands.UpdateJobRetries(key, 2, token),
        "timeout": commands.UpdateJobTimeout(key, 5_000, token),
        "priority": commands.UpdateJobPriority(key, 2, token),
    }


REPORTS, UPDATES = ("complete", "fail", "throw"), ("retries", "timeout", "priority")


@pytest.mark.parametrize("token", [RIGHT, OLD, NONE, WRONG])
@pytest.mark.parametrize("call", [*REPORTS, *UPDATES])
async def test_who_may_report_on_a_leased_job(call: str, token: str):
    """Reports need the token of the last lease; updates check a token only if one is given."""
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        [old] = await take(it, leases=True)
        await it.do(commands.FailJob(old.key, 3, "", 0, {}, old.lease_token))
        [held] = await take(it, leases=True)
        assert held.lease_token not in ("", old.lease_token)
        given = {RIGHT: held.lease_token, OLD: old.lease_token, NONE: "", WRONG: "x"}[token]
        command = _reports(held.key, given)[call]
        if token == RIGHT or (token == NONE and call in UPDATES):
            await it.do(command)
        else:
            with pytest.raises(InvalidState, match=f"'{held.key}' with the token of its last lease"):
                await it.do(command)
            await it.do(commands.CompleteJob(held.key, {}, lease_token=held.lease_token))  # nothing has changed


@pytest.mark.parametrize("call", [*REPORTS, *UPDATES])
async def test_a_token_for_a_job_that_never_was_leased_is_refused(call: str):
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        [job] = await take(it)
        assert job.lease_token == ""
        with pytest.raises(InvalidState, match="never was leased"):
            await it.do(_reports(job.key, "x")[call])
        await it.do(_reports(job.key, "")[call])


@pytest.mark.parametrize("end", ["fail", "time out"])
async def test_a_token_outlives_failure_and_time_out(end: str):
    """A worker that is late is fenced even before somebody else has the job; and without the token nobody gets it."""
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        [held] = await take(it, leases=True)
        if end == "fail":
            await it.do(commands.FailJob(held.key, 3, "", 0, {}, held.lease_token))
        else:
            it.clock.ms += 1_000
            await it.do(ReachDeadlines((held.key,)))
        assert await take(it) == []
        with pytest.raises(InvalidState):
            await it.do(commands.CompleteJob(held.key, {}))
        [again] = await take(it, leases=True)
        assert again.key == held.key
        with pytest.raises(InvalidState):
            await it.do(commands.CompleteJob(held.key, {}, lease_token=held.lease_token))
        await it.do(commands.CompleteJob(held.key, {}, lease_token=again.lease_token))


async def test_without_leases_a_late_report_is_accepted():
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        [late] = await take(it)
        it.clock.ms += 1_000
        await it.do(ReachDeadlines((late.key,)))
        assert [job.key for job in await take(it)] == [late.key]
        await it.do(commands.CompleteJob(late.key, {}))


async def test_a_caller_who_leases_gets_leased_and_other_jobs_in_their_order():
    async with opened() as it:
        await it.do(prioritized("=p"))
        for priority in (0, 1, 0, 1):
            await it.do(create(p=str(priority)))
        for job in await take(it, 2, leases=True):  # those of priority 1
            await it.do(commands.UpdateJobPriority(job.key, 0))
            await it.do(commands.FailJob(job.key, 3, "", 0, {}, job.lease_token))
        jobs = await take(it, leases=True)
        assert [job.key for job in jobs] == sorted(job.key for job in jobs)
        assert len({job.lease_token for job in jobs}) == 4


async def test_who_does_not_lease_is_not_asked_again_and_again_for_leased_jobs():
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        [job] = await take(it, leases=True)
        await it.do(commands.FailJob(job.key, 3, "", 0, {}, job.lease_token))
        assert await take(it) == []
        assert not it.partition.has_activatable("ask")
        assert it.partition.has_activatable("ask", leases=True)


async def test_a_push_hands_leased_jobs_to_nobody_without_a_lease():
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        [job] = await take(it, leases=True)
        await it.do(commands.FailJob(job.key, 3, "", 0, {}, job.lease_token))
        push: dict[str, Any] = {"keys": (job.key,)}
        assert await it.do(commands.ActivateJobs("ask", "w", 1_000, 1, **push)) == []
        [again] = await it.do(commands.ActivateJobs("ask", "w", 1_000, 1, leases=True, **push))
        assert again.lease_token
