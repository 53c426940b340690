"""Find the definition that a model refers to: the latest one, the one deployed together with it, or the newest with a version tag."""

from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import deployment_of
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance, ErrorType, ProcessDefinition


def find_process(
    turn: Turn, instance: ElementInstance, process_id: str, binding: str, version_tag: str
) -> ProcessDefinition:
    """Return the process that an element of *instance*'s process calls.

    Raises:
        IncidentRaised: there is none. To repair it, deploy one.

    """
    processes = turn.definitions.processes
    if binding == "deployment":
        found = processes.as_of_deployment(process_id, deployment_of(turn, instance))
    elif binding == "versionTag":
        found = processes.tagged(process_id, version_tag)
    else:
        found = processes.latest(process_id)
    if found is None:
        tagged = f" and version tag '{version_tag}'" if binding == "versionTag" else ""
        raise IncidentRaised(
            ErrorType.CALLED_ELEMENT_ERROR,
            f"Expected process with BPMN process id '{process_id}'{tagged} to be deployed, but not found.",
        )
    return found
