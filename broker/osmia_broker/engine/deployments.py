"""Deploy files: give versions to what is new, keep those of unchanged files, do all of it or nothing.

A reference with `bindingType="deployment"` leads to the definition that was deployed together with the process. So a process with such
a reference gets a new version, although its file is unchanged, if a file beside it is new or another one than the process is bound to.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from osmia_broker.engine.answers import Deployed
from osmia_broker.engine.commands import DeployResources, NewResource
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.starts import UnusableStart, close_starts, open_starts
from osmia_broker.engine.resources import ids_of, in_file, refusal
from osmia_broker.engine.turn import Turn
from osmia_broker.model.faults import Fault, InvalidModel, quote
from osmia_broker.state.rows import Decision, DecisionRequirements, Form, ProcessDefinition
from osmia_broker.state.tables.definitions import Definitions, VersionedTable


@handles(DeployResources)
def deploy_resources(turn: Turn, command: DeployResources) -> Deployed:
    """Add what is new, and answer with every definition of the files, new or not."""
    outdated = _outdated(turn, command.resources)
    deployed = Deployed(turn.next_key(), [], [], [], [])
    for resource in command.resources:
        _DEPLOY[resource.kind](turn, resource, deployed, outdated)
        turn.definitions.keep_model(resource.checksum, resource.compiled)
    return deployed


def _outdated(turn: Turn, resources: tuple[NewResource, ...]) -> frozenset[str]:
    """Find the processes that need a new version, because a binding of theirs may lead elsewhere than to *resources*.

    All processes with bindings count or none: a binding may be an expression, so its target is unknown here.
    """
    bound = {
        id: latest
        for resource in resources
        for id, process in resource.compiled.processes.items()
        if process.bound_to_deployment and (latest := turn.definitions.processes.latest(id))
    }
    definitions = [(_TABLES[what](turn.definitions), id) for resource in resources for what, id in ids_of(resource)]
    leads_here = all(
        table.as_of_deployment(id, process.deployment_key) is table.latest(id)
        for process in bound.values()
        for table, id in definitions
    )
    return frozenset() if leads_here and not any(_is_new(turn, one) for one in resources) else frozenset(bound)


def _is_new(turn: Turn, resource: NewResource) -> bool:
    """Whether the latest version of a definition of the file, if there is one, came from another file."""
    latest = [_TABLES[what](turn.definitions).latest(id) for what, id in ids_of(resource)]
    return not all(row is not None and (isinstance(row, Decision) or is_same(row, resource)) for row in latest)


def _deploy_processes(turn: Turn, resource: NewResource, deployed: Deployed, outdated: frozenset[str]) -> None:
    new: list[ProcessDefinition] = []
    for id, process in resource.compiled.processes.items():
        before = latest = turn.definitions.processes.latest(id)
        if latest is None or id in outdated or not is_same(latest, resource):
            latest = ProcessDefinition(
                key=turn.next_key(),
                bpmn_process_id=id,
                version=turn.definitions.processes.next_version(id),
                name=process.name,
                version_tag=process.version_tag,
                resource_name=resource.name,
                checksum=resource.checksum,
                deployment_key=deployed.key,
                deployed_ms=turn.now_ms,
                extensions_checksum=resource.extensions_checksum,
            )
            if before is not None:
                close_starts(turn, before.key)
            turn.definitions.processes.put(latest)
            turn.definitions.add_resource(resource.checksum, resource.content)
            new.append(latest)
        deployed.processes.append(latest)
    turn.definitions.keep_model(resource.checksum, resource.compiled)
    if (extensions := resource.extensions) is not None:
        turn.definitions.keep_model(extensions.checksum, extensions.compiled)
        if new:
            turn.definitions.add_resource(extensions.checksum, extensions.content)
    for definition in new:
        try:
            open_starts(turn, definition)
        except UnusableStart as fault:
            faults = InvalidModel(resource.name, [Fault(fault.element_id, quote(fault.element_id), str(fault))])
            raise refusal([in_file(resource.name, faults)]) from fault


def _deploy_decisions(turn: Turn, resource: NewResource, deployed: Deployed, _outdated: frozenset[str]) -> None:
    graph = resource.compiled.decisions
    latest = turn.definitions.requirements.latest(graph.id)
    if latest is None or not is_same(latest, resource):
        latest = _add_requirements(turn, resource, turn.definitions.requirements.next_version(graph.id), deployed.key)
    deployed.requirements.append(latest)
    deployed.decisions.extend(turn.definitions.decisions_of(latest.key))


def _add_requirements(turn: Turn, resource: NewResource, version: int, deployment_key: int) -> DecisionRequirements:
    """Add a new version of a graph, and of each of its decisions."""
    graph = resource.compiled.decisions
    requirements = DecisionRequirements(
        key=turn.next_key(),
        decision_requirements_id=graph.id,
        version=version,
        name=graph.name,
        resource_name=resource.name,
        checksum=resource.checksum,
        deployment_key=deployment_key,
        deployed_ms=turn.now_ms,
    )
    turn.definitions.requirements.put(requirements)
    turn.definitions.add_resource(resource.checksum, resource.content)
    for decision in graph.decisions:
        turn.definitions.decisions.put(
            Decision(
                key=turn.next_key(),
                decision_id=decision.id,
                version=turn.definitions.decisions.next_version(decision.id),
                name=decision.name,
                decision_requirements_key=requirements.key,
                decision_requirements_id=graph.id,
                deployment_key=deployment_key,
                version_tag=decision.version_tag,
            )
        )
    return requirements


def _deploy_form(turn: Turn, resource: NewResource, deployed: Deployed, _outdated: frozenset[str]) -> None:
    latest = turn.definitions.forms.latest(resource.form_id)
    if latest is None or not is_same(latest, resource):
        latest = Form(
            key=turn.next_key(),
            form_id=resource.form_id,
            version=turn.definitions.forms.next_version(resource.form_id),
            resource_name=resource.name,
            checksum=resource.checksum,
            deployment_key=deployed.key,
            deployed_ms=turn.now_ms,
            version_tag=resource.version_tag,
        )
        turn.definitions.forms.put(latest)
        turn.definitions.add_resource(resource.checksum, resource.content)
    deployed.forms.append(latest)


def is_same(latest: ProcessDefinition | DecisionRequirements | Form, resource: NewResource) -> bool:
    """Whether content and name of the file, and the extension file beside it, equal those of the latest version."""
    is_extended_alike = not isinstance(latest, ProcessDefinition) or (
        latest.extensions_checksum == resource.extensions_checksum
    )
    return latest.checksum == resource.checksum and latest.resource_name == resource.name and is_extended_alike


_TABLES: dict[str, Callable[[Definitions], VersionedTable[Any]]] = {
    "process": attrgetter("processes"),
    "decision requirements": attrgetter("requirements"),
    "decision": attrgetter("decisions"),
    "form": attrgetter("forms"),
}
_DEPLOY: dict[str, Callable[[Turn, NewResource, Deployed, frozenset[str]], None]] = {
    "bpmn": _deploy_processes,
    "dmn": _deploy_decisions,
    "form": _deploy_form,
}
