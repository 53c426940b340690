"""Items of the lists of the REST API, as JSON in messages: any list and any item, for `osmia.v1.Queries`."""

from itertools import accumulate

import msgspec

from osmia_broker.base.errors import InvalidState
from osmia_broker.calls import Caller, Calls
from osmia_broker.calls.checks import int64
from osmia_broker.calls.lists import Lists
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.gateway.json_fields import json_of
from osmia_broker.store.read import Reader
from osmia_broker.store.read.lists.pages import SEARCHED_MAX
from osmia_broker.store.read.search.search import Search
from osmia_proto import queries

ITEMS_BYTES_MAX = 3_500_000  # of an answer: clients accept 4 MiB a message


class Items:
    """Answers the calls."""

    def __init__(self, calls: Calls, reader: Reader) -> None:
        self._calls = calls
        self._reader = reader

    async def search(self, request: queries.SearchItemsRequest, caller: Caller) -> queries.SearchItemsResponse:
        """Return a page of a list. It ends before its items grow too large for one message."""
        filter, sort, page = (json_of(name, getattr(request, name)) for name in ("filter", "sort", "page"))
        of = int64("of", request.of) if request.HasField("of") else None
        lists = self._lists(caller)
        while True:
            found = await lists.search(
                request.list, Search(filter, sort, page), of=of, is_whole=request.whole_values, bytes_max=SEARCHED_MAX
            )
            items = [msgspec.json.encode(item) for item in found.items]
            fitting = sum(size <= ITEMS_BYTES_MAX for size in accumulate(map(len, items)))
            if fitting == len(items):
                break
            if not fitting or found.start is None:  # a short list has no pages
                raise _too_large(request.list)
            page = {**(page or {}), "limit": fitting}  # the page was read, so it is an object
        return queries.SearchItemsResponse(
            items=[item.decode() for item in items],
            total=found.total,
            has_more_total=found.has_more_total,
            start_cursor=found.start or "",
            end_cursor=found.end or "",
            next=found.next,
        )

    async def get(self, request: queries.GetItemRequest, caller: Caller) -> queries.GetItemResponse:
        """Return one item by its key."""
        item = msgspec.json.encode(await self._lists(caller).get(request.list, request.key))
        if len(item) > ITEMS_BYTES_MAX:
            raise _too_large(request.list)
        return queries.GetItemResponse(item=item.decode())

    def _lists(self, caller: Caller) -> Lists:
        return Lists(self._reader, ReadableTasks(self._reader, self._calls.user_tasks.actor(caller)))


def _too_large(list: str) -> InvalidState:
    return InvalidState(
        f"Expected an item of '{list}' to have at most {ITEMS_BYTES_MAX} bytes, but found a larger one; it can be read by REST"
    )
