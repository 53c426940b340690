"""The numbers of what waits for people and workers, for a scrape of the metrics."""

from collections.abc import Sequence
from typing import TypeVar

from osmia_broker.metrics import PeopleCounters
from osmia_broker.store.read.standing import Standing

_Number = TypeVar("_Number", int, float)


def people_counters(found: Standing, now_ms: int) -> PeopleCounters:
    """Return the counters for what the store has counted at *now_ms* (epoch)."""
    return PeopleCounters(
        tasks_open=_by_assignment(found.tasks_open),
        tasks_overdue=_by_assignment(found.tasks_overdue),
        incidents_open=_by_name(found.incidents_open),
        instances_active=_by_name(found.instances_active),
        jobs_waiting=_by_name(found.jobs_waiting),
        messages_buffered=_by_partition(found.messages_buffered),
        outbox_rows=_by_partition([_left_for_others(number, sent) for number, sent in enumerate(found.sent, 1)]),
        outbox_oldest_seconds=_by_partition(
            [_age_s(min(since.values(), default=now_ms), now_ms) for since in found.sent_since_ms]
        ),
        history_oldest_seconds={
            of: _age_s(at_ms, now_ms) for of, at_ms in _by_partition(found.oldest_end_ms).items() if at_ms
        },
    )


def _by_assignment(counts: dict[bool, int]) -> dict[tuple[str, ...], int]:
    return {("yes" if is_assigned else "no",): number for is_assigned, number in counts.items()}


def _by_name(counts: dict[str, int]) -> dict[tuple[str, ...], int]:
    return {(name,): number for name, number in counts.items()}


def _by_partition(values: Sequence[_Number]) -> dict[tuple[str, ...], _Number]:
    return {(str(partition),): value for partition, value in enumerate(values, 1)}


def _left_for_others(partition: int, sent: dict[int, int]) -> int:
    return sum(number for target, number in sent.items() if target != partition)


def _age_s(since_ms: int, now_ms: int) -> float:
    return max(now_ms - since_ms, 0) / 1000
