"""Tests of handlers without a broker: make a job, give it to the worker, check the outcome.

    outcome = handle(worker, job("charge-card", variables={"amount": 12}))
    assert outcome == Completed('{"receipt":"r-1"}')
    assert outcome.variables == {"receipt": "r-1"}

In a test that is itself async, `await worker.handle(job(...))` does the same.
"""

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from osmia.job import USER_TASK_TYPE, Completed, ErrorThrown, Failed, Job, Outcome
from osmia.sync import SyncWorker
from osmia.variables import encode
from osmia.worker import Worker

__all__ = ["Completed", "ErrorThrown", "Failed", "Outcome", "handle", "job", "user_task"]

_keys = itertools.count((1 << 51) + 1)  # as partition 1 counts them


def job(type: str, *, variables: object = None, headers: Mapping[str, str] | None = None, **fields: Any) -> Job:
    """Make a job as a broker sends it; *fields* are further fields of `Job`."""
    keys = {"key": next(_keys), "process_instance_key": next(_keys), "element_instance_key": next(_keys)}
    texts = {"variables_json": encode(variables) or "{}", "headers_json": encode(headers) or "{}"}
    return Job(type=type, **{**keys, "element_id": type, **texts, **fields})


def user_task(
    element_id: str,
    *,
    variables: object = None,
    assignee: str = "",
    candidate_groups: Sequence[str] = (),
    candidate_users: Sequence[str] = (),
    form_key: str = "",
    due_date: str = "",
    follow_up_date: str = "",
    **fields: Any,
) -> Job:
    """Make the job of a user task, with the headers that a broker gives it; dates are ISO 8601 with zone."""
    headers = {
        "assignee": assignee,
        "candidateGroups": json.dumps(list(candidate_groups)) if candidate_groups else "",
        "candidateUsers": json.dumps(list(candidate_users)) if candidate_users else "",
        "formKey": form_key,
        "dueDate": due_date,
        "followUpDate": follow_up_date,
    }
    given = {f"io.camunda.zeebe:{name}": value for name, value in headers.items() if value}
    fields = {"retries": 1, "element_id": element_id, **fields}
    return job(USER_TASK_TYPE, variables=variables, headers=given, **fields)


def handle(worker: Worker | SyncWorker, job: Job) -> Outcome:
    """Run the worker's handler for *job* and return the outcome; call this where no event loop runs.

    The handler sees the variables that a broker would send it. Its failures are logged as in production.

    Raises:
        LookupError: the worker has no handler for it.
    """
    return worker.handle(job) if isinstance(worker, SyncWorker) else asyncio.run(worker.handle(job))
