"""Tests of handlers without a broker: make a job, hand it to the worker, look at the outcome.

    outcome = handle(worker, job("charge-card", variables={"amount": 12}))
    assert outcome == Completed('{"receipt":"r-1"}')
    assert outcome.variables == {"receipt": "r-1"}

In a test that is itself async, `await worker.handle(job(...))` does the same.
"""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

from osmia.job import USER_TASK_TYPE, Completed, ErrorThrown, Failed, Job, Outcome
from osmia.sync import SyncWorker
from osmia.variables import encode
from osmia.worker import Worker

__all__ = ["Completed", "ErrorThrown", "Failed", "Outcome", "handle", "job", "user_task"]

_keys = itertools.count((1 << 51) + 1)  # as partition 1 counts them


def job(type: str, *, variables: object = None, headers: Mapping[str, str] | None = None, **fields: Any) -> Job:
    """A job as a broker might hand it out; *fields* are further fields of `Job`."""
    keys = {"key": next(_keys), "process_instance_key": next(_keys), "element_instance_key": next(_keys)}
    texts = {"variables_json": encode(variables) or "{}", "headers_json": encode(headers) or "{}"}
    return Job(type=type, **{**keys, "element_id": type, **texts, **fields})


def user_task(
    element_id: str, *, variables: object = None, assignee: str = "", form_key: str = "", **fields: Any
) -> Job:
    """The job of a user task, with the headers that a broker gives it."""
    headers = {"assignee": assignee, "formKey": form_key}
    given = {f"io.camunda.zeebe:{name}": value for name, value in headers.items() if value}
    fields = {"retries": 1, "element_id": element_id, **fields}
    return job(USER_TASK_TYPE, variables=variables, headers=given, **fields)


def handle(worker: Worker | SyncWorker, job: Job) -> Outcome:
    """Run the worker's handler for *job* and return the outcome; call it where no event loop runs.

    Raises:
        LookupError: the worker has no handler for it.
    """
    return worker.handle(job) if isinstance(worker, SyncWorker) else asyncio.run(worker.handle(job))
