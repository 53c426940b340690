"""Wait until the partitions are quiet, and move their clock from one due moment to the next."""

import asyncio

from osmia_broker.partition import Partitions
from osmia_broker.testing.clock import TestClock


async def settle(partitions: Partitions) -> None:
    """Wait until *partitions* have nothing to do now: no command, no commit, nothing due."""
    partitions.check_clock()
    while not partitions.is_at_rest:  # noqa: ASYNC110 - they tell nobody that they rest; this lasts for a commit
        await asyncio.sleep(0)


async def advance(partitions: Partitions, clock: TestClock, until_ms: int) -> bool:
    """Move *clock* to the next moment at which something is due, or to *until_ms* if that is earlier; return whether it is there.

    A timer that fires may set another one, so a clock that jumped would fire the second too late.
    """
    await settle(partitions)
    next_ms = partitions.check_clock()
    await settle(partitions)
    clock.ms = until_ms if next_ms is None else min(max(next_ms, clock.ms), until_ms)
    await settle(partitions)
    return clock.ms >= until_ms
