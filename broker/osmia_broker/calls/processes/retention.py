"""Remove process instances that ended long ago, with all their rows, by itself: in slices, with rests in which others are served.

A slice is as many commits' worth of work as a caller would cause who deletes a few instances; after each, the removal rests four times as long as
the slice took. A partition that is busy, away or led by another broker is left alone until the next round.
"""

import asyncio
import logging
from time import perf_counter

from osmia_broker.base.errors import OsmiaError, Rejection
from osmia_broker.engine.commands.batches import DeleteEndedInstance
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Clock, Partition
from osmia_broker.store.read import Reader
from osmia_broker.store.read.instances.ended_instances import NONE

SLICE_INSTANCES = 20
RESTS = 4  # times as long as a slice took
ROUND_S = 60.0  # between two looks for what has become old enough
FIRST_S = 60.0  # before the first one: a look opens the read side, which a start needs for nothing else

log = logging.getLogger(__name__)


class Retention:
    """Removes what ended more than *keep_ms* ago. `start` and `stop` belong to the event loop of the partition."""

    def __init__(
        self, partition: Partition, reader: Reader, clock: Clock, counters: PartitionCounters, *, keep_ms: int
    ) -> None:
        self._partition = partition
        self._reader = reader
        self._clock = clock
        self._counters = counters
        self._keep_ms = keep_ms
        self._rounds: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with the rounds, the first one after `FIRST_S`."""
        self._rounds = asyncio.ensure_future(self._go_round())

    async def stop(self) -> None:
        """End the rounds. Safe to call twice, and before `start`."""
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.gather(self._rounds, return_exceptions=True)
            self._rounds = None

    async def sweep(self) -> int:
        """Remove everything that is old enough now; return how many instances that were.

        Raises:
            OsmiaError: the partition or the store does not answer now; what was removed until then stays removed.
        """
        until_ms, after, removed = self._clock.now_ms() - self._keep_ms, NONE, 0
        while until_ms > 0 and self._partition.is_open:
            found = await self._reader.ended_instances(until_ms, after=after, limit=SLICE_INSTANCES)
            if not found:
                break
            after = found[-1]
            begun = perf_counter()
            removed += await self._remove([one.key for one in found])
            await asyncio.sleep(RESTS * (perf_counter() - begun))
        return removed

    async def _remove(self, keys: list[int]) -> int:
        """Remove a slice in one commit; return how many instances it had."""
        deletions = [self._partition.submit(DeleteEndedInstance(key)) for key in keys]
        outcomes = await asyncio.gather(*deletions, return_exceptions=True)
        refusals = [one for one in outcomes if isinstance(one, BaseException)]
        removed = len(keys) - len(refusals)
        self._counters.history_removed += removed
        for refusal in refusals:
            if not isinstance(refusal, Rejection):
                raise refusal
            log.warning("an instance was not removed", extra={"error": str(refusal)})
        return removed

    async def _go_round(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            begun = perf_counter()
            try:
                removed = await self.sweep()
            except OsmiaError as error:
                log.warning("the removal of old instances is put off", extra={"error": str(error)})
            except Exception:
                log.exception("the removal of old instances failed")
            else:
                if removed:
                    log.info("old instances were removed", extra={"instances": removed})
            await asyncio.sleep(max(ROUND_S, RESTS * (perf_counter() - begun)))
