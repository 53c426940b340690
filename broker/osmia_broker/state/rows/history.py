"""The rows of history alone: the engine writes them once and never reads them (`notes`)."""

from enum import StrEnum

from osmia_broker.state.rows.kinds import StoredRow, stored


@stored("message_correlations", is_history=True)
class MessageCorrelation(StoredRow):
    """A message that has reached an event. It is history: it is written once, and never read by the engine."""

    key: int
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    element_id: str
    element_instance_key: int  # the element instance that waited; 0 of a start event
    subscription_key: int
    message_key: int
    message_name: str
    correlation_key: str
    at_ms: int


class AuditEntity(StrEnum):
    """The kinds of subjects of entries in the audit log."""

    PROCESS_INSTANCE = "PROCESS_INSTANCE"
    VARIABLE = "VARIABLE"
    INCIDENT = "INCIDENT"
    JOB = "JOB"
    RESOURCE = "RESOURCE"
    DECISION = "DECISION"
    BATCH = "BATCH"
    CLUSTER_VARIABLE = "CLUSTER_VARIABLE"
    TASK_LISTENER = "TASK_LISTENER"  # a global one


class AuditOperation(StrEnum):
    """The operations that the audit log holds."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CANCEL = "CANCEL"
    MODIFY = "MODIFY"
    MIGRATE = "MIGRATE"
    SUSPEND = "SUSPEND"
    RESUME = "RESUME"
    RESOLVE = "RESOLVE"
    EVALUATE = "EVALUATE"


@stored("audit_entries")
class AuditEntry(StoredRow):
    """An operation of a person that is about no user task. It stays when the history of its process instance is deleted."""

    key: int
    process_instance_key: int  # 0: about none
    definition_key: int  # of the process; of a DECISION, of the decision
    element_instance_key: int  # 0: about none
    entity_type: AuditEntity
    #: Of the instance, job, incident, deployment, deleted resource, evaluation, batch or task listener; of variables, their scope; of a cluster
    #: variable, which has none, that of the entry.
    entity_key: int
    operation: AuditOperation
    #: Names of variables, files or activated elements, the id of a decision or listener, the type of a batch.
    description: str
    user: str  # empty if unknown
    at_ms: int
