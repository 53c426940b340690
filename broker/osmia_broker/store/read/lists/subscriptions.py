"""The list of subscriptions to messages, signals and conditions, newest first: of process instances and of start events.

It is the search of `entities/subscriptions.py` with rows. The timers of start events are in the list of timers.
"""

from collections.abc import Iterable, Sequence

import msgspec

from osmia_broker.state.rows import ProcessDefinition, StartSubscription, Subscription, SubscriptionKind
from osmia_broker.store.read.entities.subscriptions import SUBSCRIPTIONS
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, among, page_of, with_elements
from osmia_broker.store.read.search.entity import CHUNK
from osmia_broker.store.read.search.items import Key
from osmia_broker.store.read.sources import Sources, by_itself, question
from osmia_broker.store.read.sql.database import Snapshot

NEWEST_FIRST = (("creationDate", True),)
OPEN, ENDED = "OPEN", "ENDED"
_KINDS = (SubscriptionKind.MESSAGE, SubscriptionKind.SIGNAL, SubscriptionKind.CONDITION)


class SeenSubscription(msgspec.Struct, frozen=True):
    """A subscription, and the event that it belongs to."""

    row: Subscription
    definition: ProcessDefinition
    element_name: str


class _Subscriptions:
    """Shows subscriptions of both tables. That of a start event has the columns of another, without what it lacks."""

    chunk = CHUNK

    async def read(self, snapshot: Snapshot, keys: Sequence[Key]) -> dict[Key, tuple[Subscription | None, int]]:
        """Read the subscriptions with these *keys*."""
        found = await Rows(Subscription).read(snapshot, keys)
        others = [key for key in keys if key not in found]
        starts = await Rows(StartSubscription).read(snapshot, others) if others else {}
        return found | {key: (_of_start_event(row), size) for key, (row, size) in starts.items() if row is not None}


def _of_start_event(row: StartSubscription) -> Subscription:
    return Subscription(
        key=row.key,
        process_instance_key=0,
        process_definition_key=row.process_definition_key,
        element_instance_key=0,
        element_id=row.element_id,
        bpmn_process_id=row.bpmn_process_id,
        kind=row.kind,
        name=row.name,
        ended_ms=row.ended_ms,
    )


@question(by_itself)
async def search(
    sources: Sources,
    *,
    process_instance_key: int = 0,
    element_id: str = "",
    bpmn_process_id: str = "",
    name: str = "",
    correlation_key: str = "",
    kinds: Iterable[str] = (),
    of_start_event: bool | None = None,
    states: Iterable[str] = (),
    limit: int = 0,
    after: str = "",
) -> Page[SeenSubscription]:
    """List the subscriptions that pass every filter. An empty filter lets all pass."""
    wanted = frozenset(states)
    asked = {
        "processInstanceKey": process_instance_key,
        "elementId": element_id,
        "processDefinitionId": bpmn_process_id,
        "messageName": name,
        "correlationKey": correlation_key,
        "kind": among(frozenset(kinds) or _KINDS),
        "isOfStartEvent": of_start_event,
        "isOpen": OPEN in wanted if len(wanted) == 1 else None,
    }
    page = await page_of(sources, SUBSCRIPTIONS, _Subscriptions(), NEWEST_FIRST, asked, limit=limit, after=after)
    return await with_elements(sources, page, SeenSubscription)
