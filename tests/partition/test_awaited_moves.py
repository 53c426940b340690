"""Commands for a partition that moves: they wait for it, a moment and not too many, and are carried out once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.base.errors import Unavailable
from osmia_broker.calls.jobs.dispatcher import Dispatcher
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.engine import commands
from osmia_broker.partition import awaited_moves
from osmia_broker.state.rows import ElementInstance, ProcessDefinition
from tests.partition.moving import Sharers, sharers
from tests.partition.opened import activate, create, deploy
from tests.patience import ANSWER_S

MODEL = "start > ask:job > end"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Sharers]:
    """Two brokers, each leads one of two partitions; both know a process."""
    async with sharers(tmp_path, [1, 2]) as played:
        await played.all[1].router.submit(deploy(MODEL))
        await played.until(played.all_know)
        yield played


async def begun(it: Sharers, partition: int = 2) -> int:
    """Start an instance in a partition, and return its key."""
    part = next(one.parts[partition - 1] for one in it.all.values() if one.parts[partition - 1].is_here)
    return int((await part.submit(create())).process_instance_key)


def cancel(it: Sharers, broker: int, key: int) -> "asyncio.Future[Any]":
    return it.all[broker].router.submit(commands.CancelProcessInstance(key))


async def given_up(it: Sharers, partition: int = 2, by: int = 2) -> None:
    """Let a broker give a partition up, and all hear of it; nobody leads it then."""
    it.leases[partition - 1].owner = 0
    await it.all[by].own[partition].hand_over()
    await it.until(lambda: not any(one.parts[partition - 1].is_open for one in it.all.values()))


async def taken(it: Sharers, partition: int = 2, by: int = 1) -> None:
    """Let another broker take it."""
    it.leases[partition - 1].owner = by
    it.all[by].own[partition].look()
    await it.until(it.all_know)


def held_up(it: Sharers) -> asyncio.Event:
    """Let no commit of partition 2 end before the event."""
    rows, may_write = it.leases[1].rows, asyncio.Event()
    write = rows.write

    async def held(changes: Any, wanted: Any) -> Any:
        await may_write.wait()
        return await write(changes, wanted)

    rows.write = held  # type: ignore[method-assign]
    return may_write


async def leaving(it: Sharers) -> "asyncio.Future[Any]":
    """Let broker 2 begin to give partition 2 up, while a commit is held up; broker 1 does not know of it yet."""
    last = it.all[2].parts[1].submit(create())
    handing = asyncio.ensure_future(it.all[2].own[2].hand_over())
    await it.until(lambda: it.all[2].own[2].is_ending)
    assert it.all[1].parts[1].is_open
    return asyncio.gather(handing, last)


def cancelled(it: Sharers) -> int:
    """The number of instances in partition 2 that were cancelled."""
    return sum(row.state == "TERMINATED" and not row.scope_key for row in it.leases[1].rows.rows(ElementInstance))


@pytest.mark.parametrize("broker", [1, 2])
async def test_a_command_waits_until_its_partition_is_led_again(it: Sharers, broker: int):
    key = await begun(it)
    await given_up(it)
    waiting = cancel(it, broker, key)
    assert not it.all[broker].router.is_at_rest
    await taken(it)
    await asyncio.wait_for(waiting, ANSWER_S)
    assert it.all[broker].router.is_at_rest


@pytest.mark.parametrize("broker", [1, 2])
async def test_a_command_that_comes_while_the_leader_finishes_goes_where_the_partition_is_then(
    it: Sharers, broker: int
):
    """The leader says so if it is asked; nothing was done then."""
    key = await begun(it)
    may_write = held_up(it)
    left = await leaving(it)
    waiting = cancel(it, broker, key)
    await it.until(lambda: it.all[broker].router._moves.waiting)
    may_write.set()
    await left
    await taken(it)
    await asyncio.wait_for(waiting, ANSWER_S)


async def test_a_poll_that_asks_a_leader_that_finishes_gets_its_jobs_where_the_partition_is_then(it: Sharers):
    key = await begun(it)
    may_write = held_up(it)
    left = await leaving(it)
    polled = asyncio.ensure_future(Poll(Dispatcher(it.all[1].parts), activate(), waits=True).jobs(ANSWER_S))
    await it.until(lambda: not it.all[1].parts[1].has_activatable("ask"))
    may_write.set()
    await left
    await taken(it)
    assert key in [job.process_instance_key for job in await polled]


@pytest.mark.parametrize("waits", [True, False])
async def test_a_poll_passes_over_the_partitions_of_a_broker_that_stops(tmp_path: Path, waits: bool):
    """They are closed, and the asker does not know yet: it asks one after the other."""
    async with sharers(tmp_path, [1, 2, 2]) as it:
        await it.all[1].router.submit(deploy(MODEL))
        await it.until(it.all_know)
        key = await begun(it, 3)
        for partition in (2, 3):
            await it.all[2].own[partition].close()
        assert all(part.is_open for part in it.all[1].parts)
        poll = Poll(Dispatcher(it.all[1].parts), activate(), waits=waits)
        polled = asyncio.ensure_future(poll.jobs(10 * ANSWER_S))
        await it.until(lambda: not any(part.has_activatable("ask") for part in it.all[1].parts))
        if waits:
            assert not polled.done()
            it.leases[2].owner = 1
            it.all[1].own[3].look()
        jobs = await asyncio.wait_for(polled, ANSWER_S)
        assert [job.process_instance_key for job in jobs] == ([key] if waits else [])


async def test_a_command_waits_for_a_link_that_is_made_again(it: Sharers):
    """Nothing was sent over the one that has ended."""
    key = await begun(it)
    it.all[1].links.to(2).cut("the test cuts it")
    await asyncio.wait_for(cancel(it, 1, key), ANSWER_S)
    assert cancelled(it) == 1


async def test_a_definition_is_known_everywhere_though_the_first_partition_moved_here_meanwhile(it: Sharers):
    await given_up(it, partition=1, by=1)
    waiting = it.all[2].router.submit(deploy("start > b:job > end", id="other"))
    await taken(it, partition=1, by=2)
    await asyncio.wait_for(waiting, ANSWER_S)
    assert [len(lease.rows.rows(ProcessDefinition)) for lease in it.leases] == [2, 2]


async def test_a_partition_that_nobody_takes_is_unavailable_after_a_moment(
    it: Sharers, monkeypatch: pytest.MonkeyPatch
):
    key = await begun(it)
    monkeypatch.setattr(awaited_moves, "MOVE_S", 0.05)
    await given_up(it)
    with pytest.raises(Unavailable, match="another broker takes it over now; try again"):
        await cancel(it, 1, key)
    with pytest.raises(Unavailable, match="another broker takes it over now; try again"):
        cancel(it, 1, key)  # at once


async def test_no_more_than_a_number_of_commands_wait(it: Sharers, monkeypatch: pytest.MonkeyPatch):
    key = await begun(it)
    monkeypatch.setattr(awaited_moves, "WAITING_MAX", 1)
    await given_up(it)
    first = cancel(it, 1, key)
    with pytest.raises(Unavailable):
        cancel(it, 1, key)
    await taken(it)
    await asyncio.wait_for(first, ANSWER_S)


async def test_a_caller_who_leaves_takes_the_command_along(it: Sharers):
    key = await begun(it)
    await given_up(it)
    left, stays = cancel(it, 1, key), it.all[1].router.submit(create())
    left.cancel()
    await it.until(lambda: it.all[1].router._moves.waiting == 0)
    await taken(it)
    await stays
    assert cancelled(it) == 0
    await cancel(it, 1, key)
    assert cancelled(it) == 1


async def test_a_broker_that_stops_refuses_those_who_wait(it: Sharers):
    key = await begun(it)
    await given_up(it)
    waiting = cancel(it, 1, key)
    await it.all[1].router.close()
    with pytest.raises(Unavailable, match="another broker takes it over now; try again"):
        await waiting
    with pytest.raises(Unavailable):
        cancel(it, 1, key)


async def test_a_call_whose_outcome_is_unknown_is_not_sent_again(it: Sharers):
    """The broker that was asked has fallen silent: it may have carried the command out."""
    key = await begun(it)
    may_write = held_up(it)
    asked = cancel(it, 1, key)
    await it.until(lambda: it.all[2].own[2].queued)
    await it.all[1].links.stop(0)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(asked, ANSWER_S)
    assert it.all[1].router._moves.waiting == 0
    may_write.set()
