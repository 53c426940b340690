"""`osmia events`: list what has happened, and follow what happens."""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osmia_broker.base.edits import nearest
from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.cli.failures import Exit, Failure, from_call, until_interrupted, usage
from osmia_broker.cli.options import Instance, Process
from osmia_broker.cli.output import Column, Output, Row, moment, write_next
from osmia_broker.cli.session import TIMEOUT, Session, with_session_and_timeout
from osmia_broker.cli.times import spelt

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import Event

app = typer.Typer(add_completion=False)

EVENT_COLUMNS = (
    Column("position", "POSITION", width=16),
    Column("at", "AT", is_moment=True, width=24),
    Column("kind", "KIND", width=16),
    Column("intent", "INTENT", width=12),
    Column("processInstanceKey", "INSTANCE", width=16),
    Column("elementId", "ELEMENT", is_long=True, width=20),
    Column("name", "NAME", is_long=True, width=20),
    Column("processDefinitionId", "PROCESS", is_wide=True, is_long=True, width=20),
    Column("key", "KEY", is_wide=True, width=16),
)


@app.command()
@with_session_and_timeout("How long to list or to follow them; unless given, to their end.")
def events(
    session: Session,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C or for --timeout.")
    ] = False,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Only of this kind, such as job, incident, variable; may be repeated."),
    ] = None,
    process: Process = "",
    instance: Instance = 0,
    after: Annotated[
        list[int] | None,
        typer.Option(
            metavar="POSITION",
            min=0,
            max=INT64_MAX,
            help="Begin behind this position; repeated for each partition of the broker.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Only from this time on: a date, or 2030-01-31T12:00:00Z.",
            show_default=False,
        ),
    ] = "",
    is_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """List the events that are kept, oldest first; with --follow, those that come from now on.

    The broker records events only while somebody follows them, and for a while after.

    Example: osmia events --follow --kind incident
    """
    from osmia.errors import InvalidArgument

    kinds = [_kind(one) for one in kind or ()]
    since_ms = _time(since) if since else 0
    output = Output.JSON if is_json else session.output
    count = 0
    with until_interrupted() if follow else nullcontext(), session.client(call_timeout=TIMEOUT) as client:
        wanted: dict[str, Any] = {
            "kinds": kinds,
            "bpmn_process_id": process,
            "process_instance_key": instance,
            "after": after,
            "from_oldest": not after and (not follow or bool(since)),
            "follow": follow,
        }
        found = client.events(**wanted) if session.timeout is None else _within(client, wanted, session.timeout)
        try:
            for event in (one for one in found if one.at_ms >= since_ms):
                write_next(event_row(event), EVENT_COLUMNS, output, is_first=not count)
                count += 1
        except InvalidArgument as error:
            failure = from_call(error, client.address)
            failure.mend = "osmia events   (begins with the oldest that is kept)"
            raise failure from error
        if not count and not client.event_log().is_recording:
            session.say("Nothing is recorded. Follow what happens: osmia events --follow")


def _within(client: "SyncClient", wanted: dict[str, Any], span: timedelta) -> "Iterator[Event]":
    """Yield the *wanted* events that come within *span*.

    Raises:
        Failure: TIMED_OUT; those that are there already have not all come.
    """
    end_s = monotonic() + span.total_seconds()
    stream = client.asynchronous.events(**wanted)

    async def next_one() -> "Event":
        async with asyncio.timeout(end_s - monotonic()):
            return await anext(stream)

    try:
        while True:
            yield client.loop.run(next_one())
    except StopAsyncIteration:
        return
    except TimeoutError:
        if not wanted["follow"]:
            raise Failure(Exit.TIMED_OUT, f"Not all events came within {spelt(span)}.", code="TIMED_OUT") from None


def _time(text: str) -> int:
    """Read a date, which begins at midnight, or a date-time; without an offset it is UTC. Return epoch milliseconds."""
    try:
        read = datetime.fromisoformat(text)
        return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise usage(
            f"Expected --from to be a date or a date-time, but found '{text}'.", "--from 2030-01-31T12:00:00Z"
        ) from None


def _kind(text: str) -> str:
    from osmia.results import EventKind

    wanted = text.upper().replace("-", "_")
    aliases = {"INSTANCE": "PROCESS_INSTANCE", "ELEMENT": "ELEMENT_INSTANCE", "TASK": "USER_TASK"}
    wanted = aliases.get(wanted, wanted)
    known = [one for one in EventKind if one is not EventKind.UNKNOWN]
    if wanted not in known:
        names = ", ".join(one.lower().replace("_", "-") for one in known)
        near = nearest(text.lower().replace("_", "-"), names.split(", "))
        mend = f"--kind {near or 'incident'}"
        raise usage(f"Expected a kind of events, one of {names}, but found '{text}'.", mend)
    return wanted


def event_row(event: "Event") -> Row:
    """Return the row of an event. Its details are a JSON object."""
    row: dict[str, Any] = {
        "position": str(event.position),
        "at": moment(event.at_ms),
        "kind": str(event.kind),
        "intent": event.intent,
        "key": str(event.key),
        "name": event.name,
        "elementId": event.element_id or None,
        "elementInstanceKey": str(event.element_instance_key) if event.element_instance_key else None,
        "processInstanceKey": str(event.process_instance_key) if event.process_instance_key else None,
        "processDefinitionKey": str(event.process_definition_key) if event.process_definition_key else None,
        "processDefinitionId": event.bpmn_process_id or None,
        "details": event.details,
    }
    return row
