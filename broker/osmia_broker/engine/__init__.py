"""The rules of execution, pure: commands in, changed rows and answers out. No I/O; time and keys are handed in.

`engine` decides one command in a `turn`; `commands/` lists the commands; each subject has a file or a folder with its handlers (`jobs`,
`instances`, `tasks/` …); `lifecycle/` moves tokens, and `elements/` says what is special about each kind of element.
"""

from importlib import import_module

from osmia_broker.engine.engine import HANDLERS, UndoFailed, execute
from osmia_broker.engine.lifecycle import PROCESSORS
from osmia_broker.engine.turn import Budget, Turn

__all__ = ["HANDLERS", "PROCESSORS", "Budget", "Turn", "UndoFailed", "execute"]

#: The modules that register handlers of commands in HANDLERS, or processors of elements in PROCESSORS, when they are imported.
_REGISTERING = (
    "audit",
    "carrying_out",
    "cluster_rows",
    "cluster_variables",
    "decisions",
    "definition_deletion",
    "deployments",
    "evaluation",
    "event_log",
    "history_deletion",
    "inbox",
    "instances",
    "job_flow",
    "jobs",
    "marks",
    "migration",
    "modification",
    "resolution",
    "suspension.suspending",
    "batches.operations",
    "elements.ad_hoc",
    "elements.ad_hoc_activation",
    "elements.calls",
    "elements.compensation",
    "elements.events",
    "elements.gateways",
    "elements.loops",
    "elements.scopes",
    "elements.tasks",
    "elements.user_tasks",
    "events.conditions",
    "events.correlation",
    "events.delivery",
    "events.messages",
    "events.signals",
    "events.timers",
    "tasks.global_listeners",
    "tasks.held",
    "tasks.people",
    "tasks.proposals",
    "tasks.set_variables",
)
for _name in _REGISTERING:
    import_module(f"{__name__}.{_name}")
