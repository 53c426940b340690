"""Read any list of the REST API by its name, with a filter as the REST API has it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from osmia_broker.cli.failures import usage
from osmia_broker.cli.output import Row
from osmia_broker.cli.rows import PAGE, first
from osmia_broker.cli.session import Session
from osmia_broker.cli.variables import fault

if TYPE_CHECKING:
    from osmia import SyncClient

Filter = Annotated[
    str, typer.Option(metavar="JSON", help='The filter of the REST API: \'{"state": {"$in": ["ACTIVE"]}}\'.')
]


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
