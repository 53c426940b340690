"""A caller who goes in the very moment in which jobs are picked for it: they are given back at once, retries untouched."""

import asyncio
from pathlib import Path

import pytest

from osmia_broker.engine import commands
from osmia_broker.engine.commands import ActivateJobs
from osmia_broker.errors import Unavailable
from osmia_broker.gateway.job_stream import STREAM_JOBS, Dispatcher, JobStream, Poll
from tests.partition.test_partition import CREATE, DEPLOY, Opened, opened

LEASE_MS = 600_000


def poll(dispatcher: Dispatcher, max_jobs: int = 10, *, waits: bool = True) -> Poll:
    return Poll(dispatcher, ActivateJobs("ask", "w", LEASE_MS, max_jobs), waits=waits)


async def settle(it: Opened) -> None:
    """Until everything that is on its way has been written."""
    for _ in range(3):
        await it.do(commands.GiveBackJobs(()))


async def begin(it: Opened, waiting: int = 0) -> Dispatcher:
    await it.do(DEPLOY)
    for _ in range(waiting):
        await it.do(CREATE)
    return Dispatcher(it.partition)


async def test_jobs_picked_for_a_poll_that_goes_are_given_back(tmp_path: Path):
    async with opened(tmp_path) as it:
        dispatcher = await begin(it, waiting=3)
        it.store.may_commit.clear()
        leaving = asyncio.ensure_future(poll(dispatcher).jobs(60))
        for _ in range(20):
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        it.store.may_commit.set()
        await settle(it)
        jobs = await poll(dispatcher, waits=False).jobs(0)
        assert [job.retries for job in jobs] == [3, 3, 3]


async def test_a_parked_poll_that_goes_is_forgotten(tmp_path: Path):
    async with opened(tmp_path) as it:
        dispatcher = await begin(it)
        assert await poll(dispatcher, waits=False).jobs(0) == []
        leaving = asyncio.ensure_future(poll(dispatcher).jobs(60))
        staying = asyncio.ensure_future(poll(dispatcher).jobs(60))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await it.do(CREATE)
        assert len(await staying) == 1


async def test_a_job_made_and_taken_in_one_batch_shares_its_commit(tmp_path: Path):
    async with opened(tmp_path) as it:
        dispatcher = await begin(it)
        assert await poll(dispatcher, waits=False).jobs(0) == []
        parked = asyncio.ensure_future(poll(dispatcher).jobs(60))
        await asyncio.sleep(0)
        before = it.store.commits
        await it.do(CREATE)
        assert len(await parked) == 1
        assert it.store.commits == before + 1


async def test_a_poll_whose_time_is_up_is_answered_empty(tmp_path: Path):
    async with opened(tmp_path) as it:
        dispatcher = await begin(it)
        assert await poll(dispatcher).jobs(0.01) == []
        await it.do(CREATE)
        assert len(await poll(dispatcher).jobs(60)) == 1


async def test_stopping_ends_parked_polls_at_once(tmp_path: Path):
    async with opened(tmp_path) as it:
        dispatcher = await begin(it)
        assert await poll(dispatcher, waits=False).jobs(0) == []
        parked = asyncio.ensure_future(poll(dispatcher).jobs(60))
        await asyncio.sleep(0)
        dispatcher.stop(Unavailable("over"))
        with pytest.raises(Unavailable):
            await parked
        with pytest.raises(Unavailable):
            await poll(dispatcher).jobs(60)


async def test_a_stream_that_does_not_read_keeps_a_bounded_number_of_jobs_from_others(tmp_path: Path):
    async with opened(tmp_path) as it:
        dispatcher = await begin(it)
        stream = JobStream(dispatcher, ActivateJobs("ask", "s", LEASE_MS, 0))
        dispatcher.open(stream)
        for _ in range(STREAM_JOBS + 5):
            await it.do(CREATE)
        await settle(it)
        assert len(await poll(dispatcher, 100, waits=False).jobs(0)) == 5


async def test_what_a_closed_stream_did_not_hand_on_is_given_back(tmp_path: Path):
    async with opened(tmp_path) as it:
        dispatcher = await begin(it)
        stream = JobStream(dispatcher, ActivateJobs("ask", "s", LEASE_MS, 0))
        dispatcher.open(stream)
        for _ in range(3):
            await it.do(CREATE)
        await settle(it)
        jobs = stream.jobs()
        first = await anext(jobs)
        await jobs.aclose()
        dispatcher.close(stream)
        await settle(it)
        left = await poll(dispatcher, waits=False).jobs(0)
        assert len(left) == 2
        assert first.key not in {job.key for job in left}
