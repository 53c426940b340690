"""`osmia incident`: resolve an incident."""

from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.options import INT32_MAX, Key
from osmia_broker.cli.rows import every
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import Incident

app = typer.Typer(add_completion=False, help="One incident: resolve.", no_args_is_help=True)


@app.callback()
def incident() -> None:
    """One incident: resolve."""


@app.command()
@with_session
def resolve(
    session: Session,
    key: Key,
    retries: Annotated[int, typer.Option(min=0, max=INT32_MAX, help="First give its job this many tries.")] = 0,
) -> None:
    """Resolve an incident: the stopped element is tried again.

    Example: osmia incident resolve 2251799813685260 --retries 3
    """
    with session.client() as client:
        stopped = _open_incident(client, key)
        if retries and not stopped.job_key:
            raise Failure(
                Exit.REFUSED,
                f"Incident {key} ({stopped.error_type}) is about no job.",
                mend=f"osmia incident resolve {key}",
                code="INVALID_ARGUMENT",
            )
        if retries:
            client.update_job_retries(stopped.job_key, retries)
        client.resolve_incident(key)
        again = [one for one in _open_incidents(client, stopped.process_instance_key) if _is_same_stop(one, stopped)]
    if again:
        raise Failure(
            Exit.REFUSED,
            f"Incident {key} was resolved, but the same place stopped again.",
            why=again[0].message,
            mend=f"osmia incident resolve {again[0].key}   (when the cause is mended)",
            code="INCIDENT",
        )
    session.one({"incidentKey": str(key)}, key="incidentKey", text=f"Resolved {key}")


def _open_incident(client: "SyncClient", key: int) -> "Incident":
    for one in _open_incidents(client, 0):
        if one.key == key:
            return one
    raise Failure(
        Exit.NOT_FOUND, f"There is no open incident with key {key}.", mend="osmia incidents", code="NOT_FOUND"
    )


def _open_incidents(client: "SyncClient", process_instance_key: int) -> "list[Incident]":
    from osmia.results import IncidentState

    found = every(client.search_incidents, process_instance_key=process_instance_key, states=[IncidentState.OPEN])
    return list(found)


def _is_same_stop(one: "Incident", before: "Incident") -> bool:
    return one.element_instance_key == before.element_instance_key and one.key != before.key
