"""The counts of jobs: one that was created is counted once more at its end, however it ends."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from osmia_broker.engine import commands
from osmia_broker.state.rows import Job
from tests.partition.opened import Opened, activate, complete, create, deploy, opened

DECIDED = "start > h:adhoc(type=ask) { a:job(type=work) & b:job(type=work) } > end"
CAUGHT = "start > a:job(type=ask) > end & stop:boundary(on=a, error=no) > end2:end"


async def completes(it: Opened, instance: int) -> None:
    for job in await it.do(activate()):
        await it.do(complete(job))


async def is_canceled(it: Opened, instance: int) -> None:
    await it.do(commands.CancelProcessInstance(instance))


async def throws(it: Opened, instance: int) -> None:
    (job,) = await it.do(activate())
    await it.do(commands.ThrowError(job.key, "no", "", {}))


async def is_asked_again(it: Opened, instance: int) -> None:
    """Two elements end before the worker of the ad-hoc subprocess decides: the first of the two questions is out of date."""
    (job,) = await it.do(activate())
    both = tuple(commands.ElementToActivate(id, {}) for id in ("a", "b"))
    await it.do(commands.CompleteJob(job.key, {}, commands.AdHocResult(both)))
    for work in await it.do(activate("work")):
        await it.do(complete(work))
    (job,) = await it.do(activate())
    done = commands.AdHocResult(is_completion_condition_fulfilled=True)
    await it.do(commands.CompleteJob(job.key, {}, done))


@pytest.mark.parametrize(
    ("model", "end", "counts"),
    [
        ("start > a:job(type=ask) > end", completes, {"created": 1, "completed": 1}),
        ("start > a:job(type=ask) > end", is_canceled, {"created": 1, "canceled": 1}),
        ("start > fork:parallel [a:job(type=ask) > end | b:job(type=ask) > end2:end]", is_canceled, {"canceled": 2}),
        (CAUGHT, throws, {"created": 1, "error": 1}),
        (DECIDED, is_canceled, {"created": 1, "canceled": 1}),
        (DECIDED, is_asked_again, {"created": 3, "completed": 2, "canceled": 1}),
    ],
)
async def test_a_job_is_counted_at_its_beginning_and_at_its_end(
    model: str, end: Callable[[Opened, int], Awaitable[Any]], counts: dict[str, int]
):
    async with opened() as it:
        await it.do(deploy(model))
        instance = (await it.do(create())).process_instance_key
        await end(it, instance)
        await it.settled()
        found = {event: it.counters.jobs.get(("ask", event)) for event in counts}
        assert found == counts
        assert it.store.living(Job) == []
