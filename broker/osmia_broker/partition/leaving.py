"""A partition that another broker shall lead: it finishes what it has taken, and waits for its next turn."""

import asyncio

from osmia_broker.base.errors import LeaseHeld, Unavailable
from osmia_broker.partition.committing import Committing
from osmia_broker.partition.opening import Opening
from osmia_broker.partition.phase import Life, Phase
from osmia_broker.partition.publishing import Publisher
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Store


class Leaving:
    """Gives a partition up, so that it can be taken back by *opening* its store again."""

    def __init__(
        self,
        partition_id: int,
        life: Life,
        store: Store,
        *,
        opening: Opening,
        committing: Committing,
        publisher: Publisher,
    ) -> None:
        self._partition_id, self._life, self._store = partition_id, life, store
        self._opening, self._committing, self._publisher = opening, committing, publisher
        self._last_batch = 0  # the last one that commands of the broker itself may join
        self._move: asyncio.Task[None] | None = None  # the hand-over that is under way

    async def hand_over(self) -> None:
        """Refuse new commands, finish and answer those that were taken, and give the store back; then wait for the next turn.

        Return without that if the partition does not serve, or if its store fails meanwhile. Whoever asks may leave: a hand-over that has
        begun goes on to its end.
        """
        if self._move is None and self._life.phase is Phase.SERVING:
            self._move = asyncio.ensure_future(self._finish(self._committing.state, self._begin()))
            self._move.add_done_callback(self._ended)
        if self._move is not None:
            await asyncio.shield(self._move)

    async def ended(self) -> None:
        """Wait for the end of a hand-over that is under way, however it ends."""
        if self._move is not None:
            await asyncio.wait([self._move])

    def _ended(self, _move: "asyncio.Task[None]") -> None:
        self._move = None

    def _begin(self) -> "asyncio.Future[Phase]":
        """Refuse new commands; the future has the phase that follows when nothing is left of those that were taken."""
        life, committing = self._life, self._committing
        committing.due.stop()
        life.why_away = Unavailable(
            f"Expected partition {self._partition_id} to be open, but another broker takes it over now; try again"
        )
        self._last_batch = committing.open_batch + 1
        life.enter(Phase.LEAVING)
        left = life.left()
        if committing.is_busy:
            committing.schedule()
        else:
            life.finish()
        return left

    async def _finish(self, state: State, left: "asyncio.Future[Phase]") -> None:
        why, committing = self._life.why_away, self._committing
        if await left is not Phase.AWAY or committing.state is not state:  # a failure has dropped memory
            return
        tickets = state.awaited.tickets()
        committing.drop_memory()
        try:
            await self._store.close()
        finally:  # it may come back, however its store was closed
            self._publisher.lose_results(tickets, why)
            self._publisher.away(str(why))
            self._opening.wait_for(LeaseHeld(str(why)))

    @property
    def takes_own(self) -> bool:
        """Whether commands of the broker itself still join what is finished: they may come without end, so only one batch more takes them."""
        return self._life.phase is not Phase.LEAVING or self._committing.open_batch <= self._last_batch
