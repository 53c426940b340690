"""The rules of execution, pure: commands in, changed rows and answers out. No I/O; clock and keys come with the state.

`engine` runs one command; `commands` lists them; a handler per command stands in the file of its subject (`jobs`, `instances`,
`resolution` …); `lifecycle` moves tokens and `elements/` says what is special about each kind of element.
"""

from osmia_broker.engine import decisions, deployments, instances, jobs, resolution  # each registers its handlers
from osmia_broker.engine.elements import events, gateways, scopes, tasks, user_tasks  # each registers its processors
from osmia_broker.engine.engine import HANDLERS, execute
from osmia_broker.engine.lifecycle import PROCESSORS

__all__ = [
    "HANDLERS",
    "PROCESSORS",
    "decisions",
    "deployments",
    "events",
    "execute",
    "gateways",
    "instances",
    "jobs",
    "resolution",
    "scopes",
    "tasks",
    "user_tasks",
]
