"""`osmia message`: publish a message, or correlate it at once."""

import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import BusinessId, Var, Vars
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.times import duration_option, milliseconds

if TYPE_CHECKING:
    from osmia import SyncClient

app = typer.Typer(add_completion=False, help="One message: publish, correlate.", no_args_is_help=True)


@app.callback()
def message() -> None:
    """One message: publish, correlate."""


Name = Annotated[str, typer.Argument(help="The name that the events wait for.")]
CorrelationKey = Annotated[
    str, typer.Option("--correlation-key", "-k", metavar="TEXT", help="The value that the events wait for.")
]


@app.command()
@with_session
def correlate(
    session: Session,
    name: Name,
    correlation_key: CorrelationKey = "",
    business_id: BusinessId = "",
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Give a message at once to what waits for it, and print the key of the process instance that it has started or reached.

    Example: osmia message correlate paid --correlation-key order-7 --var amount=12
    """
    variables = typed.read(var, vars)
    with_key = f" -k {shlex.quote(correlation_key)}" if correlation_key else ""
    kept = f"osmia message publish {shlex.quote(name)}{with_key} --ttl 1h   (it is kept for what waits later)"
    with session.client(found_by=kept) as client:
        found = client.correlate_message(name, correlation_key, variables, business_id=business_id)
    session.say(f"Correlated {name}")
    key = str(found.process_instance_key)
    row = {"messageKey": str(found.message_key), "processInstanceKey": key}
    session.one(row, key="processInstanceKey", text=key)


@app.command()
@with_session
def publish(
    session: Session,
    name: Name,
    correlation_key: CorrelationKey = "",
    ttl: Annotated[
        timedelta, duration_option(help="Keep it so long for events that wait later", default=timedelta(0))
    ] = timedelta(0),
    message_id: Annotated[
        str, typer.Option("--id", metavar="TEXT", help="Refuse another one with this id while it is kept.")
    ] = "",
    business_id: BusinessId = "",
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Publish a message to the events that wait for its name and correlation key, and print its key.

    Example: osmia message publish paid --correlation-key order-7 --ttl 1h --var amount=12
    """
    variables = typed.read(var, vars)
    with session.client() as client:
        is_lost = not ttl and not session.is_quiet and _nobody_waits(client, name, correlation_key)
        key = client.publish_message(
            name,
            correlation_key,
            variables,
            time_to_live_ms=milliseconds(ttl),
            message_id=message_id,
            business_id=business_id or None,
        )
    session.say(f"Published {name}")
    if is_lost:
        with_key = f" with the key '{correlation_key}'" if correlation_key else ""
        session.say(f"Nothing waited for '{name}'{with_key}, and it is not kept. To keep it: --ttl 1h")
    session.one({"messageKey": str(key)}, key="messageKey", text=str(key))


def _nobody_waits(client: "SyncClient", name: str, correlation_key: str) -> bool:
    """Return whether no event waits for the message now: neither an instance with this key, nor the start of a process.

    False where the broker has no lists to ask.
    """
    from osmia.errors import Unimplemented
    from osmia.results import SubscriptionKind, SubscriptionState

    kinds, states = [SubscriptionKind.MESSAGE], [SubscriptionState.OPEN]
    try:
        starts = client.search_subscriptions(name=name, of_start_event=True, kinds=kinds, states=states, limit=1).items
        if starts or not correlation_key:
            return not starts
        return not client.search_subscriptions(
            name=name, correlation_key=correlation_key, kinds=kinds, states=states, limit=1
        ).items
    except Unimplemented:
        return False
