"""The schedules of one partition find known faults: each is put into the real code alone, and a few seeds have to be red."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.simulation import test_deliveries, test_schedules
from tests.simulation.defects import played
from tests.simulation.engine_faults import OF_EVENTS, OF_JOBS

SEEDS_MAX = 5

Play = Callable[[int, pytest.MonkeyPatch], Coroutine[Any, Any, None]]


async def find(fault: Callable[[pytest.MonkeyPatch], None], play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(SEEDS_MAX):
        with monkeypatch.context() as patch:
            fault(patch)
            try:
                await played(play(seed, patch))
            except Exception:  # noqa: BLE001 - however it shows
                return
    pytest.fail(f"{fault.__name__} was not found in {SEEDS_MAX} seeds: {fault.__doc__}")


@pytest.mark.parametrize("fault", OF_JOBS, ids=lambda one: one.__name__)
async def test_the_schedules_of_jobs_find(fault: Any, monkeypatch: pytest.MonkeyPatch):
    await find(fault, lambda seed, _: test_schedules.play(seed), monkeypatch)


@pytest.mark.parametrize("fault", OF_EVENTS, ids=lambda one: one.__name__)
async def test_the_schedules_of_events_find(fault: Any, monkeypatch: pytest.MonkeyPatch):
    await find(fault, test_deliveries.play, monkeypatch)
