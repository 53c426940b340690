"""The description of a broker for its clients, the same behind every door."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrokerIdentity:
    """The level of the contract and the cluster, as Topology names them. Clients compare the numbers of *gateway_version*."""

    gateway_version: str
    cluster_id: str
