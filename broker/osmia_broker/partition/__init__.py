"""Pace and safety of a partition: one writer, batches that share a commit, answers after it."""

from osmia_broker.partition.any_partition import AnyPartition, Follows, Partitions, Submits
from osmia_broker.partition.batch import NOBODY, Waiter
from osmia_broker.partition.clock import Clock, PinnableClock, SystemClock
from osmia_broker.partition.following import Following
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.moving import MovingPartition
from osmia_broker.partition.older_ids import OlderIds
from osmia_broker.partition.outbox_delivery import OutboxDelivery
from osmia_broker.partition.partition import Partition
from osmia_broker.partition.peers import FollowingAnywhere, FollowingElsewhere, Peers
from osmia_broker.partition.remote import RemotePartition
from osmia_broker.partition.router import Router
from osmia_broker.partition.serving import Serving

__all__ = [
    "NOBODY",
    "AnyPartition",
    "Clock",
    "Following",
    "FollowingAnywhere",
    "FollowingElsewhere",
    "Follows",
    "Listener",
    "MovingPartition",
    "OlderIds",
    "OutboxDelivery",
    "Partition",
    "Partitions",
    "Peers",
    "PinnableClock",
    "RemotePartition",
    "Router",
    "Serving",
    "Submits",
    "SystemClock",
    "Waiter",
]
