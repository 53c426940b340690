"""The description of a broker for its clients, the same behind every door."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrokerIdentity:
    """The level of the contract and the cluster, as Topology names them. Clients compare the numbers of *gateway_version*."""

    gateway_version: str
    cluster_id: str


@dataclass(frozen=True, slots=True)
class Member:
    """A broker of the cluster, as Topology names it: its number, the address of its gRPC door, and the partitions that it leads."""

    node: int
    host: str
    port: int
    partitions: Sequence[int]
