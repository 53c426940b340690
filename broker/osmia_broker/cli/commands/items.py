"""`osmia items`: any list of the REST API by its name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.cli.failures import from_call
from osmia_broker.cli.item_lists import Filter, filter_in, listed
from osmia_broker.cli.options import Groups, Limit, User, acting
from osmia_broker.cli.output import Column, Row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient

app = typer.Typer(add_completion=False)

Sort = Annotated[
    list[str] | None, typer.Option(metavar="FIELD", help="Sort by this field; -FIELD from the highest. Repeatable.")
]
NEAR = re.compile(r"did you mean '([a-z/-]+)'")  # in the refusal of a name
NAME_COLUMNS = (Column("name", "LIST"),)
COLUMNS_MAX = 8  # of a table; `wide` has all


@app.command()
@with_session
def items(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            metavar="[LIST]", help="Its path in the REST API, without keys and /search.", show_default=False
        ),
    ] = "",
    of: Annotated[
        int | None,
        typer.Option(metavar="KEY", min=-INT64_MAX, max=INT64_MAX, help="The thing that the list belongs to."),
    ] = None,
    filter: Filter = "",
    sort: Sort = None,
    is_whole: Annotated[bool, typer.Option("--whole", help="Do not cut long values of variables.")] = False,
    user: User = "",
    groups: Groups = "",
    limit: Limit = 50,
) -> None:
    """List anything that the REST API lists: element-instances, decision-definitions, jobs/statistics/by-types.

    Without LIST, the names of all lists. Fields have the names of the REST API.

    Example: osmia items process-instances/statistics/element-instances --of 2251799813685251
    """
    if not name:
        session.list([{"name": one} for one in _names()], NAME_COLUMNS, empty="")
        return
    asked = {"of": of, "whole_values": is_whole, **acting(user, groups)}
    wanted = filter_in(filter)
    with session.client() as client, _naming_lists(client):
        rows = listed(session, client, name, wanted, sort or (), limit, **asked)
    session.list(rows, columns_of(rows), empty="No such items.")


def _names() -> list[str]:
    from osmia_broker.calls.lists import LISTS

    return sorted(LISTS)


@contextmanager
def _naming_lists(client: "SyncClient") -> Iterator[None]:
    """Let the refusal of a name advise to look at the names."""
    from osmia.errors import InvalidArgument

    try:
        yield
    except InvalidArgument as error:
        failure = from_call(error, client.address)
        if failure.what.startswith("Expected the name of a list"):
            near = NEAR.search(failure.what)
            failure.mend = f"osmia items {near[1]}" if near else "osmia items   (all lists)"
        raise failure from error


def columns_of(rows: list[Row]) -> tuple[Column, ...]:
    """Return a column for each field of the items. A table has the first of those that have simple values."""
    names = list(rows[0]) if rows else ["key"]
    simple = [name for name in names if any(isinstance(row[name], str | int | float) for row in rows)] or names
    return tuple(
        Column(name, name, is_wide=name not in simple[:COLUMNS_MAX], is_long=place > 0)
        for place, name in enumerate([*simple, *(name for name in names if name not in simple)])
    )
