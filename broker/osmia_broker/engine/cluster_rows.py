"""Take over what partition 1 has decided for the whole cluster: definitions, start events, listeners, cluster variables, pauses of jobs."""

from osmia_broker.engine.commands import Command
from osmia_broker.engine.engine import handles
from osmia_broker.engine.turn import Turn
from osmia_broker.state.cluster_tables import cluster_tables
from osmia_broker.state.rows import Row
from osmia_broker.state.rows.job_flow import JobFlow


class FollowCluster(Command, frozen=True, gc=False):
    """Take over *rows* as they are, in this order, and the contents of deployed files, given as (checksum, content).

    Carrying it out twice changes nothing more.
    """

    rows: tuple[Row, ...]
    resources: tuple[tuple[str, bytes], ...] = ()


@handles(FollowCluster)
def follow_cluster(turn: Turn, command: FollowCluster) -> None:
    """Put the rows in their tables."""
    tables = cluster_tables(turn.state)
    for checksum, content in command.resources:
        turn.definitions.add_resource(checksum, content)
    for row in command.rows:
        if isinstance(row, JobFlow):
            turn.jobs.set_flow(row)
        else:
            tables[type(row)].put(row)
