"""The rules of execution, pure: commands in, changed rows and answers out. No I/O; time and keys are handed in.

`engine` decides one command in a `turn`; `commands` lists the commands; each subject has a file with its handlers (`jobs`, `instances`,
`resolution` …); `lifecycle` moves tokens, and `elements/` says what is special about each kind of element.
"""

from osmia_broker.engine import (  # each registers its handlers
    batches,
    carrying_out,
    cluster_variables,
    decisions,
    deletion,
    deployments,
    evaluation,
    event_log,
    global_listeners,
    history_deletion,
    instances,
    job_flow,
    job_updates,
    jobs,
    marks,
    migration,
    modification,
    resolution,
    suspension,
    user_tasks,
)
from osmia_broker.engine.elements import (
    ad_hoc,
    ad_hoc_activation,
    calls,
    compensation,
    events,
    gateways,
    loops,
    scopes,
    tasks,
)  # each registers its processors
from osmia_broker.engine.elements import user_tasks as user_task_elements
from osmia_broker.engine.engine import HANDLERS, UndoFailed, execute
from osmia_broker.engine.events import conditions, correlation, messages, signals, timers  # each registers its handlers
from osmia_broker.engine.lifecycle import PROCESSORS
from osmia_broker.engine.turn import Budget, Turn

__all__ = [
    "HANDLERS",
    "PROCESSORS",
    "Budget",
    "Turn",
    "UndoFailed",
    "ad_hoc",
    "ad_hoc_activation",
    "batches",
    "calls",
    "carrying_out",
    "cluster_variables",
    "compensation",
    "conditions",
    "correlation",
    "decisions",
    "deletion",
    "deployments",
    "evaluation",
    "event_log",
    "events",
    "execute",
    "gateways",
    "global_listeners",
    "history_deletion",
    "instances",
    "job_flow",
    "job_updates",
    "jobs",
    "loops",
    "marks",
    "messages",
    "migration",
    "modification",
    "resolution",
    "scopes",
    "signals",
    "suspension",
    "tasks",
    "timers",
    "user_task_elements",
    "user_tasks",
]
