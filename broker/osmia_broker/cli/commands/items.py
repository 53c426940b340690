"""`osmia items`: any list of the REST API by its name. What this command and `osmia audit` share is here, too."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.cli.failures import from_call, usage
from osmia_broker.cli.options import Groups, Limit, User, acting
from osmia_broker.cli.output import Column, Row
from osmia_broker.cli.rows import PAGE, first
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.variables import fault

if TYPE_CHECKING:
    from osmia import SyncClient

app = typer.Typer(add_completion=False)

Filter = Annotated[
    str, typer.Option(metavar="JSON", help='The filter of the REST API: \'{"state": {"$in": ["ACTIVE"]}}\'.')
]
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


def listed(
    session: Session,
    client: "SyncClient",
    name: str,
    filter: Mapping[str, Any] | None,
    sort: Iterable[str],
    limit: int,
    **asked: Any,
) -> list[Row]:
    """Return the first *limit* items of a list."""
    orders = [{"field": one.removeprefix("-"), "order": "DESC" if one.startswith("-") else "ASC"} for one in sort]
    if name.startswith(SHORT):
        return list(client.search_items(name, filter, sort=orders, **asked).items)
    return first(session, _every(client, name, filter, sort=orders, **asked), limit)


def _every(client: "SyncClient", name: str, filter: Mapping[str, Any] | None, **asked: Any) -> Iterator[Row]:
    """Yield all items of a list. A page is requested when its first item is needed."""
    after = ""
    while True:
        page = client.search_items(name, filter, limit=PAGE, after=after, **asked)
        yield from page.items
        after = page.next
        if not after:
            return


#: Lists that are always whole, and refuse a page.
SHORT = (
    "process-instances/call-hierarchy",
    "process-instances/sequence-flows",
    "process-instances/statistics/",
    "process-definitions/statistics/element-instances",
    "jobs/statistics/global",
)


def filter_in(text: str) -> dict[str, Any] | None:
    """Read `--filter`; None if it is empty.

    Raises:
        Failure: USAGE; it is no JSON object.
    """
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise usage(
            f"Expected --filter to hold a JSON object, but found {fault(text, error)}.",
            '--filter \'{"state": "ACTIVE"}\'',
        ) from error


def together(conditions: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return one filter of the *conditions* that are not empty, and of the JSON *document*.

    Raises:
        Failure: USAGE; there are two for the same field.
    """
    given = {name: value for name, value in conditions.items() if value}
    for name in given.keys() & document.keys():
        raise usage(f"Expected '{name}' in --filter or by its own option, but found it in both.")
    return given | document


def columns_of(rows: list[Row]) -> tuple[Column, ...]:
    """Return a column for each field of the items. A table has the first of those that have simple values."""
    names = list(rows[0]) if rows else ["key"]
    simple = [name for name in names if any(isinstance(row[name], str | int | float) for row in rows)] or names
    return tuple(
        Column(name, name, is_wide=name not in simple[:COLUMNS_MAX], is_long=place > 0)
        for place, name in enumerate([*simple, *(name for name in names if name not in simple)])
    )
