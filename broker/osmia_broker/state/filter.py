"""A Bloom filter: a set that forgets what it holds, but not that something is missing."""

from hashlib import blake2b

BITS = 2**23  # 1 MiB, allocated with the first entry; a million entries make about 2 of 100 false answers
PLACES = 4


class Filter:
    """Holds pairs of texts. `in` is False only for a pair that was never added; entries are never removed."""

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, pair: tuple[str, str]) -> None:
        """Add a pair."""
        if not self._bits:
            self._bits = bytearray(BITS // 8)
        for place in _places(pair):
            self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, pair: tuple[str, str]) -> bool:
        """Whether the pair may have been added."""
        bits = self._bits
        return bool(bits) and all(bits[place >> 3] >> (place & 7) & 1 for place in _places(pair))


def _places(pair: tuple[str, str]) -> tuple[int, ...]:
    first, second = pair
    digest = blake2b(f"{len(first)}:{first}{second}".encode(), digest_size=4 * PLACES).digest()
    return tuple(int.from_bytes(digest[at : at + 4]) % BITS for at in range(0, 4 * PLACES, 4))
