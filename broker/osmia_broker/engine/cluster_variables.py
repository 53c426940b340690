"""Create, update and delete cluster variables, which every expression can read."""

from osmia_broker.base.errors import AlreadyExists, InvalidArgument, NotFound
from osmia_broker.engine.commands import DeleteClusterVariable, PutClusterVariable
from osmia_broker.engine.engine import handles
from osmia_broker.engine.turn import Turn
from osmia_broker.state.batch_rows import ClusterVariable

ALL_CHARACTERS_MAX = 1_048_576  # of all values together: an expression that reads one reads them as one document


@handles(PutClusterVariable)
def put_cluster_variable(turn: Turn, command: PutClusterVariable) -> ClusterVariable:
    """Create or update a cluster variable; the answer is its row."""
    existing = turn.cluster_variables.get(command.name)
    if command.updates and existing is None:
        raise _no_such("update", command.name)
    if not command.updates and existing is not None:
        raise AlreadyExists(f"Expected to create cluster variable '{command.name}', but it exists already")
    size = len(turn.cluster_variables.text) - len(existing.value if existing else "") + len(command.value)
    if size > ALL_CHARACTERS_MAX:
        raise InvalidArgument(
            f"Expected the cluster variables to have at most {ALL_CHARACTERS_MAX} characters together, but found {size}"
        )
    before = existing.metadata if existing else "{}"
    row = ClusterVariable(command.name, command.value, before if command.metadata is None else command.metadata)
    turn.cluster_variables.put(row)
    return row


@handles(DeleteClusterVariable)
def delete_cluster_variable(turn: Turn, command: DeleteClusterVariable) -> None:
    """Delete a cluster variable."""
    existing = turn.cluster_variables.get(command.name)
    if existing is None:
        raise _no_such("delete", command.name)
    turn.cluster_variables.put(ClusterVariable(command.name, existing.value, existing.metadata, turn.now_ms))


def _no_such(verb: str, name: str) -> NotFound:
    return NotFound(f"Expected to {verb} cluster variable '{name}', but no such variable was found")
