"""The clock of a broker under test: another clock, pinned or moved."""

import pytest

from osmia_broker.model.timers import LATEST_MS
from osmia_broker.partition.clock import PinnableClock
from tests.clock import FakeClock


@pytest.mark.parametrize(("ahead_ms", "shows"), [(0, 5_000), (-4_000, 1_000), (7, 5_007)])
def test_it_runs_ahead_of_the_other_or_behind(ahead_ms: int, shows: int):
    other = FakeClock()
    other.ms = 5_000
    clock = PinnableClock(other)
    clock.ahead_ms = ahead_ms
    assert clock.now_ms() == shows


def test_it_stands_in_the_last_moment_of_the_calendar():
    other = FakeClock()
    clock = PinnableClock(other)
    clock.ahead_ms = LATEST_MS - 1 - other.ms
    assert clock.now_ms() == LATEST_MS - 1
    other.ms += 1_000
    assert clock.now_ms() == LATEST_MS
