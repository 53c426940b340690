"""`osmia subscriptions`: list the events that wait for a message, a signal or a condition."""

from enum import StrEnum
from typing import Annotated

import typer

from osmia_broker.cli.known_processes import missing_process
from osmia_broker.cli.options import CorrelationKey, Element, Instance, Limit, Process
from osmia_broker.cli.rows import SUBSCRIPTION_COLUMNS, every, first, subscription_row
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


class Kind(StrEnum):
    """The values of `--type`."""

    MESSAGE = "message"
    SIGNAL = "signal"
    CONDITION = "condition"


class Filter(StrEnum):
    """The values of `--state`."""

    OPEN = "open"
    ENDED = "ended"
    ALL = "all"


@app.command()
@with_session
def subscriptions(
    session: Session,
    name: Annotated[str, typer.Option(metavar="NAME", help="Only to this message or signal.")] = "",
    correlation_key: CorrelationKey = "",
    type: Annotated[
        list[Kind] | None, typer.Option("--type", "-t", case_sensitive=False, help="Only of this kind.")
    ] = None,
    process: Process = "",
    instance: Instance = 0,
    element: Element = "",
    state: Annotated[Filter, typer.Option(case_sensitive=False, help="The state of the listed ones.")] = Filter.OPEN,
    limit: Limit = 50,
) -> None:
    """List events that wait for a message, a signal or a condition, newest first.

    Those of start events have no instance.

    Example: osmia subscriptions --name paid --correlation-key order-7
    """
    from osmia.results import SubscriptionKind, SubscriptionState

    with session.client() as client:
        found = every(
            client.search_subscriptions,
            name=name,
            correlation_key=correlation_key,
            kinds=[SubscriptionKind(one.upper()) for one in type or ()],
            bpmn_process_id=process,
            process_instance_key=instance,
            element_id=element,
            states=[] if state is Filter.ALL else [SubscriptionState(state.upper())],
        )
        rows = [subscription_row(one) for one in first(session, found, limit)]
        missing = "" if rows else missing_process(client, process)
    session.list(rows, SUBSCRIPTION_COLUMNS, empty=missing or "No such subscriptions.")
