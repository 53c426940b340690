"""The rules of execution, pure: commands in, changed rows and answers out. No I/O; time and keys are handed in.

`engine` decides one command in a `turn`; `commands` lists the commands; each subject has a file with its handlers (`jobs`, `instances`,
`resolution` …); `lifecycle` moves tokens, and `elements/` says what is special about each kind of element.
"""

from osmia_broker.engine import (  # each registers its handlers
    carrying_out,
    decisions,
    deletion,
    deployments,
    instances,
    job_flow,
    jobs,
    marks,
    migration,
    modification,
    resolution,
    suspension,
)
from osmia_broker.engine.elements import (
    ad_hoc,
    calls,
    compensation,
    events,
    gateways,
    loops,
    scopes,
    tasks,
    user_tasks,
)  # each registers its processors
from osmia_broker.engine.engine import HANDLERS, UndoFailed, execute
from osmia_broker.engine.events import conditions, messages, signals, timers  # each registers its handlers
from osmia_broker.engine.lifecycle import PROCESSORS
from osmia_broker.engine.turn import Budget, Turn

__all__ = [
    "HANDLERS",
    "PROCESSORS",
    "Budget",
    "Turn",
    "UndoFailed",
    "ad_hoc",
    "calls",
    "carrying_out",
    "compensation",
    "conditions",
    "decisions",
    "deletion",
    "deployments",
    "events",
    "execute",
    "gateways",
    "instances",
    "job_flow",
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
    "user_tasks",
]
