"""The engine's answers as messages of the wire."""

from osmia_broker.calls.checks import DEFAULT_TENANT, INT32
from osmia_broker.calls.tasks.listened import listened_task
from osmia_broker.engine.answers import ActivatedJob, Created, Deployed
from osmia_broker.state.rows import Decision, DecisionRequirements, Form, ProcessDefinition
from osmia_proto import gateway

_KINDS = dict(gateway.ActivatedJob.JobKind.items())
_LISTENER_EVENTS = dict(gateway.ActivatedJob.ListenerEventType.items())
LISTENER_UNSPECIFIED = gateway.ActivatedJob.ListenerEventType.Value("UNSPECIFIED")


def job(activated: ActivatedJob) -> gateway.ActivatedJob:
    """Translate a job for its worker. Ordinary jobs have no listener event, and zero would mean ASSIGNING."""
    message = gateway.ActivatedJob()  # field by field: this is done for each job, and takes half the time of arguments
    message.key = activated.key
    message.type = activated.type
    message.processInstanceKey = activated.process_instance_key
    message.bpmnProcessId = activated.bpmn_process_id
    message.processDefinitionVersion = activated.process_definition_version
    message.processDefinitionKey = activated.process_definition_key
    message.elementId = activated.element_id
    message.elementInstanceKey = activated.element_instance_key
    message.customHeaders = activated.headers
    message.worker = activated.worker
    message.retries = min(max(activated.retries, INT32.start), INT32.stop - 1)  # no row may spoil it for the others
    message.deadline = activated.deadline_ms
    message.variables = activated.variables
    message.tenantId = DEFAULT_TENANT
    message.listenerEventType = _LISTENER_EVENTS.get(activated.listener_event, LISTENER_UNSPECIFIED)
    message.kind = _KINDS[activated.kind]
    message.priority = activated.priority
    if activated.tags:
        message.tags.extend(activated.tags)
    if activated.business_id:
        message.businessId = activated.business_id
    if activated.lease_token:
        message.jobLeaseToken = activated.lease_token
    seen = listened_task(activated)
    if seen is not None:
        message.userTask.CopyFrom(gateway.UserTaskProperties(**seen))
    return message


def created(answer: Created) -> gateway.CreateProcessInstanceResponse:
    """Translate a new process instance."""
    message = gateway.CreateProcessInstanceResponse()
    message.processDefinitionKey = answer.process_definition_key
    message.bpmnProcessId = answer.bpmn_process_id
    message.version = answer.version
    message.processInstanceKey = answer.process_instance_key
    message.tenantId = DEFAULT_TENANT
    if answer.tags:
        message.tags.extend(answer.tags)
    if answer.business_id:
        message.businessId = answer.business_id
    return message


def created_with_result(answer: Created, variables: str) -> gateway.CreateProcessInstanceWithResultResponse:
    """Translate a process instance that has completed, with its variables as a JSON object."""
    return gateway.CreateProcessInstanceWithResultResponse(
        processDefinitionKey=answer.process_definition_key,
        bpmnProcessId=answer.bpmn_process_id,
        version=answer.version,
        processInstanceKey=answer.process_instance_key,
        variables=variables,
        tenantId=DEFAULT_TENANT,
        tags=answer.tags,
        businessId=answer.business_id or None,
    )


def deployed(answer: Deployed) -> gateway.DeployResourceResponse:
    """Translate a deployment: processes, decisions, graphs of decisions, forms, in that order."""
    return gateway.DeployResourceResponse(
        key=answer.key,
        deployments=[
            *(gateway.Deployment(process=process(row)) for row in answer.processes),
            *(gateway.Deployment(decision=_decision(row)) for row in answer.decisions),
            *(gateway.Deployment(decisionRequirements=_requirements(row)) for row in answer.requirements),
            *(gateway.Deployment(form=_form(row)) for row in answer.forms),
        ],
        tenantId=DEFAULT_TENANT,
    )


def process(row: ProcessDefinition) -> gateway.ProcessMetadata:
    """Translate a version of a process."""
    return gateway.ProcessMetadata(
        bpmnProcessId=row.bpmn_process_id,
        version=row.version,
        processDefinitionKey=row.key,
        resourceName=row.resource_name,
        tenantId=DEFAULT_TENANT,
    )


def _decision(row: Decision) -> gateway.DecisionMetadata:
    return gateway.DecisionMetadata(
        dmnDecisionId=row.decision_id,
        dmnDecisionName=row.name,
        version=row.version,
        decisionKey=row.key,
        dmnDecisionRequirementsId=row.decision_requirements_id,
        decisionRequirementsKey=row.decision_requirements_key,
        tenantId=DEFAULT_TENANT,
    )


def _requirements(row: DecisionRequirements) -> gateway.DecisionRequirementsMetadata:
    return gateway.DecisionRequirementsMetadata(
        dmnDecisionRequirementsId=row.decision_requirements_id,
        dmnDecisionRequirementsName=row.name,
        version=row.version,
        decisionRequirementsKey=row.key,
        resourceName=row.resource_name,
        tenantId=DEFAULT_TENANT,
    )


def _form(row: Form) -> gateway.FormMetadata:
    return gateway.FormMetadata(
        formId=row.form_id,
        version=row.version,
        formKey=row.key,
        resourceName=row.resource_name,
        tenantId=DEFAULT_TENANT,
    )
