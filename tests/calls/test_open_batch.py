"""A poll that comes while the batch that makes its jobs is still open: one question takes them all when the batch closes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from osmia_broker.calls.jobs.dispatcher import Dispatcher
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.calls.jobs.stream import JobStream
from osmia_broker.engine.commands import ActivateJobs
from tests.partition.opened import Opened, create, deploy, opened
from tests.patience import ANSWER_S

LEASE_MS = 600_000


class Desk:
    """A dispatcher at a partition whose writes the test holds back."""

    def __init__(self, it: Opened) -> None:
        self.it = it
        self.dispatcher = Dispatcher(it.partition.parts)
        self.creations: list[Any] = []

    async def asks(self, max_jobs: int = 10, *, waits: bool = True) -> "asyncio.Task[list[Any]]":
        """Let a worker ask for jobs, and the broker hear it."""
        poll = Poll(self.dispatcher, ActivateJobs("ask", "w", LEASE_MS, max_jobs), waits=waits)
        asked = asyncio.ensure_future(poll.jobs(60))
        await asyncio.sleep(0)
        return asked

    def creates(self, number: int = 1) -> None:
        """Create instances, each with a job, in the batch that is open."""
        self.creations += [self.it.do(create()) for _ in range(number)]

    async def begins_a_write(self) -> None:
        """Begin a write that does not end, so that the next batch stays open."""
        self.it.store.may_write.clear()
        self.creations.append(self.it.do(create("quiet")))
        await self.it.turns()

    async def writes(self) -> None:
        """Write everything until now."""
        self.it.store.may_write.set()
        await asyncio.gather(*self.creations)

    @property
    def questions(self) -> int:
        """How often the partition was asked for jobs."""
        return self.it.counters.commands["ActivateJobs", "accepted"]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """The desk while a batch is open. Workers have asked for jobs before, so it is known that the store has none."""
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(deploy("start > end", "quiet"))
        desk = Desk(it)
        assert await (await desk.asks(waits=False)) == []
        await desk.begins_a_write()
        yield desk
        it.store.may_write.set()


async def jobs_of(asked: "asyncio.Task[list[Any]]") -> int:
    return len(await asyncio.wait_for(asked, ANSWER_S))


async def test_the_jobs_of_an_open_batch_go_to_one_poll_by_one_question(desk: Desk):
    desk.creates(2)
    first = await desk.asks()
    desk.creates(2)
    second = await desk.asks()
    before = desk.questions
    await desk.writes()
    assert await jobs_of(first) == 4
    assert not second.done()
    assert desk.questions == before + 1
    second.cancel()


async def test_polls_share_the_jobs_of_an_open_batch_as_far_as_each_has_room(desk: Desk):
    desk.creates(3)
    polls = [await desk.asks(1) for _ in range(4)]
    await desk.writes()
    assert [await jobs_of(one) for one in polls[:3]] == [1, 1, 1]
    desk.creates()
    assert await jobs_of(polls[3]) == 1


async def test_a_poll_that_does_not_wait_takes_what_the_open_batch_has_by_now(desk: Desk):
    desk.creates(2)
    at_once = await desk.asks(waits=False)
    desk.creates()
    await desk.writes()
    assert await jobs_of(at_once) == 2


async def test_polls_take_jobs_at_once_that_waited_before_the_batch_began(desk: Desk):
    desk.creates(2)
    await desk.writes()
    await desk.begins_a_write()
    desk.creates()
    before = desk.questions
    polls = [await desk.asks(1) for _ in range(3)]
    assert desk.questions > before
    await desk.writes()
    assert [await jobs_of(one) for one in polls] == [1, 1, 1]


async def test_a_poll_goes_on_waiting_when_somebody_takes_the_job_before_the_batch_closes(desk: Desk):
    desk.creates()
    waiting = await desk.asks()
    at_once = await desk.asks(waits=False)
    await desk.writes()
    assert await jobs_of(at_once) == 1
    assert not waiting.done()
    desk.creates()
    assert await jobs_of(waiting) == 1


async def test_a_poll_gets_the_jobs_of_an_open_batch_that_streams_have_no_room_for(desk: Desk):
    with JobStream(desk.dispatcher, ActivateJobs("ask", "s", LEASE_MS, 0)) as stream:
        desk.creates(stream.room() + 2)
        asked = await desk.asks()
        await desk.writes()
        assert await jobs_of(asked) == 2
