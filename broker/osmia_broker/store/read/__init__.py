"""The read side: lists and single things for people and tools, read from the committed rows of a partition.

>>> reader = Reader(Path("data/partition-1.db"))
>>> page = await reader.jobs(type="charge-card", states=["FAILED"])
"""

from osmia_broker.store.read.counts import Counts
from osmia_broker.store.read.events import EventFilter, Slice
from osmia_broker.store.read.incidents import SeenIncident
from osmia_broker.store.read.jobs import SeenJob
from osmia_broker.store.read.pages import Page
from osmia_broker.store.read.process_instances import SeenElement, SeenInstance
from osmia_broker.store.read.reader import Reader
from osmia_broker.store.read.subscriptions import SeenSubscription
from osmia_broker.store.read.timers import SeenTimer

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
