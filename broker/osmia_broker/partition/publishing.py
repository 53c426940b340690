"""Gives out the outcome of a batch: answers to the callers, results to those who wait, events to the listeners.

A caller or listener that raises an exception is logged and hurts nobody else.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from time import perf_counter
from typing import Any

from osmia_broker.base.errors import OsmiaError
from osmia_broker.engine import UndoFailed
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition.batch import Batch, Waiter
from osmia_broker.partition.listener import Listener
from osmia_broker.state.rows.event_log import LoggedEvent

log = logging.getLogger(__name__)


class Publisher:
    """The callers' and listeners' side of a partition."""

    def __init__(self, counters: PartitionCounters, *listeners: Listener) -> None:
        self._counters = counters
        self._followers: dict[str, list[Callable[..., None]]] = {
            name: [] for name, one in vars(Listener).items() if callable(one)
        }
        for listener in listeners:
            self.add(listener)

    def add(self, listener: Listener) -> None:
        """Notify *listener* from now on, of that for which it has a method of its own."""
        for name, followers in self._followers.items():
            if getattr(type(listener), name) is not getattr(Listener, name):
                followers.append(getattr(listener, name))

    def publish(self, batch: Batch) -> None:
        """Give out everything that *batch* brought; it is durable now."""
        self._counters.answered(batch.arrivals, batch.closed_s, perf_counter())
        for entry in batch.decided:
            self.answer(entry.waiter, entry.answer, entry.refusal)
        for ticket, variables in batch.results:
            self._notify("result_ready", ticket, variables)
        if batch.events:
            self._notify("events_committed", batch.events)
        if batch.changes is not None:
            if logged := batch.changes.written.get(LoggedEvent):
                self._notify("events_logged", logged)
            self._notify("changes_committed", batch.changes)

    def answer(self, waiter: Waiter, answer: Any, refusal: OsmiaError | None) -> None:
        """Give one waiter its answer, or the reason for which there is none."""
        try:
            if waiter.done():
                return
            if refusal is None:
                waiter.set_result(answer)
            else:
                waiter.set_exception(refusal)
        except UndoFailed:  # as in `_notify`
            raise
        except Exception:
            log.exception("caller failed")

    def refuse(self, waiters: Iterable[Waiter], failure: OsmiaError) -> None:
        """Give all *waiters* the same failure."""
        for waiter in waiters:
            self.answer(waiter, None, failure)

    def lose_results(self, tickets: Iterable[int], failure: OsmiaError) -> None:
        """Notify the listeners that the callers with these *tickets* wait in vain."""
        for ticket in tickets:
            self._notify("result_lost", ticket, failure)

    def offer(self, keys: dict[str, list[int]], types: Collection[str] | None) -> None:
        """Notify the listeners of jobs that have become activatable, and of types whose jobs must be asked for; None for all types."""
        if keys:
            self._notify("jobs_activatable", keys)
        if types is None or types:
            self._notify("jobs_waiting", types)

    def opened(self) -> None:
        """Notify the listeners that the partition serves."""
        self._notify("partition_opened")

    def away(self, why: str) -> None:
        """Notify the listeners that the partition serves no longer."""
        self._notify("partition_away", why)

    def _notify(self, what: str, *args: Any) -> None:
        for call in self._followers[what]:
            try:
                call(*args)
            except UndoFailed:  # the partition's own affair: its memory is broken
                raise
            except Exception:
                log.exception("listener failed")
