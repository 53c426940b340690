"""`osmia task filters|save-filter|delete-filter|snooze|wake|snoozed`: a person's own lists of tasks."""

from typing import Annotated

import typer

from osmia_broker.cli.failures import from_call, usage
from osmia_broker.cli.options import Groups, Key, User, acting
from osmia_broker.cli.output import Column, moment
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.times import as_time

FILTER_COLUMNS = (
    Column("name", "NAME", is_long=True),
    Column("total", "TASKS"),
    Column("query", "QUERY", is_long=True),
    Column("problem", "PROBLEM", is_long=True),
)
SNOOZE_COLUMNS = (
    Column("userTaskKey", "KEY"),
    Column("until", "UNTIL", is_moment=True),
    Column("untilChange", "OR UNTIL IT CHANGES"),
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the filter.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of `osmia task`."""
    app.command()(filters)
    app.command("save-filter")(save_filter)
    app.command("delete-filter")(delete_filter)
    app.command()(snooze)
    app.command()(wake)
    app.command()(snoozed)


@with_session
def filters(session: Session, user: User = "", groups: Groups = "") -> None:
    """List your saved filters with the number of tasks in each.

    Example: osmia task filters --user anna
    """
    with session.client() as client:
        found = client.user_tasks.filters(**acting(user, groups))
    rows = [
        {
            "name": one.name,
            "total": f"{one.total}{'+' if one.has_more_total else ''}" if not one.problem else None,
            "query": one.query,
            "problem": one.problem or None,
        }
        for one in found
    ]
    session.list(
        rows,
        FILTER_COLUMNS,
        empty=_none(user, "You have saved no filter", "osmia task save-filter NAME QUERY", "filters"),
    )


@with_session
def save_filter(
    session: Session,
    name: Name,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="As in the search of the page.")],
    user: User = "",
    groups: Groups = "",
) -> None:
    """Save a filter of your task list; the page shows it too.

    Example: osmia task save-filter "Urgent invoices" 'group:finance due:<2d amount:>1000' --user anna
    """
    if not query.strip():
        raise usage("A filter needs a query.", "osmia task delete-filter NAME   (deletes one)")
    with session.client() as client:
        client.user_tasks.save_filter(name, query.strip(), **acting(user, groups))
    session.one({"name": name, "query": query.strip()}, key="name", text=f"Saved {name}")


@with_session
def delete_filter(session: Session, name: Name, user: User = "", groups: Groups = "") -> None:
    """Delete a saved filter.

    Example: osmia task delete-filter "Urgent invoices" --user anna
    """
    with session.client() as client:
        client.user_tasks.delete_filter(name, **acting(user, groups))
    session.one({"name": name}, key="name", text=f"Deleted {name}")


@with_session
def snooze(
    session: Session,
    key: Key,
    until: Annotated[
        str,
        typer.Argument(
            parser=as_time,
            metavar="[UNTIL]",
            help="3h, 2d, tomorrow, a date (both at 08:00 UTC), or a date-time.",
            show_default=False,
        ),
    ] = "",
    until_change: Annotated[bool, typer.Option("--until-change", help="Until somebody changes the task.")] = False,
    user: User = "",
    groups: Groups = "",
) -> None:
    """Leave a task out of your lists until a time, or until something changes.

    Example: osmia task snooze 2251799813685256 2d --user anna
    """
    if not until and not until_change:
        raise usage("No time is given.", f"osmia task snooze {key} 2d")
    from osmia.errors import InvalidArgument

    who = acting(user, groups)
    with session.client(found_by="osmia tasks") as client:
        try:
            client.user_tasks.snooze(key, until=until, until_change=until_change, **who)
        except InvalidArgument as error:
            failure = from_call(error, client.address)
            failure.mend = failure.mend or f"osmia task snooze {key} 2d"
            raise failure from error
        [held] = [one for one in client.user_tasks.snoozed(**who) if one.key == key]
    ways = [f"until {moment(held.until_ms)}"] * bool(held.until_ms) + ["until it changes"] * until_change
    session.one({"userTaskKey": str(key)}, key="userTaskKey", text=f"Snoozed {key} {', or '.join(ways)}")


@with_session
def wake(session: Session, key: Key, user: User = "", groups: Groups = "") -> None:
    """Call a snoozed task back.

    Example: osmia task wake 2251799813685256 --user anna
    """
    with session.client(found_by="osmia tasks") as client:
        client.user_tasks.wake(key, **acting(user, groups))
    session.one({"userTaskKey": str(key)}, key="userTaskKey", text=f"Called {key} back")


@with_session
def snoozed(session: Session, user: User = "", groups: Groups = "") -> None:
    """List what you have snoozed.

    Example: osmia task snoozed --user anna
    """
    with session.client() as client:
        found = client.user_tasks.snoozed(**acting(user, groups))
    rows = [
        {
            "userTaskKey": str(one.key),
            "until": moment(one.until_ms) if one.until_ms else None,
            "untilChange": one.until_change,
        }
        for one in found
    ]
    session.list(
        rows, SNOOZE_COLUMNS, empty=_none(user, "You have snoozed no task", "osmia task snooze KEY 2d", "snoozed")
    )


def _none(user: str, what: str, way: str, command: str) -> str:
    """Say that a list is empty, and how to fill it; nobody has one, so without a name it is asked for first."""
    return f"{what}: {way}" if user else f"{what}. Without a sign-in, say who you are: osmia task {command} --user anna"
