"""The judge of the imagined cluster finds known faults: each is put into the real code alone, and a few seeds have to be red."""

from typing import Any

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.run import play

SEEDS_MAX = 5


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.__name__)
def test_the_judge_finds(fault: Any, monkeypatch: pytest.MonkeyPatch):
    for seed in range(SEEDS_MAX):
        with monkeypatch.context() as patch:
            fault(patch)
            try:
                play(seed, FAULTS[fault], patch)
            except Exception:  # noqa: BLE001 - however it shows
                return
    pytest.fail(f"{fault.__name__} was not found in {SEEDS_MAX} seeds: {fault.__doc__}")
