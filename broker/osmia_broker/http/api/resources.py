"""Deployments, and the deletion of what was deployed."""

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import checks
from osmia_broker.engine.answers import Deployed
from osmia_broker.engine.resources import NO_RESOURCE
from osmia_broker.http.batches import BatchCreated
from osmia_broker.http.described import Referenced
from osmia_broker.http.operation import FILE, MULTIPART, Asked, Call, operation
from osmia_broker.http.problem import invalid
from osmia_broker.http.types import Item, Key

TAG = "Resource"
RESOURCES_PART = "resources"
TENANT_PART = "tenantId"


class DeployedProcess(Item):
    """A version of a process."""

    process_definition_id: str
    process_definition_version: int
    process_definition_key: str
    resource_name: str
    tenant_id: str = checks.DEFAULT_TENANT


class DeployedDecision(Item):
    """A version of a decision."""

    decision_definition_id: str
    decision_definition_key: str
    name: str
    version: int
    decision_requirements_id: str
    decision_requirements_key: str
    tenant_id: str = checks.DEFAULT_TENANT


class DeployedRequirements(Item):
    """A version of a graph of decisions."""

    decision_requirements_id: str
    decision_requirements_key: str
    decision_requirements_name: str
    version: int
    resource_name: str
    tenant_id: str = checks.DEFAULT_TENANT


class DeployedForm(Item):
    """A version of a form."""

    form_id: str
    form_key: str
    version: int
    resource_name: str
    tenant_id: str = checks.DEFAULT_TENANT


class DeployedItem(Item):
    """One definition of a deployment: exactly one member is not null."""

    process_definition: DeployedProcess | None = None
    decision_definition: DeployedDecision | None = None
    decision_requirements: DeployedRequirements | None = None
    form: DeployedForm | None = None
    resource: None = None  # of kinds of files that Osmia does not take


class Deployment(Item):
    """The definitions that a deployment brought or found."""

    deployment_key: str
    deployments: list[DeployedItem]
    tenant_id: str = checks.DEFAULT_TENANT


class Deletion(Referenced):
    """The way to delete a resource."""

    delete_history: bool | None = None


class Deleted(Item):
    """The resource that was deleted, and the batch operation that removes its history."""

    resource_key: str
    batch_operation: BatchCreated | None


_PARTS = (Asked(RESOURCES_PART, {"type": "array", "items": FILE}, is_required=True), Asked(TENANT_PART))


@operation("POST", "/deployments", tag=TAG, takes=MULTIPART, parts=_PARTS)
async def create_deployment(call: Call) -> Deployment:
    """Deploy files: all of them, or none."""
    files = [(one.file_name, one.content) for one in call.uploads if one.name == RESOURCES_PART]
    tenants = [one.content.decode("utf-8", "replace") for one in call.uploads if one.name == TENANT_PART]
    checks.default_tenant("Deploy Resources", tenants)
    if call.uploads and not files:
        found = ", ".join(f"'{name}'" for name in sorted({one.name for one in call.uploads}))
        raise InvalidArgument(f"{NO_RESOURCE}: expected parts with the name '{RESOURCES_PART}', but found {found}")
    if any(not name for name, _ in files):
        raise invalid(f"No file name of a part '{RESOURCES_PART}' provided.")
    return _deployment(await call.calls.deploy(files))


@operation("POST", "/resources/{resourceKey}/deletion", tag=TAG)
async def delete_resource(call: Call, resource_key: Key, body: Deletion | None = None) -> Deleted:
    """Delete a process definition, a graph of decisions or a form."""
    begun = await call.calls.delete_resource(
        resource_key, deletes_history=bool(body and body.delete_history), user=call.caller.user
    )
    return Deleted(resource_key=str(resource_key), batch_operation=None if begun is None else BatchCreated.of(begun))


def _deployment(answer: Deployed) -> Deployment:
    items = [
        DeployedItem(
            process_definition=DeployedProcess(
                process_definition_id=row.bpmn_process_id,
                process_definition_version=row.version,
                process_definition_key=str(row.key),
                resource_name=row.resource_name,
            )
        )
        for row in answer.processes
    ]
    items += [
        DeployedItem(
            decision_definition=DeployedDecision(
                decision_definition_id=row.decision_id,
                decision_definition_key=str(row.key),
                name=row.name,
                version=row.version,
                decision_requirements_id=row.decision_requirements_id,
                decision_requirements_key=str(row.decision_requirements_key),
            )
        )
        for row in answer.decisions
    ]
    items += [
        DeployedItem(
            decision_requirements=DeployedRequirements(
                decision_requirements_id=row.decision_requirements_id,
                decision_requirements_key=str(row.key),
                decision_requirements_name=row.name,
                version=row.version,
                resource_name=row.resource_name,
            )
        )
        for row in answer.requirements
    ]
    items += [
        DeployedItem(
            form=DeployedForm(
                form_id=row.form_id, form_key=str(row.key), version=row.version, resource_name=row.resource_name
            )
        )
        for row in answer.forms
    ]
    return Deployment(deployment_key=str(answer.key), deployments=items)
