"""The caller of a call: their name, the metadata of the call, and whether they still wait for the answer."""

from collections.abc import Callable, Mapping

from osmia_broker.auth.user import User

AUTHORIZATION = "authorization"  #: holds the caller's credentials

USER_METADATA = "osmia-user"  #: names the user while sign-in is off (user-tasks.md, section 4)

GROUPS_METADATA = "osmia-groups"  #: names the user's groups while sign-in is off, separated by commas

IDEMPOTENCY_METADATA = (
    "osmia-idempotency-key"  #: marks a creation that may be repeated: the repetition gets the first answer
)

NO_METADATA: Mapping[str, str] = {}


class Caller:
    """A caller whose door knows nothing but their metadata. A door subclasses it to read them only when they are asked for.

    *signed_in* is the user that the caller has proved to be. Without it the metadata name the user: then sign-in is off.
    """

    __slots__ = ("_is_gone", "_metadata", "_when_gone", "signed_in")

    def __init__(self, metadata: Mapping[str, str] = NO_METADATA) -> None:
        self._metadata = metadata
        self._is_gone = False
        self._when_gone: list[Callable[[], None]] = []
        self.signed_in: User | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        """The texts that came with the call, by lower-case name: gRPC metadata or HTTP headers."""
        return self._metadata

    @property
    def user(self) -> str:
        """The user's name; empty when the call names none."""
        if self.signed_in is not None:
            return self.signed_in.name
        return self.metadata.get(USER_METADATA, "")

    @property
    def groups(self) -> tuple[str, ...]:
        """The user's groups; none when the call names none."""
        if self.signed_in is not None:
            return self.signed_in.groups
        names = (name.strip() for name in self.metadata.get(GROUPS_METADATA, "").split(","))
        return tuple(name for name in names if name)

    @property
    def idempotency_key(self) -> str:
        """The key by which a repetition of this call is recognised; empty when the call has none."""
        return self.metadata.get(IDEMPOTENCY_METADATA, "")

    @property
    def user_agent(self) -> str:
        """The name and version of the caller's client, as it names itself."""
        return self.metadata.get("user-agent", "")

    @property
    def is_gone(self) -> bool:
        """Whether the caller left before the answer."""
        return self._is_gone

    def on_gone(self, then: Callable[[], None]) -> None:
        """Run *then* once if the caller leaves before the answer; at once if they have left already."""
        if self._is_gone:
            then()
        else:
            self._when_gone.append(then)

    def leave(self) -> None:
        """Note that the caller has gone. The door calls this; a second call does nothing."""
        if not self._is_gone:
            self._is_gone = True
            callbacks, self._when_gone = self._when_gone, []
            for then in callbacks:
                then()
