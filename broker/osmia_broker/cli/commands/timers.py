"""`osmia timers`: list the timers that wait."""

from enum import StrEnum
from typing import Annotated

import typer

from osmia_broker.cli.known_processes import missing_process
from osmia_broker.cli.options import Element, Instance, Limit, Process
from osmia_broker.cli.rows import TIMER_COLUMNS, every, first, timer_row
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


class Filter(StrEnum):
    """The values of `--state`."""

    WAITING = "waiting"
    SUSPENDED = "suspended"
    ENDED = "ended"
    ALL = "all"


@app.command()
@with_session
def timers(
    session: Session,
    process: Process = "",
    instance: Instance = 0,
    element: Element = "",
    state: Annotated[Filter, typer.Option(case_sensitive=False, help="The state of the listed ones.")] = Filter.WAITING,
    limit: Limit = 50,
) -> None:
    """List timers that wait, newest first.

    Those of start events have no instance.

    Example: osmia timers --process dinner
    """
    from osmia.results import TimerState

    with session.client() as client:
        found = every(
            client.search_timers,
            bpmn_process_id=process,
            process_instance_key=instance,
            element_id=element,
            states=[] if state is Filter.ALL else [TimerState(state.upper())],
        )
        rows = [timer_row(one) for one in first(session, found, limit)]
        missing = "" if rows else missing_process(client, process)
    session.list(rows, TIMER_COLUMNS, empty=missing or "No such timers.")
