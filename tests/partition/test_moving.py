"""Partitions that move between brokers: whoever uses them goes on, and a leader that was replaced changes nothing."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.base.errors import AlreadyExists, NotFound, OsmiaError, StoreFailed, Unavailable
from osmia_broker.engine import commands
from osmia_broker.engine.commands import CreateClusterVariable, PublishMessage, UpdateClusterVariable
from osmia_broker.links import Links
from osmia_broker.partition import Listener, RemotePartition, doubts, moving, news
from osmia_broker.state.awaited import TICKET_SHIFT
from osmia_broker.state.partitioning import partition_of_key, partition_of_message
from osmia_broker.state.rows import ElementInstance, Message, ProcessDefinition
from osmia_broker.state.rows.batches import ClusterVariable
from tests.links.wire import SECRET, identity
from tests.partition.moving import Sharers, sharers
from tests.partition.opened import activate, complete, create, deploy

MODEL = "start > ask:job > end"


async def ask(it: Sharers, broker: int, command: commands.Command) -> Any:
    return await asyncio.wait_for(it.all[broker].router.submit(command), 10)


async def begin_in(it: Sharers, partition: int, broker: int) -> int:
    """Start an instance in one partition, through any broker."""
    created = await it.all[broker].parts[partition - 1].submit(create())
    assert partition_of_key(created.process_instance_key) == partition
    return int(created.process_instance_key)


async def test_an_instance_goes_on_where_its_partition_has_moved(tmp_path: Path):
    async with sharers(tmp_path, [1, 2, 1]) as it:
        await ask(it, 1, deploy(MODEL))
        await begin_in(it, 2, 1)
        [job] = await it.all[1].parts[1].submit(activate())
        await it.move(2, 1)
        assert it.all[1].parts[1].is_here
        assert not it.all[2].parts[1].is_here
        for broker in (1, 2):
            assert it.all[broker].router.of_key(job.key).is_open
        await ask(it, 2, complete(job))
        with pytest.raises(OsmiaError, match="no such job"):
            await ask(it, 1, complete(job))


async def test_definitions_are_decided_where_the_first_partition_is_now(tmp_path: Path):
    async with sharers(tmp_path, [1, 2, 2]) as it:
        await ask(it, 2, deploy(MODEL))
        await it.move(1, 2)
        for broker in (1, 2):
            await ask(it, broker, deploy(f"start > of{broker}:job > end"))
            await it.until(it.all_know)
        for partition in (1, 2, 3):
            assert len(it.leases[partition - 1].rows.rows(ProcessDefinition)) == 3
            await begin_in(it, partition, 1)


async def test_a_message_reaches_an_instance_whose_partition_has_moved(tmp_path: Path):
    async with sharers(tmp_path, [1, 2]) as it:
        await ask(it, 1, deploy("start > m:receive(message=paid, key==place) > end"))
        keys = [(await it.all[1].parts[n].submit(create(place='"a"'))).process_instance_key for n in (0, 1)]
        await it.until(lambda: all(one.router.is_at_rest for one in it.all.values()))
        await it.move(2, 1)
        await it.move(1, 2)
        for _ in keys:
            await ask(it, 1, PublishMessage("paid", "a", 60_000, "", {}))
        await it.until(lambda: all(one.router.is_at_rest for one in it.all.values()))
        for key in keys:
            with pytest.raises(OsmiaError):
                await ask(it, 1, commands.CancelProcessInstance(key))


async def test_a_leader_that_was_replaced_is_fenced_and_finds_the_new_one(tmp_path: Path):
    async with sharers(tmp_path, [1, 2]) as it:
        await ask(it, 1, deploy(MODEL))
        key = await begin_in(it, 2, 1)
        await it.take_over(2, 1)
        with pytest.raises(StoreFailed, match="another broker"):
            await ask(it, 2, commands.CancelProcessInstance(key))
        await it.until(it.all_know)
        await ask(it, 2, commands.CancelProcessInstance(key))


async def test_a_leader_that_hears_of_a_later_one_refuses_nothing_of_its_own(tmp_path: Path):
    """What was deployed since is not known to it: NOT_FOUND would be wrong."""
    async with sharers(tmp_path, [1, 2]) as it:
        await it.take_over(2, 1)
        await it.until(lambda: it.all[2].parts[1].elsewhere.process == 1)
        await ask(it, 1, deploy(MODEL))
        assert not it.all[2].own[2].is_open
        await begin_in(it, 2, 2)
        assert it.all[2].own[2].why_away.startswith("Expected to lead")


async def test_whoever_opens_a_partition_too_late_gives_it_up(tmp_path: Path):
    async with sharers(tmp_path, [1, 2]) as it:
        await it.all[2].own[2].hand_over()
        it.all[2].parts[1].elsewhere.opened(1, it.leases[1].epoch + 2)
        heard: list[str] = []

        class Heard(Listener):
            def partition_opened(self) -> None:
                heard.append("opened")

            def partition_away(self, why: str) -> None:
                heard.append(why)

        it.all[2].own[2].add_listener(Heard())
        it.leases[1].owner = 2
        it.all[2].own[2].look()
        await it.until(lambda: len(heard) == 2)
        assert heard == ["opened", "Expected to lead the partition, but found that another broker may lead it"]


async def test_news_of_an_epoch_that_was_its_own_end_nothing(tmp_path: Path):
    async with sharers(tmp_path, [1, 2]) as it:
        await it.move(2, 1)
        await it.move(2, 2)
        it.all[2].parts[1].elsewhere.opened(1, it.leases[1].epoch - 1)
        assert it.all[2].parts[1].is_here


async def test_a_former_leader_of_the_first_partition_knows_on_who_lags(tmp_path: Path):
    """Until the next one reports; it is not asked to forget, or to believe what it was told before it led."""
    async with sharers(tmp_path, [1, 2, 2]) as it:
        await it.move(1, 2)
        await it.move(1, 1)
        await it.all[2].own[3].hand_over()
        await it.until(lambda: not it.all[1].parts[2].is_open)
        await ask(it, 1, deploy(MODEL))
        assert it.all[1].following.lagging == [3]
        await it.all[1].own[1].hand_over()
        assert it.all[1].following.lagging == [3]


async def test_a_former_leader_of_the_first_partition_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with sharers(tmp_path, [1, 2, 3]) as it:
        await it.take_over(1, 2)
        third = it.all[3]
        await it.until(lambda: third.parts[0].elsewhere.process == 2 and not third.following.lagging)
        taken: list[tuple[int, news.News]] = []
        peers: Any = third.peers
        take = peers._take
        monkeypatch.setattr(peers, "_take", lambda *one: (take(*one), taken.append(one)))
        for broker in (2, 1):
            said = news.Lagging((broker,))
            it.all[broker].serving.send_to_all(said)
            await it.until(lambda broker=broker, said=said: (broker, said) in taken)
        assert third.following.lagging == [2]


async def test_a_replaced_leader_of_the_first_partition_passes_nothing_on(tmp_path: Path):
    """What it has in memory may be older than what the others have by now."""

    def values() -> list[list[str]]:
        return [[row.value for row in lease.rows.rows(ClusterVariable)] for lease in it.leases]

    async with sharers(tmp_path, [1, 2, 2]) as it:
        following: Any = it.all[1].following._here
        await ask(it, 1, CreateClusterVariable("price", "1"))
        older = dict(following._rows)
        await ask(it, 1, UpdateClusterVariable("price", "2"))
        await it.until(it.all_know)
        assert values() == [["2"]] * 3
        it.all[1].stores[1].may_lead = False
        following._rows = older
        for follower in following._followers.values():
            follower.compare()
        await it.until(lambda: not any(one.task for one in following._followers.values()))
        assert following.lagging == [2, 3]
        assert values() == [["2"]] * 3


async def test_whoever_waits_for_a_result_elsewhere_hears_of_the_move(tmp_path: Path):
    class Lost(Listener):
        def __init__(self) -> None:
            self.tickets: list[int] = []

        def result_lost(self, ticket: int, error: OsmiaError) -> None:
            assert isinstance(error, Unavailable)
            self.tickets.append(ticket)

    async with sharers(tmp_path, [1, 2]) as it:
        await ask(it, 1, deploy(MODEL))
        it.all[1].router.add_listener(lost := Lost())
        ticket = 1 << TICKET_SHIFT | 7
        await it.all[1].parts[1].submit(create(ticket=ticket))
        await it.move(2, 1)
        await it.until(lambda: lost.tickets)
        assert lost.tickets == [ticket]


async def cut(it: Sharers) -> None:
    """Break the link of brokers 1 and 2, and dial no more."""
    one, two = it.all[1], it.all[2]
    one.links.leave(2)
    one.links.to(2).cut("it is broken")
    await it.until(lambda: not (one.parts[1].is_open or two.parts[0].is_open))


async def test_what_is_unknown_without_a_link_to_the_first_partition_is_unavailable_until_the_link_is_there_again(
    tmp_path: Path,
):
    """It was deployed meanwhile."""
    async with sharers(tmp_path, [1, 2]) as it:
        await ask(it, 1, deploy("start > end", id="known"))
        await it.until(it.all_know)
        two = it.all[2].parts[1]
        assert (await two.submit(create("known"))).process_instance_key
        await cut(it)
        assert (await ask(it, 2, create("known"))).process_instance_key, "what is known needs nobody else"
        target = (await ask(it, 1, deploy(MODEL))).processes[0].key
        moved = await two.submit(create("known"))
        doubted = (
            create(),
            commands.CreateProcessInstance("", 0, target, {}),
            commands.MigrateProcessInstance(moved.process_instance_key, target, ()),
        )
        for command in doubted:
            with pytest.raises(Unavailable, match="Expected to learn from partition 1 whether"):
                await ask(it, 2, command)
        it.all[1].links.dial(2, it.all[1].place(2))
        await it.until(it.all_know)
        assert (await ask(it, 2, create())).process_instance_key


def of_second(name: str) -> str:
    """A correlation key with which the message meets what waits for it in partition 2 of two."""
    return next(key for key in map(str, range(100)) if partition_of_message(name, key, 2) == 2)


def roots(it: Sharers) -> list[str]:
    """The processes that have instances, one for each."""
    rows = [row for lease in it.leases for row in lease.rows.living(ElementInstance)]
    return sorted(row.element_id for row in rows if not row.scope_key)


def doubted_events(ttl_ms: int = 0) -> tuple[commands.Command, commands.Command]:
    return PublishMessage("go", of_second("go"), ttl_ms, "", {}), commands.BroadcastSignal("go", {})


STARTS = {
    "of_message": "begin:start(message=go) > ask:job > end",
    "of_signal": "begin:start(signal=go) > ask:job > end",
}


@pytest.mark.parametrize("ttl_ms", [0, 60_000])
async def test_an_event_for_which_a_start_may_be_missing_without_a_link_to_the_first_partition_is_not_lost(
    tmp_path: Path, ttl_ms: int
):
    """Who deployed was answered, and so was whoever published: nothing would start, and nobody would know."""
    async with sharers(tmp_path, [1, 2]) as it:
        await cut(it)
        for id, model in STARTS.items():
            await ask(it, 1, deploy(model, id=id))
        for event in doubted_events(ttl_ms):
            with pytest.raises(Unavailable, match="Expected to learn from partition 1 whether"):
                await ask(it, 2, event)
        assert roots(it) == []
        it.all[1].links.dial(2, it.all[1].place(2))
        await it.until(it.all_know)
        for event in doubted_events(ttl_ms):
            await ask(it, 2, event)
        assert roots(it) == ["of_message", "of_signal"]


async def test_an_event_that_somebody_waits_for_needs_no_link_to_the_first_partition(tmp_path: Path):
    async with sharers(tmp_path, [1, 2]) as it:
        for id, model in STARTS.items():
            await ask(it, 1, deploy(model, id=id))
        await ask(it, 1, deploy('start > one:catch(message=paid, key="=k") > end', id="waits"))
        await it.until(it.all_know)
        key = of_second("paid")
        await it.all[2].parts[1].submit(create("waits", k=f'"{key}"'))
        await cut(it)
        await ask(it, 2, PublishMessage("paid", key, 0, "", {}))
        for event in doubted_events():
            await ask(it, 2, event)
        assert roots(it) == ["of_message", "of_signal"], "the one that waited has ended"


async def test_a_message_that_reaches_nobody_is_kept_once_and_asks_for_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Those who come while partition 1 is asked share the next question."""
    async with sharers(tmp_path, [1, 2]) as it:
        first = it.all[2].parts[0]
        asked: list[commands.Command] = []
        decide_own = first.decide_own
        monkeypatch.setattr(
            first, "decide_own", lambda command, waiter: (asked.append(command), decide_own(command, waiter))
        )
        key = of_second("go")
        publish = [PublishMessage("go", key, 60_000, f"m{number}", {}) for number in range(50)]
        keys = await asyncio.gather(*(ask(it, 2, one) for one in publish))
        kept = it.leases[1].rows.living(Message)
        assert sorted(row.key for row in kept) == sorted(keys)
        assert sorted(row.message_id for row in kept) == sorted(one.message_id for one in publish)
        assert 1 <= len(asked) <= 3
        with pytest.raises(AlreadyExists):
            await ask(it, 2, publish[0])


async def test_few_calls_wait_for_the_answer_of_the_first_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doubts, "WAITING_MAX", 2)
    async with sharers(tmp_path, [1, 2]) as it:
        asked: list[Any] = []
        monkeypatch.setattr(it.all[2].parts[0], "decide_own", lambda _, waiter: asked.append(waiter))
        waiting = [asyncio.ensure_future(ask(it, 2, doubted_events()[0])) for _ in range(2)]
        await it.until(lambda: asked)
        with pytest.raises(Unavailable, match="found: 2 calls that wait for that already; try again"):
            await ask(it, 2, create())
        monkeypatch.undo()
        asked[0].set_result(None)
        assert all(await asyncio.gather(*waiting))


async def test_while_the_first_partition_moves_a_message_that_reaches_nobody_waits(tmp_path: Path):
    async with sharers(tmp_path, [1, 2]) as it:
        await it.all[1].own[1].hand_over()
        await it.until(lambda: not it.all[2].parts[0].is_open)
        publishing = asyncio.ensure_future(ask(it, 2, doubted_events()[0]))
        await it.until(lambda: not it.all[2].router.is_at_rest)
        it.all[1].own[1].look()
        assert await publishing
        await it.until(it.all_know)


async def test_what_the_first_partition_does_not_know_either_is_not_found(tmp_path: Path):
    async with sharers(tmp_path, [1, 2]) as it:
        for broker in (1, 2):
            with pytest.raises(NotFound, match="process ID 'process', but none found"):
                await ask(it, broker, create())


async def test_a_definition_that_comes_while_the_first_partition_is_asked_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The refusal is of before."""
    async with sharers(tmp_path, [1, 2]) as it:
        first = it.all[2].parts[0]
        decide_own = first.decide_own

        def decide_later(command: commands.Command, waiter: Any) -> None:
            async def deployed() -> None:
                await ask(it, 1, deploy(MODEL))
                await it.until(it.all_know)
                decide_own(command, waiter)

            deploying.append(asyncio.ensure_future(deployed()))

        deploying: list[asyncio.Future[None]] = []
        monkeypatch.setattr(first, "decide_own", decide_later)
        assert (await ask(it, 2, create())).process_instance_key
        assert len(deploying) == 1


async def test_a_caller_may_leave_while_the_first_partition_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with sharers(tmp_path, [1, 2]) as it:
        asked: list[Any] = []
        monkeypatch.setattr(it.all[2].parts[0], "decide_own", lambda _, waiter: asked.append(waiter))
        answer = it.all[2].router.submit(create())
        await it.until(lambda: asked)
        answer.cancel()
        asked[0].set_result(None)
        await it.until(lambda: it.all[2].router.is_at_rest)
        assert answer.cancelled()


async def test_a_partition_that_nobody_leads_is_unavailable_and_lost_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with sharers(tmp_path, [1, 2]) as it:
        await it.all[2].own[2].hand_over()
        await it.until(lambda: not it.all[1].parts[1].is_open)
        with pytest.raises(Unavailable, match=r"partition 2 .*another broker takes it over now; try again"):
            it.all[1].parts[1].submit(create())
        assert not it.all[1].parts[1].is_lost, "it only moves"
        monkeypatch.setattr(moving, "MOVES_S", 0.0)
        assert it.all[1].parts[1].is_lost


def test_news_of_an_earlier_epoch_are_passed_over():
    async def played() -> None:
        remote = RemotePartition(1, 0, Links(identity(1), [], secret=SECRET))
        assert remote.why_away == "no link to a process that leads it"
        remote.opened(3, 7)
        remote.opened(2, 6)
        assert (remote.process, remote.is_open) == (3, True)
        remote.opened(2, 8)
        assert remote.process == 2
        remote.away()
        assert remote.why_away == "process 2, which leads it, cannot be reached"

    asyncio.run(played())
