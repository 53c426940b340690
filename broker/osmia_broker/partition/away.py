"""The moment at which a partition went away, for those who give it some time to come back."""

import asyncio
from math import inf

from osmia_broker.partition.listener import Listener


class AwaySince(Listener):
    """Notes when a partition went away."""

    moment_s = -inf  #: the last time, by the clock of the event loop

    def partition_away(self, why: str) -> None:
        """Note the time."""
        del why
        self.moment_s = asyncio.get_running_loop().time()

    def is_over(self, wait_s: float) -> bool:
        """Whether that was at least *wait_s* ago."""
        return asyncio.get_running_loop().time() >= self.moment_s + wait_s
