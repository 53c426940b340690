"""What the groups of calls share."""

from osmia_broker.partition import Partition

WAIT_S_MAX = 7 * 24 * 3600.0  # of a call; no connection lives longer, and timers overflow far above


def seconds(wait_ms: int) -> float:
    """Return the time that a caller is willing to wait, within what a timer takes."""
    return min(wait_ms / 1000, WAIT_S_MAX)


class PartitionCalls:
    """A group of calls to one partition."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
