"""The filters of task lists that a person has saved."""

import msgspec
from sqlalchemy import bindparam, select

from osmia_broker.state.rows.tasks import SavedTaskFilter
from osmia_broker.store import schema
from osmia_broker.store.read.sources import Sources, of_cluster, question

FILTERS_MAX = 50  # of one person in an answer

_filter = schema.TABLES[SavedTaskFilter].c
_OF_USER = (
    select(_filter.name, _filter.query)
    .where(_filter.user == bindparam("user"), _filter.query != "")
    .order_by(_filter.name)
    .limit(FILTERS_MAX)
)


class Saved(msgspec.Struct, frozen=True):
    """A saved filter: its name, and its question in the query language of `task_query`."""

    name: str
    query: str


@question(of_cluster)
async def filters_of(sources: Sources, user: str) -> list[Saved]:
    """Return the saved filters of a person by name, at most `FILTERS_MAX`."""
    async with sources.database.snapshot() as snapshot:
        return [Saved(*row) for row in await snapshot.values(_OF_USER, {"user": user})]


def has_room_for(name: str, saved: list[Saved]) -> bool:
    """Return whether a person with these filters may save one of this name: one that they have, or one more."""
    return len(saved) < FILTERS_MAX or name.strip() in {one.name for one in saved}
