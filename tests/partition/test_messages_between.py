"""Messages and signals of a broker with several partitions: they reach what waits, wherever that is, once."""

import asyncio
import json
from collections import Counter
from typing import Any

import msgspec
import pytest

from osmia_broker.base.errors import AlreadyExists, Defect, NotFound, StoreFailed
from osmia_broker.engine import commands, follow_ups
from osmia_broker.engine.inbox import ListSent, Receive
from osmia_broker.engine.lifecycle import scopes
from osmia_broker.state.partitioning import partition_of_key, partition_of_message
from osmia_broker.state.rows import FollowUp, Incident, Received, RemoteSubscription
from osmia_broker.state.rows.history import MessageCorrelation
from tests.partition.opened import WatchedStore, create, deploy
from tests.partition.several import Several, several

CATCH = 'start > w:catch(message=paid, key="=k") > a:job > end'
BOUNDARY = 'start > a:job > end & b:boundary(on=a, message=paid, key="=k", cancel=false) > h:job > e2:end'
WAIT_MS = 600_000
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def waiting(it: Several, number: int = 3, key: str = "7", id: str = "process") -> list[int]:
    """The keys of so many instances, one in each partition in turn, that wait for the message with this key."""
    keys = [(await it.do(create(id, k=f'"{key}"'))).process_instance_key for _ in range(number)]
    await it.settled()
    return keys


def publish(key: str = "7", *, ttl_ms: int = 0, id: str = "", business_id: str = "", **variables: str) -> Any:
    return commands.PublishMessage("paid", key, ttl_ms, id, variables, business_id)


async def published(it: Several, *arguments: Any, **named: Any) -> int:
    key = int(await it.do(publish(*arguments, **named)))
    await it.settled()
    return key


def at_jobs(it: Several, element: str = "a") -> list[int]:
    """The instances with an open job at the element, by their keys."""
    jobs = [job for store in it.stores for job in store.living(_job())]
    return sorted(job.process_instance_key for job in jobs if job.element_id == element)


def _job() -> type:
    from osmia_broker.state.rows import Job

    return Job


def correlations(it: Several) -> Counter[int]:
    """How often each instance has had a message, as the history says."""
    return Counter(row.process_instance_key for rows in it.rows(MessageCorrelation) for row in rows)


def left(it: Several) -> list[Any]:
    """What is on its way, or open where nothing waits."""
    sent = [row for rows in it.rows(FollowUp) for row in rows]
    return sent + [row for rows in it.rows(RemoteSubscription) for row in rows]


# --- one message, one subscription


@pytest.mark.parametrize("key", [str(number) for number in range(6)])
async def test_a_message_reaches_the_instance_that_waits_wherever_it_is(key: str):
    async with several() as it:
        await it.do(deploy(CATCH))
        for _ in range(3):
            (instance,) = await waiting(it, 1, key)
            await published(it, key, paid="1")
            assert at_jobs(it)[-1:] == [instance] or instance in at_jobs(it)
            assert correlations(it)[instance] == 1
        assert left(it) == []


async def test_a_message_reaches_one_instance_of_a_process_the_next_takes_the_next():
    async with several() as it:
        await it.do(deploy(CATCH))
        keys = await waiting(it, 6)
        for number in range(1, 7):
            await published(it)
            assert len(at_jobs(it)) == number
        assert at_jobs(it) == sorted(keys)
        assert left(it) == []


async def test_a_message_reaches_one_instance_of_each_process():
    async with several() as it:
        for id in ("process", "other"):
            await it.do(deploy(CATCH, id=id))
            await waiting(it, 4, id=id)
        await published(it)
        assert len(at_jobs(it)) == 2


async def test_a_message_of_another_key_reaches_nobody():
    async with several() as it:
        await it.do(deploy(CATCH))
        await waiting(it)
        await published(it, "8")
        assert at_jobs(it) == []


async def test_a_message_that_is_kept_reaches_those_that_wait_later_once_for_each_process():
    async with several() as it:
        await it.do(deploy(CATCH))
        await published(it, ttl_ms=WAIT_MS, paid="1")
        keys = await waiting(it, 4)
        assert at_jobs(it) == [keys[0]]
        await published(it, ttl_ms=WAIT_MS)
        await it.settled()
        assert len(at_jobs(it)) == 2


async def test_a_kept_message_reaches_nobody_after_its_time():
    async with several() as it:
        await it.do(deploy(CATCH))
        await published(it, ttl_ms=1_000)
        await it.advance(1_001)
        await waiting(it)
        assert at_jobs(it) == []


async def test_an_event_that_stays_open_takes_every_message():
    async with several() as it:
        await it.do(deploy(BOUNDARY))
        (key,) = await waiting(it, 1)
        for _ in range(4):
            await published(it)
        assert at_jobs(it, "h") == [key] * 4


async def test_a_message_id_is_used_once_while_its_message_lives():
    async with several() as it:
        for number in range(6):
            await published(it, str(number), ttl_ms=WAIT_MS, id="x")
            with pytest.raises(AlreadyExists):
                await published(it, str(number), ttl_ms=WAIT_MS, id="x")


# --- instances that stop waiting


async def test_an_instance_that_has_ended_takes_no_message_and_another_one_does():
    async with several() as it:
        await it.do(deploy(CATCH))
        keys = await waiting(it, 3)
        for key in keys[:2]:
            await it.do(commands.CancelProcessInstance(key))
        await it.settled()
        await published(it)
        assert at_jobs(it) == [keys[2]]
        assert left(it) == []


@pytest.mark.parametrize(
    "line",
    [
        CATCH,
        BOUNDARY,
        'start > w:receive(message=paid, key="=k") > end',
        'start > s:sub { start > w:catch(message=paid, key="=k") > end } > end',
        'start > a:job > end & e:eventsub { go:start(message=paid, key="=k", interrupting=false) > b:job > e2:end }',
        'start > g:events [ w:catch(message=paid, key="=k") > end | x:catch(timer=PT1H) > e2:end ]',
    ],
)
async def test_an_instance_that_is_cancelled_waits_in_no_partition(line: str):
    async with several() as it:
        await it.do(deploy(line))
        keys = await waiting(it, 3)
        assert left(it)  # in the partition of the message, for the instances of others
        for key in keys:
            await it.do(commands.CancelProcessInstance(key))
        await it.settled()
        assert left(it) == []


async def test_an_event_that_was_interrupted_waits_in_no_partition():
    async with several() as it:
        await it.do(
            deploy(
                'start > s:sub { start > w:catch(message=paid, key="=k") > end } > end & t:boundary(on=s, timer=PT5S) > e2:end'
            )
        )
        await waiting(it, 3)
        await it.advance(5_000)
        assert left(it) == []


async def test_what_waits_for_an_instance_that_has_ended_is_gone_after_a_message_that_comes_back():
    """A broker that did not tell the other partitions of an end has left such rows."""
    async with several() as it:
        await it.do(deploy(BOUNDARY))
        keys = await waiting(it, 3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scopes, "end_subscription", lambda turn, one: turn.subscriptions.end(one, turn.now_ms))
            for key in keys:
                await it.do(commands.CancelProcessInstance(key))
        assert left(it)
        await published(it)
        assert left(it) == []


async def test_a_message_that_comes_too_late_goes_to_the_next_instance():
    """The instance ends while the message is on its way."""
    async with several() as it:
        await it.do(deploy(CATCH))
        keys = await waiting(it, 3)
        home = partition_of_message("paid", "7", 3)
        first = next(key for key in keys if partition_of_key(key) != home)
        for key in keys:  # so that `first` is the one that has waited longest
            if key != first:
                await it.do(commands.CancelProcessInstance(key))
        later = await waiting(it, 3)
        await it.settled()
        sending = [route for route in it.delivery.routes if route.sender.id == home]
        for route in sending:
            route.begin = lambda: None  # type: ignore[method-assign]  # the delivery is slow
        await it.do(publish())
        await it.do(commands.CancelProcessInstance(first))
        for route in sending:
            del route.begin  # type: ignore[method-assign]
            route.begin()
        await it.settled()
        assert len(at_jobs(it)) == 1
        assert at_jobs(it)[0] in later


async def test_a_suspended_instance_takes_the_kept_message_when_it_is_resumed():
    async with several() as it:
        await it.do(deploy(CATCH))
        keys = await waiting(it, 3)
        for key in keys:
            await it.do(commands.SuspendProcessInstance(key))
        await published(it, ttl_ms=WAIT_MS)
        assert at_jobs(it) == []
        for key in keys:
            await it.do(commands.ResumeProcessInstance(key))
            await it.settled()
        assert at_jobs(it) == [keys[0]]


@pytest.mark.parametrize("ttl_ms", [0, WAIT_MS])
async def test_a_message_that_no_instance_takes_starts_one_of_their_process(ttl_ms: int):
    """It goes to instances first; those that wait elsewhere send it back when they are suspended."""
    async with several() as it:
        await it.do(deploy(f"{CATCH} & go:start(message=paid) > b:job > end2"))
        keys = await elsewhere(it, 2)
        for key in keys:
            await it.do(commands.SuspendProcessInstance(key))
        await published(it, ttl_ms=ttl_ms)
        assert at_jobs(it) == []
        assert len(at_jobs(it, "b")) == 1
        for key in keys:
            await it.do(commands.ResumeProcessInstance(key))
        await it.settled()
        assert at_jobs(it) == []  # once per process


async def test_a_message_with_a_business_id_reaches_only_its_instance():
    async with several() as it:
        await it.do(deploy(CATCH))
        keys = await waiting(it, 6)
        for number, key in enumerate(keys):
            await it.do(commands.AssignBusinessId(key, f"order-{number}"))
        await it.settled()
        for number in (4, 1, 5):
            await published(it, business_id=f"order-{number}")
        assert at_jobs(it) == sorted(keys[number] for number in (4, 1, 5))
        await published(it, business_id="order-9")
        assert len(at_jobs(it)) == 3


async def test_a_migrated_instance_takes_the_messages_of_its_new_process():
    async with several() as it:
        await it.do(deploy(CATCH))
        other = await it.do(deploy(CATCH, id="other"))
        keys = await waiting(it, 3)
        target = other.processes[0].key
        await it.do(commands.MigrateProcessInstance(keys[0], target, (("w", "w"),)))
        await it.settled()
        await published(it)
        assert len(at_jobs(it)) == 2  # one of each process
        assert keys[0] in at_jobs(it)


async def elsewhere(it: Several, number: int = 1, id: str = "process") -> list[int]:
    """So many instances that wait in a partition other than that of the message; the others are cancelled."""
    home, kept = partition_of_message("paid", "7", 3), []
    while len(kept) < number:
        (key,) = await waiting(it, 1, id=id)
        if partition_of_key(key) == home:
            await it.do(commands.CancelProcessInstance(key))
        else:
            kept.append(key)
    await it.settled()
    return kept


async def migrate(it: Several, key: int, target: int, *ids: str) -> None:
    await it.do(commands.MigrateProcessInstance(key, target, tuple((id, id) for id in ids)))


async def migrate_and_publish(it: Several, key: int, target: int, *ids: str, ttl_ms: int) -> None:
    """Migrate, and publish before the partition of the message has heard of it."""
    sending = [route for route in it.delivery.routes if route.sender.id == partition_of_key(key)]
    for route in sending:
        route.begin = lambda: None  # type: ignore[method-assign]  # the delivery is slow
    await migrate(it, key, target, *ids)
    await it.do(publish(ttl_ms=ttl_ms))
    for route in sending:
        del route.begin  # type: ignore[method-assign]
        route.begin()
    await it.settled()


@pytest.mark.parametrize("ttl_ms", [0, WAIT_MS])
async def test_a_message_right_after_a_migration_reaches_one_instance_of_each_process(ttl_ms: int):
    """Its partition takes both instances for ones of the process before; the migrated one has waited longest."""
    async with several() as it:
        await it.do(deploy(CATCH))
        other = await it.do(deploy(CATCH, id="other"))
        moved, stayed = await elsewhere(it, 2)
        await migrate_and_publish(it, moved, other.processes[0].key, "w", ttl_ms=ttl_ms)
        assert at_jobs(it) == sorted([moved, stayed])
        assert [*correlations(it).values()] == [1, 1]
        assert left(it) == []


@pytest.mark.parametrize("ttl_ms", [0, WAIT_MS])
async def test_a_message_right_after_a_migration_reaches_an_event_that_was_opened_anew(ttl_ms: int):
    """The boundary event is not mapped: its subscription has ended, and one of another process waits in its place."""
    async with several() as it:
        await it.do(deploy(BOUNDARY))
        other = await it.do(deploy(BOUNDARY, id="other"))
        (moved,) = await elsewhere(it)
        await migrate_and_publish(it, moved, other.processes[0].key, "a", ttl_ms=ttl_ms)
        assert at_jobs(it, "h") == [moved]
        assert correlations(it) == {moved: 1}


@pytest.mark.parametrize("ttl_ms", [0, WAIT_MS])
async def test_a_message_right_after_a_migration_is_not_given_to_a_process_twice(ttl_ms: int):
    """The new process has an instance that waits already, and that takes the message."""
    async with several() as it:
        await it.do(deploy(CATCH))
        other = await it.do(deploy(CATCH, id="other"))
        (moved,) = await elsewhere(it)
        (there,) = await elsewhere(it, id="other")
        await migrate_and_publish(it, moved, other.processes[0].key, "w", ttl_ms=ttl_ms)
        assert at_jobs(it) == [there]
        await published(it)
        assert at_jobs(it) == sorted([moved, there])
        assert left(it) == []


async def test_a_migrated_event_does_not_get_a_kept_message_again_that_it_has_had():
    async with several() as it:
        await it.do(deploy(BOUNDARY))
        other = await it.do(deploy(BOUNDARY, id="other"))
        (key,) = await elsewhere(it)
        await published(it, ttl_ms=WAIT_MS)
        assert at_jobs(it, "h") == [key]
        await migrate(it, key, other.processes[0].key, "a", "b", "h")
        await it.settled()
        assert at_jobs(it, "h") == [key]


@pytest.mark.parametrize(("before", "after", "times"), [("", ", cancel=false", 3), (", cancel=false", "", 1)])
async def test_a_migrated_event_listens_as_long_as_that_of_its_new_process(before: str, after: str, times: int):
    line = 'start > a:job > end & b:boundary(on=a, message=paid, key="=k"{}) > h:job > e2:end'
    async with several() as it:
        await it.do(deploy(line.format(before)))
        other = await it.do(deploy(line.format(after), id="other"))
        (key,) = await elsewhere(it)
        await migrate(it, key, other.processes[0].key, "a", "b")
        await it.settled()
        for _ in range(3):
            await published(it)
        assert at_jobs(it, "h") == [key] * times
        assert correlations(it) == {key: times}


async def test_a_migrated_instance_keeps_its_place_among_those_that_wait():
    async with several() as it:
        await it.do(deploy(CATCH))
        again = await it.do(deploy('start > w:catch(message=paid, key="=k") > a:job > more:job > end'))
        first, second = await elsewhere(it, 2)
        await migrate(it, first, again.processes[0].key, "w")
        await it.settled()
        await published(it)
        assert at_jobs(it) == [first]
        await published(it)
        assert at_jobs(it) == sorted([first, second])


async def test_a_kept_message_waits_behind_an_event_that_waits_behind_an_incident(monkeypatch: pytest.MonkeyPatch):
    """The event takes no second message until the first one has happened; then it takes the one that was kept."""
    monkeypatch.setattr("osmia_broker.engine.variables.INSTANCE_CHARACTERS_MAX", 600)
    monkeypatch.setattr("osmia_broker.engine.events.delivery.WAITING_MAX", 1)
    async with several() as it:
        await it.do(deploy(BOUNDARY))
        (key,) = await elsewhere(it)
        await published(it, ttl_ms=0, large='"' + "x" * 700 + '"')
        await published(it, ttl_ms=WAIT_MS, small="1")
        assert at_jobs(it, "h") == []
        [incident] = [row for store in it.stores for row in store.living(Incident)]
        monkeypatch.setattr("osmia_broker.engine.variables.INSTANCE_CHARACTERS_MAX", 6_000)
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert at_jobs(it, "h") == [key, key]


# --- start events


async def test_a_start_event_is_decided_where_the_message_is():
    async with several() as it:
        await it.do(deploy("start(message=paid) > a:job > end"))
        for number in range(6):
            await published(it, str(number))
        assert [partition_of_key(key) for key in at_jobs(it)] == sorted(
            partition_of_message("paid", str(number), 3) for number in range(6)
        )


async def test_one_instance_of_a_process_runs_for_a_key():
    async with several() as it:
        await it.do(deploy("start(message=paid) > a:job > end"))
        for _ in range(3):
            await published(it, ttl_ms=WAIT_MS)
        (key,) = at_jobs(it)
        await it.do(commands.CancelProcessInstance(key))
        await it.settled()
        assert len(at_jobs(it)) == 1


# --- at once


async def test_a_message_is_correlated_at_once_with_an_instance_elsewhere():
    async with several() as it:
        await it.do(deploy(CATCH))
        for _ in range(3):
            (key,) = await waiting(it, 1)
            answer = await it.do(commands.CorrelateAtOnce("paid", "7", {}))
            assert answer.process_instance_key == key
            await it.settled()
        with pytest.raises(NotFound):
            await it.do(commands.CorrelateAtOnce("paid", "7", {}))


# --- signals


async def test_a_signal_reaches_all_partitions_and_starts_one_instance():
    async with several() as it:
        await it.do(deploy("start > w:catch(signal=go) > a:job > end"))
        await it.do(deploy("start(signal=go) > b:job > end", id="started"))
        keys = [(await it.do(create())).process_instance_key for _ in range(7)]
        await it.do(commands.BroadcastSignal("go", {"x": "1"}))
        await it.settled()
        assert at_jobs(it) == sorted(keys)
        assert len(at_jobs(it, "b")) == 1
        await it.do(commands.BroadcastSignal("go", {}))
        await it.settled()
        assert len(at_jobs(it)) == 7


async def test_a_signal_that_a_process_throws_reaches_all_partitions():
    async with several() as it:
        await it.do(deploy("start > w:catch(signal=go) > a:job > end"))
        await it.do(deploy("start > t:throw(signal=go) > end", id="throws"))
        keys = [(await it.do(create())).process_instance_key for _ in range(5)]
        await it.do(create("throws"))
        await it.settled()
        assert at_jobs(it) == sorted(keys)


# --- lost, repeated, out of order


async def crossing(it: Several) -> tuple[int, FollowUp]:
    """An instance that waits elsewhere, and the first message that its partition sends: that it waits."""
    await it.do(deploy(CATCH))
    home = partition_of_message("paid", "7", len(it.parts))
    for route in it.delivery.routes:
        route.begin = lambda: None  # type: ignore[method-assign]
    while True:
        key = (await it.do(create(k='"7"'))).process_instance_key
        if partition_of_key(key) != home:
            (row,) = it.stores[partition_of_key(key) - 1].rows(FollowUp)
            return key, row


async def test_a_message_is_taken_once_though_it_is_sent_often():
    async with several() as it:
        _, row = await crossing(it)
        sender = partition_of_key(row.key)
        receive = Receive(sender, row.key, 0, row.command, row.content)
        receiver = it.parts[row.target_partition - 1]
        assert [await receiver.submit(receive) for _ in range(3)] == [True] * 3
        assert len(it.stores[receiver.id - 1].rows(RemoteSubscription)) == 1
        assert it.stores[receiver.id - 1].rows(Received) == [Received(sender, row.key)]


async def test_a_message_waits_for_the_one_before_it():
    async with several() as it:
        _, row = await crossing(it)
        sender, receiver = partition_of_key(row.key), it.parts[row.target_partition - 1]
        second = Receive(sender, row.key + 5, row.key, row.command, row.content)
        assert await receiver.submit(second) is False
        assert await receiver.submit(Receive(sender, row.key, 0, row.command, row.content)) is True
        assert await receiver.submit(second) is True


async def test_a_message_that_meets_a_defect_does_not_stop_the_others(caplog: pytest.LogCaptureFixture):
    from osmia_broker.engine.events.remote import OpenRemote

    kind, act = follow_ups.FOLLOW_UPS["OpenRemote"]
    failed: list[int] = []

    def broken(turn: Any, command: OpenRemote) -> None:
        if command.name == "broken":
            failed.append(command.subscription_key)
            raise ZeroDivisionError
        act(turn, command)

    async with several() as it:
        await it.do(deploy(CATCH))
        await it.do(deploy('start > w:catch(message=broken, key="=k") > a:job > end', id="broken"))
        follow_ups.FOLLOW_UPS["OpenRemote"] = (kind, broken)
        try:
            await waiting(it, 3, id="broken")
            keys = await waiting(it, 3)
        finally:
            follow_ups.FOLLOW_UPS["OpenRemote"] = (kind, act)
        for _ in range(3):
            await published(it)
        assert failed
        assert at_jobs(it) == sorted(keys)
        assert "put aside" in caplog.text
        await it.advance(follow_ups.RETRY_MS)
        opened = [row for rows in it.rows(RemoteSubscription) for row in rows if row.name == "broken"]
        assert {row.subscription_key for row in opened} >= {*failed}, "the messages put aside were tried again"


async def test_a_message_that_cannot_be_read_is_put_aside_and_lets_the_others_pass(caplog: pytest.LogCaptureFixture):
    """As one of a newer version; it is kept for that, and tried again and again."""
    async with several() as it:
        _, row = await crossing(it)
        sender, receiver = partition_of_key(row.key), it.parts[row.target_partition - 1]
        unknown = Receive(sender, row.key, 0, "OfLaterVersion", "{}")
        with pytest.raises(Defect):
            await receiver.submit(unknown)
        assert await receiver.submit(msgspec.structs.replace(unknown, aside=True)) is True
        for _ in range(2):
            it.clock.ms += follow_ups.RETRY_MS
            receiver.check_clock()
            while not receiver.is_at_rest:  # the routes are held up, so the whole never is
                await asyncio.sleep(0)
            (kept,) = [one for rows in it.rows(FollowUp) for one in rows if one.command == "OfLaterVersion"]
            assert kept.due_ms == it.clock.ms + follow_ups.RETRY_MS
        assert caplog.text.count("work of no process instance is tried again") == 2


# --- crashes and restarts


async def test_what_was_not_sent_before_a_restart_is_sent_after_it():
    stores = [WatchedStore() for _ in range(3)]
    async with several(stores) as it:
        await it.do(deploy(CATCH))
        for route in it.delivery.routes:
            route.begin = lambda: None  # type: ignore[method-assign]
        keys = [(await it.do(create(k='"7"'))).process_instance_key for _ in range(3)]
    async with several(stores) as it:
        await it.settled()
        for _ in range(3):
            await published(it)
        assert at_jobs(it) == sorted(keys)
        assert left(it) == []


async def test_instances_that_waited_before_a_restart_are_reached_after_it():
    stores = [WatchedStore() for _ in range(3)]
    async with several(stores) as it:
        await it.do(deploy(CATCH))
        keys = await waiting(it)
    async with several(stores) as it:
        await it.settled()
        for _ in keys:
            await published(it)
        assert at_jobs(it) == sorted(keys)
        assert left(it) == []


async def test_a_message_that_was_taken_and_not_confirmed_is_not_taken_again():
    stores = [WatchedStore() for _ in range(3)]
    async with several(stores) as it:
        await it.do(deploy(BOUNDARY))
        (key,) = await waiting(it, 1, "7")
        home = partition_of_message("paid", "7", 3)
        for route in it.delivery.routes:
            route.begin = lambda: None  # type: ignore[method-assign]
        await it.do(publish())
        sent, _ = await it.parts[home - 1].submit(ListSent(partition_of_key(key)))
        for number, name, content in sent:
            await it.parts[partition_of_key(key) - 1].submit(Receive(home, number, 0, name, content))
    async with several(stores) as it:
        await it.settled()
        assert at_jobs(it, "h") == [key]
        assert left(it) == [] or all(isinstance(one, RemoteSubscription) for one in left(it))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", range(1, 9))
async def test_a_failed_commit_anywhere_loses_nothing_and_repeats_nothing(nth: int, after: bool):
    """The n-th commit of all, from the start of the instances on, fails; with *after*, it took effect nevertheless."""
    async with several() as it:
        await it.do(deploy(BOUNDARY))
        it.fail_commit(nth, after=after)
        instances, messages = 0, 0
        for _ in range(4):
            try:
                await it.do(create(k='"7"'))
                instances += 1
            except (StoreFailed, Exception):  # noqa: BLE001 - unknown to the caller, as it says
                instances += 0
            await it.settled()
        living = [row for store in it.stores for row in store.living(_process()) if row.type == "PROCESS"]
        for _ in range(3):
            try:
                await it.do(publish())
                messages += 1
            except StoreFailed:
                messages += 0
            await it.settled()
        reached = correlations(it)
        assert instances <= len(living) <= instances + 1
        assert messages <= sum(reached.values()) <= 3  # one instance of the process for each message
        assert not [row for rows in it.rows(FollowUp) for row in rows]


def _process() -> type:
    from osmia_broker.state.rows import ElementInstance

    return ElementInstance


async def test_a_message_knows_since_when_it_is_on_its_way():
    async with several(3) as it:
        await it.do(deploy(CATCH))
        await waiting(it)
        it.clock.ms += 5_000
        it.delivery.stop()
        await it.do(publish())
        sent = [row for rows in it.rows(FollowUp) for row in rows]
        assert sent
        assert {row.sent_ms for row in sent} == {it.clock.ms}


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("key", [str(number) for number in range(3)])
async def test_a_message_brings_its_trace_context_to_other_partitions(key: str, is_kept: bool):
    traced = commands.PublishMessage("paid", key, WAIT_MS, "", {}, traceparent=TRACEPARENT)
    async with several() as it:
        await it.do(deploy(CATCH))
        if is_kept:
            await it.do(traced)
        await waiting(it, 3, key)
        if not is_kept:
            await it.do(traced)
            await it.settled()
        (job,) = [job for store in it.stores for job in store.living(_job())]
        assert json.loads(job.headers) == {"traceparent": TRACEPARENT}


async def test_a_message_that_comes_back_keeps_its_trace_context():
    async with several() as it:
        await it.do(deploy(CATCH))
        first, second = await waiting(it, 2)
        await it.do(commands.SuspendProcessInstance(first))
        await it.do(commands.PublishMessage("paid", "7", 0, "", {}, traceparent=TRACEPARENT))
        await it.settled()
        (job,) = [job for store in it.stores for job in store.living(_job())]
        assert job.process_instance_key == second
        assert json.loads(job.headers) == {"traceparent": TRACEPARENT}
