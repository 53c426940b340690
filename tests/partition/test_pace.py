"""How long a batch stays open. The event loop is played: a round and a moment come when a test says so."""

from collections.abc import Callable

import pytest

from osmia_broker.partition.pace import ENOUGH, LINGER_S, MANY, PAUSE_S, Pace


class Timer:
    def __init__(self, then: Callable[[], None]) -> None:
        self.then = then

    def cancel(self) -> None:
        self.then = lambda: None


class Loop:
    def __init__(self) -> None:
        self.s = 1_000.0
        self.soon: list[Callable[[], None]] = []
        self.timers: list[tuple[float, Timer]] = []

    def time(self) -> float:
        return self.s

    def call_soon(self, then: Callable[[], None]) -> None:
        self.soon.append(then)

    def call_at(self, when_s: float, then: Callable[[], None]) -> Timer:
        timer = Timer(then)
        self.timers.append((when_s, timer))
        return timer

    def round(self, after_s: float = 0.0) -> None:
        """Let time pass, then make the calls that are ready."""
        self.s += after_s
        ready, self.soon = self.soon, []
        due = [timer.then for when_s, timer in self.timers if when_s <= self.s]
        self.timers = [one for one in self.timers if one[0] > self.s]
        for then in (*ready, *due):
            then()


class Played:
    """A partition with callers and a disk, as its pace sees it."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.pace = Pace(self.loop)  # type: ignore[arg-type]
        self.open = 0
        self.calls = self.answerable = 0
        self.is_scheduled = False
        self.closed: list[int] = []  # the number of commands in each batch

    def call(self, callers: int = 1) -> None:
        for _ in range(callers):
            self.pace.called()
            self.open += 1
            self.calls += 1
            self.schedule()

    def schedule(self, *, at_once: bool = False) -> None:
        if not self.is_scheduled:
            self.is_scheduled = True
            self.pace.begin(self._close, at_once=at_once)

    def _close(self) -> None:
        if self.pace.goes_on(self.open):
            self.loop.call_soon(self._close)
            return
        self.is_scheduled = False
        self.pace.closed()
        self.closed.append(self.open)
        self.answerable, self.open, self.calls = self.calls, 0, 0

    def commit(self, callers: int) -> None:
        """Let so many *callers* share a batch, and be answered."""
        self.call(callers)
        self.loop.round()
        self.loop.round()
        assert self.closed.pop() == callers
        self.answer()

    def answer(self, waiting: int = 0) -> None:
        """Answer the callers of the last batch, while so many commands are *waiting* for rows or for room."""
        self.pace.answered(self.answerable, waiting)


@pytest.fixture
def it() -> Played:
    return Played()


def test_a_lone_caller_waits_for_nobody(it: Played) -> None:
    it.call()
    it.loop.round()
    it.loop.round()
    assert it.closed == [1]
    assert not it.loop.timers


def test_a_batch_stays_open_while_each_round_brings_more_but_not_for_ever(it: Played) -> None:
    it.call()
    for _ in range(3):
        it.loop.round(LINGER_S / 4)
        it.call()
    assert not it.closed
    it.loop.round(LINGER_S / 2)
    assert it.closed == [4]


def test_many_who_were_answered_together_share_the_next_commit_too(it: Played) -> None:
    it.commit(MANY)
    for _ in range(MANY - 1):
        it.call()
        it.loop.round(PAUSE_S / 100)
    assert not it.closed
    it.call()
    it.loop.round()
    assert it.closed == [MANY]


def test_those_who_called_during_the_write_wait_for_those_who_were_answered(it: Played) -> None:
    it.call(MANY)
    it.loop.round()
    it.loop.round()
    it.is_scheduled = True  # a write is under way: it schedules what comes meanwhile when it ends
    it.call(3)
    it.answer()
    it.is_scheduled = False
    it.schedule()
    it.loop.round(PAUSE_S / 2)
    assert it.closed == [MANY]
    it.call(MANY)
    it.loop.round()
    assert it.closed == [MANY, 3 + MANY]


@pytest.mark.parametrize(("during", "after"), [(ENOUGH - 2, 2), (ENOUGH, 0), (ENOUGH + 5, 0)])
def test_a_batch_that_has_enough_waits_for_no_more(it: Played, during: int, after: int) -> None:
    it.call(MANY)
    it.loop.round()
    it.loop.round()
    it.is_scheduled = True  # a write is under way
    it.call(during)
    it.answer()
    it.is_scheduled = False
    it.schedule()
    for _ in range(after):
        it.loop.round()
        assert it.closed == [MANY]
        it.call()
    it.loop.round()
    it.loop.round()
    assert it.closed == [MANY, during + after]


@pytest.mark.parametrize(
    ("waiting", "is_paused"), [(0, True), (ENOUGH - 1, True), (ENOUGH, False), (2 * ENOUGH, False)]
)
def test_commands_that_wait_for_rows_or_room_are_in_the_batch_already(
    it: Played, waiting: int, is_paused: bool
) -> None:
    it.call(MANY)
    it.loop.round()
    it.loop.round()
    it.closed.clear()
    it.answer(waiting)
    it.open = max(waiting, 1)
    it.schedule()
    it.loop.round()
    it.loop.round()
    assert it.closed == ([] if is_paused else [waiting])


def test_nobody_is_waited_for_longer_than_a_pause(it: Played) -> None:
    it.commit(MANY)
    it.call(2)
    it.loop.round(PAUSE_S * 0.99)
    assert not it.closed
    it.loop.round(PAUSE_S * 0.02)
    assert it.closed == [2]


def test_who_calls_after_the_pause_is_not_kept_waiting(it: Played) -> None:
    it.commit(MANY)
    it.loop.round(PAUSE_S * 1.01)
    it.call()
    it.loop.round()
    it.loop.round()
    assert it.closed == [1]


def test_few_who_were_answered_are_not_waited_for(it: Played) -> None:
    it.commit(MANY - 1)
    it.call()
    it.loop.round()
    it.loop.round()
    assert it.closed == [1]


def test_the_brokers_own_commands_are_no_callers(it: Played) -> None:
    it.open = 100  # decided by itself
    it.schedule()
    it.loop.round()
    it.loop.round()
    it.answer()
    assert it.closed == [100]
    it.open = 100
    it.schedule()
    it.loop.round()
    it.loop.round()
    assert it.closed == [100, 100]


def test_a_full_batch_and_an_ending_broker_wait_for_nobody(it: Played) -> None:
    it.commit(MANY)
    it.open = 1
    it.schedule(at_once=True)
    it.loop.round()
    it.loop.round()
    assert it.closed == [1]


def test_the_time_for_one_batch_says_nothing_about_a_later_one(it: Played) -> None:
    it.commit(MANY)
    it.call(MANY)
    it.loop.round()
    it.call()  # there is no answer yet to those before
    it.loop.round()
    it.loop.round(PAUSE_S)
    assert it.closed == [MANY, 1]
