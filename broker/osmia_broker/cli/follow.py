"""Follow a process instance until it has ended, or until incidents stop all its tokens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING

from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.times import spelt

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import ProcessInstance

# Most instances that end by themselves have ended by then. Each pause is twice as long as the one before.
FIRST_LOOK_S = 0.02
LOOK_EVERY_S = 0.25  # at last: a person sees no difference, and the broker hardly notices
#: Types of elements whose tokens are in the elements inside them.
CONTAINERS = frozenset(
    {
        *("SUB_PROCESS", "EVENT_SUB_PROCESS", "TRANSACTION", "MULTI_INSTANCE_BODY"),
        *("AD_HOC_SUB_PROCESS", "AD_HOC_SUB_PROCESS_INNER_INSTANCE"),
    }
)


def follow(
    client: "SyncClient", key: int, say: Callable[[str], None], *, wait: timedelta | None = None
) -> "ProcessInstance":
    """Say each change of the instance with this *key*, and return it as it ended.

    Raises:
        Failure: incidents stop it (INCIDENT), or it goes on for longer than *wait* (TIMED_OUT).
        KeyboardInterrupt: the person stops to follow it; it has been said that the instance goes on.
    """
    shown: list[str] = []
    with _left_running(key, say):
        for instance in _until_its_end(client, key, wait):
            lines = list(_lines(instance))
            for line in [one for one in lines if one not in shown]:
                say(line)
            shown = lines
    say(f"{key} {instance.state}")
    return instance


def await_end(client: "SyncClient", key: int, say: Callable[[str], None], *, wait: timedelta) -> "ProcessInstance":
    """Wait for the end of the instance with this *key*, and return it as it ended. It raises what `follow` raises."""
    with _left_running(key, say):
        *_, instance = _until_its_end(client, key, wait)
    return instance


@contextmanager
def _left_running(key: int, say: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        say(f"Instance {key} goes on: osmia instance show {key} --follow")
        raise


def _until_its_end(client: "SyncClient", key: int, wait: timedelta | None) -> "Iterator[ProcessInstance]":
    """Yield the instance now, and again and again; the last one has ended.

    Raises:
        Failure: as `follow`.
    """
    end_s = None if wait is None else monotonic() + wait.total_seconds()
    pause_s = FIRST_LOOK_S
    while True:
        instance = client.get_instance(key)
        yield instance
        if not instance.is_running:
            return
        if stopped := _stopped(client, instance):
            raise _stopped_by(client, key, *stopped)
        left_s = LOOK_EVERY_S if end_s is None else end_s - monotonic()
        if wait is not None and left_s <= 0:
            raise Failure(
                Exit.TIMED_OUT,
                f"Instance {key} has not ended within {spelt(wait)}; it goes on.",
                mend=f"osmia instance show {key}",
                code="DEADLINE_EXCEEDED",
            )
        sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, LOOK_EVERY_S)


def _stopped(client: "SyncClient", instance: "ProcessInstance") -> tuple[str, int] | None:
    """Return where an incident is, and its key, if incidents stop all tokens of this instance and of those that it has called."""
    if not instance.elements:
        return _stopped_itself(client, instance) if instance.has_incident else None
    first = None
    for element in instance.elements:
        if element.incident_key:
            stopped: tuple[str, int] | None = (element.element_name or element.element_id, element.incident_key)
        elif element.called_process_instance_key:
            stopped = _stopped(client, client.get_instance(element.called_process_instance_key))
        elif element.type in CONTAINERS:
            continue
        else:
            return None
        if stopped is None:
            return None
        first = first or stopped
    return first


def _stopped_itself(client: "SyncClient", instance: "ProcessInstance") -> tuple[str, int] | None:
    """Return the same for an instance that cannot begin, or cannot end: its incident is at no element inside it."""
    from osmia.results import IncidentState

    found = client.search_incidents(process_instance_key=instance.key, states=(IncidentState.OPEN,), limit=1).items
    return (instance.bpmn_process_id, found[0].key) if found else None


def _stopped_by(client: "SyncClient", key: int, place: str, incident_key: int) -> Failure:
    incident = client.search_incidents(key=incident_key).items
    return Failure(
        Exit.REFUSED,
        f"Instance {key} is stopped at '{place}'.",
        why=incident[0].message if incident else "",
        mend=f"osmia incident show {incident_key}",
        code="INCIDENT",
    )


def _lines(instance: "ProcessInstance") -> Iterator[str]:
    for element in instance.elements:
        incident = f", incident {element.incident_key}" if element.incident_key else ""
        yield f"  at {element.element_name or element.element_id} ({element.key}){incident}"
