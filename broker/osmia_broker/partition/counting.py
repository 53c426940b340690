"""Counts what happened in a partition, for the metrics."""

from collections.abc import Sequence

from osmia_broker.engine.domain_events import INCIDENT, INSTANCE, JOB, TIMER, DomainEvent
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition.listener import Listener


class Counting(Listener):
    """Adds committed domain events to the counters of a partition."""

    def __init__(self, counters: PartitionCounters) -> None:
        self._counters = counters

    def events_committed(self, events: Sequence[DomainEvent]) -> None:
        """Count each event under the name of its definition, and how long it took to come to it."""
        counters = self._counters
        for event in events:
            if event.kind == JOB:
                counters.jobs.add(event.name, event.intent)
            elif event.kind == INSTANCE:
                counters.process_instances.add(event.name, event.intent)
            elif event.kind == INCIDENT and event.intent == "raised":
                counters.incidents.add(event.name)
            if event.since_ms:
                seconds = max(event.at_ms - event.since_ms, 0) / 1000  # below 0 where the clock was set back
                if event.kind == TIMER:
                    counters.timer_lag_seconds.observe(seconds)
                else:
                    counters.took[event.kind, event.intent].observe(event.name, seconds)
