"""Receive the news of the other processes of a broker, and pass them to the partitions that those lead."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing

import msgspec

from osmia_broker.base.errors import Unavailable
from osmia_broker.links import Links
from osmia_broker.partition import news
from osmia_broker.partition.any_partition import WAIT_S, AnyPartition, Follows
from osmia_broker.partition.command_bytes import named_error
from osmia_broker.partition.following import Following
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.partition import Partition
from osmia_broker.partition.remote import RemotePartition
from osmia_broker.rpc import Refusal

AGAIN_S = 0.2  # after news that could not be read, or were refused

log = logging.getLogger(__name__)


class FollowingElsewhere:
    """The partitions that lag behind partition 1, as reported by its process.

    Before the first report, all partitions of this process count as lagging.
    """

    def __init__(self, own: Iterable[int]) -> None:
        self.lagging: list[int] = sorted(own)
        self._changed = asyncio.Event()

    def report(self, lagging: Iterable[int]) -> None:
        """Take over what the process of partition 1 knows."""
        self.lagging = [*lagging]
        self._changed.set()

    def is_behind(self, partition: AnyPartition) -> bool:
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


class FollowingAnywhere(Listener):
    """The partitions that lag behind partition 1, wherever that is led: *here* knows it while this process leads it, else it was *reported*."""

    def __init__(self, first: Partition, here: Following, reported: FollowingElsewhere) -> None:
        self._first, self._here, self._reported = first, here, reported
        first.add_listener(self)

    def partition_away(self, why: str) -> None:
        """Keep what was known here until the next leader reports: an earlier report is older."""
        del why
        self._reported.report(self._here.lagging)

    @property
    def _now(self) -> Follows:
        return self._here if self._first.is_open else self._reported

    @property
    def lagging(self) -> list[int]:
        """Their numbers."""
        return self._now.lagging

    def is_behind(self, partition: AnyPartition) -> bool:
        """Whether a partition is one of them."""
        return self._now.is_behind(partition)

    async def caught_up(self, wait_s: float = WAIT_S) -> None:
        """Wait until none that is open lags, at most *wait_s*."""
        await self._now.caught_up(wait_s)

    def stop(self) -> None:
        """Let none take over anything more."""
        self._here.stop()


class Peers:
    """Receives the news of all other processes, as long as they can be reached. They lead the partitions *remotes*, or may lead them."""

    def __init__(
        self, links: Links, remotes: Iterable[RemotePartition], following: FollowingElsewhere | None = None
    ) -> None:
        self._links, self._following = links, following
        self._remotes = {remote.id: remote for remote in remotes}
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by process

    def start(self) -> None:
        """Begin to receive news."""
        self._links.watch(self._met)

    def _met(self, process: int) -> None:
        if process not in self._tasks:
            self._tasks[process] = asyncio.get_running_loop().create_task(self._receive(process))

    async def stop(self) -> None:
        """Receive nothing more, once the answers that are under way have come."""
        for remote in self._remotes.values():
            await remote.close()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _receive(self, process: int) -> None:
        while True:
            await self._links.wait_for([process])
            try:
                await self._receive_once(process)
            except (Refusal, msgspec.MsgspecError) as error:
                log.debug("no news", extra={"peer": process, "error": str(error)})
            finally:
                self._lose(process)
            await asyncio.sleep(AGAIN_S)

    def _lose(self, process: int) -> None:
        """Note that the partitions of *process* are away: it cannot be reached."""
        for remote in self._remotes.values():
            if remote.process == process:
                remote.away()

    async def _receive_once(self, process: int) -> None:
        me = b"%d" % self._links.me.process
        async with aclosing(self._links.stream(process, news.NEWS, me)) as stream:  # type: ignore[type-var]
            async for message in stream:
                for one in news.read_news(message):
                    self._take(process, one)

    def _take(self, process: int, one: news.News) -> None:
        remotes = self._remotes
        match one:
            case news.Opened() if one.partition in remotes:
                remotes[one.partition].opened(process, one.epoch)
            case news.Away() if one.partition in remotes and remotes[one.partition].process == process:
                remotes[one.partition].away(one.why)
            case news.JobsWait() if one.partition in remotes and remotes[one.partition].process == process:
                remotes[one.partition].jobs_wait(one.type)
            case news.ResultReady():
                for remote in remotes.values():
                    remote.result_ready(one.ticket, one.variables)
            case news.ResultLost():
                lost = named_error(one.error, one.text) or Unavailable(one.text)
                for remote in remotes.values():
                    remote.result_lost(one.ticket, lost)
            case news.Lagging() if self._following is not None and remotes[1].process == process:
                self._following.report(one.partitions)  # of whoever leads partition 1; a former leader may not know yet
