"""A set of pairs of texts in little memory. It may say yes for a pair that it does not hold, but never no for one that it does.

It is a Bloom filter in generations. Nothing can be removed from such a filter, but each pair is needed until a known time only: when a
generation is full, a new one begins, and generations that are needed no more are dropped. So a filter that is used for years does not fill
up.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from osmia_broker.base.whole_numbers import INT64_MAX

BITS = 2**24  # of a generation: 2 MiB, allocated with its first pair
SECOND = 30  # a pair has two bits: one from the lower part of its hash, one from the part above this bit
PAIRS_MAX = 1_000_000  # of a generation; a full one answers yes to 1.3 of 100 other pairs (measured: 1.25)
GENERATIONS_MAX = 3  # 6 MiB; if all of them are full and needed, the newest one takes more, and answers yes more often
PAIRS_AT_ONCE = 10_000  # read at a start; a generation may have so many more
FOREVER_MS = INT64_MAX

Pair = tuple[str, str]


@dataclass(slots=True)
class _Generation:
    bits: bytearray = field(default_factory=lambda: bytearray(BITS // 8))
    pairs: int = 0  # about: a pair whose bits were set before is not counted
    until_ms: int = 0  # epoch; the latest time until which one of the pairs is needed


class Filter:
    """Holds pairs of texts, each until a time. `in` is certain only where it is False."""

    __slots__ = ("_generations", "_pairs_max")

    def __init__(self, pairs_max: int = PAIRS_MAX) -> None:
        self._pairs_max = pairs_max
        self._generations: list[_Generation] = []  # the newest last

    def add(self, pair: Pair, until_ms: int, now_ms: int) -> None:
        """Add a pair that is needed until *until_ms*; pairs that were needed until a time before *now_ms* may be dropped."""
        newest = self._newest(until_ms, now_ms)
        newest.pairs += _set_bits(newest.bits, (pair,))

    def add_all(self, pairs: Iterable[Pair]) -> None:
        """Add the pairs that are known at a start; they are held until the next start."""
        pairs = iter(pairs)
        while some := list(islice(pairs, PAIRS_AT_ONCE)):
            newest = self._newest(FOREVER_MS, 0)
            newest.pairs += _set_bits(newest.bits, some)

    def __contains__(self, pair: Pair) -> bool:
        """Whether the pair may have been added."""
        hashed = hash(pair)
        first, second = hashed & BITS - 1, hashed >> SECOND & BITS - 1
        return any(
            one.bits[first >> 3] >> (first & 7) & one.bits[second >> 3] >> (second & 7) & 1 for one in self._generations
        )

    def __len__(self) -> int:
        """About how many pairs it holds."""
        return sum(one.pairs for one in self._generations)

    def _newest(self, until_ms: int, now_ms: int) -> _Generation:
        """Return the generation that takes the next pairs."""
        if not self._generations or self._generations[-1].pairs >= self._pairs_max:
            self._generations = [one for one in self._generations if one.until_ms >= now_ms]
            if len(self._generations) < GENERATIONS_MAX:
                self._generations.append(_Generation())
        newest = self._generations[-1]
        newest.until_ms = max(newest.until_ms, until_ms)
        return newest


def _set_bits(bits: bytearray, pairs: Iterable[Pair]) -> int:
    """Set the bits of *pairs*; return how many pairs were new."""
    new = 0
    for pair in pairs:
        hashed = hash(pair)
        first, second = hashed & BITS - 1, hashed >> SECOND & BITS - 1
        first_bit, second_bit = 1 << (first & 7), 1 << (second & 7)
        first, second = first >> 3, second >> 3
        if not (bits[first] & first_bit and bits[second] & second_bit):
            bits[first] |= first_bit
            bits[second] |= second_bit
            new += 1
    return new
