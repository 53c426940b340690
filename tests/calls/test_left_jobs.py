"""Jobs that one caller leaves, because its answer is full or takes no more, go to the next one who waits."""

import asyncio
from typing import Any

import pytest

from osmia_broker.calls.jobs.dispatcher import Dispatcher
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.calls.jobs.stream import STREAM_JOBS, JobStream
from osmia_broker.engine.commands import ActivateJobs
from osmia_broker.engine.commands.job_flow import LimitJobs
from tests.partition.opened import Opened, create, deploy, opened
from tests.patience import ANSWER_S

LEASE_MS = 600_000
ANSWER_BYTES = 2_500
LARGE = f'"{"x" * 1_500}"'  # one of them fits into an answer
TOO_LARGE = f'"{"x" * 3_000}"'
DEPLOY = deploy("start > ask:job > end")

Asked = asyncio.Task[list[Any]]


async def asks(it: Opened, dispatcher: Dispatcher, max_jobs: int = 10, *, waits: bool = True) -> Asked:
    """Let a worker ask for jobs, and the broker hear it."""
    command = ActivateJobs("ask", "w", LEASE_MS, max_jobs, size_max=ANSWER_BYTES)
    asked = asyncio.ensure_future(Poll(dispatcher, command, waits=waits).jobs(60))
    await it.turns()
    return asked


async def jobs_of(*polls: Asked) -> list[int]:
    """The number of jobs that each poll gets."""
    return [len(one) for one in await asyncio.wait_for(asyncio.gather(*polls), ANSWER_S)]


async def read(stream: JobStream, jobs: int) -> list[int]:
    """The keys of so many jobs of a stream."""
    return [(await asyncio.wait_for(anext(stream), ANSWER_S)).key for _ in range(jobs)]


@pytest.mark.parametrize("is_open", [False, True], ids=["before the jobs", "while their batch is open"])
async def test_polls_that_wait_share_jobs_that_do_not_fit_into_one_answer(is_open: bool):
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(deploy("start > end", "quiet"))
        dispatcher = Dispatcher(it.partition.parts)
        await (await asks(it, dispatcher, waits=False))
        polls: list[Asked] = []
        if not is_open:
            polls = [await asks(it, dispatcher) for _ in range(3)]
        it.store.may_write.clear()
        creations = [it.do(create("quiet"))]
        await it.turns()
        creations += [it.do(create(text=LARGE)) for _ in range(3)]
        if is_open:
            polls = [await asks(it, dispatcher) for _ in range(3)]
        it.store.may_write.set()
        await asyncio.gather(*creations)
        assert await jobs_of(*polls) == [1, 1, 1]


async def test_a_stream_gets_all_jobs_of_a_batch_that_do_not_fit_into_one_answer():
    async with opened() as it:
        await it.do(DEPLOY)
        with JobStream(Dispatcher(it.partition.parts), ActivateJobs("ask", "s", LEASE_MS, 0)) as stream:
            halves = f'"{"x" * 2_100_000}"'
            await asyncio.gather(*(it.do(create(text=halves)) for _ in range(3)))
            assert len(set(await read(stream, 3))) == 3


async def test_an_incident_in_place_of_a_job_that_is_too_large_keeps_no_other_job_from_those_who_wait():
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(LimitJobs("ask", held_max=100))
        dispatcher = Dispatcher(it.partition.parts)
        polls = [await asks(it, dispatcher, 1) for _ in range(3)]
        await asyncio.gather(*(it.do(create(text=text)) for text in (TOO_LARGE, LARGE, LARGE, LARGE)))
        assert await jobs_of(*polls) == [1, 1, 1]


async def test_an_answer_that_is_older_than_a_backlog_does_not_end_it():
    """A poll finds nothing; then jobs come, more than a stream has room for. The stream reads on and gets them all."""
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(deploy("start > end", "quiet"))
        dispatcher = Dispatcher(it.partition.parts)
        with JobStream(dispatcher, ActivateJobs("ask", "s", LEASE_MS, 0)) as stream:
            quiet = it.do(create("quiet"))
            asked = asyncio.ensure_future(Poll(dispatcher, ActivateJobs("ask", "w", LEASE_MS, 1), waits=False).jobs(60))
            await quiet  # the store has answered the poll: it has none
            number = STREAM_JOBS + 8
            await asyncio.gather(*(it.do(create()) for _ in range(number)))
            assert await jobs_of(asked) == [0]
            assert len(set(await read(stream, number))) == number


async def test_a_push_to_a_stream_may_come_after_its_job_was_evicted():
    async with opened(memory_bytes=1, batch_max=1) as it:
        await it.do(DEPLOY)
        with JobStream(Dispatcher(it.partition.parts), ActivateJobs("ask", "s", 500, 0)) as stream:
            keys = {(await it.do(create())).process_instance_key for _ in range(4)}
            await read(stream, 4)
            await it.advance(1_000)
            assert len(set(await read(stream, 4))) == len(keys)
