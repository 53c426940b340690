"""The list of evaluated decisions, newest first: the search of `entities/decision_instances.py`, asked as the other lists are."""

from collections.abc import Iterable

from osmia_broker.store.read.entities.decision_instances import TOLD_DECISION_INSTANCES
from osmia_broker.store.read.lists import pages
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import Search
from osmia_broker.store.read.search.search import search as search_items
from osmia_broker.store.read.sources import Sources

NEWEST_FIRST = [{"field": "evaluationDate", "order": "DESC"}]


async def search(
    sources: Sources,
    *,
    key: int = 0,
    process_instance_key: int = 0,
    decision_id: str = "",
    states: Iterable[str] = (),
    limit: int = 0,
    after: str = "",
) -> Page[Item]:
    """List the evaluated decisions that pass every filter. An empty filter lets all pass; *key* is that of a whole evaluation."""
    asked = {
        "decisionEvaluationKey": key,
        "processInstanceKey": process_instance_key,
        "decisionDefinitionId": decision_id,
        "state": {"$in": [*states]},
    }
    given = {name: value for name, value in asked.items() if value and value != {"$in": []}}
    page = {"limit": pages.limit_of(limit), "after": after or None}
    found = await search_items(
        sources,
        TOLD_DECISION_INSTANCES,
        Search(sort=NEWEST_FIRST, page=page),
        scope=given,
        bytes_max=pages.SEARCHED_MAX,
    )
    return Page(found.items, found.next)
