"""What the groups of calls share."""

from osmia_broker.partition import Partition


class PartitionCalls:
    """A group of calls to one partition."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
