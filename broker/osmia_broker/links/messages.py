"""The messages on a link: frames of a length and one message. A request and its answers are bytes in it, as gRPC delivered them.

    link      = *frame
    frame     = length (4 bytes, big-endian) message
    message   = MessagePack array: number of the kind, then its fields in the order below

Either side asks and answers. A call has the number that its asker gave it; the numbers of one side grow. A later version of the protocol may
add fields at the end of a message: they are passed over.
"""

from collections.abc import Iterator, Sequence

import msgspec

from osmia_broker.rpc import Metadata

PROTOCOL = 1  # grows when a peer of the former version could not take part any more
LENGTH_BYTES = 4

Texts = tuple[tuple[str, str], ...]
Octets = tuple[tuple[str, bytes], ...]


class LinkFault(Exception):
    """The peer breaks the rules of the link, which therefore ends. The text is the reason."""


class Hello(msgspec.Struct, array_like=True, frozen=True, tag=0):
    """The identity of the speaker. The first message of each side; `protocol` stays its first field in every version."""

    protocol: int
    cluster: str
    process: int
    incarnation: int  # differs from life to life of the same process, and grows
    partitions: int
    nonce: bytes


class Proof(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """That the speaker knows the secret: HMAC of both hellos. Empty on links that need none."""

    mac: bytes


class Refused(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """The speaker ends the link, and why."""

    reason: str


class Request(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """A call. `timeout_ms` is what is left of its deadline. `window` is what its asker takes of a stream at first; 0 asks for one answer."""

    id: int
    path: str
    message: bytes
    timeout_ms: int | None = None
    window: int = 0
    texts: Texts = ()  # metadata; values that are no text stand in `octets`
    octets: Octets = ()


class Answer(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """The one answer of a call."""

    id: int
    message: bytes


class Piece(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """One answer of a stream."""

    id: int
    message: bytes


class End(msgspec.Struct, array_like=True, frozen=True, tag=6):
    """The end of a stream that succeeded."""

    id: int


class Failure(msgspec.Struct, array_like=True, frozen=True, tag=7):
    """The end of a call that was refused: a status of gRPC by its name, details, trailers."""

    id: int
    status: str
    details: str
    texts: Texts = ()
    octets: Octets = ()


class Cancel(msgspec.Struct, array_like=True, frozen=True, tag=8):
    """The asker wants no answer any more."""

    id: int


class Credit(msgspec.Struct, array_like=True, frozen=True, tag=9):
    """The asker of a stream takes *octets* more of it."""

    id: int
    octets: int


class Ping(msgspec.Struct, array_like=True, frozen=True, tag=10):
    """A question whether anybody is there."""


class Pong(msgspec.Struct, array_like=True, frozen=True, tag=11):
    """The answer to a ping."""


class Bye(msgspec.Struct, array_like=True, frozen=True, tag=12):
    """The speaker takes no new calls, and ends the link when the open ones have ended."""


Greeting = Hello | Proof | Refused
Message = Refused | Request | Answer | Piece | End | Failure | Cancel | Credit | Ping | Pong | Bye

_encoder = msgspec.msgpack.Encoder()
_greetings: msgspec.msgpack.Decoder[Greeting] = msgspec.msgpack.Decoder(Greeting)
_messages: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def frame(message: Greeting | Message) -> bytes:
    """Return *message* as a frame."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def read_greeting(body: bytes | memoryview) -> Greeting:
    """Read a message of the greeting.

    Raises:
        LinkFault: it is none.
    """
    try:
        return _greetings.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # msgspec lets the second one through, of the name of a kind
        raise LinkFault("Expected a greeting of a broker, but found other bytes") from None


def read(body: bytes | memoryview) -> Message:
    """Read a message after the greeting.

    Raises:
        LinkFault: it is none.
    """
    try:
        return _messages.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise LinkFault("Expected a message of the link, but found other bytes") from None


def parted(metadata: Sequence[tuple[str, str | bytes]] | None) -> tuple[Texts, Octets]:
    """Return texts and other values of *metadata* apart."""
    texts = tuple((name, value) for name, value in metadata or () if isinstance(value, str))
    if len(texts) == len(metadata or ()):
        return texts, ()
    return texts, tuple((name, value) for name, value in metadata or () if isinstance(value, bytes))


def joined(message: Request | Failure) -> Metadata:
    """Return the metadata, or the trailers, of *message*."""
    return (*message.texts, *message.octets)


class Splitter:
    """Cuts what arrives into messages. A message is at most *bytes_max* long, which may be changed between two messages."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._partial = bytearray()  # of a frame that is incomplete
        self._wanted = LENGTH_BYTES  # bytes of it that must be there before there is something to do

    def feed(self, data: bytes) -> Iterator[bytes | memoryview]:
        """Yield the messages that *data* completes. Each is to be read before the next one is asked for.

        Raises:
            LinkFault: a frame is empty or too large.
        """
        partial = self._partial
        if partial:
            partial += data
            if len(partial) < self._wanted:
                return
            data = bytes(partial)
            partial.clear()
        view, begin, size = memoryview(data), 0, len(data)
        while size - begin >= LENGTH_BYTES:
            octets = int.from_bytes(view[begin : begin + LENGTH_BYTES], "big")
            if not 0 < octets <= self.bytes_max:
                raise LinkFault(f"Expected a message of 1 to {self.bytes_max} bytes, but found one of {octets}")
            end = begin + LENGTH_BYTES + octets
            if end > size:
                break
            yield view[begin + LENGTH_BYTES : end]
            begin = end
        else:
            octets = 0
        if begin < size:
            partial += view[begin:]
            self._wanted = LENGTH_BYTES + octets
