"""Receive the news of the other processes of a broker, and pass them to the partitions that those lead."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing

import msgspec

from osmia_broker.errors import Unavailable
from osmia_broker.links import Links
from osmia_broker.partition import news
from osmia_broker.partition.command_bytes import named_error
from osmia_broker.partition.face import WAIT_S, Part
from osmia_broker.partition.remote import RemotePartition
from osmia_broker.rpc import Refusal

AGAIN_S = 0.2  # after news that could not be read, or were refused

log = logging.getLogger(__name__)


class FollowingElsewhere:
    """The partitions that lag behind partition 1, as reported by its process. Before the first report, all partitions of this process count as lagging."""

    def __init__(self, own: Iterable[int]) -> None:
        self.lagging: list[int] = sorted(own)
        self._changed = asyncio.Event()

    def report(self, lagging: Iterable[int]) -> None:
        """Take over a report of the process of partition 1."""
        self.lagging = [*lagging]
        self._changed.set()

    def is_behind(self, partition: Part) -> bool:
        """Whether the partition has not yet taken over all that partition 1 has committed."""
        return partition.id in self.lagging

    async def caught_up(self, wait_s: float = WAIT_S) -> None:
        """Wait until no partition lags, at most *wait_s*."""
        try:
            async with asyncio.timeout(wait_s):
                while self.lagging:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    def stop(self) -> None:
        """Do nothing: the process of partition 1 lets the others follow."""


class Peers:
    """Receives the news of all other processes, which lead the partitions *remotes*, as long as they can be reached."""

    def __init__(
        self, links: Links, remotes: Iterable[RemotePartition], following: FollowingElsewhere | None = None
    ) -> None:
        self._links, self._following = links, following
        self._remotes: dict[int, dict[int, RemotePartition]] = {}  # by process and partition
        for remote in remotes:
            self._remotes.setdefault(remote.process, {})[remote.id] = remote
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to receive news."""
        for process in self._remotes:
            self._tasks.append(asyncio.get_running_loop().create_task(self._receive(process)))

    async def stop(self) -> None:
        """Receive nothing more, once the answers that are under way have come."""
        for remotes in self._remotes.values():
            for one in remotes.values():
                await one.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _receive(self, process: int) -> None:
        me = b"%d" % self._links.me.process
        while True:
            await self._links.wait_for([process])
            try:
                async with aclosing(self._links.stream(process, news.NEWS, me)) as stream:  # type: ignore[type-var]
                    async for message in stream:
                        for one in news.read_news(message):
                            self._take(process, one)
            except (Refusal, msgspec.MsgspecError) as error:
                log.debug("no news", extra={"peer": process, "error": str(error)})
            finally:
                for remote in self._remotes[process].values():
                    remote.away()
            await asyncio.sleep(AGAIN_S)

    def _take(self, process: int, one: news.News) -> None:
        remotes = self._remotes[process]
        match one:
            case news.Opened() if one.partition in remotes:
                remotes[one.partition].opened()
            case news.Away() if one.partition in remotes:
                remotes[one.partition].away(one.why)
            case news.JobsWait() if one.partition in remotes:
                remotes[one.partition].jobs_wait(one.type)
            case news.ResultReady():
                for remote in remotes.values():
                    remote.result_ready(one.ticket, one.variables)
            case news.ResultLost():
                lost = named_error(one.error, one.text) or Unavailable(one.text)
                for remote in remotes.values():
                    remote.result_lost(one.ticket, lost)
            case news.Lagging() if self._following is not None:
                self._following.report(one.partitions)
