"""Everything that can be searched, an entity each: its tables, and its fields with the names of the API."""

from osmia_broker.store.read.entities.audit_logs import AUDIT_LOGS
from osmia_broker.store.read.entities.batches import BATCH_ITEMS, BATCH_OPERATIONS
from osmia_broker.store.read.entities.cluster_variables import CLUSTER_VARIABLES
from osmia_broker.store.read.entities.correlations import CORRELATIONS
from osmia_broker.store.read.entities.decision_instances import DECISION_INSTANCES
from osmia_broker.store.read.entities.decisions import DECISION_DEFINITIONS, DECISION_REQUIREMENTS
from osmia_broker.store.read.entities.element_instances import ELEMENT_INSTANCES
from osmia_broker.store.read.entities.incidents import INCIDENTS
from osmia_broker.store.read.entities.jobs import JOBS
from osmia_broker.store.read.entities.listeners import GLOBAL_TASK_LISTENERS
from osmia_broker.store.read.entities.messages import MESSAGES
from osmia_broker.store.read.entities.process_definitions import PROCESS_DEFINITIONS
from osmia_broker.store.read.entities.process_instances import PROCESS_INSTANCES
from osmia_broker.store.read.entities.resources import RESOURCES
from osmia_broker.store.read.entities.subscriptions import MESSAGE_SUBSCRIPTIONS, SUBSCRIPTIONS
from osmia_broker.store.read.entities.timers import TIMERS
from osmia_broker.store.read.entities.user_tasks import USER_TASKS
from osmia_broker.store.read.entities.variables import VARIABLES
from osmia_broker.store.read.entities.wait_states import WAIT_STATES

ENTITIES = (
    AUDIT_LOGS,
    BATCH_ITEMS,
    BATCH_OPERATIONS,
    CLUSTER_VARIABLES,
    CORRELATIONS,
    DECISION_DEFINITIONS,
    DECISION_INSTANCES,
    DECISION_REQUIREMENTS,
    ELEMENT_INSTANCES,
    GLOBAL_TASK_LISTENERS,
    INCIDENTS,
    JOBS,
    MESSAGES,
    MESSAGE_SUBSCRIPTIONS,
    PROCESS_DEFINITIONS,
    PROCESS_INSTANCES,
    RESOURCES,
    SUBSCRIPTIONS,
    TIMERS,
    USER_TASKS,
    VARIABLES,
    WAIT_STATES,
)

__all__ = [
    "AUDIT_LOGS",
    "BATCH_ITEMS",
    "BATCH_OPERATIONS",
    "CLUSTER_VARIABLES",
    "CORRELATIONS",
    "DECISION_DEFINITIONS",
    "DECISION_INSTANCES",
    "DECISION_REQUIREMENTS",
    "ELEMENT_INSTANCES",
    "ENTITIES",
    "GLOBAL_TASK_LISTENERS",
    "INCIDENTS",
    "JOBS",
    "MESSAGES",
    "MESSAGE_SUBSCRIPTIONS",
    "PROCESS_DEFINITIONS",
    "PROCESS_INSTANCES",
    "RESOURCES",
    "SUBSCRIPTIONS",
    "TIMERS",
    "USER_TASKS",
    "VARIABLES",
    "WAIT_STATES",
]
