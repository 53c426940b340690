"""Pace and safety of a partition: one writer, batches that share a commit, answers after it."""

from osmia_broker.partition.batch import NOBODY, Waiter
from osmia_broker.partition.clock import Clock, PinnableClock, SystemClock
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.partition import Partition

__all__ = ["NOBODY", "Clock", "Listener", "Partition", "PinnableClock", "SystemClock", "Waiter"]
