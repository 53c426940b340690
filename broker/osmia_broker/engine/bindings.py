"""Find the definition that a model refers to: the latest one, the one deployed together with it, or the newest with a version tag.

If there is none, the incident has the words of the reference (read in its public sources). They name the repair, which depends on the binding.
"""

from typing import NamedTuple

from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import deployment_of
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import Decision, ElementInstance, ErrorType, Form, ProcessDefinition
from osmia_broker.state.tables.definitions import V, VersionedTable


class Binding(NamedTuple):
    """The way in which a model refers to a definition: by its *id*, and by one of the values of the model's attribute `bindingType`."""

    id: str
    type: str = "latest"
    version_tag: str = ""


class _Missing(NamedTuple):
    """The words of an incident: *latest*, *together* and *tagged* begin it, each for its binding, *noun* and *intended* name the repair."""

    error_type: ErrorType
    latest: str
    together: str
    tagged: str
    noun: str
    intended: str
    id: str = "id"

    def incident(self, binding: Binding, deployment_key: int) -> IncidentRaised:
        """Return the incident for a definition that is not there."""
        if binding.type == "deployment":
            text = (
                f"{self.together.format(binding.id)} with binding type 'deployment', but no such {self.noun} found in the deployment"
                f" with key {deployment_key} which contained the current process. To resolve this incident, migrate the process"
                f" instance to a process definition that is deployed together with the intended {self.intended}."
            )
        elif binding.type == "versionTag":
            text = (
                f"{self.tagged.format(binding.id)} and version tag '{binding.version_tag}', but no such {self.noun} found."
                f" To resolve this incident, deploy a {self.noun} with the given {self.id} and version tag."
            )
        else:
            text = self.latest.format(binding.id)
        return IncidentRaised(self.error_type, text)


_PROCESS = _Missing(
    ErrorType.CALLED_ELEMENT_ERROR,
    latest="Expected process with BPMN process id '{}' to be deployed, but not found.",
    together="Expected to call process with BPMN process id '{}'",
    tagged="Expected to call process with BPMN process id '{}'",
    noun="process",
    intended="process definition to call",
    id="process id",
)
_DECISION = _Missing(
    ErrorType.CALLED_DECISION_ERROR,
    latest="Expected to evaluate decision '{0}', but no decision found for id '{0}'",
    together="Expected to evaluate decision '{}'",
    tagged="Expected to evaluate decision with id '{}'",
    noun="decision",
    intended="decision to evaluate",
)
_FORM = _Missing(
    ErrorType.FORM_NOT_FOUND,
    latest="Expected to find a form with id '{}', but no form with this id is found, at least a form with this id should be available."
    " To resolve the Incident please deploy a form with the same id",
    together="Expected to use a form with id '{}'",
    tagged="Expected to use a form with id '{}'",
    noun="form",
    intended="form to use",
)


def find_process(turn: Turn, instance: ElementInstance, binding: Binding) -> ProcessDefinition:
    """Return the process that an element of *instance*'s process calls.

    Raises:
        IncidentRaised: there is none.

    """
    return _find(turn, instance, turn.definitions.processes, binding, _PROCESS)


def find_decision(turn: Turn, instance: ElementInstance, binding: Binding) -> Decision:
    """Return the decision that an element of *instance*'s process evaluates.

    Raises:
        IncidentRaised: there is none.

    """
    return _find(turn, instance, turn.definitions.decisions, binding, _DECISION)


def find_form(turn: Turn, instance: ElementInstance, binding: Binding) -> Form:
    """Return the form that a user task of *instance*'s process shows.

    Raises:
        IncidentRaised: there is none.

    """
    return _find(turn, instance, turn.definitions.forms, binding, _FORM)


def _find(turn: Turn, instance: ElementInstance, versions: VersionedTable[V], binding: Binding, missing: _Missing) -> V:
    deployment_key = deployment_of(turn, instance) if binding.type == "deployment" else 0
    if deployment_key:
        found = versions.as_of_deployment(binding.id, deployment_key)
    elif binding.type == "versionTag":
        found = versions.tagged(binding.id, binding.version_tag)
    else:
        found = versions.latest(binding.id)
    if found is None:
        raise missing.incident(binding, deployment_key)
    return found
