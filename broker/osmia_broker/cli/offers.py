"""Complete keys, process ids and job types in a shell with what the broker has now.

A shell waits for the answer while a person types, so a broker that does not answer soon offers nothing, and no failure is printed.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from osmia_broker.cli.failures import Failure
from osmia_broker.cli.session import session_of

if TYPE_CHECKING:
    from osmia import SyncClient

ANSWER = timedelta(seconds=1)  # a person who types waits no longer
ASKED = ("address", "profile", "token")
OFFERED_MAX = 50  # more are no help: another letter makes them fewer
LOOKED_AT_MAX = 200  # jobs among which the types are found
OPEN_JOBS = ("ACTIVATABLE", "ACTIVATED", "FAILED", "ERROR_THROWN", "SUSPENDED")

Offer = tuple[str, str]  # the word, and what a shell prints beside it


def keys(context: typer.Context) -> list[Offer]:
    """Offer the keys of what the command is about: `osmia task claim` offers tasks that are open."""
    noun = context.command_path.split(" ")[-2]
    return _offered(context, OF_NOUN[noun]) if noun in OF_NOUN else []


def instance_keys(context: typer.Context) -> list[Offer]:
    """Offer the keys of active process instances."""
    return _offered(context, _instances)


def process_ids(context: typer.Context) -> list[Offer]:
    """Offer the ids of deployed processes."""
    return _offered(context, _processes)


def cluster_variables(context: typer.Context) -> list[Offer]:
    """Offer the names of cluster variables."""
    return _offered(context, _cluster_variables)


def task_listeners(context: typer.Context) -> list[Offer]:
    """Offer the ids of global task listeners."""
    return _offered(context, _task_listeners)


def job_types(context: typer.Context) -> list[Offer]:
    """Offer the types of open jobs."""
    return _offered(context, _job_types)


def _offered(context: typer.Context, read: Callable[["SyncClient"], Iterable[Offer]]) -> list[Offer]:
    try:
        with session_of(_given(context)).client(call_timeout=ANSWER) as client:
            return list(dict.fromkeys(read(client)))
    except Failure:  # no broker, or an address that is none: a shell has no place for an error
        return []


def _given(context: Any) -> dict[str, Any]:
    """Return the options that say which broker is asked, of the command and of `osmia` before it."""
    given: dict[str, Any] = {}
    while context is not None:
        given = {name: context.params[name] for name in ASKED if context.params.get(name)} | given
        context = context.parent
    return given


def _tasks(client: "SyncClient") -> Iterable[Offer]:
    return ((str(one.key), one.name) for one in client.user_tasks.search({"state": "CREATED"}, limit=OFFERED_MAX).items)


def _instances(client: "SyncClient") -> Iterable[Offer]:
    from osmia.results import InstanceState

    found = client.search_instances(states=[InstanceState.ACTIVE, InstanceState.SUSPENDED], limit=OFFERED_MAX).items
    return ((str(one.key), one.bpmn_process_id) for one in found)


def _jobs(client: "SyncClient") -> Iterable[Offer]:
    found = client.search_jobs(states=OPEN_JOBS, limit=OFFERED_MAX).items
    return ((str(one.key), one.type) for one in found)


def _job_types(client: "SyncClient") -> Iterable[Offer]:
    found = client.search_jobs(states=OPEN_JOBS, limit=LOOKED_AT_MAX).items
    return ((one.type, "") for one in found)


def _incidents(client: "SyncClient") -> Iterable[Offer]:
    from osmia.results import IncidentState

    found = client.search_incidents(states=[IncidentState.OPEN], limit=OFFERED_MAX).items
    return ((str(one.key), one.element_id) for one in found)


def _processes(client: "SyncClient") -> Iterable[Offer]:
    found = client.search_definitions(latest_only=True, limit=OFFERED_MAX).items
    return ((one.bpmn_process_id, one.name) for one in found)


def _batches(client: "SyncClient") -> Iterable[Offer]:
    found = client.batches.search(states=["ACTIVE", "SUSPENDED"], limit=OFFERED_MAX).items
    return ((str(one.key), one.type) for one in found)


def _cluster_variables(client: "SyncClient") -> Iterable[Offer]:
    return ((one.name, "") for one in client.cluster_variables.search(limit=OFFERED_MAX).items)


def _task_listeners(client: "SyncClient") -> Iterable[Offer]:
    return ((one.id, one.type) for one in client.global_task_listeners.search(limit=OFFERED_MAX).items)


#: What a key is, by the noun.
OF_NOUN = {"task": _tasks, "instance": _instances, "job": _jobs, "incident": _incidents, "batch": _batches}
