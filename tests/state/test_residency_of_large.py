"""A large process instance stays in memory while slices of it and small instances are served by turns."""

import pytest

from osmia_broker.state.memory.residency import LARGE_BYTES, RECENT, Residency


def used(residency: Residency, key: int, batch: int, size: int) -> None:
    """Let a batch change an instance, and be committed."""
    residency.touch(key)
    if size:
        residency.grow(key, size)
    residency.close_batch(batch)
    residency.committed(batch)


@pytest.mark.parametrize(("others", "stays"), [(0, True), (RECENT - 1, True), (RECENT, False)])
def test_a_large_instance_stays_while_few_others_were_used_since(others: int, stays: bool):
    residency = Residency(1)
    used(residency, 1, 1, LARGE_BYTES + 1)
    for batch in range(2, others + 2):
        used(residency, batch, batch, 1)
    assert residency.is_full
    assert (1 not in residency.pick_cold(others + 1, set())) is stays


def test_only_one_large_instance_stays():
    residency = Residency(1)
    for key in (1, 2):
        used(residency, key, key, LARGE_BYTES + 1)
    assert residency.pick_cold(2, set()) == [1]
