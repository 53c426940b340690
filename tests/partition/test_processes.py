"""Several processes of one broker: who is asked for jobs, who is told of them, and what happens when one of them goes away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.base.errors import NotFound, Unavailable
from osmia_broker.calls.jobs.dispatcher import Dispatcher
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.calls.jobs.stream import JobStream
from osmia_broker.engine import commands
from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.engine.cluster_rows import FollowCluster
from osmia_broker.partition import NOBODY, awaited_moves, following, news
from osmia_broker.state.awaited import TICKET_SHIFT
from osmia_broker.state.partitioning import partition_of_key
from osmia_broker.state.rows import ElementInstance, FollowUp, ProcessDefinition, RemoteSubscription, Subscription
from tests.clock import FakeClock
from tests.partition.opened import Heard, WatchedStore, activate, compile_now, complete, create, deploy, steps_only
from tests.partition.processes import Process, Processes, processes
from tests.patience import ANSWER_S

ASK = "start > ask:job > end"
WAIT_S = 60.0  # of a poll; longer than any test


class Played:
    """Three processes, each with one partition and callers who wait for jobs."""

    def __init__(self, it: Processes, stores: list[WatchedStore]) -> None:
        self.it, self.stores = it, stores
        self.waiting = [Dispatcher(one.parts) for one in it.all]
        for one in it.all:
            one.serving.offer_jobs()

    @property
    def first(self) -> Process:
        return self.it.all[0]

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(ANSWER_S):
            while not holds():
                await asyncio.sleep(0)

    async def create_at(self, partition: int, id: str = "process", **variables: str) -> Any:
        """Start an instance in this partition."""
        return await self.it.led[partition - 1].submit(create(id, **variables))

    def poll(self, process: int, type: str = "ask", max_jobs: int = 1) -> "asyncio.Task[list[ActivatedJob]]":
        """Wait for jobs at a process, without an end."""
        poll = Poll(self.waiting[process - 1], activate(type, max_jobs), waits=True)
        return asyncio.ensure_future(poll.jobs(WAIT_S))

    async def parked(self, process: int, number: int = 1, type: str = "ask") -> None:
        """Wait until so many polls of a process have found nothing anywhere."""
        await self.until(lambda: len(self.waiting[process - 1].polls.get(type, ())) == number)
        await self.it.settled()


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Played]:
    stores = [WatchedStore() for _ in range(3)]
    options = {"compiler": compile_now, "budget": steps_only()}
    async with processes(tmp_path, stores, FakeClock(), number=3, front=2, **options) as made:
        await made.submit(deploy(ASK))
        await made.settled()
        yield Played(made, stores)
        for store in stores:
            store.may_write.set()


# --- jobs


@pytest.mark.parametrize("partition", [1, 2, 3])
async def test_a_waiting_poll_gets_the_job_of_any_partition(it: Played, partition: int):
    waiting = it.poll(2)
    await it.parked(2)
    created = await it.create_at(partition)
    async with asyncio.timeout(ANSWER_S):
        (job,) = await waiting
    assert job.process_instance_key == created.process_instance_key


async def test_jobs_that_wait_are_found_wherever_they_are(it: Played):
    for partition in (1, 2, 3):
        await it.create_at(partition)
    found = [await it.poll(2) for _ in range(3)]
    assert sorted(partition_of_key(job.key) for jobs in found for job in jobs) == [1, 2, 3]


async def test_those_in_the_process_of_the_partition_come_first(it: Played):
    far, near = it.poll(2), it.poll(1)
    await it.parked(2)
    await it.parked(1)
    await it.create_at(1)
    async with asyncio.timeout(ANSWER_S):
        assert len(await near) == 1
    await it.it.settled()
    assert not far.done()
    far.cancel()


async def test_one_job_wakes_one_process(it: Played):
    heard = [Heard(), Heard()]
    waiting = [it.poll(2), it.poll(3)]
    await it.parked(2)
    await it.parked(3)
    asked: list[int] = []
    for process, one in zip((2, 3), heard, strict=True):
        one.jobs_waiting = lambda _types, process=process: asked.append(process)  # type: ignore[method-assign]
        it.it.all[process - 1].remotes[1].add_listener(one)
    await it.create_at(1)
    async with asyncio.timeout(ANSWER_S):
        done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await it.it.settled()
    assert (len(done), len(left), len(asked)) == (1, 1, 1)
    await it.create_at(1)  # and the next one wakes the other
    async with asyncio.timeout(ANSWER_S):
        await left.pop()
    assert sorted(asked) == [2, 3]


async def test_many_jobs_wake_as_many_processes_as_wait(it: Played):
    waiting = [it.poll(2), it.poll(3)]
    await it.parked(2)
    await it.parked(3)
    it.stores[0].may_write.clear()
    creating = [asyncio.ensure_future(it.create_at(1)) for _ in range(2)]
    await it.until(lambda: it.it.led[0].queued == 2)
    it.stores[0].may_write.set()
    async with asyncio.timeout(ANSWER_S):
        await asyncio.gather(*creating, *waiting)


async def test_a_process_whose_callers_have_left_passes_the_news_on(it: Played):
    leaves, stays = it.poll(2), it.poll(3)
    await it.parked(2)
    await it.parked(3)
    leaves.cancel()
    await it.until(lambda: not it.waiting[1].polls)
    created = await it.create_at(1)
    async with asyncio.timeout(ANSWER_S):
        (job,) = await stays
    assert job.process_instance_key == created.process_instance_key


async def test_a_process_that_dies_with_the_news_leaves_the_job_to_another(it: Played):
    dies, stays = it.poll(2), it.poll(3)
    await it.parked(2)
    await it.parked(3)
    remote = it.it.all[1].remotes[1]
    remote.jobs_wait = lambda _type: None  # type: ignore[method-assign]  # it hears, and does nothing about it
    await it.create_at(1)
    await it.it.settled()
    if not stays.done():
        it.it.all[1].links.to(1).cut("the test cuts it")
    async with asyncio.timeout(ANSWER_S):
        assert len(await stays) == 1
    dies.cancel()


async def test_a_stream_is_given_jobs_of_all_partitions(it: Played):
    with JobStream(it.waiting[1], activate(max_jobs=32)) as stream:
        await it.it.settled()
        keys = [(await it.create_at(partition)).process_instance_key for partition in (1, 2, 3, 1, 3)]
        async with asyncio.timeout(ANSWER_S):
            found = [(await anext(stream)).process_instance_key for _ in keys]
    assert sorted(found) == sorted(keys)


async def test_jobs_of_a_stream_that_has_gone_come_back_to_their_partitions(it: Played):
    with JobStream(it.waiting[1], activate(max_jobs=32)) as stream:
        await it.it.settled()
        for partition in (1, 2, 3):
            await it.create_at(partition)
        await it.until(lambda: stream.room() == 29 and len(stream._jobs) == 3)
    await it.it.settled()
    found = [await it.poll(3) for _ in range(3)]
    assert sorted(partition_of_key(job.key) for jobs in found for job in jobs) == [1, 2, 3]


async def test_a_poll_that_does_not_wait_leaves_nothing_behind(it: Played):
    assert await Poll(it.waiting[1], activate(), waits=False).jobs(0) == []
    await it.create_at(1)
    await it.it.settled()
    assert await it.poll(3)  # the news went to process 2, which passed it on, or nobody waits: the job is there


async def test_after_an_outage_waiting_callers_ask_again(it: Played):
    waiting = it.poll(2)
    await it.parked(2)
    it.it.all[1].links.to(1).cut("the test cuts it")
    await it.until(lambda: not it.it.all[1].parts[0].is_open)
    await it.create_at(1)
    async with asyncio.timeout(ANSWER_S):
        assert len(await waiting) == 1


# --- what all have


async def test_what_is_deployed_at_any_process_is_known_to_all_when_it_is_answered(it: Played):
    for number, process in enumerate(it.it.all):
        await process.router.submit(deploy("start > b:job > end", id=f"p{number}"))
        for partition in (1, 2, 3):
            await it.create_at(partition, f"p{number}")
    rows = [len(store.rows(ProcessDefinition)) for store in it.stores]
    assert rows == [4, 4, 4]


async def test_a_deployment_that_is_refused_is_refused_alike_everywhere(it: Played):
    texts = set()
    for process in it.it.all:
        with pytest.raises(NotFound) as refusal:
            await process.router.submit(commands.DeleteResource(4711))
        texts.add(str(refusal.value))
    assert len(texts) == 1


async def test_a_message_meets_its_instance_wherever_both_are(it: Played):
    await it.it.submit(deploy('start > w:catch(message=paid, key="=k") > end', id="waits"))
    for number in range(6):
        created = await it.create_at(number % 3 + 1, "waits", k=f'"{number}"')
        await it.it.settled()
        for process in it.it.all:
            await process.router.submit(commands.PublishMessage("paid", str(number), 0, "", {"n": str(number)}))
            await it.it.settled()
        assert it.it.led[number % 3].state.elements.get(created.process_instance_key) is None
    assert [store.rows(FollowUp) for store in it.stores] == [[], [], []]


async def test_what_is_under_way_when_the_links_break_arrives_once(it: Played):
    await it.it.submit(deploy('start > w:catch(message=paid, key="=k") > end', id="waits"))
    for number in range(6):
        await it.create_at(1, "waits", k=f'"{number}"')
    for other in (2, 3):
        it.first.links.to(other).cut("the test cuts it")
    await it.until(lambda: not any(it.first.parts[n].is_open for n in (1, 2)))
    await it.until(lambda: all(part.is_open for one in it.it.all for part in one.parts))
    await it.it.settled()
    for number in range(6):
        await it.it.submit(commands.PublishMessage("paid", str(number), 60_000, "", {}))
    await it.it.settled()
    for row_type in (ElementInstance, Subscription, RemoteSubscription, FollowUp):
        assert [store.living(row_type) for store in it.stores] == [[], [], []]


async def test_the_rows_of_a_partition_that_is_being_opened_are_refused_by_name(it: Played):
    it.stores[2].may_open = False
    it.it.led[2].note_epoch(1)  # so that it drops its memory
    remote = it.first.parts[2]
    with pytest.raises(Unavailable, match="partition 3 to be open, but its store is being opened"):
        await remote.cluster_rows()


async def test_much_that_a_partition_has_missed_comes_in_portions(it: Played, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "PORTION_ROWS", 2)
    monkeypatch.setattr(following, "PORTION_BYTES", 2_000)
    monkeypatch.setattr(news, "ROWS_AT_ONCE", 2)
    portions: list[int] = []
    follow = it.it.led[2].decide_own

    def noted(command: Any, waiter: Any = NOBODY) -> None:
        if isinstance(command, FollowCluster):
            portions.append(len(command.rows))
        follow(command, waiter)

    it.first.links.to(3).cut("the test cuts it")
    await it.until(lambda: not it.first.parts[2].is_open)
    for number in range(7):
        await it.first.own[1].submit(deploy(f"start > b:job(type=t{number}) > end", id=f"p{number}"))
    it.it.led[2].decide_own = noted  # type: ignore[method-assign]
    await it.until(lambda: it.first.parts[2].is_open)
    await it.it.settled()
    assert len(it.stores[2].rows(ProcessDefinition)) == 8
    assert await it.create_at(3, "p6")
    assert max(portions) == 2
    assert sum(portions) == 7


def test_a_change_is_split_into_files_first_and_rows_in_their_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "PORTION_ROWS", 2)
    monkeypatch.setattr(following, "PORTION_BYTES", 10)
    rows: tuple[Any, ...] = tuple(range(5))
    files = (("a", b"1" * 8), ("b", b"2" * 8), ("c", b"3" * 30))
    found = list(following._portions(FollowCluster(rows, files)))
    assert [name for one in found for name, _ in one.resources] == ["a", "b", "c"]
    assert [row for one in found for row in one.rows] == [0, 1, 2, 3, 4]
    assert max(len(one.rows) for one in found) == 2
    assert [one.rows for one in found[:2]] == [(), ()]
    assert list(following._portions(FollowCluster((), ()))) == [FollowCluster((), ())]


# --- results


async def test_the_result_of_an_instance_elsewhere_comes_back(it: Played):
    heard = Heard()
    it.it.add_listener(heard)
    ticket = 2 << TICKET_SHIFT | 9
    created = await it.it.parts[0].submit(create(ticket=ticket))
    assert partition_of_key(created.process_instance_key) == 1
    (job,) = await it.poll(3)
    await it.it.all[2].router.submit(complete(job, ok="true"))
    await it.until(lambda: heard.results)
    assert heard.results == {ticket: '{"ok":true}'}


async def test_a_command_for_a_process_that_is_away_is_refused_and_others_go_on(
    it: Played, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(awaited_moves, "MOVE_S", 0.05)
    created = await it.create_at(3)
    await it.it.all[2].links.stop(0)
    await it.until(lambda: not it.it.parts[2].is_open)
    with pytest.raises(Unavailable, match="process 3, which leads it, cannot be reached"):
        await it.it.submit(commands.CancelProcessInstance(created.process_instance_key))
    keys = [(await it.it.submit(create())).process_instance_key for _ in range(4)]
    assert 3 not in map(partition_of_key, keys)
