"""The places where a process listens for links: a unix socket, which its file mode guards, or a TCP port, which needs TLS or a secret."""

import asyncio
import logging
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from osmia_broker.links.link import Link
from osmia_broker.tls import LINK, TlsFiles

SOCKET_PATH_BYTES_MAX = 103  # of the address of a unix socket: 107 on Linux, less elsewhere
BACKLOG = 64
HANDSHAKE_S = 5.0

Make = Callable[[], Link]

log = logging.getLogger(__name__)


class _Listening(ssl.SSLObject):
    """The side of a listener in TLS. It logs why it refuses somebody: no link has begun yet, and the event loop says nothing."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            log.warning("no link", extra={"reason": f"the two do not agree on TLS: {error}"})
            raise


@dataclass(frozen=True, slots=True)
class UnixPlace:
    """A socket of this machine that only its owner can open."""

    path: Path

    @property
    def needs_proof(self) -> bool:
        """Whether a peer must prove itself by a secret or TLS."""
        return False

    async def listen(self, make: Make, _tls: TlsFiles | None) -> asyncio.Server:
        """Listen. The socket of a process that has died is replaced.

        Raises:
            OSError: another process listens there, or the socket cannot be made.
        """
        listening = self._bound()
        try:
            return await asyncio.get_running_loop().create_unix_server(make, sock=listening, backlog=BACKLOG)
        except BaseException:
            listening.close()
            raise

    def _bound(self) -> socket.socket:
        """Bind the socket. Only its owner may open it from before the moment in which it listens, so nobody else comes in between."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _short(self.path) as address:
                self._remove_dead(address)
                listening.bind(address)
                Path(address).chmod(0o600)
        except BaseException:
            listening.close()
            raise
        return listening

    async def dial(self, make: Make, _tls: TlsFiles | None) -> Link:
        """Connect.

        Raises:
            OSError: nobody listens there.
        """
        with _short(self.path) as address:
            _, link = await asyncio.get_running_loop().create_unix_connection(make, address)
        return link

    def close(self) -> None:
        """Remove the socket."""
        self.path.unlink(missing_ok=True)

    def _remove_dead(self, address: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect(address)
            except FileNotFoundError:
                return
            except ConnectionRefusedError:
                self.path.unlink(missing_ok=True)
                return
        raise OSError(f"Expected to listen at {self.path}, but found that another process does")

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class TcpPlace:
    """A port that other machines may reach. Port 0 takes a free one."""

    host: str
    port: int

    @property
    def needs_proof(self) -> bool:
        """Whether a peer must prove itself by a secret or TLS. On loopback too: every user of the machine reaches that."""
        return True

    async def listen(self, make: Make, tls: TlsFiles | None) -> asyncio.Server:
        """Listen.

        Raises:
            OSError: the port cannot be had.
        """
        context = tls.server_context(asks_clients=True, protocol=LINK) if tls else None
        if context is not None:
            context.sslobject_class = _Listening
        return await asyncio.get_running_loop().create_server(
            make,
            self.host,
            self.port,
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE_S if context else None,
        )

    async def dial(self, make: Make, tls: TlsFiles | None) -> Link:
        """Connect.

        Raises:
            OSError: nobody listens there, or the two certificates do not fit.
        """
        _, link = await asyncio.get_running_loop().create_connection(
            make, self.host, self.port, ssl=tls.client_context(LINK) if tls else None
        )
        return link

    def close(self) -> None:
        """Do nothing: a port leaves nothing behind."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Place = UnixPlace | TcpPlace


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Return an address of *path* that a socket can have. The system keeps about a hundred bytes for it; a long folder is opened instead.

    Raises:
        OSError: there is none.
    """
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        yield str(path)
        return
    if sys.platform != "linux":
        raise OSError(f"Expected a path of at most {SOCKET_PATH_BYTES_MAX} bytes, but found {path}")
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        with suppress(OSError):
            os.close(folder)
