"""Create, update and delete cluster variables, which every expression can read."""

from osmia_broker.base.errors import AlreadyExists, InvalidArgument, NotFound
from osmia_broker.engine.commands import CreateClusterVariable, DeleteClusterVariable, UpdateClusterVariable
from osmia_broker.engine.engine import handles
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows.batches import ClusterVariable

ALL_CHARACTERS_MAX = 1_048_576  # of all values together: an expression that reads one reads them as one document


@handles(CreateClusterVariable)
def create_cluster_variable(turn: Turn, command: CreateClusterVariable) -> ClusterVariable:
    """Create a cluster variable; the answer is its row."""
    if turn.cluster_variables.get(command.name) is not None:
        raise AlreadyExists(f"Expected to create cluster variable '{command.name}', but it exists already")
    return _put(turn, ClusterVariable(command.name, command.value, command.metadata))


@handles(UpdateClusterVariable)
def update_cluster_variable(turn: Turn, command: UpdateClusterVariable) -> ClusterVariable:
    """Update a cluster variable; the answer is its row."""
    existing = turn.cluster_variables.get(command.name)
    if existing is None:
        raise _no_such("update", command.name)
    metadata = existing.metadata if command.metadata is None else command.metadata
    return _put(turn, ClusterVariable(command.name, command.value, metadata), replaced=existing.value)


def _put(turn: Turn, row: ClusterVariable, replaced: str = "") -> ClusterVariable:
    """Keep a cluster variable in place of the value that it had before."""
    size = len(turn.cluster_variables.text) - len(replaced) + len(row.value)
    if size > ALL_CHARACTERS_MAX:
        raise InvalidArgument(
            f"Expected the cluster variables to have at most {ALL_CHARACTERS_MAX} characters together, but found {size}"
        )
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
