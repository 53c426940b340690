"""Numbers that the contract gives to what the store knows by other names: keys of variables, hashes of error messages."""

import hashlib
from functools import lru_cache
from typing import Any

from osmia_broker.state.store_protocol import PARTITION_BITS

SCOPE_BITS = 32  # of the scope's key counter
NAME_BITS = 27
LOWER_PARTITION_BITS = 4  # of the partition of a key
NAMES_MAX = 1_000  # whose hashes are kept: most variables have one of few names


def variable_key(scope_key: Any, name: Any) -> int:
    """Return a key of 63 bits for the variable *name* in a scope. It never changes, and it needs no column.

    It holds the partition, the lower bits of the scope's key, and a hash of the name. Two names of a scope with 100 variables have the
    same hash once in 27,000 scopes; `scopes_of` and the hash find the variable again.
    """
    scope = scope_key if isinstance(scope_key, int) else 0
    partition = (scope >> PARTITION_BITS) & ((1 << LOWER_PARTITION_BITS) - 1)
    return (((partition << SCOPE_BITS) | (scope & ((1 << SCOPE_BITS) - 1))) << NAME_BITS) | _hash_of_name(name)


@lru_cache(NAMES_MAX)
def _hash_of_name(name: Any) -> int:
    data = name.encode() if isinstance(name, str) else bytes(name or b"")
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "big") & ((1 << NAME_BITS) - 1)


def scopes_of(key: int, next_key: int) -> list[int]:
    """Return the scopes that a variable with this key may belong to, in a partition whose next key is *next_key*."""
    counter = (key >> NAME_BITS) & ((1 << SCOPE_BITS) - 1)
    partition = next_key >> PARTITION_BITS
    if key >> (NAME_BITS + SCOPE_BITS) != partition & ((1 << LOWER_PARTITION_BITS) - 1):
        return []
    first = (partition << PARTITION_BITS) | counter
    return [*range(first, next_key, 1 << SCOPE_BITS)]


def error_hash(message: Any) -> int:
    """Return the hash of a text as Java computes it, over UTF-16: the contract's number for equal error messages."""
    data = message.encode("utf-16-be", "surrogatepass") if isinstance(message, str) else bytes(message or b"")
    value = 0
    for place in range(0, len(data) - 1, 2):
        value = (31 * value + (data[place] << 8) + data[place + 1]) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value
