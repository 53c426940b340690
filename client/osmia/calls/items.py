"""Any list of the REST API, and any item of one by its key. Osmia's broker alone has them.

    page = await client.search_items("audit-logs", {"operationType": "CANCEL"}, sort=[{"field": "timestamp", "order": "DESC"}])

A list has the name of its path in the REST API, without the keys in it and without `/search`. Items have the members of the REST API; keys
in them are texts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from osmia.arguments import calls_of
from osmia.calls.call import Calls, json_text, who
from osmia_proto import queries


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A page of items, the number of all that pass the filter (at least, if *has_more_total*), and the cursors of its ends.

    *next* is the cursor of the next page; it is empty on the last one.
    """

    items: list[dict[str, Any]]
    total: int
    has_more_total: bool
    start_cursor: str
    end_cursor: str
    next: str


@calls_of("Client")
class ItemCalls(Calls):
    """Read lists. *user* and *groups* name the acting person while the broker asks for no sign-in: who they are decides which tasks they see."""

    async def search_items(
        self,
        name: str,
        filter: Mapping[str, Any] | None = None,
        *,
        of: int | None = None,
        sort: Iterable[Mapping[str, str]] = (),
        limit: int = 0,
        start: int = 0,
        after: str = "",
        before: str = "",
        whole_values: bool = False,
        user: str = "",
        groups: Iterable[str] = (),
    ) -> ItemPage:
        """Return a page of the list *name*, such as `element-instances` or `jobs/statistics/by-types`.

        *filter* and *sort* are those of the operation of the REST API. *of* is the key of the thing that the list belongs to: of a process instance
        for `process-instances/incidents`, of a user task for `user-tasks/audit-logs`. *limit* 0 leaves the size of a page to the broker; *after*
        and *before* are cursors of another page; *start* skips items. Long values of variables are cut unless *whole_values*.

        Raises:
            InvalidArgument: there is no such list, or the filter, the order or the page is wrong.
            NotFound: the thing that the list belongs to is not there.
            NotAllowed: the policy of the broker does not let *user* read it.
            InvalidState: an item is too large for a message.
        """
        page = {"limit": limit, "from": start, "after": after, "before": before}
        request = queries.SearchItemsRequest(
            list=name,
            of=of,
            filter=json_text(filter),
            sort=json_text(list(sort)),
            page=json_text({k: v for k, v in page.items() if v}),
            whole_values=whole_values,
        )
        answer = await self._call("SearchItems", request, who(user, groups))
        return ItemPage(
            items=[msgspec.json.decode(item) for item in answer.items],
            total=answer.total,
            has_more_total=answer.has_more_total,
            start_cursor=answer.start_cursor,
            end_cursor=answer.end_cursor,
            next=answer.next,
        )

    async def get_item(
        self, name: str, key: int | str, *, user: str = "", groups: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Return one item of the list *name* by its key: a number, the name of a cluster variable, the id of a listener.

        Raises:
            InvalidArgument: there is no such list, or its items have no keys.
            NotFound: there is no item with this key.
            NotAllowed: the policy of the broker does not let *user* read it.
            InvalidState: the item is too large for a message.
        """
        answer = await self._call("GetItem", queries.GetItemRequest(list=name, key=str(key)), who(user, groups))
        item: dict[str, Any] = msgspec.json.decode(answer.item)
        return item
