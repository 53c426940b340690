"""Tests of handlers without a broker, and of processes with one in the test's own process.

A handler: make a job, give it to the worker, check the outcome. In a test that is itself async, `await worker.handle(job(...))` does the
same.

    outcome = handle(worker, job("charge-card", variables={"amount": 12}))
    assert outcome == Completed('{"receipt":"r-1"}')
    assert outcome.variables == {"receipt": "r-1"}

A process: with pytest, ask for the fixture `broker` (or `sync_broker` in a test that is not async). These names need
the extra `broker` (`pip install '.[broker]'` in a checkout):

    async def test_dinner(broker):
        await broker.deploy("dinner.bpmn")
        instance = await broker.start("dinner", {"guests": 4})
        await instance.waits_at("decide").complete_task("decide", {"dinner": "Pasta"})
        await broker.advance(days=2)
        instance.passed("hungry", "decide").has_variables(dinner="Pasta")
"""

import asyncio
import importlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from osmia.job import USER_TASK_TYPE, Completed, ErrorThrown, Failed, Job, Outcome
from osmia.sync import SyncWorker
from osmia.variables import encode
from osmia.worker import Worker

__all__ = [
    "Broker",  # noqa: F822 - these are loaded by `__getattr__`
    "Case",  # noqa: F822
    "Completed",
    "Coverage",  # noqa: F822
    "ErrorThrown",
    "Failed",
    "Instance",  # noqa: F822
    "Outcome",
    "SyncBroker",  # noqa: F822
    "SyncInstance",  # noqa: F822
    "handle",
    "job",
    "read_cases",  # noqa: F822
    "user_task",
]
OF_BROKER = frozenset({"Broker", "Case", "Coverage", "Instance", "SyncBroker", "SyncInstance", "read_cases"})

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


def __getattr__(name: str) -> Any:
    """Import the broker when one of its names is asked for: the SDK itself does without it."""
    if name not in OF_BROKER:
        raise AttributeError(f"module 'osmia.testing' has no attribute '{name}'")
    try:
        return getattr(importlib.import_module("osmia_broker.testing"), name)
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"Expected the broker for osmia.testing.{name}, but found no {missing.name}; "
            "install Osmia with its extra `broker`: pip install '.[broker]' in a checkout"
        ) from missing
