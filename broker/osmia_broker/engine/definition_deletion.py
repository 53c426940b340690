"""Delete definitions: a process, a graph of decisions, or a form.

A deleted process takes no new instances; those that run go on to their end. Without the latest version, the one before it is the latest again,
and its start events wait. The number of a deleted version is not used again.
"""

from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.engine.commands import DeleteResource
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.starts import UnusableStart, close_starts, open_starts
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import DecisionRequirements, ProcessDefinition


@handles(DeleteResource)
def delete_resource(turn: Turn, command: DeleteResource) -> None:
    """Delete the definition of this key. A decision has no key for it: its graph is deleted as a whole."""
    key = command.resource_key
    definitions = turn.definitions
    process = definitions.processes.get(key)
    requirements = definitions.requirements.get(key)
    form = definitions.forms.get(key)
    if process is not None and not process.deleted_ms:
        _delete_process(turn, process)
    elif requirements is not None and not requirements.deleted_ms:
        _delete_requirements(turn, requirements)
    elif form is not None and not form.deleted_ms:
        definitions.forms.put(replace(form, deleted_ms=turn.now_ms))
    else:
        raise NotFound(f"Expected to delete resource but no resource found with key '{key}'")


def _delete_process(turn: Turn, process: ProcessDefinition) -> None:
    processes = turn.definitions.processes
    was_latest = processes.latest(process.bpmn_process_id) is process
    close_starts(turn, process.key)
    processes.put(replace(process, deleted_ms=turn.now_ms))
    before = processes.latest(process.bpmn_process_id)
    if was_latest and before is not None:
        try:
            open_starts(turn, before)
        except UnusableStart as fault:
            raise InvalidArgument(
                f"Expected to delete version {process.version} of process '{process.bpmn_process_id}', but version {before.version}, which would be"
                f" the latest again, has a start event '{fault.element_id}' that cannot wait: {fault}"
            ) from fault


def _delete_requirements(turn: Turn, requirements: DecisionRequirements) -> None:
    turn.definitions.requirements.put(replace(requirements, deleted_ms=turn.now_ms))
    for decision in turn.definitions.decisions_of(requirements.key):
        turn.definitions.decisions.put(replace(decision, deleted_ms=turn.now_ms))
