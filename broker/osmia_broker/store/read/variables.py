"""The list of the variables of a process instance, by scope and name, ascending. Scopes that have ended count too."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select, tuple_

from osmia_broker.state.rows import Variable
from osmia_broker.store import schema
from osmia_broker.store.read import pages
from osmia_broker.store.read.pages import Page, cursor
from osmia_broker.store.read.sources import Sources, of_key, question
from osmia_broker.store.read.tables import columns_of, readable

LIST = "variables"  #: the name in its cursors

_variable, _element = schema.variables, schema.element_instances


@question(of_key("process_instance_key"))
async def search(
    sources: Sources, process_instance_key: int, *, scope_key: int = 0, limit: int = 0, after: str = ""
) -> Page[Variable]:
    """List the variables of every scope of a process instance, or of one."""
    size = pages.limit_of(limit)
    place = pages.place_of(LIST, after, int, str)
    values = {"process_instance_key": process_instance_key, "scope_key": scope_key, "size": size + 1}
    if place:
        values |= {"after_scope": place[0], "after_name": place[1]}
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_statement(bool(scope_key), place is not None), values)
    page = pages.cut(
        readable(Variable, found[:size]), size, pages.size_of_texts, lambda row: cursor(LIST, row.scope_key, row.name)
    )
    if page.next or len(found) <= size:
        return page
    return Page(page.items, _cursor_behind(found[:size]))


def _cursor_behind(found: Sequence[Any]) -> str:
    """Make the cursor behind *found*, the values of a full page with corrupt rows: behind the last row whose name is text.

    If there is none, the page has no place of its own, and the next one begins with the next scope.
    """
    for scope_key, name, *_ in reversed(found):
        if isinstance(name, str):
            return cursor(LIST, scope_key, name)
    return cursor(LIST, found[-1][0] + 1, "")


@cache
def _statement(of_one_scope: bool, from_a_place: bool) -> Select[Any]:
    scopes = select(_element.c.key).where(_element.c.process_instance_key == bindparam("process_instance_key"))
    place = tuple_(_variable.c.scope_key, _variable.c.name)
    statement = columns_of(Variable).where(_variable.c.scope_key.in_(scopes))
    if of_one_scope:
        statement = statement.where(_variable.c.scope_key == bindparam("scope_key"))
    if from_a_place:
        statement = statement.where(place > tuple_(bindparam("after_scope"), bindparam("after_name")))
    return statement.order_by(_variable.c.scope_key, _variable.c.name).limit(bindparam("size"))
