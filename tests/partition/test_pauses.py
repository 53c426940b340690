"""After a look for due rows that found something there is a pause, so that what becomes due little by little shares the next look."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from osmia_broker.base.errors import StoreFailed
from osmia_broker.state.rows import FollowUp, Timer
from osmia_broker.state.store_protocol import Changes, Wanted, Written
from tests.partition.opened import Opened, WatchedStore, activate, complete, create, deploy, opened, steps_only

WAIT = "start > w:catch(timer=PT1S) > ask:job > end"
WIDE = f"start > fork:parallel [j:job > join:parallel | {' | '.join(f'j{n}:job > join' for n in range(29))}] > end"
CYCLE = "start > a:job > end & t:boundary(on=a, cancel=false, cycle=R30/PT1M) > b:job > end2"
APART_MS = 5


class LookedAt(WatchedStore):
    """Counts the looks for due rows."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    async def write(self, changes: Changes | None, wanted: Wanted | None) -> Written:
        self.looks += wanted is not None and wanted.due is not None
        return await super().write(changes, wanted)


class Pauses:
    """The event loop of the due work, whose timers fire when a test says so."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: dict[asyncio.Future[None], Callable[[], None]] = {}

    def call_later(self, _pause_s: float, call: Callable[..., None], *args: Any) -> "asyncio.Future[None]":
        handle = self._loop.create_future()  # it can be cancelled, as the handle of a timer
        self._calls[handle] = lambda: call(*args)
        return handle

    @property
    def running(self) -> int:
        return sum(not handle.cancelled() for handle in self._calls)

    def end(self) -> None:
        """Let the pause that runs end."""
        calls, self._calls = self._calls, {}
        for handle, call in calls.items():
            if not handle.cancelled():
                call()


class Paused:
    """A partition in whose hand the timers are, with *it* all that a test needs."""

    def __init__(self, it: Opened, store: LookedAt) -> None:
        self.it, self.store = it, store
        self.pauses = it.partition._committing.due._loop = Pauses()

    async def batch(self) -> None:
        """Let a batch close, as any caller does, and all that follows from it."""
        await self.it.do(activate("nothing"))
        await self.it.turns()

    async def pass_ms(self, ms: int) -> None:
        """Move the clock, and let a batch close."""
        self.it.clock.ms += ms
        await self.batch()

    @property
    def fired(self) -> int:
        return len(self.it.heard.activatable)


@asynccontextmanager
async def paused(timers: int, **options: Any) -> AsyncIterator[Paused]:
    """A partition with timers that become due one after the other, the first of them at the next batch."""
    store = LookedAt()
    async with opened(store, **options) as it:
        await it.do(deploy(WAIT))
        begun_ms = it.clock.ms
        for _ in range(timers):
            await it.do(create())
            it.clock.ms += APART_MS
        here = Paused(it, store)
        it.clock.ms = begun_ms + 1_000
        store.looks = 0
        yield here


async def test_the_first_timer_after_a_quiet_time_fires_at_once_and_those_of_a_pause_share_a_look():
    async with paused(4) as here:
        await here.batch()
        assert (here.fired, here.store.looks, here.pauses.running) == (1, 1, 1)
        for _ in range(2):
            await here.pass_ms(APART_MS)
        assert (here.fired, here.store.looks) == (1, 1), "a look within the pause"
        assert not here.it.partition.is_at_rest, "it rests although timers are due"
        here.pauses.end()
        await here.it.turns()
        assert (here.fired, here.store.looks, here.pauses.running) == (3, 2, 1)
        due = [row.due_ms for row in here.store.rows(Timer) if row.ended_ms]
        assert due == sorted(due)


async def test_a_pause_without_anything_new_is_the_last():
    async with paused(1) as here:
        await here.batch()
        here.pauses.end()
        await here.batch()
        assert (here.fired, here.store.looks, here.pauses.running) == (1, 1, 0)
        assert here.it.partition.is_at_rest


async def test_nothing_fires_early_at_the_end_of_a_pause():
    async with paused(2) as here:
        await here.batch()
        here.it.clock.ms += APART_MS - 1
        here.pauses.end()
        await here.batch()
        assert here.fired == 1
        await here.pass_ms(1)
        assert here.fired == 2, "it waits although the pause is over"


async def test_who_moves_the_clock_does_not_wait_for_a_pause():
    async with paused(3) as here:
        await here.batch()
        for fired in (2, 3):
            here.it.clock.ms += APART_MS
            here.it.partition.check_clock()
            await here.it.turns()
            assert here.fired == fired
        assert here.it.partition.is_at_rest


async def test_follow_ups_go_on_in_a_pause_and_take_along_what_is_due():
    async with paused(2, budget=steps_only(7)) as here:
        await here.it.do(deploy(WIDE, id="wide"))
        await here.batch()
        assert here.fired == 1
        here.it.clock.ms += APART_MS
        await here.it.do(create("wide"))
        assert here.store.living(FollowUp) != []
        await here.it.turns(500)
        assert here.store.living(FollowUp) == []
        assert here.fired == 2 + 30


async def test_due_rows_that_a_look_has_left_do_not_wait_for_a_pause(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.partition.due_work.SLICE_ROWS", 2)
    async with paused(5) as here:
        here.it.clock.ms += 1_000
        await here.batch()
        await here.it.turns(500)
        assert here.fired == 5
        assert (here.store.looks, here.pauses.running) == (2, 1)


async def test_the_repetitions_that_a_broker_catches_up_with_do_not_wait_for_pauses():
    async with paused(0) as here:
        await here.it.do(deploy(CYCLE))
        await here.it.do(create())
        before = here.fired
        here.it.clock.ms += 3_600_000
        await here.batch()
        await here.it.turns(2_000)
        assert here.fired - before == 30


async def test_a_look_that_finds_nothing_begins_no_pause():
    async with paused(1) as here:
        now_ms = here.it.clock.ms
        here.it.clock.ms -= 500
        await here.it.do(deploy("start > other:job > end", id="job"))
        await here.it.do(create("job"))
        (job,) = await here.it.do(activate("other", timeout_ms=450))
        await here.it.do(complete(job))
        here.it.clock.ms = now_ms - 50  # the end of a lease that is no more
        await here.batch()
        assert (here.store.looks, here.pauses.running) == (1, 0)
        here.it.clock.ms = now_ms
        await here.batch()
        assert here.store.looks == 2


async def test_a_store_that_fails_in_a_pause_leaves_no_timer_behind():
    async with paused(3) as here:
        await here.batch()
        here.store.fails = StoreFailed("gone")
        with pytest.raises(StoreFailed):
            await here.it.do(create())
        await here.it.wait_open()
        assert here.pauses.running == 0
        await here.it.advance(1_000)
        assert len([row for row in here.store.rows(Timer) if row.ended_ms]) == 3
