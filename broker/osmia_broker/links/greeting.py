"""The greeting of two brokers: they name themselves, prove that they know the secret of the cluster, and check that they belong together.

    dialler                         listener
    Hello(nonce)          ->
                          <-        Hello(nonce)
    Proof                 ->                        the listener proves nothing to a stranger
                          <-        Proof           or Refused, with the reason

A proof is HMAC-SHA256 over both hellos and the side of its speaker. So it is worth nothing on another link, in another direction, or with other
claims. No frame after the greeting is signed: where others can change what travels, use TLS too.
"""

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256

from osmia_broker.base.counted import counted
from osmia_broker.links.messages import (
    PROTOCOL,
    Hello,
    LinkFault,
    Proof,
    Refused,
    frame,
    read_greeting,
)

GREETING_BYTES_MAX = 2_048  # of one message: a stranger gets no more memory
NONCE_BYTES = 32
REASON_CHARACTERS_MAX = 500
PEER_REFUSES = "the other side refuses"


class LinkRefused(LinkFault):
    """The two do not belong together. The text is the reason; the other side gets it if *is_told*."""

    def __init__(self, reason: str, *, is_told: bool = True) -> None:
        super().__init__(reason)
        self.is_told = is_told


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """A broker process: its cluster, its number there, and the number of partitions that it believes in."""

    cluster: str
    process: int
    incarnation: int
    partitions: int


class Handshake:
    """One side of a greeting. `peer` is known, and true, when `is_over`.

    *secret* is None where the kind of connection proves enough. *expected* is the process that was dialled; None if this side was.
    """

    def __init__(
        self, me: PeerIdentity, secret: bytes | None, *, expected: int | None = None, is_dialler: bool
    ) -> None:
        self.peer: PeerIdentity | None = None
        self.is_over = False
        self._me, self._secret, self._expected, self.is_dialler = me, secret, expected, is_dialler
        hello = Hello(PROTOCOL, me.cluster, me.process, me.incarnation, me.partitions, secrets.token_bytes(NONCE_BYTES))
        self._own = frame(hello)
        self._transcript = b""  # both hellos as they travelled, the dialler's first

    def begin(self) -> bytes:
        """Return what this side sends before it has received anything."""
        return self._own if self.is_dialler else b""

    def take(self, body: bytes) -> bytes:
        """Take a message of the other side; return what to answer.

        Raises:
            LinkFault: it is none, or none that may come now.
            LinkRefused: the other side refuses, or is refused.
        """
        message = read_greeting(body)
        if isinstance(message, Refused):
            raise LinkRefused(f"{PEER_REFUSES}: {message.reason[:REASON_CHARACTERS_MAX]}", is_told=False)
        if isinstance(message, Hello) and not self._transcript:
            return self._greet(message, body)
        if isinstance(message, Proof) and self._transcript:
            return self._judge(message)
        raise LinkFault(f"Expected {self._awaited()}, but found {type(message).__name__}")

    def _awaited(self) -> str:
        return Proof.__name__ if self._transcript else Hello.__name__

    def _greet(self, hello: Hello, body: bytes) -> bytes:
        if hello.protocol != PROTOCOL:
            raise LinkRefused(f"Expected version {PROTOCOL} of the link protocol, but found {hello.protocol}")
        if len(hello.nonce) != NONCE_BYTES:
            raise LinkFault(f"Expected a nonce of {NONCE_BYTES} bytes, but found {len(hello.nonce)}")
        self.peer = PeerIdentity(hello.cluster, hello.process, hello.incarnation, hello.partitions)
        hellos = (self._own[4:], body) if self.is_dialler else (body, self._own[4:])
        self._transcript = b"".join(len(one).to_bytes(4, "big") + bytes(one) for one in hellos)
        return frame(Proof(self._mac(is_dialler=True))) if self.is_dialler else self._own

    def _judge(self, proof: Proof) -> bytes:
        """Check the proof, and only then what was claimed: a stranger learns what the hello says, and not what is expected."""
        if not hmac.compare_digest(proof.mac, self._mac(is_dialler=not self.is_dialler)):
            raise LinkRefused("Expected a proof that the other side knows the secret of the cluster, but found another")
        self._check()
        self.is_over = True
        return b"" if self.is_dialler else frame(Proof(self._mac(is_dialler=False)))

    def _mac(self, *, is_dialler: bool) -> bytes:
        if self._secret is None:
            return b""
        side = b"osmia link, dialler:" if is_dialler else b"osmia link, listener:"
        return hmac.new(self._secret, side + self._transcript, sha256).digest()

    def _check(self) -> None:
        me, peer = self._me, self.peer
        assert peer is not None, "its hello came first"
        if peer.cluster != me.cluster:
            raise LinkRefused(f"Expected a broker of cluster {me.cluster}, but found one of {_short(peer.cluster)}")
        if peer.partitions != me.partitions:
            raise LinkRefused(
                f"Expected a cluster of {counted(me.partitions, 'partition')}, but found {peer.partitions} at process {peer.process}"
            )
        if peer.process == me.process:
            raise LinkRefused(f"Expected another process, but found process {me.process}, which is this one")
        if self._expected is not None and peer.process != self._expected:
            raise LinkRefused(f"Expected process {self._expected}, but found process {peer.process}")


def refusal(reason: str) -> bytes:
    """Return the last words of a side that ends the link."""
    return frame(Refused(reason[:REASON_CHARACTERS_MAX]))


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"
