"""Batch operations in an imagined cluster: each cancels process instances in all partitions; and the judge of what has become of them."""

import asyncio

from osmia_broker.base.errors import InvalidState, NotFound, Rejection
from osmia_broker.engine import commands
from osmia_broker.engine.commands.batches import AddBatchItems, CreateBatch, StartBatch
from osmia_broker.state.rows import ElementInstance
from osmia_broker.state.rows.batches import BatchItem, BatchOperation, BatchState, BatchType
from tests.partition.opened import deploy
from tests.simulation.clients import Clients, Unknown
from tests.simulation.virtual import passing

MODEL = deploy('start > never:catch(message=never, key="=d") > end', id="doomed")
ITEMS = 12


class Batches:
    """Which batch operations were begun, and with what."""

    def __init__(self, clients: Clients) -> None:
        self.clients, self.chance = clients, clients.chance
        # Process instances, by the key of a batch operation that was started.
        self.items: dict[int, tuple[int, ...]] = {}

    async def cancel_many(self, number: int, begins_s: float) -> None:
        """Create process instances, and cancel them with one batch operation."""
        await passing(begins_s)
        creations = [
            commands.CreateProcessInstance("doomed", -1, 0, {"d": "1"}, idempotency_key=f"doomed {number} {place}")
            for place in range(ITEMS)
        ]
        made = await asyncio.gather(*map(self.clients.send_until_known, creations))
        keys = tuple(one.process_instance_key for one in made)
        while True:  # one of which nobody knows whether it has all items is left alone: it was not started
            try:
                batch_key = await self.clients.send(CreateBatch(BatchType.CANCEL_PROCESS_INSTANCE))
                await self.clients.send(AddBatchItems(batch_key, tuple((one, one) for one in keys)))
                break
            except Unknown:
                await self.clients.pause()
        self.items[batch_key] = keys
        await self.start(batch_key)
        self.clients.say(f"batch operation {batch_key} is started")

    async def start(self, key: int) -> None:
        """Start a batch operation. After an answer that was lost it may be at work, or even have ended: then it is found no more."""
        may_be_started = False
        while True:
            try:
                await self.clients.send(StartBatch(key))
            except Unknown:
                may_be_started = True
                await self.clients.pause()
            except (InvalidState, NotFound) as refusal:
                self._judge_refusal(key, refusal, may_be_started=may_be_started)
                return
            else:
                return

    def _judge_refusal(self, key: int, refusal: Rejection, *, may_be_started: bool) -> None:
        assert may_be_started, f"batch operation {key} was not started, but: {refusal}"
        is_living = key in {row.key for row in self.clients.living(BatchOperation)}
        assert isinstance(refusal, InvalidState) or not is_living, f"batch operation {key} lives, but: {refusal}"

    def why_not_done(self) -> str:
        """Say which of those that were started has not ended."""
        for row in self.clients.living(BatchOperation):
            if (row.whole_key or row.key) in self.items:
                return f"{row} has not ended"
        return ""

    def judge(self) -> None:
        """Judge that each item was tried once, and that the counts say so."""
        found = {row.key: row for row in self.clients.rows(BatchOperation) if not row.whole_key}
        states = {row.key: row.state for row in self.clients.rows(ElementInstance) if row.element_id == "doomed"}
        tried: dict[int, list[int]] = {}
        for item in self.clients.rows(BatchItem):
            tried.setdefault(item.batch_key, []).append(item.item_key)
        for key, items in self.items.items():
            row = found[key]
            counts = (row.state, row.items, row.completed, row.failed)
            assert counts == (BatchState.COMPLETED, len(items), len(items), 0), f"found {row}"
            assert sorted(tried[key]) == sorted(items), f"{key} has tried {tried[key]}"
            assert {states[one] for one in items} == {"TERMINATED"}, f"not all instances of {key} are cancelled"
