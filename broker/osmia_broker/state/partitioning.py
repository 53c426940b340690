"""Find the partition that something belongs to: by the upper bits of a key, or by the hash of a text.

Both hold for ever, so the number of partitions is fixed when the first of them is made.
"""

from zlib import crc32

from osmia_broker.state.store_protocol import PARTITION_BITS

COUNT_FILE = "osmia.partitions"  #: the file of their number in a data directory; without it there is one


def partition_of_key(key: int) -> int:
    """Return the partition that has given out *key*; a number below 1 or beyond the last one for no key at all."""
    return key >> PARTITION_BITS


def partition_of_text(text: str, partitions: int) -> int:
    """Return the partition, from 1 to *partitions*, of a text: the same in every process and every release."""
    return crc32(text.encode("utf-8", "surrogatepass")) % partitions + 1


def partition_of_message(name: str, correlation_key: str, partitions: int) -> int:
    """Return the partition where the messages with this name and key meet their subscriptions.

    Messages without a key are spread by their names: with an empty text for all of them, one partition would have them all.
    """
    return partition_of_text(correlation_key or name, partitions)
