"""The caller of a call: their name, the metadata of the call, and whether they still wait for the answer.

One rule for what callers say about themselves holds at every door. A text is UTF-8, blanks around it do not count, and it is given once. gRPC
carries ASCII alone, so there a text in other characters travels as bytes under the same name with `-bin`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from osmia_broker.auth.user import NAME_CHARACTERS_MAX, User, is_name
from osmia_broker.base.errors import InvalidArgument, Unauthenticated
from osmia_broker.state.rows.tasks import Channel

AUTHORIZATION = "authorization"  # holds the caller's credentials

USER_METADATA = "osmia-user"  #: names the user while sign-in is off

GROUPS_METADATA = "osmia-groups"  #: names the user's groups while sign-in is off, separated by commas

#: Marks a creation that may be repeated: the repetition gets the first answer.
IDEMPOTENCY_METADATA = "osmia-idempotency-key"

CLIENT_METADATA = "osmia-client"  #: names our own client, where that says more than the door: `cli` or `mcp`

TRACEPARENT_METADATA = "traceparent"  #: names the span that the call comes from (W3C Trace Context)

OWN = "osmia-"  #: how the names of our own metadata begin: their values are UTF-8
AS_BYTES = "-bin"  #: how the names of gRPC metadata end whose values are bytes
AGAIN = "\n"  #: between the values of a name that was given more than once; no value holds it

_TRACEPARENT = re.compile("(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_CLIENTS = {one.value.lower(): one for one in (Channel.CLI, Channel.MCP)}

NO_METADATA: Mapping[str, str] = {}


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return metadata by their names. Values of a name that was given more than once are joined with `AGAIN`, none is dropped."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]}{AGAIN}{value}" if name in found else value
    return found


def decoded(value: bytes) -> str:
    """Read a value of our own metadata. Bytes that are no UTF-8 stay as half characters, for the caller's refusal."""
    return value.decode("utf-8", "surrogateescape")


class Caller:
    """A caller whose door knows nothing but their metadata. A door subclasses it to read them only when they are asked for.

    *signed_in* is the user that the caller has proved to be. Without it the metadata name the user: then sign-in is off.
    """

    __slots__ = ("_is_gone", "_metadata", "signed_in")
    door: ClassVar[Channel] = Channel.UNKNOWN  #: through which callers of this class come

    def __init__(self, metadata: Mapping[str, str] = NO_METADATA) -> None:
        self._metadata = metadata
        self._is_gone = False
        self.signed_in: User | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        """The texts that came with the call, by lower-case name: gRPC metadata or HTTP headers, as `joined` writes them."""
        return self._metadata

    @property
    def authorization(self) -> str:
        """The caller's credentials; empty when the call has none.

        Raises:
            Unauthenticated: there are several.
        """
        text = self.metadata.get(AUTHORIZATION, "")
        if AGAIN in text:
            raise Unauthenticated(_twice(AUTHORIZATION, text))
        return text

    @property
    def user(self) -> str:
        """The user's name; empty when the call names none.

        Raises:
            InvalidArgument: the metadata give more than one, or none that can be a name.
        """
        if self.signed_in is not None:
            return self.signed_in.name
        name = self._text(USER_METADATA)
        return _name(USER_METADATA, name) if name else ""

    @property
    def groups(self) -> tuple[str, ...]:
        """The user's groups; none when the call names none. Each value of the metadata is a list, and all lists count.

        Raises:
            InvalidArgument: one of them cannot be a name.
        """
        if self.signed_in is not None:
            return self.signed_in.groups
        text = self.metadata.get(GROUPS_METADATA, "")
        names = (name.strip() for name in text.replace(AGAIN, ",").split(","))
        return tuple(dict.fromkeys(_name(GROUPS_METADATA, name) for name in names if name))

    @property
    def idempotency_key(self) -> str:
        """The key by which a repetition of this call is recognised; empty when the call has none.

        Raises:
            InvalidArgument: the metadata give more than one, or one that is no text.
        """
        return self._text(IDEMPOTENCY_METADATA)

    @property
    def traceparent(self) -> str:
        """The trace context that the call comes from; empty when it has none, or none that is valid: W3C lets that be passed over."""
        text = self.metadata.get(TRACEPARENT_METADATA, "")
        return read_traceparent(text.strip()) if text else ""

    def _text(self, name: str) -> str:
        text = self.metadata.get(name, "")
        if not text:
            return ""
        if AGAIN in text:
            raise InvalidArgument(_twice(name, text))
        return _unicode(name, text.strip())

    @property
    def channel(self) -> Channel:
        """By which the caller came: our own client if it names itself, else the door. It is told, not proved."""
        return _CLIENTS.get(self.metadata.get(CLIENT_METADATA, ""), self.door)

    @property
    def user_agent(self) -> str:
        """The name and version of the caller's client, as it names itself."""
        return self.metadata.get("user-agent", "")

    @property
    def is_gone(self) -> bool:
        """Whether the caller left before the answer."""
        return self._is_gone

    @property
    def undelivered(self) -> int:
        """The number of the last messages of a stream that had not left when the caller went."""
        return 0

    def leave(self) -> None:
        """Note that the caller has gone. The door calls this."""
        self._is_gone = True


def read_traceparent(text: str) -> str:
    """Return a trace context as version 00 of W3C Trace Context writes it; empty if *text* is none.

    Of a later version only what version 00 knows is read: the two ids, and whether the trace is sampled.
    """
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return ""
    version, ids, flags, rest = found.groups()
    if version == "00":
        return "" if rest else text
    return f"00-{ids}-{int(flags, 16) & 1:02x}"


def _twice(name: str, text: str) -> str:
    return f"Expected '{name}' to be given once, but found it {text.count(AGAIN) + 1} times"


def _name(field: str, text: str) -> str:
    """Return *text*, the name of a user or a group.

    Raises:
        InvalidArgument: it cannot be one.
    """
    if len(text) > NAME_CHARACTERS_MAX:
        raise InvalidArgument(
            f"Expected '{field}' to have at most {NAME_CHARACTERS_MAX} characters, but found {len(text)}"
        )
    if not is_name(_unicode(field, text)):
        raise InvalidArgument(f"Expected '{field}' to have printable characters only, but found {text!a}")
    return text


def _unicode(field: str, text: str) -> str:
    """Return *text*.

    Raises:
        InvalidArgument: it was no UTF-8.
    """
    if not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text):
        raise InvalidArgument(f"Expected '{field}' to be UTF-8, but found other bytes")
    return text
