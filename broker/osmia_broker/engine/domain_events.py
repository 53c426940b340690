"""Domain events: the things that happened to process instances, published after the commit that made them true.

Metrics count them. They are few, because they are noted whether anybody listens or not; the event stream reads all changes (`recording`).
"""

from typing import Final

import msgspec

INSTANCE: Final = "instance"  #: created, completed, canceled; named by the process id
JOB: Final = "job"  #: created, activated, completed, failed, error, timed_out, canceled; named by the job type
INCIDENT: Final = "incident"  #: raised, resolved; named by the error type
TASK: Final = "task"  #: claimed (by or for a person, while it had no assignee), completed; named by the process id
TIMER: Final = "timer"  #: fired; without a name


class DomainEvent(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened."""

    kind: str  #: INSTANCE, JOB, INCIDENT, TASK or TIMER
    intent: str  #: the verb, in the past
    name: str  #: of its definition: process id, job type or error type
    key: int  #: of the row that it happened to
    process_instance_key: int
    at_ms: int  #: epoch
    since_ms: int = 0  #: epoch; when the time began that ends with the event, 0 where the metrics measure none
