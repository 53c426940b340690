"""The read side: lists and single things for people and tools, read from the committed rows of a partition.

>>> reader = Reader(Path("data/partition-1.db"))
>>> page = await reader.jobs(type="charge-card", states=["FAILED"])
"""

from osmia_broker.store.read.counts import Counts
from osmia_broker.store.read.lists.events import EventFilter, Slice
from osmia_broker.store.read.lists.incidents import SeenIncident
from osmia_broker.store.read.lists.jobs import SeenJob
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.process_instances import SeenElement, SeenInstance
from osmia_broker.store.read.lists.subscriptions import SeenSubscription
from osmia_broker.store.read.lists.timers import SeenTimer
from osmia_broker.store.read.reader import Reader

__all__ = [
    "Counts",
    "EventFilter",
    "Page",
    "Reader",
    "SeenElement",
    "SeenIncident",
    "SeenInstance",
    "SeenJob",
    "SeenSubscription",
    "SeenTimer",
    "Slice",
]
