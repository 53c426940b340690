"""The part of the partitions that this broker leads.

With each beat it looks at all brokers, takes what it shall lead, and gives up what is another's.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from math import inf

from osmia_broker.store.postgres.balance import plan
from osmia_broker.store.postgres.census import Census, Led, Watching
from osmia_broker.store.postgres.life import BEAT_S
from osmia_broker.store.postgres.sharing import SharedLease, SharedLife

SOON_S = 0.2  # between two looks while something is going on
STRANGER_S = 5.0  # links are there in less
LONG_FREE_S = 2.0  # after which anybody takes a partition that another broker should have taken

log = logging.getLogger(__name__)


class Sharing:
    """Beats, and lets this broker lead its share. *leases* are those of all partitions, by number.

    *take* is called with a partition whose lease is there for the taking, *give* with one that shall be given up; that one returns when it
    is. *met* gets each census, *is_linked* says whether there is a link to a broker, by its number.
    """

    def __init__(
        self,
        life: SharedLife,
        leases: Mapping[int, SharedLease],
        *,
        take: Callable[[int], None],
        give: Callable[[int], Awaitable[None]],
        met: Callable[[Census], None],
        is_linked: Callable[[int], bool],
        beat_s: float = BEAT_S,
    ) -> None:
        self._life, self._leases = life, leases
        self._take, self._give, self._met, self._is_linked = take, give, met, is_linked
        self._beat_s = beat_s
        self._watching = Watching(life.broker_id, life.clock, life.ttl_s)
        self._free: dict[Led, float] = {}  # since when they were seen so
        self._giving: dict[int, asyncio.Task[None]] = {}
        self._is_resting = False
        self._has_met = False  # another broker, over a link
        self._stranger_since = inf
        self._is_warned = False
        self._wake = asyncio.Event()
        self._rounds: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, and then every second."""
        await self.look()
        self._rounds = asyncio.ensure_future(self._go_round())

    def wake(self) -> None:
        """Look again soon: something has happened to another broker, or to a partition."""
        self._wake.set()

    async def rest(self) -> None:
        """Take nothing any more, and let the others know that they may; the beats go on."""
        self._is_resting = True
        self._life.links = ""
        if self._giving:
            await asyncio.wait({*self._giving.values()})
        await self._life.beat()

    async def stop(self) -> None:
        """Beat no more."""
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.gather(self._rounds, return_exceptions=True)
        self._life.leave()

    async def _go_round(self) -> None:
        while True:
            await asyncio.sleep(SOON_S)
            if not (self._watching.is_suspicious or self._giving):
                await self._woken(self._beat_s - SOON_S)
            self._wake.clear()
            try:
                await self.look()
            except Exception:
                log.exception("a look at the other brokers failed")

    async def _woken(self, within_s: float) -> None:
        """Wait until something wakes the look, at most *within_s*."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._wake.wait()

    async def look(self) -> None:
        """Beat, and act on what that has found."""
        before = self._life.counted
        await self._life.beat()
        if self._life.counted == before:  # the database is away, and nobody can be seen
            self._watching.saw_nothing()
            self._free.clear()
            return
        if not self._life.number:  # it was declared dead, and the next beat begins a new life
            self.wake()
            return
        census = self._life.census
        self._met(census)
        await self._watching.look(census, self._is_linked)
        if not self._is_resting:
            self._act(census)

    def _act(self, census: Census) -> None:
        me, now = self._life.process, self._life.clock()
        others = [one.process for one in census.brokers if one.links and self._watching.lives(one.id)]
        linked = [one for one in others if self._is_linked(one)]
        led: dict[int, set[int]] = {one: set() for one in (*linked, me)}
        free = self._sorted(census, led)
        if self._is_stranger(others, linked, self._may_go_ahead(census, others, is_leading=bool(led[me]))):
            return
        self._free = {one: self._free.get(one, now) for one in free.values()}
        long_free = {one.partition for one, since in self._free.items() if now - since >= LONG_FREE_S}
        made = plan(me, led, [*free], long_free)
        for partition in made.take:
            self._leases[partition].want(free[partition].epoch)
            self._take(partition)
        if not self._giving:
            for partition in made.give:
                log.info("partition is given up to another broker", extra={"partition": partition})
                self._giving[partition] = asyncio.ensure_future(self._given(partition))

    def _may_go_ahead(self, census: Census, others: list[int], *, is_leading: bool) -> bool:
        """Whether this broker takes something without a link to any of the *others*: one that leads already, or the lowest number where none does."""
        if is_leading or not others:
            return True
        numbers = {one.id: one.process for one in census.brokers}
        leading = {numbers.get(one.owner, 0) for one in census.leases}
        return self._life.process < min(others) and leading.isdisjoint(others)

    def _is_stranger(self, others: list[int], linked: list[int], may_go_ahead: bool) -> bool:
        """Whether no broker that lives has ever had a link to this one: nobody could use what it leads, so it takes nothing."""
        self._has_met = self._has_met or bool(linked)
        if self._has_met or may_go_ahead:
            self._stranger_since = inf
            return False
        now = self._life.clock()
        self._stranger_since = min(self._stranger_since, now)
        if now - self._stranger_since >= STRANGER_S and not self._is_warned:
            self._is_warned = True
            log.warning(
                "no link to any other broker, so nothing is led here: do links_secret and the certificates of the links fit?",
                extra={"brokers": others},
            )
        return True

    async def _given(self, partition: int) -> None:
        try:
            await self._give(partition)
        except Exception:
            log.exception("a partition could not be given up")
        finally:
            del self._giving[partition]

    def _sorted(self, census: Census, led: dict[int, set[int]]) -> dict[int, Led]:
        """Put each partition to whoever leads it; return those that nobody leads."""
        numbers = {one.id: one.process for one in census.brokers}
        free: dict[int, Led] = {}
        for one in census.leases:
            own, number = self._leases[one.partition], numbers.get(one.owner, 0)
            is_another = not own.epoch and one.owner not in ("", self._life.broker_id)
            own.leader = f"broker '{one.owner}'" if is_another else ""
            if own.epoch:
                led[self._life.process].add(one.partition)
            elif not is_another or not self._watching.may_live(one.owner, one.incarnation):
                free[one.partition] = one
            elif number in led:
                led[number].add(one.partition)
        return free
