"""Counts what happened in a partition, for the metrics."""

from collections import defaultdict
from collections.abc import Sequence

from osmia_broker.engine.domain_events import INCIDENT, INSTANCE, JOB, TIMER, DomainEvent
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition.listener import Listener


class Counting(Listener):
    """Adds committed domain events to the counters of a partition."""

    def __init__(self, counters: PartitionCounters) -> None:
        self._counters = counters

    def events_committed(self, events: Sequence[DomainEvent]) -> None:
        """Count the events under the names of their definitions, and how long it took to come to each.

        Many events of a batch are alike, so each kind of event is counted once.
        """
        alike: defaultdict[tuple[str, str, str], list[DomainEvent]] = defaultdict(list)
        for event in events:
            alike[event.kind, event.intent, event.name].append(event)
        for (kind, intent, name), some in alike.items():
            self._count(kind, intent, name, len(some))
            # A time is below 0 where the clock was set back.
            took = [max(one.at_ms - one.since_ms, 0) / 1000 for one in some if one.since_ms]
            if took:
                self._measure(kind, intent, name, took)

    def _count(self, kind: str, intent: str, name: str, number: int) -> None:
        if kind == JOB:
            self._counters.jobs.add(name, intent, amount=number)
        elif kind == INSTANCE:
            self._counters.process_instances.add(name, intent, amount=number)
        elif kind == INCIDENT and intent == "raised":
            self._counters.incidents.add(name, amount=number)

    def _measure(self, kind: str, intent: str, name: str, seconds: Sequence[float]) -> None:
        if kind == TIMER:
            self._counters.timer_lag_seconds.observe_all(seconds)
        else:
            self._counters.took[kind, intent][name].observe_all(seconds)
