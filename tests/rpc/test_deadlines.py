"""One timer for the deadlines of many calls. The loop is played: its clock stands until a test moves it."""

from collections.abc import Callable
from typing import Any

import pytest

from osmia_broker.rpc.deadlines import STEP_S, Deadlines


class Timer:
    def __init__(self, when_s: float, then: Callable[[], None]) -> None:
        self.when_s, self.then = when_s, then
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Loop:
    def __init__(self) -> None:
        self.s = 1_000.0
        self.timers: list[Timer] = []
        self.errors: list[BaseException] = []

    def time(self) -> float:
        return self.s

    def call_at(self, when_s: float, then: Callable[..., None], *arguments: Any) -> Timer:
        self.timers.append(Timer(when_s, lambda: then(*arguments)))
        return self.timers[-1]

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context["exception"])

    @property
    def due_s(self) -> list[float]:
        return [one.when_s for one in self.timers if not one.is_cancelled]

    def go_to(self, s: float, early_s: float = 0.0) -> None:
        """Let time pass; timers go off at their moments, or a little early, as those of real loops do."""
        while self.due_s and min(self.due_s) <= s:
            timer = min((one for one in self.timers if not one.is_cancelled), key=lambda one: one.when_s)
            self.timers.remove(timer)
            self.s = max(self.s, timer.when_s - early_s)
            timer.then()
        self.s = s


class Call:
    def __init__(self, it: "Fixture", after_s: float) -> None:
        self._it = it
        self.deadline_s = it.loop.s + after_s
        self.missed_s = 0.0
        it.deadlines.add(self, self.deadline_s, it.loop)  # type: ignore[arg-type]

    def miss_deadline(self) -> None:
        assert not self.missed_s, "a deadline is missed once"
        self.missed_s = self._it.loop.s
        self.end()

    def end(self) -> None:
        self._it.deadlines.remove(self, self.deadline_s)


class Fixture:
    def __init__(self) -> None:
        self.deadlines, self.loop = Deadlines(), Loop()

    def call(self, after_s: float) -> Call:
        return Call(self, after_s)


@pytest.fixture
def it() -> Fixture:
    return Fixture()


@pytest.mark.parametrize("early_s", [0.0, STEP_S / 2])
def test_a_call_ends_at_its_deadline_or_a_step_later(it: Fixture, early_s: float):
    calls = [it.call(after_s) for after_s in (0.0, 5.0, 1.0, 1.0 + STEP_S / 3, 2.5)]
    it.loop.go_to(1_010, early_s)
    for one in calls:
        assert one.deadline_s - early_s <= one.missed_s <= one.deadline_s + STEP_S + 1e-9
    assert len(it.deadlines) == 0


def test_a_call_that_has_ended_is_left_alone(it: Fixture):
    ended, other = it.call(1), it.call(1)
    ended.end()
    ended.end()  # both ways to end a call say so
    it.loop.go_to(1_002)
    assert (ended.missed_s, other.missed_s > 0) == (0, True)


def test_many_calls_with_one_patience_share_a_timer(it: Fixture):
    for _ in range(1_000):
        it.loop.go_to(it.loop.s + STEP_S)
        it.call(30).end()
    assert len(it.loop.timers) == 1
    assert len(it.deadlines._steps) == 0, "a step without calls takes no room"


def test_an_earlier_deadline_is_not_kept_waiting_by_a_later_one(it: Fixture):
    late, early = it.call(60), it.call(1)
    it.loop.go_to(1_002)
    assert (late.missed_s, early.missed_s > 0) == (0, True)
    assert len(it.loop.due_s) == 1, "the timer waits for the next"
    it.loop.go_to(1_061)
    assert late.missed_s > 0


def test_no_timer_is_left_behind_when_nobody_waits(it: Fixture):
    it.call(1).end()
    it.loop.go_to(1_002)
    assert it.loop.due_s == []


def test_a_deadline_may_begin_another_call(it: Fixture):
    """A task that is cancelled may do anything, in the same turn or later."""
    first = it.call(1)
    begun: list[Call] = []
    first.miss_deadline = lambda: begun.append(it.call(0.001))  # type: ignore[method-assign]
    it.loop.go_to(1_003)
    assert begun[0].missed_s > 0


def test_a_call_that_cannot_be_ended_keeps_no_other_one(it: Fixture):
    same_step = [it.call(1) for _ in range(8)]
    later = it.call(2)
    error = RuntimeError("its connection has gone")

    def fail() -> None:
        raise error

    same_step[3].miss_deadline = fail  # type: ignore[method-assign]
    it.loop.go_to(1_003)
    assert [one.missed_s > 0 for one in same_step] == [True] * 3 + [False] + [True] * 4
    assert later.missed_s > 0
    assert it.loop.errors == [error]
    assert len(it.deadlines) == 0
