"""Follow a process instance: say what happens to it, until it has ended or an incident stops it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING

from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.session import spelt

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import ProcessInstance

LOOK_EVERY_S = 0.25  # a person sees no difference, and the broker hardly notices


def follow(client: "SyncClient", key: int, say: Callable[[str], None], *, wait: timedelta | None = None) -> str:
    """Say each change of the instance with this *key*, and return its last state.

    Raises:
        Failure: an incident stops it (INCIDENT), or it goes on for longer than *wait* (TIMED_OUT).
        KeyboardInterrupt: the person stops to follow it; it has been said that the instance goes on.
    """
    try:
        return _followed(client, key, say, wait)
    except KeyboardInterrupt:
        say(f"Instance {key} goes on: osmia instance show {key} --follow")
        raise


def _followed(client: "SyncClient", key: int, say: Callable[[str], None], wait: timedelta | None) -> str:
    from osmia.results import InstanceState

    end_s = None if wait is None else monotonic() + wait.total_seconds()
    shown: list[str] = []
    while True:
        instance = client.get_instance(key)
        lines = list(_lines(instance))
        for line in lines:
            if line not in shown:
                say(line)
        shown = lines
        if instance.state is not InstanceState.ACTIVE:
            say(f"{key} {instance.state}")
            return instance.state
        stopped = [element for element in instance.elements if element.incident_key]
        if stopped and len(stopped) == len(instance.elements):
            incident = client.search_incidents(key=stopped[0].incident_key).items
            raise Failure(
                Exit.REFUSED,
                f"Instance {key} is stopped at '{stopped[0].element_name or stopped[0].element_id}'.",
                why=incident[0].message if incident else "",
                mend=f"osmia incident show {stopped[0].incident_key}",
                code="INCIDENT",
            )
        if wait is not None and end_s is not None and monotonic() >= end_s:
            raise Failure(
                Exit.TIMED_OUT,
                f"Instance {key} has not ended within {spelt(wait)}; it goes on.",
                mend=f"osmia instance show {key}",
                code="DEADLINE_EXCEEDED",
            )
        sleep(LOOK_EVERY_S)


def _lines(instance: "ProcessInstance") -> Iterator[str]:
    for element in instance.elements:
        incident = f", incident {element.incident_key}" if element.incident_key else ""
        yield f"  at {element.element_name or element.element_id} ({element.key}){incident}"
