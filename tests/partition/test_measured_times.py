"""The times that a partition measures for `/metrics`: of commands by the processor's clock, of work by the broker's own."""

from osmia_broker.engine import commands
from osmia_broker.engine.commands.tasks import Actor, AssignUserTask, ClaimUserTask, CompleteUserTask
from osmia_broker.state.rows import ElementInstance
from osmia_broker.state.rows.tasks import UserTask
from tests.partition.opened import Opened, activate, complete, create, deploy, opened

HOUR_MS = 3_600_000
ADA = Actor("ada", ())


def seconds(it: Opened, kind: str, intent: str) -> dict[str, tuple[int, float]]:
    """How many durations were observed by name, and their sum."""
    return {name: (one.count, one.total) for name, one in it.counters.took[kind, intent].items()}


async def test_each_accepted_command_is_measured_once():
    async with opened() as it:
        await it.do(deploy("start > a:job(type=ask) > end"))
        for _ in range(3):
            await it.do(create())
        counters = it.counters
        assert [h.count for h in (counters.command_seconds, counters.queue_seconds, counters.decide_seconds)] == [4] * 3
        assert counters.command_seconds.total >= counters.queue_seconds.total >= counters.decide_seconds.total > 0


async def test_a_refused_command_is_not_measured():
    async with opened() as it:
        refused = it.do(commands.CompleteJob(17, {}))
        await it.settled()
        assert refused.exception() is not None
        assert it.counters.command_seconds.count == it.counters.decide_seconds.count == 0


async def test_a_command_whose_rows_were_loaded_is_measured_from_its_arrival():
    async with opened(memory_bytes=1) as it:
        await it.do(deploy("start > a:job(type=ask) > end"))
        await it.do(create())
        await it.settled()
        assert it.partition.resident_instances == 0
        (job,) = await it.do(activate())
        assert job.type == "ask"
        counters = it.counters
        assert counters.command_seconds.count == counters.decide_seconds.count == 3
        assert counters.command_seconds.total > counters.decide_seconds.total


async def test_a_job_waits_until_a_worker_has_it_first_and_lasts_until_its_end():
    async with opened() as it:
        await it.do(deploy("start > a:job(type=ask) > end"))
        await it.do(create())
        await it.advance(5_000)
        (job,) = await it.do(activate(timeout_ms=1_000))
        await it.advance(2_000)  # the worker has let its time run out
        (job,) = await it.do(activate())
        await it.advance(3_000)
        await it.do(complete(job))
        assert seconds(it, "job", "activated") == {"ask": (1, 5.0)}
        assert seconds(it, "job", "completed") == {"ask": (1, 10.0)}
        assert seconds(it, "instance", "completed") == {"process": (1, 10.0)}


async def test_a_job_that_is_canceled_has_no_time():
    async with opened() as it:
        await it.do(deploy("start > a:job(type=ask) > end"))
        key = (await it.do(create())).process_instance_key
        await it.do(commands.CancelProcessInstance(key))
        await it.settled()
        assert it.counters.took["job", "completed"] == it.counters.took["instance", "completed"] == {}


async def test_a_user_task_waits_for_a_person_and_lasts_until_its_end():
    async with opened() as it:
        await it.do(deploy("start > a:user(native=yes) > end"))
        await it.do(create())
        (task,) = it.store.living(UserTask)
        await it.advance(HOUR_MS)
        await it.do(ClaimUserTask(task.key, "ada", ADA))
        await it.do(ClaimUserTask(task.key, "ada", ADA))  # she has it already
        await it.advance(HOUR_MS)
        await it.do(AssignUserTask(task.key, "bob", ADA))  # it did not wait: somebody had it
        await it.do(CompleteUserTask(task.key, {}, ADA))
        assert seconds(it, "task", "claimed") == {"process": (1, 3_600.0)}
        assert seconds(it, "task", "completed") == {"process": (1, 7_200.0)}


async def test_a_task_whose_model_names_its_assignee_never_waited():
    async with opened() as it:
        await it.do(deploy("start > a:user(native=yes, assignee=ada) > end"))
        await it.do(create())
        assert it.counters.took["task", "claimed"] == {}


async def test_a_task_that_a_worker_completes_lasts_as_well():
    async with opened() as it:
        await it.do(deploy("start > a:user > end"))
        await it.do(create())
        await it.advance(HOUR_MS)
        (job,) = await it.do(activate("io.camunda.zeebe:userTask"))
        await it.do(complete(job))
        assert seconds(it, "task", "completed") == {"process": (1, 3_600.0)}
        assert seconds(it, "task", "claimed") == {}


async def test_a_timer_that_fires_late_says_how_late():
    async with opened() as it:
        await it.do(deploy("start > wait:catch(timer=PT1H) > end"))
        await it.do(create())
        await it.advance(HOUR_MS + 30_000)
        assert it.store.living(ElementInstance) == []
        assert (it.counters.timer_lag_seconds.count, it.counters.timer_lag_seconds.total) == (1, 30.0)


async def test_nothing_takes_less_than_no_time_although_the_clock_was_set_back():
    async with opened() as it:
        await it.do(deploy("start > a:job(type=ask) > end"))
        await it.do(create())
        it.clock.ms -= HOUR_MS
        (job,) = await it.do(activate())
        await it.do(complete(job))
        assert seconds(it, "job", "completed") == {"ask": (1, 0.0)}
