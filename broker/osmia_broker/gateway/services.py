"""The services of the contracts, each with the object that answers its calls. A door on a port and one inside a test serve the same."""

from collections.abc import Mapping

from osmia_broker.calls import Calls
from osmia_broker.calls.stored_documents import StoredDocuments
from osmia_broker.gateway.batch_operations_service import BatchOperations
from osmia_broker.gateway.cluster_variables_service import ClusterVariables
from osmia_broker.gateway.decisions_service import Decisions
from osmia_broker.gateway.documents_service import Documents
from osmia_broker.gateway.events_service import Events
from osmia_broker.gateway.expressions_service import Expressions
from osmia_broker.gateway.gateway_service import Gateway
from osmia_broker.gateway.global_task_listeners_service import GlobalTaskListeners
from osmia_broker.gateway.instances_service import Instances
from osmia_broker.gateway.job_flow_service import JobFlow
from osmia_broker.gateway.messages_service import Messages
from osmia_broker.gateway.queries_service import Queries
from osmia_broker.gateway.user_tasks_service import UserTasks
from osmia_proto.methods import (
    BATCH_OPERATIONS,
    CLUSTER_VARIABLES,
    DECISIONS,
    DOCUMENTS,
    EVENTS,
    EXPRESSIONS,
    GATEWAY,
    GLOBAL_TASK_LISTENERS,
    INSTANCES,
    JOB_FLOW,
    MESSAGES,
    QUERIES,
    USER_TASKS,
    Method,
)

Service = tuple[Mapping[str, Method], object]  #: calls, and the object that answers them


def services_of(
    gateway: Gateway,
    calls: Calls,
    queries: Queries,
    events: Events,
    user_tasks: UserTasks,
    *,
    documents: StoredDocuments,
) -> list[Service]:
    """Return all services of a broker. Those that need nothing but *calls* are made here."""
    return [
        (GATEWAY, gateway),
        (QUERIES, queries),
        (EVENTS, events),
        (USER_TASKS, user_tasks),
        (JOB_FLOW, JobFlow(calls.job_flow)),
        (MESSAGES, Messages(calls)),
        (INSTANCES, Instances(calls)),
        (DECISIONS, Decisions(calls)),
        (EXPRESSIONS, Expressions(calls)),
        (DOCUMENTS, Documents(documents)),
        (BATCH_OPERATIONS, BatchOperations(calls)),
        (CLUSTER_VARIABLES, ClusterVariables(calls)),
        (GLOBAL_TASK_LISTENERS, GlobalTaskListeners(calls)),
    ]
