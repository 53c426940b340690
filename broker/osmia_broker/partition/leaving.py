"""A partition that another broker shall lead: it finishes what it has taken, and waits for its next turn."""

import asyncio

from osmia_broker.base.errors import LeaseHeld, OsmiaError, StoreFailed, Unavailable
from osmia_broker.partition.facts import Facts
from osmia_broker.partition.opening import Opening, not_leading
from osmia_broker.partition.phase import Phase
from osmia_broker.partition.publishing import Publisher
from osmia_broker.state.store_protocol import Store


class Leaving(Facts):
    """The side of a `Partition` that gives it up and takes it back."""

    _leaving: asyncio.Future[bool] | None = None  # whether all that was taken is finished
    _last_batch = 0  # while it leaves: the last one that commands of the broker itself may join
    _opening: Opening
    _publisher: Publisher
    _store: Store

    async def hand_over(self) -> None:
        """Let another broker lead: refuse new commands, finish and answer those that were taken, and give the store back; then wait for the next turn.

        Return without that if the partition does not serve, or if its store fails meanwhile.
        """
        if self._phase is not Phase.SERVING:
            return
        self._due.stop()
        why: OsmiaError = Unavailable(
            f"Expected partition {self.id} to be open, but another broker takes it over now; try again"
        )
        self._why_away = why
        leaving = self._leaving = asyncio.get_running_loop().create_future()
        self._last_batch = self._batch.number + 1
        self._enter(Phase.LEAVING)
        if self._is_busy:
            self._schedule()
        else:
            self._finish()
        if not await leaving:
            return
        tickets = self._state.awaited.tickets()
        self._drop_memory()
        self._renew_due_work()
        await self._store.close()
        self._publisher.lose_results(tickets, why)
        self._publisher.away(str(why))
        self._opening.wait_for(LeaseHeld(str(why)))

    def hear_of(self, epoch: int) -> None:
        """Take the news that a broker has led in *epoch*. If that is later than the own one, answer nothing more: not even a refusal would be true."""
        if epoch > self.epoch:
            self._lost(not_leading())

    @property
    def _takes_own(self) -> bool:
        """Whether a command of the broker itself is decided now. Such commands may come without end, so a partition that leaves takes one batch more of them."""
        is_last = self._phase is Phase.LEAVING and self._batch.number > self._last_batch
        return (self._phase.takes_commands or self._phase.is_ending) and not is_last

    def look(self) -> None:
        """Try now to open the store, if it is being waited for: the turn of this broker has come."""
        self._opening.look()

    def _finish(self) -> None:
        """Go over to what comes after the end: nothing is left of what was taken."""
        if self._phase is Phase.CLOSING:
            self._enter(Phase.CLOSED)
            return
        self._end_leaving(is_done=True)
        self._enter(Phase.AWAY)

    def _end_leaving(self, *, is_done: bool) -> None:
        """Let `hand_over` go on, if it waits."""
        leaving, self._leaving = self._leaving, None
        if leaving is not None:
            leaving.set_result(is_done)

    def _enter(self, phase: Phase) -> None:
        raise NotImplementedError

    def _lost(self, failure: StoreFailed) -> None:
        raise NotImplementedError

    def _schedule(self) -> None:
        raise NotImplementedError

    def _drop_memory(self) -> None:
        raise NotImplementedError

    def _renew_due_work(self) -> None:
        raise NotImplementedError
