"""Lists of rows as they are stored: the search of an entity that shows rows in place of the fields of the API, and counts nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

from sqlalchemy import Select

from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.store import schema
from osmia_broker.store.read.lists import pages
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.search.entity import CHUNK, Entity
from osmia_broker.store.read.search.items import Key, Shows, array_of
from osmia_broker.store.read.search.search import listed
from osmia_broker.store.read.search.terms import Order
from osmia_broker.store.read.sources import Sources
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.database import Snapshot
from osmia_broker.store.read.sql.tables import columns_of, readable

R = TypeVar("R")
T = TypeVar("T")


class Rows(Generic[R]):
    """Shows rows of one class."""

    chunk = CHUNK

    def __init__(self, row_type: type[R]) -> None:
        self._row_type = row_type
        self._key = KINDS[row_type].primary_key

    async def read(self, snapshot: Snapshot, keys: Sequence[Key]) -> dict[Key, tuple[R | None, int]]:
        """Read the rows with these *keys*."""
        statement = _by_keys(self._row_type)  # type: ignore[arg-type]  # a class is hashable
        found = readable(self._row_type, await snapshot.values(statement, {"keys": array_of(keys)}))
        return {tuple(getattr(row, name) for name in self._key): (row, pages.size_of_texts(row)) for row in found}


async def page_of(
    sources: Sources,
    entity: Entity,
    shows: Shows[T],
    order: Order,
    asked: Mapping[str, Any],
    *,
    limit: int,
    after: str,
) -> Page[T]:
    """Return a page of what passes the filter *asked*, of which the empty members let all pass.

    Raises:
        InvalidArgument: *limit* is out of range, or *after* is no cursor of this list.

    """
    scope = {name: value for name, value in asked.items() if value is False or value not in _EMPTY}
    size = pages.limit_of(limit)
    found = await listed(sources, entity, shows, scope, order, size=size, after=after, bytes_max=pages.PAGE_BYTES_MAX)
    return Page(*found)


async def with_elements(sources: Sources, page: Page[Any], seen: Callable[[Any, ProcessDefinition, str], T]) -> Page[T]:
    """Return a page of what is *seen* of rows that belong to elements: each row, its process definition and the name of its element."""
    definitions = await sources.definitions.read(sources.database, (row.process_definition_key for row in page.items))
    names = await sources.element_names.of(definitions.values())
    of_rows = [(row, row.process_definition_key) for row in page.items]
    return Page([seen(row, definitions[key], names[key].get(row.element_id, "")) for row, key in of_rows], page.next)


_EMPTY: tuple[Any, ...] = (None, 0, "", {"$in": []})


def among(values: Iterable[str]) -> dict[str, list[str]]:
    """Return the filter that a value is one of *values*; it lets all pass if there are none."""
    return {"$in": [*values]}


@cache
def _by_keys(row_type: type) -> Select[Any]:
    """Select the rows whose keys are the parameter `keys`."""
    columns = [schema.TABLES[row_type].c[name] for name in KINDS[row_type].primary_key]
    is_one = dialect.among(columns[0], "keys") if len(columns) == 1 else dialect.among_rows(columns, "keys")
    return columns_of(row_type).where(is_one)
