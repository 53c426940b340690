"""The links of one process: it listens for some, dials others again and again, and keeps one with each other process.

Of two processes one dials the other, so that there is one connection for a pair; the caller of `dial` decides which (the lower number dials).
"""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from time import monotonic

from osmia_broker.links.greeting import Handshake, PeerIdentity
from osmia_broker.links.limits import Limits
from osmia_broker.links.link import Link
from osmia_broker.links.places import Place, TcpPlace
from osmia_broker.rpc import Refusal, Rpc
from osmia_broker.tls import TlsFiles

LOOK_S = 1.0  # between two looks at silent links
STRANGERS_MAX = 64  # connections that have not proved themselves; beyond it the oldest makes room
CONNECT_S = 5.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.05, 2.0
NEWS_FAILURES = 10  # in a row; a process that starts meets some that have not started yet
SECRET_BYTES_MIN = 16  # who listens in on a greeting can try secrets at home; so many random bytes are too many to try

log = logging.getLogger(__name__)


def delay_s(failures: int, chance: float) -> float:
    """Return how long to wait before the next try after *failures* in a row: doubled each time, and spread by *chance* (0 to 1)."""
    longest = min(FIRST_DELAY_S * 2.0 ** min(failures, 30), LONGEST_DELAY_S)
    return longest * (0.5 + chance / 2)


class Links:
    """All links of the process *me*. The other side of each may call *rpcs*.

    *secret* is shared by all processes of the cluster; *tls* holds a certificate, its key, and the authorities of all other processes (not those of
    clients). A place that other users reach needs one of them.
    """

    def __init__(
        self,
        me: PeerIdentity,
        rpcs: Iterable[Rpc],
        *,
        secret: bytes | None = None,
        tls: TlsFiles | None = None,
        limits: Limits | None = None,
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        if secret is not None and len(secret) < SECRET_BYTES_MIN:
            raise ValueError(f"Expected a secret of at least {SECRET_BYTES_MIN} bytes, but found {len(secret)}")
        if tls is not None and not tls.asks_clients:
            raise ValueError("Expected the authorities of the other processes beside the certificate, but found none")
        self.me = me
        self._rpcs: dict[str, Rpc] = {}
        self.serve(rpcs)
        self._secret, self._tls = secret, tls
        self._limits, self._now_s = limits or Limits(), now_s
        self._open: dict[int, Link] = {}
        self._all: dict[Link, bool] = {}  # strangers too, oldest first; whether this side has dialled
        self._listeners: list[tuple[asyncio.Server, Place]] = []
        self._diallers: dict[int, tuple[Place, asyncio.Task[None]]] = {}  # by process
        self._ended: set[asyncio.Task[None]] = set()  # diallers that were told to stop
        self._watchers: list[Callable[[int], None]] = []
        self._looking: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._changed = asyncio.Event()

    def serve(self, rpcs: Iterable[Rpc]) -> None:
        """Let the other side of each link call *rpcs*, too."""
        self._rpcs.update((rpc.path, rpc) for rpc in rpcs)

    # --- calls

    def to(self, process: int) -> Link:
        """Return the open link to *process*.

        Raises:
            Refusal: UNAVAILABLE; there is none now.
        """
        link = self._open.get(process)
        if link is None or not link.is_open:
            raise Refusal("UNAVAILABLE", f"Expected a link to process {process}, but found none at the moment")
        return link

    async def call(
        self,
        process: int,
        path: str,
        message: bytes,
        metadata: Sequence[tuple[str, str | bytes]] | None = None,
        timeout_s: float | None = None,
    ) -> bytes:
        """Ask *process* a call that has one answer. See `Link.call`."""
        return await self.to(process).call(path, message, metadata, timeout_s)

    async def stream(
        self,
        process: int,
        path: str,
        message: bytes,
        metadata: Sequence[tuple[str, str | bytes]] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[bytes]:
        """Ask *process* a call that has many answers. See `Link.stream`."""
        async with aclosing(self.to(process).stream(path, message, metadata, timeout_s)) as parts:  # type: ignore[type-var]
            async for part in parts:
                yield part

    @property
    def processes(self) -> set[int]:
        """The processes to which a link is open."""
        return set(self._open)

    def watch(self, met: Callable[[int], None]) -> None:
        """Call *met* with each process to which a link is open, and with each to which one opens."""
        self._watchers.append(met)
        for process in self._open:
            met(process)

    async def wait_for(self, processes: Iterable[int]) -> None:
        """Return when there is a link to each of *processes*."""
        wanted = set(processes)
        while not wanted <= self._open.keys():
            self._changed.clear()
            await self._changed.wait()

    # --- connections

    async def listen(self, place: Place) -> Place:
        """Take links at *place*, and return where that is, with the real port.

        Raises:
            OSError: the place cannot be had.
            ValueError: others reach it, and nothing protects it.
        """
        self._check(place)
        server = await place.listen(self._stranger, self._tls)
        if isinstance(place, TcpPlace):
            place = TcpPlace(place.host, server.sockets[0].getsockname()[1])
        self._listeners.append((server, place))
        self._look()
        return place

    def dial(self, process: int, place: Place) -> None:
        """Keep a link to *process*, which listens at *place*, and no longer where it was dialled before.

        Raises:
            ValueError: others reach that place, and nothing protects it.
        """
        self._check(place)
        if process in self._diallers and self._diallers[process][0] == place:
            return
        self.leave(process)
        self._diallers[process] = place, asyncio.get_running_loop().create_task(self._keep(process, place))
        self._look()

    def leave(self, process: int) -> None:
        """Dial *process* no longer. A link that is open goes on until it ends."""
        _, dialler = self._diallers.pop(process, (None, None))
        if dialler is not None:
            self._ended.add(dialler)
            dialler.add_done_callback(self._ended.discard)
            dialler.cancel()

    def _check(self, place: Place) -> None:
        if place.needs_proof and self._secret is None and self._tls is None:
            raise ValueError(f"Expected a secret or TLS for links at {place}, which others reach, but found neither")

    async def _keep(self, process: int, place: Place) -> None:
        failures = 0
        made: list[Link] = []

        def make() -> Link:
            made.append(self._make(Handshake(self.me, self._secret, expected=process, is_dialler=True)))
            return made[-1]

        while not self._is_stopping:
            try:
                async with asyncio.timeout(CONNECT_S):
                    link = await place.dial(make, self._tls)
            except (OSError, TimeoutError) as error:
                failures += 1
                is_news = isinstance(error, ssl.SSLError) or failures == NEWS_FAILURES
                level = logging.WARNING if is_news else logging.DEBUG
                log.log(level, "no link", extra={"peer": process, "place": str(place), "error": str(error)})
                for one in made:
                    one.cut(f"no connection: {error}")
            else:
                connected_s = self._now_s()
                await link.closed()
                failures = 0 if self._now_s() - connected_s > LONGEST_DELAY_S else failures + 1
            made.clear()
            await asyncio.sleep(delay_s(failures, random.random()))  # noqa: S311 - no secret: it only spreads out

    def _stranger(self) -> Link:
        link = self._make(Handshake(self.me, self._secret, is_dialler=False))
        strangers = [one for one, was_dialled in self._all.items() if not was_dialled and one.is_greeting]
        if len(strangers) > STRANGERS_MAX:
            strangers[0].cut("Expected fewer connections that have not proved themselves, but found too many")
        return link

    def _make(self, handshake: Handshake) -> Link:
        link = Link(handshake, self._rpcs, self, limits=self._limits, now_s=self._now_s)
        self._all[link] = handshake.is_dialler
        return link

    def opened(self, link: Link) -> None:
        """Take *link* into use. It replaces one to an earlier life of the same process, of which this side has not heard the end."""
        process = link.peer.process
        former = self._open.get(process)
        if self._is_stopping:
            link.cut("this process is stopping")
            return
        if former is not None and former.peer.incarnation > link.peer.incarnation:
            link.cut(f"Expected a later life of process {process}, but found an earlier one")
            return
        self._open[process] = link
        if former is not None:
            former.cut(f"another link to process {process} has taken its place")
        log.info("link open", extra={"peer": process})
        self._changed.set()
        for met in self._watchers:
            met(process)

    def closed(self, link: Link) -> None:
        """Forget *link*."""
        was_dialled = self._all.pop(link, True)
        process = link.peer.process
        if self._open.get(process) is link:
            del self._open[process]
            log.info("link closed", extra={"peer": process, "reason": link.reason})
            self._changed.set()
        elif link.was_connected and not self._is_stopping:
            level = logging.DEBUG if link.was_silent and not was_dialled else logging.WARNING
            log.log(level, "no link", extra={"reason": link.reason})

    def look(self) -> None:
        """Look at every link: ping the silent, end the dead."""
        for link in list(self._all):
            link.look()

    def _look(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self.look()
        self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    # --- the end

    async def stop(self, grace_s: float) -> None:
        """Ask no more calls; return when the open ones have ended, at the latest after *grace_s*: then they are cut off."""
        self._is_stopping = True
        for server, place in self._listeners:
            server.close()
            place.close()
        self._listeners.clear()
        for process in [*self._diallers]:
            self.leave(process)
        links = list(self._all)
        for link in links:
            link.leave()
        if links:
            await asyncio.wait([asyncio.ensure_future(link.closed()) for link in links], timeout=grace_s)
        for link in links:
            link.cut("this process is stopping")
        await asyncio.gather(*self._ended, return_exceptions=True)
        if self._looking is not None:
            self._looking.cancel()
