"""How long a worker waits for jobs that are on their way, before it cancels its stream. The loop's clock jumps to its next timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from osmia import testing
from osmia.errors import Unavailable
from osmia.taking import COMMITS_MAX, DRAIN_MAX_S, QUIET_COMMITS, SILENCE_MAX_S, until_quiet

AWAY = Unavailable(grpc.StatusCode.UNAVAILABLE, "Expected a broker, but found none")


class Jumping(selectors.SelectSelector):
    """Waits for nothing: time is where it would be after the wait."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now_s += timeout or 0
        return super().select(0)


def in_jumps(work: Coroutine[Any, Any, None]) -> float:
    """Run *work*, and return how many seconds it took by the loop's clock."""
    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign]
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
    return selector.now_s


class Lane:
    """A lane whose broker takes *answers_s* for each answer, and pushes a job before each of the first *pushes*."""

    def __init__(self, answers_s: float, pushes: int = 0, error: Exception | None = None) -> None:
        self.arrived = self.asked = 0
        self.some_held_job = testing.job("t", key=7)
        self.settings = SimpleNamespace(timeout_ms=60_000)
        self.client = SimpleNamespace(update_job_timeout=self._answer, topology=self._answer)
        self._answers_s, self._pushes, self._error = answers_s, pushes, error

    async def _answer(self, *_: int, lease_token: str = "") -> None:
        self.asked += 1
        answered = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(self._answers_s, answered.set_result, None)
        await answered
        if self._error is not None:
            raise self._error
        if self.asked <= self._pushes:
            self.arrived += 1


@pytest.mark.parametrize("answers_s", [0.005, 1.0, SILENCE_MAX_S - 0.1])
def test_jobs_of_a_broker_that_answers_slowly_are_waited_for(answers_s: float) -> None:
    lane = Lane(answers_s, pushes=2)
    in_jumps(until_quiet(lane))  # type: ignore[arg-type]
    assert (lane.arrived, lane.asked) == (2, 2 + QUIET_COMMITS)


def test_a_broker_that_hangs_is_waited_for_once() -> None:
    lane = Lane(60)
    assert in_jumps(until_quiet(lane)) == pytest.approx(SILENCE_MAX_S)  # type: ignore[arg-type]
    assert lane.asked == 1


def test_a_broker_that_is_away_is_not_waited_for() -> None:
    lane = Lane(0.01, error=AWAY)
    assert in_jumps(until_quiet(lane)) == pytest.approx(0.01)  # type: ignore[arg-type]


def test_jobs_that_come_all_the_time_are_waited_for_no_longer_than_some_commits() -> None:
    lane = Lane(0.005, pushes=1_000)
    in_jumps(until_quiet(lane))  # type: ignore[arg-type]
    assert lane.asked == COMMITS_MAX + 1


def test_all_answers_together_are_waited_for_no_longer_than_a_bound() -> None:
    lane = Lane(SILENCE_MAX_S - 0.1, pushes=1_000)
    assert in_jumps(until_quiet(lane)) == pytest.approx(DRAIN_MAX_S)  # type: ignore[arg-type]
