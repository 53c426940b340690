"""Polls and streams: who gets which job, and jobs whose caller goes in any moment are given back at once, retries untouched."""

import asyncio

import pytest
from msgspec import structs

from osmia_broker.base.errors import NotLed, Overloaded, StoreFailed, Unavailable
from osmia_broker.calls.jobs import dispatcher
from osmia_broker.calls.jobs import poll as polling
from osmia_broker.calls.jobs import stream as streaming
from osmia_broker.calls.jobs.dispatcher import Dispatcher
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.calls.jobs.stream import STREAM_JOBS, JobStream
from osmia_broker.engine import commands
from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.engine.commands import ActivateJobs
from osmia_broker.state.store_protocol import PARTITION_BITS
from tests.calls.scripted import ScriptedPartition
from tests.partition.opened import Opened, create, deploy, opened
from tests.patience import ANSWER_S

LEASE_MS = 600_000


def gone() -> StoreFailed:
    return StoreFailed("Expected a commit, but found none")


class Fixture:
    """A dispatcher on a partition that is played by hand."""

    def __init__(self) -> None:
        self.partition = ScriptedPartition()
        self.dispatcher = Dispatcher(self.partition.parts)  # type: ignore[arg-type]

    def poll(self, max_jobs: int = 10, *, waits: bool = True, type: str = "ask") -> Poll:
        return Poll(self.dispatcher, ActivateJobs(type, "w", LEASE_MS, max_jobs), waits=waits)

    async def parked(self, max_jobs: int = 10, type: str = "ask") -> "asyncio.Task[list[int]]":
        """A poll that waits for jobs; the task's result are their keys."""
        poll = self.poll(max_jobs, type=type)

        async def keys() -> list[int]:
            return [job.key for job in await poll.jobs(60)]

        task = asyncio.ensure_future(keys())
        await asyncio.sleep(0)
        return task

    def stream(self, worker: str = "s", type: str = "ask") -> JobStream:
        return JobStream(self.dispatcher, ActivateJobs(type, worker, LEASE_MS, 0))


@pytest.fixture
async def it() -> Fixture:
    return Fixture()


async def left(task: "asyncio.Task[object]") -> None:
    """The caller cancels, and is gone on return."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- polls


async def test_a_poll_that_leaves_in_the_moment_its_jobs_arrive_gives_them_back(it: Fixture):
    it.partition.waiting["ask"] = [1, 2]
    poll = await it.parked()
    it.partition.answer()
    await left(poll)
    assert it.partition.given_back == [1, 2]


async def test_a_poll_that_leaves_while_it_asks_gives_its_jobs_back(it: Fixture):
    it.partition.waiting["ask"] = [1]
    poll = await it.parked()
    await left(poll)
    it.partition.answer()
    assert it.partition.given_back == [1]


async def test_a_poll_that_leaves_while_it_is_parked_is_not_asked_for_again(it: Fixture):
    leaving, staying = await it.parked(), await it.parked()
    await left(leaving)
    it.partition.offer(1)
    it.partition.answer()
    assert await staying == [1]
    assert it.partition.given_back == []


async def test_a_poll_whose_time_ends_while_it_asks_gives_its_jobs_back(it: Fixture):
    it.partition.waiting["ask"] = [1]
    assert await it.poll().jobs(0) == []
    it.partition.answer()
    assert it.partition.given_back == [1]


async def test_a_poll_whose_coroutine_is_closed_is_parked_no_longer(it: Fixture):
    asking_for_jobs = it.poll().jobs(60)
    asking_for_jobs.send(None)
    asking_for_jobs.close()
    it.partition.offer(1)
    assert it.partition.commands == []


async def test_jobs_of_a_partition_that_went_away_are_left_to_their_lease(it: Fixture):
    it.partition.waiting["ask"] = [1]
    poll = await it.parked()
    it.partition.answer()
    it.partition.is_open = False
    await left(poll)
    assert it.partition.given_back == []


@pytest.mark.parametrize("refusal", [Overloaded("busy"), Unavailable("away")])
async def test_a_new_poll_is_refused_with_the_partitions_reason(it: Fixture, refusal: Overloaded | Unavailable):
    it.partition.waiting["ask"] = [1]
    it.partition.refusal = refusal
    with pytest.raises(type(refusal)):
        await it.poll().jobs(60)


@pytest.mark.parametrize("waits", [True, False])
async def test_a_partition_that_has_closed_is_not_asked_for_its_jobs(it: Fixture, waits: bool):
    it.partition.waiting["ask"] = [1]
    it.partition.is_open = False
    polled = asyncio.ensure_future(it.poll(waits=waits).jobs(60))
    await asyncio.sleep(0)
    assert it.partition.commands == []
    it.dispatcher.stop(Unavailable("over"))
    if waits:
        with pytest.raises(Unavailable, match="over"):
            await polled
    else:
        assert await polled == []


async def test_a_poll_of_a_partition_that_has_moved_on_waits_until_it_is_open_again(it: Fixture):
    it.partition.waiting["ask"] = [1]
    poll = await it.parked()
    it.partition.is_open = False
    it.partition.answer(NotLed("it has moved"))
    await asyncio.sleep(0)
    assert not poll.done()
    it.partition.reopen()
    it.partition.answer()
    assert await poll == [1]


async def test_a_busy_partition_does_not_refuse_a_poll_that_waits_already(it: Fixture):
    """It was within the bound when it came. A refusal here would fly into the loop of the partition that answers a batch."""
    it.partition.stale.add("ask")  # the window holds the key of a job that is gone
    poll = await it.parked(1)
    it.partition.refusal = Overloaded("busy")
    it.partition.answer()
    assert not poll.done()
    it.partition.stale.clear()
    it.partition.answer()
    it.partition.offer(3)
    it.partition.answer()
    assert await poll == [3]


async def test_an_answer_without_jobs_parks_a_waiting_poll_again(it: Fixture):
    it.partition.waiting["ask"] = [1]
    taken, waiting = await it.parked(1), await it.parked(1)
    it.partition.answer()
    assert await taken == [1]
    it.partition.offer(2)
    it.partition.answer()
    assert await waiting == [2]


async def test_polls_are_served_in_the_order_in_which_they_came(it: Fixture):
    polls = [await it.parked(2) for _ in range(3)]
    it.partition.offer(1, 2, 3)
    it.partition.answer()
    assert (await polls[0], await polls[1]) == ([1, 2], [3])
    assert not polls[2].done()
    await left(polls[2])


async def test_more_polls_than_may_wait_are_refused(it: Fixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dispatcher, "POLLS_MAX", 1)
    waiting = await it.parked()
    with pytest.raises(Overloaded):
        await it.poll().jobs(60)
    await left(waiting)
    again = await it.parked()
    it.partition.offer(1)
    it.partition.answer()
    assert await again == [1]


# --- streams


def shares(partition: ScriptedPartition) -> dict[str, list[int]]:
    """The keys that are being activated for each stream."""
    found: dict[str, list[int]] = {}
    for command, _ in partition.asked:
        assert isinstance(command, ActivateJobs)
        found.setdefault(command.worker, []).extend(command.keys or ())
    return found


async def test_streams_take_turns(it: Fixture):
    for name in "abc":
        it.stream(name).__enter__()
    it.partition.offer(1, 2, 3, 4)
    assert shares(it.partition) == {"a": [1, 4], "b": [2], "c": [3]}
    it.partition.answer()
    it.partition.offer(5, 6, 7)
    assert shares(it.partition) == {"b": [5], "c": [6], "a": [7]}, "the turn goes on where it was"


async def test_a_thousand_streams_share_fairly(it: Fixture):
    for number in range(1_000):
        it.stream(str(number)).__enter__()
    for first in range(0, 10_000, 500):
        it.partition.offer(*range(first, first + 500))
    assert {len(keys) for keys in shares(it.partition).values()} == {10}


async def test_a_key_that_is_offered_twice_is_pushed_once(it: Fixture):
    it.stream("a").__enter__()
    it.partition.offer(1, 2, 1)
    assert shares(it.partition) == {"a": [1, 2]}


async def test_a_stream_without_room_is_passed_over_and_comes_back(it: Fixture):
    full, other = it.stream("full"), it.stream("other")
    with full, other:
        it.partition.offer(*range(2 * STREAM_JOBS + 5))
        assert [len(keys) for keys in shares(it.partition).values()] == [STREAM_JOBS, STREAM_JOBS]
        it.partition.answer()
        it.partition.offer(100)
        assert shares(it.partition) == {}, "both are full"
        await anext(full)
        it.partition.offer(101, 102)
        assert [(command.worker, command.max_jobs, command.keys) for command, _ in it.partition.asked] == [
            ("full", 1, None)
        ], "it asks for the oldest of those that wait"


async def test_a_stream_is_pushed_all_jobs_that_came_while_it_had_no_room(it: Fixture):
    jobs = list(range(1, 3 * STREAM_JOBS + 1))
    with it.stream() as stream:
        it.partition.offer(*jobs)
        read = []
        for _ in jobs:
            it.partition.answer_all()
            read.append((await asyncio.wait_for(anext(stream), 5)).key)
        it.partition.answer_all()
        it.partition.offer(1000)
        assert shares(it.partition) == {"s": [1000]}, "nothing is left, so the next job is pushed at once"
    assert read == jobs


async def test_a_job_that_comes_while_the_last_one_of_a_backlog_is_asked_for_is_asked_for_too(it: Fixture):
    with it.stream() as stream:
        it.partition.offer(*range(STREAM_JOBS + 1))
        it.partition.answer()
        await anext(stream)
        it.partition.answer()  # the last one that waited
        for _ in range(3):
            await anext(stream)
        it.partition.waiting["ask"] = []
        [(_, asking)] = it.partition.asked
        it.partition.offer(100)
        it.partition.asked.clear()
        asking.set_result([])  # it was decided before that job came
        it.partition.answer_all()
        for _ in range(STREAM_JOBS - 3):
            await anext(stream)
        assert (await asyncio.wait_for(anext(stream), 5)).key == 100


async def test_a_backlog_ends_with_its_last_stream(it: Fixture):
    with it.stream():
        it.partition.offer(*range(STREAM_JOBS + 1))
        it.partition.answer()
    with it.stream("later"):
        assert shares(it.partition) == {}, "what waited before it opened is left to polls"


async def test_jobs_that_were_leased_are_asked_for_by_those_who_lease(it: Fixture):
    plain, leasing = it.stream("plain"), it.stream("leasing")
    leasing.command = structs.replace(leasing.command, leases=True)
    with plain, leasing:
        it.partition.leased = True
        it.partition.listeners[0].jobs_waiting({"ask", "other"})
        assert list(shares(it.partition)) == ["plain"], "some of them may never have been leased"
        it.partition.answer()
        assert list(shares(it.partition)) == ["leasing"]
        it.partition.leased = False
        it.partition.answer()
        assert it.partition.asked == []
        it.partition.offer(1, 2)
        assert shares(it.partition) == {"plain": [1], "leasing": [2]}


async def test_jobs_without_room_in_streams_go_to_polls(it: Fixture):
    poll = await it.parked()
    with it.stream() as stream:
        it.partition.offer(*range(STREAM_JOBS + 2))
        it.partition.answer()
        assert await poll == [STREAM_JOBS, STREAM_JOBS + 1]
        assert stream.room() == 0


async def test_a_closed_stream_gives_back_once_what_it_has_not_delivered(it: Fixture):
    with it.stream() as stream:
        it.partition.offer(1, 2, 3)
        it.partition.answer()
        delivered = await anext(stream)
        written_in_part = await anext(stream)
    assert (delivered.key, written_in_part.key) == (1, 2)
    assert it.partition.given_back == [2, 3]
    assert it.dispatcher.turns == {}


@pytest.mark.parametrize(("undelivered", "given_back"), [(0, []), (1, [3]), (2, [2, 3]), (9, [1, 2, 3])])
async def test_jobs_that_the_door_has_not_written_are_given_back(it: Fixture, undelivered: int, given_back: list[int]):
    """A door that gathers jobs for one write has read them before they leave."""
    stream = JobStream(it.dispatcher, ActivateJobs("ask", "s", LEASE_MS, 0), lambda: undelivered)
    reading: asyncio.Future[object] | None = None
    with stream:
        it.partition.offer(1, 2, 3)
        it.partition.answer()
        assert [(await anext(stream)).key for _ in range(3)] == [1, 2, 3]
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
    reading.cancel()
    assert it.partition.given_back == given_back


async def test_jobs_that_arrive_after_a_stream_has_closed_are_given_back(it: Fixture):
    with it.stream():
        it.partition.offer(1)
    it.partition.answer()
    assert it.partition.given_back == [1]


async def test_a_stalled_stream_gives_back_once_and_takes_no_more(it: Fixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streaming, "STREAM_STALL_S", 0)
    poll = await it.parked()
    with it.stream() as stream:
        it.partition.offer(1, 2, 3)
        it.partition.answer()
        assert (await anext(stream)).key == 1
        await asyncio.sleep(0)  # the time of the write is over
        await asyncio.sleep(0)
        assert it.partition.given_back == [2, 3]
        it.partition.offer(4)
        it.partition.answer()
        assert sorted(await poll) == [2, 3, 4]
    assert it.partition.given_back == [2, 3, 1], "the job that was being written did not arrive either"


async def test_the_timer_of_a_write_dies_with_its_stream(it: Fixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streaming, "STREAM_STALL_S", 0)
    with it.stream() as stream:
        it.partition.offer(1, 2)
        it.partition.answer()
        await anext(stream)
    for _ in range(3):
        await asyncio.sleep(0)
    assert it.partition.given_back == [1, 2]


async def test_the_timer_of_a_write_dies_with_that_write(it: Fixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streaming, "STREAM_STALL_S", 0)
    with it.stream() as stream:
        it.partition.offer(1, 2, 3)
        it.partition.answer()
        await anext(stream)
        monkeypatch.setattr(streaming, "STREAM_STALL_S", 60)
        await anext(stream)
        for _ in range(3):
            await asyncio.sleep(0)
        assert it.partition.given_back == []


async def test_a_write_that_takes_too_long_is_seen_behind_one_that_did_not(
    it: Fixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streaming, "STREAM_STALL_S", 0)
    with it.stream() as stream:
        it.partition.offer(1, 2, 3)
        it.partition.answer()
        await anext(stream)
        monkeypatch.setattr(streaming, "STREAM_STALL_S", 0.002)
        await anext(stream)
        while not it.partition.given_back:
            await asyncio.sleep(0)
        assert (it.partition.given_back, stream.room()) == ([3], 0)


async def test_a_stalled_stream_that_is_read_again_takes_jobs_again(it: Fixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streaming, "STREAM_STALL_S", 0)
    with it.stream() as stream:
        it.partition.offer(1)
        it.partition.answer()
        await anext(stream)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert stream.room() == 0
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        it.partition.offer(2)
        it.partition.answer()
        assert (await reading).key == 2


async def test_a_stream_leaves_the_jobs_that_waited_to_polls(it: Fixture):
    """As the reference broker does, so that clients run both side by side (gateway-rpc.md, StreamActivatedJobs)."""
    it.partition.waiting["ask"] = [1]
    with it.stream():
        it.partition.offer(2)
        assert shares(it.partition) == {"s": [2]}


async def test_a_push_that_is_lost_with_its_batch_leaves_the_stream_its_room(it: Fixture):
    with it.stream() as stream:
        it.partition.offer(*range(STREAM_JOBS))
        assert stream.room() == 0
        it.partition.answer(gone())
        assert stream.room() == STREAM_JOBS


# --- after an outage


async def test_after_an_outage_parked_polls_ask_again_until_no_job_is_left(it: Fixture):
    polls = [await it.parked(2) for _ in range(4)]
    it.partition.waiting["ask"] = [1, 2, 3]
    it.partition.reopen()
    assert len(it.partition.asked) == 1, "one after the other, or thousands would ask for jobs that are not there"
    it.partition.answer_all()
    assert (await polls[0], await polls[1]) == ([1, 2], [3])
    for poll in polls[2:]:
        assert not poll.done()
        await left(poll)


async def test_after_an_outage_streams_get_the_jobs_that_wait(it: Fixture):
    with it.stream("a") as a, it.stream("b") as b:
        it.partition.waiting["ask"] = list(range(3 * STREAM_JOBS))
        it.partition.reopen()
        it.partition.answer_all()
        assert (a.room(), b.room()) == (0, 0)
        for _ in range(STREAM_JOBS):
            await anext(a)
            it.partition.answer_all()
        assert it.partition.waiting["ask"] == []
        assert a.room() == 0


async def test_after_an_outage_nobody_asks_for_a_type_that_has_no_jobs_twice(it: Fixture):
    polls = [await it.parked() for _ in range(3)]
    it.partition.reopen()
    it.partition.answer_all()
    assert len(it.partition.commands) == 1
    for poll in polls:
        await left(poll)


async def test_a_second_outage_during_the_first_asking_starts_it_anew(it: Fixture):
    poll, other = await it.parked(), await it.parked()
    it.partition.waiting["ask"] = [1]
    it.partition.reopen()
    it.partition.answer(gone())
    with pytest.raises(StoreFailed):
        await poll
    it.partition.reopen()
    it.partition.answer_all()
    assert await other == [1]


# --- stopping


async def test_a_stop_ends_everybody_who_waits_at_once(it: Fixture):
    poll = await it.parked()
    with it.stream() as stream:
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        it.dispatcher.stop(Unavailable("over"))
        for ended in (poll, reading):
            with pytest.raises(Unavailable, match="over"):
                await ended
    with pytest.raises(Unavailable):
        await it.poll().jobs(60)
    with pytest.raises(Unavailable):
        it.stream().__enter__()


async def test_a_poll_that_asks_while_the_broker_stops_still_gets_its_jobs(it: Fixture):
    it.partition.waiting["ask"] = [1]
    poll, late = await it.parked(1), await it.parked(1)
    it.dispatcher.stop(Unavailable("over"))
    it.partition.answer()
    assert await poll == [1]
    with pytest.raises(Unavailable):
        await late


async def test_a_stream_delivers_what_it_holds_before_it_ends(it: Fixture):
    with it.stream() as stream:
        it.partition.offer(1)
        it.partition.answer()
        it.dispatcher.stop(Unavailable("over"))
        assert (await anext(stream)).key == 1
        with pytest.raises(Unavailable):
            await anext(stream)
    assert it.partition.given_back == []


# --- polls of several partitions


class Three:
    """A dispatcher on three partitions that are played by hand, each with so many jobs."""

    def __init__(self, *jobs: int) -> None:
        self.partitions = [ScriptedPartition() for _ in jobs]
        for number, (partition, waiting) in enumerate(zip(self.partitions, jobs, strict=True), 1):
            partition.id = number
            partition.waiting["ask"] = [(number << PARTITION_BITS) + one for one in range(waiting)]
        self.dispatcher = Dispatcher(self.partitions)  # type: ignore[arg-type]

    @property
    def asked(self) -> list[int]:
        """The partitions that a question is under way to."""
        return [one.id for one in self.partitions if one.asked]

    @property
    def waiting(self) -> list[int]:
        return [len(one.waiting["ask"]) for one in self.partitions]

    def answer(self) -> None:
        """The partition that was asked answers."""
        next(one for one in self.partitions if one.asked).answer()

    async def polled(self, max_jobs: int, *, waits: bool = False) -> "asyncio.Task[list[ActivatedJob]]":
        poll = Poll(self.dispatcher, ActivateJobs("ask", "w", LEASE_MS, max_jobs), waits=waits)
        task = asyncio.ensure_future(poll.jobs(60))
        await asyncio.sleep(0)
        return task


@pytest.mark.parametrize(
    ("there", "max_jobs", "questions", "left"),
    [
        ((2, 2, 2), 100, 3, [0, 0, 0]),
        ((2, 2, 2), 6, 3, [0, 0, 0]),
        ((2, 2, 2), 3, 2, [2, 0, 1]),
        ((2, 2, 2), 2, 1, [2, 0, 2]),
        ((0, 2, 0), 100, 1, [0, 0, 0]),
        ((1, 0, 1), 100, 2, [0, 0, 0]),
    ],
)
async def test_a_poll_goes_on_to_the_partitions_that_have_jobs_as_long_as_it_has_room(
    there: tuple[int, ...], max_jobs: int, questions: int, left: list[int]
):
    it = Three(*there)
    poll = await it.polled(max_jobs)
    for _ in range(questions):
        assert len(it.asked) == 1
        it.answer()
    assert it.asked == []
    assert len(await poll) == sum(there) - sum(left)
    assert it.waiting == left


async def test_a_poll_that_has_a_job_does_not_wait_for_more():
    it = Three(0, 1, 0)
    poll = await it.polled(100, waits=True)
    it.answer()
    assert len(await poll) == 1


async def test_a_partition_whose_jobs_are_gone_by_then_adds_none():
    it = Three(0, 1, 1)
    poll = await it.polled(100)
    it.answer()
    it.partitions[2].waiting["ask"].clear()
    it.answer()
    assert len(await poll) == 1


@pytest.mark.parametrize("reason", [gone(), Unavailable("away")])
async def test_jobs_that_were_found_are_handed_out_though_the_next_partition_fails(reason: StoreFailed | Unavailable):
    it = Three(1, 1, 1)
    poll = await it.polled(100)
    it.answer()
    next(one for one in it.partitions if one.asked).answer(reason)
    assert len(await poll) == 1


async def test_a_poll_that_leaves_between_two_partitions_gives_all_jobs_back():
    it = Three(2, 2, 0)
    poll = await it.polled(100)
    it.answer()
    assert it.asked == [1]
    await left(poll)
    assert it.waiting == [2, 2, 0], "those that it had are given back"
    it.answer()
    assert it.waiting == [2, 2, 0], "and those that came after"


async def test_a_poll_whose_time_is_up_between_two_partitions_takes_what_it_has():
    it = Three(2, 2, 0)
    task = asyncio.ensure_future(Poll(it.dispatcher, ActivateJobs("ask", "w", LEASE_MS, 100), waits=True).jobs(0.01))
    await asyncio.sleep(0)
    it.answer()
    assert len(await task) == 2
    it.answer()
    assert it.waiting == [2, 0, 0]


async def test_when_the_broker_stops_between_two_partitions_the_jobs_are_handed_out():
    it = Three(2, 2, 2)
    poll = await it.polled(100)
    it.dispatcher.stop(Unavailable("stopping"))
    it.answer()
    assert len(await poll) == 2


async def test_large_jobs_of_one_partition_are_an_answer_of_their_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(polling, "FOLLOWED_BYTES", 1_000)
    it = Three(1, 2, 1)
    poll = await it.polled(100)
    it.answer()
    assert it.asked == [], "two jobs of 516 bytes each"
    assert len(await poll) == 2


# --- on a real partition


async def settle(it: Opened) -> None:
    """Until everything that is on its way has been written."""
    for _ in range(3):
        await it.do(commands.GiveBackJobs(()))


async def begin(it: Opened, waiting: int = 0) -> Dispatcher:
    await it.do(deploy("start > ask:job > end"))
    for _ in range(waiting):
        await it.do(create())
    return Dispatcher(it.partition.parts)


def asking(dispatcher: Dispatcher, max_jobs: int = 10, *, waits: bool = True) -> Poll:
    return Poll(dispatcher, ActivateJobs("ask", "w", LEASE_MS, max_jobs), waits=waits)


async def test_jobs_picked_for_a_poll_that_goes_are_given_back():
    async with opened() as it:
        dispatcher = await begin(it, waiting=3)
        it.store.may_write.clear()
        leaving = asyncio.ensure_future(asking(dispatcher).jobs(60))
        for _ in range(20):
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        it.store.may_write.set()
        await settle(it)
        jobs = await asking(dispatcher, waits=False).jobs(0)
        assert [job.retries for job in jobs] == [3, 3, 3]


async def test_a_job_made_and_taken_in_one_batch_shares_its_commit():
    async with opened() as it:
        dispatcher = await begin(it)
        assert await asking(dispatcher, waits=False).jobs(0) == []
        parked = asyncio.ensure_future(asking(dispatcher).jobs(60))
        await asyncio.sleep(0)
        before = it.store.commits
        await it.do(create())
        assert len(await parked) == 1
        assert it.store.commits == before + 1


async def test_a_poll_whose_time_is_up_is_answered_empty():
    async with opened() as it:
        dispatcher = await begin(it)
        assert await asking(dispatcher).jobs(0.01) == []
        await it.do(create())
        assert len(await asking(dispatcher).jobs(60)) == 1


async def test_a_stream_that_does_not_read_keeps_a_bounded_number_of_jobs_from_others():
    async with opened() as it:
        dispatcher = await begin(it)
        with JobStream(dispatcher, ActivateJobs("ask", "s", LEASE_MS, 0)):
            for _ in range(STREAM_JOBS + 5):
                await it.do(create())
            await settle(it)
            assert len(await asking(dispatcher, 100, waits=False).jobs(0)) == 5


async def test_what_a_closed_stream_did_not_hand_on_is_given_back():
    async with opened() as it:
        dispatcher = await begin(it)
        with JobStream(dispatcher, ActivateJobs("ask", "s", LEASE_MS, 0)) as stream:
            for _ in range(3):
                await it.do(create())
            await settle(it)
            first = await anext(stream)
            await anext(stream)
        await settle(it)
        left = await asking(dispatcher, waits=False).jobs(0)
        assert len(left) == 2
        assert first.key not in {job.key for job in left}


async def test_a_parked_poll_gets_the_job_that_a_failed_commit_took_from_another_caller():
    async with opened() as it:
        dispatcher = await begin(it, waiting=2)
        assert len(await it.do(ActivateJobs("ask", "w", LEASE_MS, 1))) == 1
        it.store.fails = gone()
        taken = it.do(ActivateJobs("ask", "w", LEASE_MS, 1))
        assert not it.partition.has_activatable("ask")
        parked = asyncio.ensure_future(asking(dispatcher).jobs(60))
        with pytest.raises(StoreFailed):
            await taken
        assert len(await asyncio.wait_for(parked, ANSWER_S)) == 1
