"""`osmia status`: whether the broker is well, and what it has to do."""

from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from osmia_broker.cli.failures import Exit
from osmia_broker.cli.output import Row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia.results import Status, Topology

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def status(session: Session) -> None:
    """Show version, partitions, queues and open work; exit 0 only when all partitions are led and healthy.

    Example: osmia status -o json
    """
    with session.client() as client:
        topology, told = client.topology(), client.status()
        address = client.address
    is_healthy = _is_healthy(topology)
    row = _row(address, topology, told, is_healthy)
    session.one(row, key="address", text=_text(address, topology, told, is_healthy))
    if not is_healthy:
        raise typer.Exit(Exit.UNREACHABLE)


def _is_healthy(topology: "Topology") -> bool:
    """Every partition has a leader that is healthy."""
    led = {
        partition
        for broker in topology.brokers
        for partition, role in broker.roles.items()
        if role == "LEADER" and partition not in broker.unhealthy
    }
    return topology.partitions > 0 and len(led) == topology.partitions


def _text(address: str, topology: "Topology", told: "Status", is_healthy: bool) -> str:
    health = "healthy" if is_healthy else "NOT healthy"
    up = timedelta(seconds=told.uptime_ms // 1000)
    lines = [
        f"{address}  Osmia {told.broker_version}  {health}",
        f"  database   {told.database}",
        f"  up         {up}",
        f"  gateway    {topology.gateway_version}, {len(topology.brokers)} broker(s), {topology.partitions} partition(s)",
        f"  open       {told.open_process_instances} instances, {told.open_jobs} jobs, {told.open_incidents} incidents",
    ]
    lines += [
        f"  partition  {one.id}  {one.role}  {one.queue_depth} queued, {one.resident_instances} instances in memory"
        for one in told.partitions
    ]
    return "\n".join(lines)


def _row(address: str, topology: "Topology", told: "Status", is_healthy: bool) -> Row:
    return {
        "address": address,
        "isHealthy": is_healthy,
        "brokerVersion": told.broker_version,
        "gatewayVersion": topology.gateway_version,
        "clusterSize": topology.cluster_size,
        "partitionsCount": topology.partitions,
        "replicationFactor": topology.replication_factor,
        "database": told.database,
        "uptimeMs": told.uptime_ms,
        "openProcessInstances": told.open_process_instances,
        "openJobs": told.open_jobs,
        "openIncidents": told.open_incidents,
        "partitions": [
            {
                "partitionId": one.id,
                "role": one.role,
                "queueDepth": one.queue_depth,
                "residentInstances": one.resident_instances,
            }
            for one in told.partitions
        ],
    }
