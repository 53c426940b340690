"""The user task that a task listener works on, as it stands in the reserved headers of the listener's job."""

from typing import Any

import msgspec

from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.model import RESERVED_HEADERS
from osmia_broker.state.rows import JobKind
from osmia_broker.state.rows.tasks import rfc3339

_TEXTS = ("action", "assignee")
_DATES = ("dueDate", "followUpDate")
_LISTS = ("candidateGroups", "candidateUsers", "changedAttributes")


def listened_task(job: ActivatedJob) -> dict[str, Any] | None:
    """Return the attributes of the task by the names of the contract, None for those without a value; None for other jobs."""
    if job.kind != JobKind.TASK_LISTENER:
        return None
    headers = msgspec.json.decode(job.headers, type=dict[str, str])
    seen = {
        name.removeprefix(RESERVED_HEADERS): value
        for name, value in headers.items()
        if name.startswith(RESERVED_HEADERS)
    }
    return {
        **{name: seen.get(name) for name in _TEXTS},
        **{name: rfc3339(seen.get(name, "")) for name in _DATES},
        **{name: msgspec.json.decode(seen.get(name, "[]"), type=list[str]) for name in _LISTS},
        "formKey": int(seen["formKey"]) if "formKey" in seen else None,
        "priority": int(seen["priority"]),
        "userTaskKey": int(seen["userTaskKey"]),
    }
