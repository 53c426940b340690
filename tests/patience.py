"""How long a test waits for what must come, and how it looks whether it has come.

These are bounds for a machine that is busy with much else, and never a pace: what is waited for takes a second or less, and a test that has
waited so long is red. What must not come, or has a time of its own, is the business of the test that says it.
"""

import asyncio
from collections.abc import Callable
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from osmia_broker.partition import Partitions

ANSWER_S = 100.0  # an answer, an event, the end of a thread or of a program that was told to end
ANSWER_MS = int(ANSWER_S * 1_000)
PAGE_MS = 100_000  # what a page shall show
PROGRAM_S = 200.0  # a program, from its start to its end
LOOK_S = 0.03  # between two looks at another program: one that looks without a pause takes the processor from what it looks at


def until(holds: Callable[[], bool], told: Callable[[], str] = str) -> float:
    """Look at another program, of which no event is heard, until something holds; return how long that took.

    What is *told* of a wait in vain ends up in the failure.
    """
    begun = monotonic()
    while not holds():
        assert monotonic() - begun < ANSWER_S, f"it was never so; {told()}"
        sleep(LOOK_S)
    return monotonic() - begun


async def pause() -> None:
    """Leave the processor to another program between two looks at it, as `until` does."""
    await asyncio.sleep(LOOK_S)


async def settle(partitions: "Partitions") -> None:
    """Wait until no partition has anything to do now."""
    while not partitions.is_at_rest:
        await asyncio.sleep(0)
