"""The base of the groups of calls."""

from osmia_broker.partition import Submits

WAIT_MS_MAX = 7 * 24 * 3_600_000  # of a call; no connection lives longer, and timers overflow far above


def seconds(wait_ms: int) -> float:
    """Return the time that a caller is willing to wait, within what a timer takes."""
    return min(wait_ms, WAIT_MS_MAX) / 1000


class CallGroup:
    """A group of calls, which submit their commands to the partitions."""

    def __init__(self, partitions: Submits) -> None:
        self._partitions = partitions
