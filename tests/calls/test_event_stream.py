"""The event stream: in order, from any position that is kept, at least once; and nothing at all while nobody follows."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument, OutOfRange, Overloaded, StoreFailed, Unavailable
from osmia_broker.calls.events import stream as event_stream
from osmia_broker.calls.events.stream import EventStream
from osmia_broker.engine import commands
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Partition
from osmia_broker.state.rows.event_log import EventKind, LoggedEvent
from osmia_broker.state.store_protocol import Changes, Wanted, Written
from osmia_broker.store.read import EventFilter, Reader
from osmia_broker.store.read.lists.events import cut
from osmia_broker.store.sqlite import SqliteStore
from tests.clock import FakeClock
from tests.partition.opened import activate, complete, create, deploy
from tests.patience import settle

ALL = EventFilter()
HOUR_MS = 3_600_000
STOPPING = Unavailable("Expected the broker to be open, but it is stopping")


class LosingStore(SqliteStore):
    """A store that can fail to commit, or lose the answer of a commit that took effect."""

    fails_next = loses_next = False

    async def write(self, changes: Changes | None, wanted: Wanted | None) -> Written:  # type: ignore[override]
        if self.fails_next:
            self.fails_next = False
            raise StoreFailed("Expected a disk, but found none")
        written = await super().write(changes, wanted)
        if self.loses_next:
            self.loses_next = False
            raise StoreFailed("Expected an answer, but found none")
        return written


class Broker:
    """A partition on disk, its read side and its event stream."""

    def __init__(self, path: Path, clock: FakeClock | None = None, **options: Any) -> None:
        self.path, self.options = path, {"retention_ms": HOUR_MS, "events_max": 100_000} | options
        self.clock = clock or FakeClock()

    async def start(self) -> "Broker":
        self.store = LosingStore(self.path)
        self.partition = Partition(self.store, self.clock, PartitionCounters(1))
        await self.partition.open()
        self.reader = Reader(self.path)
        self.stream = EventStream(self.partition, self.reader, self.clock, **self.options)
        await self.stream.start()
        return self

    async def stop(self) -> None:
        self.stream.stop(STOPPING)
        await self.reader.close()
        await self.partition.close()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def do(self, command: commands.Command) -> Any:
        answer = await self.partition.submit(command)
        await settle(self.partition)
        return answer

    async def fail(self, command: commands.Command) -> None:
        """Send a command whose commit fails, or whose answer is lost, and wait until the partition serves again."""
        with pytest.raises(StoreFailed):
            await self.partition.submit(command)
        while not self.partition.is_open:
            await asyncio.sleep(0)
        await settle(self.partition)

    async def work_off(self) -> None:
        [job] = await self.do(activate("ask", 1))
        await self.do(complete(job))

    def logged(self) -> list[LoggedEvent]:
        with closing(sqlite3.connect(self.path)) as db:
            return [LoggedEvent(*values) for values in db.execute("SELECT * FROM event_log ORDER BY key")]

    async def position(self) -> int:
        return (await self.stream.state()).last

    async def read(self, wanted: EventFilter = ALL, **place: Any) -> list[LoggedEvent]:
        """What is told up to now."""
        return [event async for one in self.stream.follow(wanted, until_now=True, **place) for event in one.events]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    broker = await Broker(tmp_path / "partition-1.db").start()
    await broker.do(deploy("start > ask:job(type=ask) > end"))
    try:
        yield broker
    finally:
        await broker.stop()


async def begun(broker: Broker, wanted: EventFilter = ALL, **place: Any) -> Any:
    """A stream whose first, empty slice has come."""
    slices = broker.stream.follow(wanted, **place)
    first = await anext(slices)
    assert first.events == []
    return slices


def told(events: list[LoggedEvent]) -> list[tuple[int, str, str]]:
    return [(one.key, str(one.kind), one.intent) for one in events]


async def test_nothing_is_written_while_nobody_follows(broker: Broker):
    await broker.do(create())
    await broker.work_off()
    assert broker.logged() == []


async def test_a_reader_is_told_what_happens_from_now_on(broker: Broker):
    await broker.do(create())
    async with aclosing(await begun(broker)) as slices:
        await broker.work_off()
        events = (await anext(slices)).events
    assert [(one.kind, one.intent) for one in events[:1]] == [("JOB", "activated")]
    assert told(events) == told(broker.logged())[: len(events)]


async def test_the_tail_tells_the_same_as_the_log(broker: Broker):
    async with aclosing(await begun(broker)) as slices:
        for _ in range(3):
            await broker.do(create())
        events: list[LoggedEvent] = []
        while len(events) < len(broker.logged()):
            events += (await anext(slices)).events
        assert told(events) == told(broker.logged()) == told(await broker.read(from_oldest=True))


async def test_a_reader_goes_on_where_it_was_after_a_restart(broker: Broker):
    async with aclosing(await begun(broker)) as slices:
        await broker.do(create())
        position = (await anext(slices)).through
    await broker.do(create())
    await broker.restart()
    await broker.do(create())
    missed = await broker.read(after=position)
    assert [one.intent for one in missed if one.kind == "PROCESS_INSTANCE"] == ["created", "created"]
    assert told(missed) == [one for one in told(broker.logged()) if one[0] > position]


async def test_nothing_is_told_that_was_not_committed_and_all_that_was(broker: Broker):
    """The answer of a commit is lost: whether it took effect is known only after the store was opened again."""
    async with aclosing(await begun(broker)) as slices:
        broker.store.loses_next = True
        await broker.fail(create())
        events = (await anext(slices)).events
    assert told(events) == told(broker.logged())
    assert events[0].intent == "created"


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        (EventFilter(kinds=frozenset({EventKind.JOB})), {"JOB"}),
        (EventFilter(kinds=frozenset({EventKind.VARIABLE, EventKind.JOB})), {"JOB", "VARIABLE"}),
        (EventFilter(bpmn_process_id="other"), set()),
        (EventFilter(process_instance_key=1), set()),
    ],
)
async def test_a_filter_lets_through_what_it_names(broker: Broker, wanted: EventFilter, kinds: set[str]):
    async with aclosing(await begun(broker)) as slices:
        await broker.do(create(n="1"))
        assert {one.kind for one in await broker.read(wanted, from_oldest=True)} == kinds
        tail = await broker.stream._next(wanted, broker.stream._tail_after)
        assert {one.kind for one in tail.events} == kinds
        assert tail.through == broker.logged()[-1].key
        del slices


async def test_only_the_events_of_one_instance(broker: Broker):
    async with aclosing(await begun(broker)):
        first = await broker.do(create())
        await broker.do(create())
        key = first.process_instance_key
        events = await broker.read(EventFilter(process_instance_key=key), from_oldest=True)
    assert {one.process_instance_key for one in events} == {key}
    assert len(events) * 2 == len(broker.logged())


async def test_a_filter_that_lets_nothing_through_tells_how_far_it_is(broker: Broker, monkeypatch: Any):
    monkeypatch.setattr(event_stream, "QUIET_S", 0)
    async with aclosing(await begun(broker, EventFilter(bpmn_process_id="other"))) as slices:
        await broker.do(create())
        one = await anext(slices)
    assert (one.events, one.through) == ([], broker.logged()[-1].key)


# --- refusals


async def test_a_position_before_the_recording_is_out_of_range(broker: Broker):
    before = await broker.position()
    await broker.do(create())
    await broker.read()
    async with aclosing(await begun(broker)):
        oldest = (await broker.stream.state()).complete_after
        with pytest.raises(OutOfRange, match=f"Expected a position of {oldest} or later, but found {before}"):
            await begun(broker, after=before)
    assert oldest > before


async def test_a_position_of_the_future_is_refused(broker: Broker):
    position = await broker.position()
    with pytest.raises(InvalidArgument, match=f"at most {position}"):
        await begun(broker, after=position + 1)


async def test_too_many_readers_are_refused(broker: Broker, monkeypatch: Any):
    monkeypatch.setattr(event_stream, "READERS_MAX", 1)
    async with aclosing(await begun(broker)):
        with pytest.raises(Overloaded):
            await begun(broker)
    async with aclosing(await begun(broker)):
        pass


async def test_a_stop_ends_the_streams(broker: Broker):
    async with aclosing(await begun(broker)) as slices:
        broker.stream.stop(STOPPING)
        with pytest.raises(Unavailable):
            await anext(slices)
    with pytest.raises(Unavailable):
        await begun(broker)


async def test_a_reader_that_is_too_slow_is_refused(broker: Broker, monkeypatch: Any):
    monkeypatch.setattr(event_stream, "TAIL_EVENTS", 4)
    async with aclosing(await begun(broker)) as slices:
        for _ in range(3):
            await broker.do(create())
        broker.clock.ms += HOUR_MS + 1
        await broker.stream.tend()
        with pytest.raises(OutOfRange):
            await anext(slices)


async def test_a_reader_that_does_not_read_holds_no_more_than_the_tail(broker: Broker, monkeypatch: Any):
    monkeypatch.setattr(event_stream, "TAIL_EVENTS", 20)
    async with aclosing(await begun(broker)) as slices:
        for _ in range(10):
            await broker.do(create())
        assert len(broker.stream._tail) <= 20
        events: list[LoggedEvent] = []
        while len(events) < len(broker.logged()):
            events += (await anext(slices)).events
    assert told(events) == told(broker.logged())


# --- keeping the log short


async def test_recording_goes_on_for_a_while_after_the_last_reader(broker: Broker):
    async with aclosing(await begun(broker)):
        position = await broker.position()
    broker.clock.ms += HOUR_MS - 1
    await broker.stream.tend()
    await broker.do(create())
    assert await broker.read(after=position) != []


async def test_recording_stops_and_the_log_is_empty_when_nobody_comes_back(broker: Broker):
    async with aclosing(await begun(broker)):
        await broker.do(create())
        position = await broker.position()
    broker.clock.ms += HOUR_MS
    await broker.stream.tend()
    await broker.do(create())
    assert broker.logged() == []
    with pytest.raises(OutOfRange):
        await broker.read(after=position)


async def test_a_reader_that_stays_keeps_the_recording_on(broker: Broker):
    async with aclosing(await begun(broker)):
        broker.clock.ms += 2 * HOUR_MS
        await broker.stream.tend()
        await broker.do(create())
        assert broker.logged() != []


async def test_old_events_are_dropped_and_new_ones_kept(broker: Broker):
    async with aclosing(await begun(broker)):
        await broker.do(create())
        old = broker.logged()
        broker.clock.ms += HOUR_MS + 1
        await broker.do(create())
        await broker.stream.tend()
        left = broker.logged()
        assert {one.key for one in left} & {one.key for one in old} == set()
        assert told(await broker.read(from_oldest=True)) == told(left)
        assert (await broker.stream.state()).complete_after == old[-1].key


async def test_no_more_events_are_kept_than_the_limit(tmp_path: Path):
    broker = await Broker(tmp_path / "partition-1.db", events_max=10, is_always_on=True).start()
    await broker.do(deploy("start > ask:job(type=ask) > end"))
    for _ in range(5):
        await broker.do(create())
    before = broker.logged()
    await broker.stream.tend()
    assert told(broker.logged()) == told(before[-10:])
    await broker.stop()


async def test_always_records_without_a_reader(tmp_path: Path):
    broker = await Broker(tmp_path / "partition-1.db", is_always_on=True).start()
    await broker.do(deploy("start > end"))
    broker.clock.ms += HOUR_MS
    await broker.stream.tend()
    await broker.do(create())
    assert broker.logged() != []
    await broker.stop()


# --- seeded: a reader that leaves at any time


@pytest.mark.parametrize("seed", range(8))
async def test_a_reader_that_comes_and_goes_is_told_everything_once_in_order(
    broker: Broker, seed: int, monkeypatch: Any
):
    monkeypatch.setattr(event_stream, "TAIL_EVENTS", 15)
    chance = random.Random(seed)
    seen: list[LoggedEvent] = []
    slices = await begun(broker)
    position = await broker.position()
    for _ in range(40):
        match chance.choice(["create", "create", "work", "read", "leave", "restart", "fail", "lose"]):
            case "create":
                await broker.do(create(n="1"))
            case "work":
                for job in await broker.do(activate("ask", 1)):
                    await broker.do(complete(job))
            case "read" if position < broker.stream._newest:
                one = await anext(slices)
                seen, position = seen + one.events, one.through
            case "fail":
                broker.store.fails_next = True
                await broker.fail(create())
            case "lose":
                broker.store.loses_next = True
                await broker.fail(create())
            case "leave":
                await slices.aclose()
                slices = await begun(broker, after=position)
            case "restart":
                await slices.aclose()
                await broker.restart()
                slices = await begun(broker, after=position)
    await slices.aclose()
    seen += await broker.read(after=position)
    assert told(seen) == told(broker.logged()), f"seed {seed}"


def test_an_event_that_is_too_large_for_a_message_holds_nobody_up():
    """An older broker has stored some; without its details, a reader gets past it."""
    event = LoggedEvent(5, EventKind.USER_TASK, "updated", 1, 2, 3, 4, "p", "t", 6, "t", '{"a":"x"}')
    large = replace(event, key=6, details='{"a":"' + "x" * 7_000_000 + '"}', name="n" * 2_000_000)
    slice = cut([event, large, replace(event, key=7)], 9)
    assert [one.key for one in slice.events] == [5, 6, 7]
    assert (slice.events[1].details, len(slice.events[1].name)) == ('{"isTruncated":true}', 32_768)
    assert slice.events[0].details == slice.events[2].details == event.details
