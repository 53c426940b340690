"""The broker itself: its topology, whether it can work, its licence, and the description of this API."""

from typing import Annotated

from osmia_broker import __version__
from osmia_broker.base.errors import Unavailable
from osmia_broker.http.described import one_of
from osmia_broker.http.openapi import document, page
from osmia_broker.http.operation import HTML, JSON, Call, Reply, operation
from osmia_broker.http.types import Item

TAG = "Cluster"


class Partition(Item):
    """A partition, as the topology names it."""

    partition_id: int
    role: Annotated[str, one_of("leader", "follower", "inactive")]
    health: Annotated[str, one_of("healthy", "unhealthy", "dead")]
    state: Annotated[str, one_of("active", "joining", "leaving", "recovering", "learner", "unknown")]


class BrokerInfo(Item):
    """A broker of the cluster."""

    node_id: int
    broker_id: str
    host: str
    port: int
    partitions: list[Partition]
    version: str


class Topology(Item):
    """The brokers of the cluster, and its size."""

    brokers: list[BrokerInfo]
    cluster_id: str
    cluster_size: int
    partitions_count: int
    replication_factor: int
    gateway_version: str
    last_completed_change_id: str


class License(Item):
    """The licence, as clients of the contract ask for it (measured). Osmia is free software and needs none."""

    valid_license: bool
    license_type: str
    is_commercial: bool
    expires_at: str | None


@operation("GET", "/topology", tag=TAG)
async def get_topology(call: Call) -> Topology:
    """Name the brokers and their partitions."""
    purge = call.services.purge
    identity, members = call.services.identity, call.calls.members(call.services.grpc_address)
    brokers = [
        BrokerInfo(
            node_id=one.node,
            broker_id=str(one.node),
            host=one.host,
            port=one.port,
            partitions=[
                Partition(partition_id=id, role="leader", health="healthy", state="active") for id in one.partitions
            ],
            version=identity.gateway_version,
        )
        for one in members
    ]
    return Topology(
        brokers=brokers,
        cluster_id=identity.cluster_id,
        cluster_size=len(members),
        partitions_count=call.calls.partitions_count,
        replication_factor=1,
        gateway_version=identity.gateway_version,
        last_completed_change_id=str(purge.last_completed_id if purge else -1),
    )


@operation("GET", "/status", tag=TAG, status=204, is_open=True)
async def get_status(call: Call) -> None:
    """Answer 204 if the broker takes commands, and 503 if it does not."""
    if not call.calls.leaders():
        raise Unavailable("Expected a partition that takes commands, but found none")


@operation("GET", "/license", tag=TAG, is_open=True)
async def get_license(_call: Call) -> License:
    """Answer as a broker without a licence key does. No feature depends on it."""
    return License(valid_license=False, license_type="unknown", is_commercial=False, expires_at=None)


@operation("GET", "/openapi.json", tag=TAG, gives=JSON, is_open=True)
async def get_openapi(_call: Call) -> Reply:
    """Return the OpenAPI document of the operations that this broker serves."""
    return Reply(body=document(__version__))


@operation("GET", "/docs", tag=TAG, gives=HTML, is_open=True)
async def get_docs(_call: Call) -> Reply:
    """Return a page that lists the operations for people."""
    return Reply(body=page(__version__), media_type=HTML)
