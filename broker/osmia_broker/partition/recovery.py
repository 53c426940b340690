"""A partition that cannot go on begins anew, and opens its store again (crash-only).

If a write fails, memory is ahead of the disk: all waiting callers are refused, memory is dropped, and the store is opened again. If a
value was the reason, nothing was written, and only the command with that value is refused; the others are decided again (`backlog`).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from osmia_broker.base.errors import InvalidArgument, StoreFailed, StoreFull, ValueRefused
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition.batch import Batch
from osmia_broker.partition.committing import Committing
from osmia_broker.partition.opening import Opening, no_commit
from osmia_broker.partition.phase import Life, Phase
from osmia_broker.partition.publishing import Publisher
from osmia_broker.state.store_protocol import Start, Store

TRY_S = (5.0, 10.0, 30.0)  # pauses before a partition that could not write tries by itself; the last one repeats

log = logging.getLogger(__name__)


class Recovery:
    """Opens a partition, and begins it anew after each failure."""

    committing: Committing  #: set once, by the partition: each of the two needs the other

    def __init__(
        self, partition_id: int, life: Life, store: Store, counters: PartitionCounters, publisher: Publisher
    ) -> None:
        self._partition_id, self._life, self._counters, self._publisher = partition_id, life, counters, publisher
        self._loop = asyncio.get_running_loop()
        self.opening = Opening(store, partition_id, self.serve, self._not_opened, self.guarded)
        self.write_failure = ""  #: why the last commit failed; empty again after one that succeeded
        self._failed_commits = 0  # since the last one that succeeded
        self._trial: asyncio.TimerHandle | None = None

    # --- opening

    def serve(self, start: Start) -> None:
        """Begin with what the store has read, unless the partition was closed meanwhile."""
        if self._life.phase not in (Phase.AWAY, Phase.REOPENING):
            return
        self.committing.begin(start)
        self._life.enter(Phase.SERVING)
        self._publisher.opened()
        self.committing.go_on()
        if self._trial is not None:
            self._trial.cancel()
        if self.write_failure:
            pause_s = TRY_S[min(self._failed_commits, len(TRY_S)) - 1]
            self._trial = self._loop.call_later(pause_s, self.guarded, self._try_to_write)

    def _try_to_write(self) -> None:
        """Commit nothing but a key: whoever waits until the partition can write again sends no commands meanwhile."""
        if self._life.phase is Phase.SERVING and self.write_failure:
            state = self.committing.state
            state.next_key()
            state.journal.clear()
            self.committing.schedule()

    def _not_opened(self, failure: StoreFailed) -> None:
        """The store could not be opened, and will be tried again: refuse those who wait for it."""
        if self._life.phase is Phase.REOPENING:
            self._go_away(failure)
        elif self._life.phase is Phase.AWAY:
            self._life.why_away = failure

    def reopen(self) -> None:
        """Open the store again: the write has ended during which memory was dropped."""
        self.opening.begin()

    # --- commits

    def committed(self) -> None:
        """Take note that rows were committed."""
        self.write_failure, self._failed_commits = "", 0

    def not_committed(self, batch: Batch, error: BaseException) -> None:
        """Give up *batch*, and what was decided after it.

        If a value was the reason, nothing was written, and all but its command are decided again.
        """
        if isinstance(error, ValueRefused):
            self._search(batch, error)
            return
        failure = error if isinstance(error, StoreFailed) else no_commit(error)
        self.write_failure, self._failed_commits = str(failure), self._failed_commits + 1
        self._start_over(failure, batch)

    def _search(self, batch: Batch, failure: ValueRefused) -> None:
        """Begin memory anew, refuse the command with the bad value if it is known, and decide the others again."""
        log.warning("value refused by the store", extra={"partition": self._partition_id, "error": str(failure)})
        if not batch.accepted():
            self._start_over(failure, batch)  # no command has brought the value
            return
        found = self.committing.search(batch)
        if found is not None:
            reason = f"Expected values that can be stored, but found: {failure}"
            self._publisher.refuse([found], InvalidArgument(reason))
        if self._life.phase is Phase.CLOSING:
            self._life.enter(Phase.CLOSED)
            self._publisher.refuse(self.committing.everybody(), self._life.why_away)
            return
        self.committing.go_on_with_due_work()
        self._life.enter(Phase.REOPENING)
        self.opening.begin()

    # --- failures

    def guarded(self, call: Callable[..., None], *args: Any) -> None:
        """Make a call of the loop; any exception in it means that memory cannot be trusted, so it is begun anew."""
        try:
            call(*args)
        except Exception as defect:
            log.exception("partition failed", extra={"partition": self._partition_id})
            self._start_over(StoreFailed(f"Expected the partition to go on, but found a defect: {defect!r}"))

    def fail(self, failure: StoreFailed) -> None:
        """Answer nothing more, and begin anew: another broker leads, or may lead, or memory is broken."""
        if self._life.phase.takes_commands or self._life.phase.has_memory:
            self._start_over(failure)

    def _start_over(self, failure: StoreFailed, *failed: Batch) -> None:
        """Refuse everybody who waits, drop memory, and open the store anew."""
        reason = "disk_full" if isinstance(failure, StoreFull) else "store"
        log.error("memory is dropped", extra={"partition": self._partition_id, "reason": reason, "error": str(failure)})
        self._counters.commit_failures.add(reason)
        self._go_away(failure, *failed)
        if not self.committing.is_writing:  # else it is opened when the write has ended
            self.opening.begin()

    def _go_away(self, failure: StoreFailed, *failed: Batch) -> None:
        """Refuse everybody who waits, those of *failed* batches too, and drop memory."""
        waiters, tickets = self.committing.everybody(*failed), self.committing.state.awaited.tickets()
        if self._life.phase in (Phase.CLOSING, Phase.CLOSED):
            self._life.enter(Phase.CLOSED)
        else:
            self._life.why_away = failure
            self._life.enter(Phase.AWAY)
        self.committing.drop_memory()
        self._publisher.refuse(waiters, failure)
        self._publisher.lose_results(tickets, failure)
        self._publisher.away(str(failure))
