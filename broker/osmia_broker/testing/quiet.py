"""Wait until a partition is quiet, and move its clock from one due moment to the next."""

import asyncio

from osmia_broker.partition import Partitions
from osmia_broker.testing.clock import TestClock


async def settle(partition: Partitions) -> None:
    """Wait until *partition* has nothing to do now: no command, no commit, nothing due."""
    partition.check_clock()
    while not partition.is_at_rest:  # noqa: ASYNC110 - a partition tells nobody that it rests; this lasts for a commit
        await asyncio.sleep(0)


async def advance(partition: Partitions, clock: TestClock, until_ms: int) -> bool:
    """Move *clock* to the next moment at which something is due, or to *until_ms* if that is earlier; return whether it is there.

    A timer that fires may set another one, so a clock that jumped would fire the second too late.
    """
    await settle(partition)
    next_ms = partition.check_clock()
    await settle(partition)
    clock.ms = until_ms if next_ms is None else min(max(next_ms, clock.ms), until_ms)
    await settle(partition)
    return clock.ms >= until_ms
