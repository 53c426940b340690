"""`osmia status`: show the health of the broker and its open work."""

from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from osmia_broker.base.counted import counted
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.output import Row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia.results import Status, Topology

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def status(session: Session) -> None:
    """Show version, partitions, queues and open work; exit 0 only when all partitions work.

    Example: osmia status -o json
    """
    with session.client() as client:
        topology, answer = client.topology(), client.status()
        address = client.address
    failures = _failures(topology, answer)
    row = _row(address, topology, answer, is_healthy=not failures)
    session.one(row, key="address", text=_text(address, topology, answer, is_healthy=not failures))
    if failures:
        what = f"The broker at {address} is not ready."
        why = "; ".join(failures)
        mend = (
            "osmia status   (again, when there is room on its disk)"
            if "disk is full" in why
            else "osmia status   (again; the log of the broker says more)"
        )
        raise Failure(Exit.UNREACHABLE, what, why=why, mend=mend, code="NOT_READY")


def _leaders(topology: "Topology") -> dict[int, str]:
    """Return the address of the broker that leads each partition."""
    return {
        partition: broker.address
        for broker in topology.brokers
        for partition, role in broker.roles.items()
        if role == "LEADER"
    }


def _failures(topology: "Topology", status: "Status") -> list[str]:
    """Return a sentence for each partition that cannot work: it fails to store, or no healthy broker leads it."""
    reasons = {one.id: one.failure for one in status.partitions if one.failure}
    led = {
        partition
        for broker in topology.brokers
        for partition, role in broker.roles.items()
        if role == "LEADER" and partition not in broker.unhealthy
    }
    for partition in range(1, topology.partitions + 1):
        if partition not in led:
            reasons.setdefault(partition, "no healthy broker leads it")
    if topology.partitions == 0:
        return ["there is no partition"]
    return [f"partition {partition}: {reason}" for partition, reason in sorted(reasons.items())]


def _text(address: str, topology: "Topology", status: "Status", *, is_healthy: bool) -> str:
    health = "healthy" if is_healthy else "NOT healthy"
    up = timedelta(seconds=status.uptime_ms // 1000)
    brokers = counted(len(topology.brokers), "broker")
    partitions = counted(topology.partitions, "partition")
    open_work = ", ".join(
        (
            counted(status.open_process_instances, "instance"),
            counted(status.open_jobs, "job"),
            counted(status.open_incidents, "incident"),
        )
    )
    leaders = _leaders(topology) if len(topology.brokers) > 1 else {}
    lines = [
        f"{address}  Osmia {status.broker_version}  {health}",
        f"  database   {status.database}",
        f"  up         {up}",
        f"  gateway    {topology.gateway_version}, {brokers}, {partitions}",
        f"  open       {open_work}",
    ]
    lines += [
        f"  partition  {one.id}  {one.role}  {f'{leaders[one.id]}  ' if one.id in leaders else ''}"
        f"{one.queue_depth} queued, {counted(one.resident_instances, 'instance')} in memory"
        for one in status.partitions
    ]
    return "\n".join(lines)


def _row(address: str, topology: "Topology", status: "Status", *, is_healthy: bool) -> Row:
    return {
        "address": address,
        "isHealthy": is_healthy,
        "brokerVersion": status.broker_version,
        "gatewayVersion": topology.gateway_version,
        "clusterSize": topology.cluster_size,
        "partitionsCount": topology.partitions,
        "replicationFactor": topology.replication_factor,
        "database": status.database,
        "uptimeMs": status.uptime_ms,
        "openProcessInstances": status.open_process_instances,
        "openJobs": status.open_jobs,
        "openIncidents": status.open_incidents,
        "partitions": [
            {
                "partitionId": one.id,
                "role": one.role,
                "leader": _leaders(topology).get(one.id, ""),
                "queueDepth": one.queue_depth,
                "residentInstances": one.resident_instances,
                "failure": one.failure,
            }
            for one in status.partitions
        ],
    }
