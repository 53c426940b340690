"""Decide which partitions a broker takes and gives up, so that all brokers that live lead about as many: a pure rule over a census.

Each broker applies it to what it sees itself. Two that see different things may take the same partition, and the epoch lets one have it; or both may
give one up, and the next census lets somebody take it. So the rule has to be right only when all see the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The partitions to *take* now, and those to *give* up."""

    take: tuple[int, ...] = ()
    give: tuple[int, ...] = ()


def plan(
    me: int, led: Mapping[int, Collection[int]], free: Sequence[int], long_free: Collection[int] = frozenset()
) -> Plan:
    """Return what the broker *me* does. *led* has the partitions of each broker that lives, by its number, *me* among them.

    *free* are the partitions that nobody leads. Each goes to whoever leads least, and of several to the one that it prefers; if that one does not
    come for it, and it is *long_free*, to whoever sees that. Who leads more than its share gives the rest up, the first partition last.
    """
    brokers = sorted(led)
    partitions = len(free) + sum(map(len, led.values()))
    counts = {one: len(led[one]) for one in brokers}
    if free:
        return Plan(take=_taken(me, brokers, counts, free, long_free))
    share = -(-partitions // len(brokers))
    over = counts[me] - share
    if over <= 0 and _gives_one(me, counts):
        over = 1
    in_turn = sorted(led[me], key=lambda one: (one == 1, prefers(brokers, one) == me, -one))
    return Plan(give=tuple(in_turn[: max(over, 0)]))


def prefers(brokers: Sequence[int], partition: int) -> int:
    """Return the broker that a partition goes to if all lead as many: every N-th to the same."""
    return brokers[(partition - 1) % len(brokers)]


def _taken(
    me: int, brokers: Sequence[int], counts: dict[int, int], free: Sequence[int], long_free: Collection[int]
) -> tuple[int, ...]:
    mine: list[int] = []
    for partition in sorted(free):
        preferred = prefers(brokers, partition)
        to = min(brokers, key=lambda one: (counts[one], one != preferred, one))
        counts[to] += 1
        if to == me or partition in long_free:
            mine.append(partition)
    return tuple(mine)


def _gives_one(me: int, counts: Mapping[int, int]) -> bool:
    """Whether *me* is the one that gives up a partition, so that nobody leads two more than another."""
    most = max(counts.values())
    return most - min(counts.values()) >= 2 and me == min(one for one, count in counts.items() if count == most)
