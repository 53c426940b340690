"""The certificate and key of the doors, read again when their files change: new connections get the new ones.

A pair that does not fit together is passed over and logged: the two files are seldom replaced in the same moment.
"""

import logging
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osmia_broker.base.system_errors import in_words

HTTP_1, HTTP_2 = "http/1.1", "h2"  # as TLS names them
LINK = "osmia-link"  # between the processes of a cluster

log = logging.getLogger(__name__)

State = tuple[tuple[int, int, int], ...]


class TlsError(ValueError):
    """A certificate or key cannot be used. The text says why."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A certificate chain and key that fit together, as bytes in PEM and as contexts; and the authorities of clients."""

    cert: bytes
    key: bytes
    client_ca: bytes | None
    contexts: Mapping[str, ssl.SSLContext]  # by the protocol that they agree on with a client


class TlsFiles:
    """The files *cert* and *key*, and *client_ca* if clients must show a certificate. Any thread may ask for them."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        self._paths = (cert, key, *((client_ca,) if client_ca else ()))
        self.asks_clients = client_ca is not None
        self._state: State = ()
        self._loaded: Loaded | None = None
        self._lock = threading.Lock()

    def load(self) -> Loaded:
        """Read the files for the first time.

        Raises:
            TlsError: they cannot be used.
        """
        with self._lock:
            try:
                self._state = self._now()
                self._loaded = self._read()
            except OSError as error:
                raise TlsError(_words(error, self._paths)) from error
            return self._loaded

    def current(self) -> Loaded:
        """Return what the files held when they were last usable."""
        with self._lock:
            assert self._loaded is not None, "they are loaded at the start"
            try:
                state = self._now()
                if state != self._state:
                    self._state = state
                    self._loaded = self._read()
                    log.info("certificate read again", extra={"file": str(self._paths[0])})
            except OSError as error:
                log.warning("the certificate stays as it was", extra={"error": _words(error, self._paths)})
            return self._loaded

    def server_context(self, *, asks_clients: bool, protocol: str = HTTP_1) -> ssl.SSLContext:
        """Make a context for a listener of *protocol* (`h2` or `http/1.1`). Each connection is served with what `current` returns at that moment."""
        authorities = self.current().client_ca if asks_clients else None
        listening = _context(self._paths[0], self._paths[1], authorities, protocol)
        # A session that is taken up again would not be checked with new authorities.
        listening.options |= ssl.OP_NO_TICKET
        listening.num_tickets = 0

        def renew(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self.current().contexts[protocol]

        listening.sni_callback = renew  # called for every connection, also without a server name
        return listening

    def client_context(self, protocol: str) -> ssl.SSLContext:
        """Make a context for a connection to a listener of *protocol*, whose certificate must be of the same authorities and name its host."""
        loaded = self.current()
        assert loaded.client_ca is not None, "both sides show certificates of the same authorities"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cadata=loaded.client_ca.decode("ascii", "replace"))
        context.load_cert_chain(self._paths[0], self._paths[1], password="")
        context.set_alpn_protocols([protocol])
        return context

    def _now(self) -> State:
        found = [path.stat() for path in self._paths]
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

    def _read(self) -> Loaded:
        cert, key, *client_ca = (path.read_bytes() for path in self._paths)
        authorities = client_ca[0] if client_ca else None
        contexts = {one: _context(self._paths[0], self._paths[1], authorities, one) for one in (HTTP_1, HTTP_2, LINK)}
        loaded = Loaded(cert, key, authorities, contexts)
        if self._now() != self._state:  # replaced while they were read
            self._state = ()
        return loaded


def _context(cert: Path, key: Path, client_ca: bytes | None, protocol: str) -> ssl.SSLContext:
    """Make a context of a server that speaks *protocol*.

    Raises:
        OSError: a file cannot be read, or the key does not fit the certificate (`ssl.SSLError` is one).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key, password="")
    context.set_alpn_protocols([protocol])
    if client_ca is not None:
        context.load_verify_locations(cadata=client_ca.decode("ascii", "replace"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _words(error: OSError, paths: tuple[Path, ...]) -> str:
    names = ", ".join(f"'{path}'" for path in paths)
    if isinstance(error, ssl.SSLError):
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        found = "a key that is not of this certificate" if mismatch else error.reason or "no certificate or key in PEM"
        return f"Expected a certificate and its key in {names}, but found: {found}"
    return f"Expected to read '{error.filename}', but found: {in_words(error)}"
