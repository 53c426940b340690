"""Lets the open pages of this process know what the partitions of other processes have changed, and tells those the same of this one.

Nothing travels while no page is open.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec

from osmia_broker.http.web.live import PAUSE_S, Live, Page
from osmia_broker.links import Links
from osmia_broker.rpc import Call, Refusal, Rpc, Shape

TOPICS = "/osmia.links/Topics"
AGAIN_S = 0.5  # after a process that could not be heard
QUIET_S = 3600.0

_read = msgspec.msgpack.Decoder(list[str]).decode
_write = msgspec.msgpack.Encoder().encode

log = logging.getLogger(__name__)


class _Everything(Page):
    """A page of another process: it takes all topics."""

    def __init__(self) -> None:
        super().__init__(frozenset())

    def wanted_of(self, topics: set[str]) -> set[str]:
        """Return all of *topics*."""
        return topics


class LiveElsewhere:
    """Hears the changes of the other processes while *live* has pages."""

    def __init__(self, live: Live, links: Links) -> None:
        self._live, self._links = live, links
        self._is_watched = False
        self._hearing: dict[int, asyncio.Task[None]] = {}  # by process
        live.when_watched = self._watched
        links.serve([Rpc(TOPICS, Shape.STREAM, self._tell)])
        links.watch(self._met)

    def _watched(self, *, is_watched: bool) -> None:
        self._is_watched = is_watched
        if not is_watched:
            for task in self._hearing.values():
                task.cancel()
            self._hearing.clear()
        for process in self._links.processes if is_watched else ():
            self._met(process)

    def _met(self, process: int) -> None:
        if self._is_watched and process not in self._hearing:
            self._hearing[process] = asyncio.get_running_loop().create_task(self._hear(process))

    async def _hear(self, process: int) -> None:
        while True:
            await self._links.wait_for([process])
            try:
                await self._hear_once(process)
            except (Refusal, msgspec.MsgspecError) as error:
                log.debug("changes elsewhere are not heard", extra={"peer": process, "error": str(error)})
            await asyncio.sleep(AGAIN_S)

    async def _hear_once(self, process: int) -> None:
        async with aclosing(self._links.stream(process, TOPICS, b"")) as told:  # type: ignore[type-var]
            async for message in told:
                topics = set(_read(message))
                if topics:
                    self._live.tell(topics)
                else:  # it begins: what has happened before was missed
                    self._live.begin_anew()

    async def _tell(self, _message: bytes, _call: Call) -> AsyncIterator[bytes]:
        """Stream the topics of what is committed here to another process: first none, as the beginning."""
        page = _Everything()
        with self._live.watched_by(page):
            yield _write([])
            while (topics := await page.news(QUIET_S)) is not None:
                if topics:
                    yield _write(topics)
                    await page.rest(PAUSE_S)
