"""`osmia tasks`: list user tasks."""

import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osmia_broker.base.counted import counted
from osmia_broker.cli.failures import Exit, Failure, from_call, usage
from osmia_broker.cli.known_processes import missing_process
from osmia_broker.cli.options import Groups, Limit, Process, User, Var, acting
from osmia_broker.cli.output import Row
from osmia_broker.cli.rows import PAGE, TASK_COLUMNS, first, task_row
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.variables import json_text, read
from osmia_broker.cli.waits import OPEN_TASK

if TYPE_CHECKING:
    from osmia import SyncClient, UserTask
    from osmia.calls.user_tasks import UserTaskPage

app = typer.Typer(add_completion=False)

ORDERS = ("newest", "oldest", "due", "priority")
NEAR = re.compile(r"Expected '([^']+):' .* nearly the field '([^']+):'")  # in the refusal of a query
OWN = re.compile(r"(^|\s)(is:mine|assignee:me)(\s|$)")  # in a query
EXAMPLE = "group:finance due:<2d is:mine"
NAMED_MAX = 10  # groups or assignees in a hint
NEWEST_FIRST = [{"field": "creationDate", "order": "DESC"}]


@app.command()
@with_session
def tasks(
    session: Session,
    query: Annotated[
        str,
        typer.Argument(
            metavar="[QUERY]",
            help="A query, as in the search of the page: 'group:finance due:<2d amount:>1000 is:mine sort:due'.",
            show_default=False,
        ),
    ] = "",
    saved: Annotated[str, typer.Option(metavar="NAME", help="Those that pass this saved filter.")] = "",
    assignee: Annotated[str, typer.Option(metavar="USER", help="Only those of this assignee.")] = "",
    group: Annotated[str, typer.Option(metavar="GROUP", help="Only those with this candidate group.")] = "",
    is_mine: Annotated[bool, typer.Option("--mine", help="Only those assigned to who acts.")] = False,
    is_unassigned: Annotated[bool, typer.Option("--unassigned", help="Only those without an assignee.")] = False,
    is_completed: Annotated[
        bool, typer.Option("--completed", help="Those that are completed, not the open ones.")
    ] = False,
    process: Process = "",
    var: Var = None,
    sort: Annotated[
        str, typer.Option(metavar="ORDER", help=f"The order: {', '.join(ORDERS)}.", show_default=False)
    ] = "",
    user: User = "",
    groups: Groups = "",
    limit: Limit = 50,
) -> None:
    """List user tasks that are open, newest first.

    Under a task policy, these are the tasks that the acting person may read. A query leaves snoozed tasks out; the other options do not.

    Example: osmia tasks 'group:finance due:<2d amount:>1000'
    """
    wanted: dict[str, Any] = {"state": "COMPLETED" if is_completed else {"$in": OPEN_TASK}}
    given = {"assignee": assignee, "candidateGroup": group, "processDefinitionId": process}
    wanted |= {name: value for name, value in given.items() if value}
    if is_unassigned:
        wanted["$or"] = [{"assignee": {"$exists": False}}]
    if var:
        wanted["processInstanceVariables"] = [
            {"name": name, "value": json_text(value)} for name, value in read(var, None).items()
        ]
    who = acting(user, groups)
    terms = _terms(is_mine=is_mine, is_completed=is_completed, sort=sort)
    with session.client(found_by="osmia task filters" if saved else "") as client:
        asked = " ".join(filter(None, (*terms, _saved(client, saved, who), query.strip())))
        if asked and not is_completed:
            del wanted["state"]  # the query says which
        found = first(session, _found(client, wanted, who, asked), limit)
        stopped, suspended = _stopped_instances(client, process), _suspended_instances(client, process)
        is_narrowed = bool(asked or any(given.values()) or var or is_unassigned or is_completed)
        none = "No such tasks." if is_narrowed else "No task waits for a person."
        empty = "" if found else _why_none(client, who, stopped, none, process=process, assignee=assignee, group=group)
        if not found and query.strip():
            empty = "No task passes this query. Those that are open: osmia tasks"
        if not found and OWN.search(asked) and not user:
            empty = "No task is yours. Without a sign-in, say who you are: osmia tasks --mine --user anna"
    rows = [_row(one, stopped, suspended) for one in found]
    _say_marks(session, rows, process)
    session.list(rows, TASK_COLUMNS, empty=empty)


def _row(task: "UserTask", stopped: set[int], suspended: set[int]) -> Row:
    instance = task.process_instance_key
    is_suspended = instance in suspended and not task.completion_date
    return task_row(task, has_incident=instance in stopped, is_suspended=is_suspended)


def _say_marks(session: Session, rows: list[Row], process: str) -> None:
    """Say what the marks in a list mean, and where more is to be found."""
    of_process = f" -p {shlex.quote(process)}" if process else ""
    marks = (
        ("hasIncident", "in an instance with an incident (!): osmia incidents"),
        ("isSuspended", "in a suspended instance (=): osmia instances --state suspended"),
    )
    for field, told in marks:
        if marked := sum(row[field] for row in rows):
            session.say(f"{counted(marked, 'task is', 'tasks are')} {told}{of_process}")


def _terms(*, is_mine: bool, is_completed: bool, sort: str) -> list[str]:
    """Return the terms of a query that options stand for."""
    if sort and sort not in ORDERS:
        raise usage(f"Expected --sort to be one of {', '.join(ORDERS)}, but found '{sort}'.", f"--sort {ORDERS[0]}")
    terms = ["is:completed"] if is_completed and (is_mine or sort) else []
    return [*terms, *["assignee:me"] * is_mine, *([f"sort:{sort}"] if sort else [])]


def _saved(client: "SyncClient", name: str, who: dict[str, Any]) -> str:
    """Return the query of a saved filter; empty if none is named."""
    if not name:
        return ""
    known = {one.name: one.query for one in client.user_tasks.filters(**who)}
    if name not in known:
        raise Failure(
            Exit.NOT_FOUND, f"You have no saved filter '{name}'.", mend="osmia task filters", code="NOT_FOUND"
        )
    return known[name]


def _found(client: "SyncClient", wanted: dict[str, Any], who: dict[str, Any], query: str) -> "Iterator[UserTask]":
    after, order = "", [] if query else NEWEST_FIRST
    while True:
        page = _page(client, query, filter=wanted, sort=order, limit=PAGE, after=after, **who)
        yield from page.items
        if not page.items or len(page.items) >= page.total:  # a page can be cut short by its size
            return
        after = page.end_cursor


def _page(client: "SyncClient", query: str, filter: dict[str, Any], **more: Any) -> "UserTaskPage":
    """Search once. The refusal of a query gets the query that was meant, or one that is taken."""
    from osmia.errors import InvalidArgument

    try:
        return client.user_tasks.search(filter, query=query, **more)
    except InvalidArgument as error:
        failure = from_call(error, client.address)
        if query:
            near = NEAR.search(failure.what)
            meant = query.replace(f"{near[1]}:", f"{near[2]}:") if near else EXAMPLE
            failure.mend = f"osmia tasks {shlex.quote(meant)}"
        raise failure from error


def _stopped_instances(client: "SyncClient", process: str) -> set[int]:
    """Return the process instances of the newest open incidents; the older ones of very many are not marked."""
    from osmia.results import IncidentState

    page = client.search_incidents(bpmn_process_id=process, states=[IncidentState.OPEN], limit=PAGE)
    return {one.process_instance_key for one in page.items}


def _suspended_instances(client: "SyncClient", process: str) -> set[int]:
    """Return the suspended process instances; the older ones of very many are not marked."""
    from osmia.results import InstanceState

    page = client.search_instances(bpmn_process_id=process, states=[InstanceState.SUSPENDED], limit=PAGE)
    return {one.key for one in page.items}


def _why_none(
    client: "SyncClient", who: dict[str, Any], stopped: set[int], none: str, *, process: str, assignee: str, group: str
) -> str:
    """Return why no task is listed, and what to do: a filter has a value that no task has, or an incident is open.

    *none* says that there is none, where nothing else is known.
    """
    if missing := missing_process(client, process):
        return missing
    page = client.user_tasks.search(limit=PAGE, **who).items
    groups = {name for task in page for name in task.candidate_groups}
    assignees = {task.assignee for task in page if task.assignee}
    for what, value, known in (("group", group, groups), ("assignee", assignee, assignees)):
        if value and value not in known:
            others = f" Tasks have: {', '.join(sorted(known)[:NAMED_MAX])}." if known else ""
            return f"No task has the {what} '{value}'.{others}"
    if stopped:
        return f"{none} An incident is open: {_incidents(process)}"
    return f"{none} Start an instance: osmia start {process or 'PROCESS_ID'}"


def _incidents(process: str) -> str:
    return f"osmia incidents -p {shlex.quote(process)}" if process else "osmia incidents"
