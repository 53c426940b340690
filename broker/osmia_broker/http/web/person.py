"""The person at the browser. They have signed in; or sign-in is off, and a cookie keeps the name and groups that they chose."""

import base64
import binascii
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import msgspec

from osmia_broker.auth import User
from osmia_broker.auth.user import NAME_CHARACTERS_MAX, is_name
from osmia_broker.calls import Caller
from osmia_broker.calls.caller import GROUPS_METADATA, USER_METADATA
from osmia_broker.state.rows.tasks import Channel

COOKIE = "osmia_person"
DEFAULT_USER = "demo"
GROUPS_MAX = 100
# Browsers drop a cookie of more than 4,096 bytes, with its name and attributes, and say nothing.
COOKIE_CHARACTERS_MAX = 3_800

T = TypeVar("T")


class PageCaller(Caller):
    """A person at the browser, as the caller of a call."""

    __slots__ = ()
    door = Channel.PAGE


@dataclass(frozen=True, slots=True)
class Person:
    """A person and the groups that they belong to. *signed_in* is what they have proved; None while sign-in is off."""

    user: str = DEFAULT_USER
    groups: tuple[str, ...] = ()
    signed_in: User | None = None

    @property
    def groups_text(self) -> str:
        """The groups as one text."""
        return ", ".join(self.groups)

    def caller(self) -> Caller:
        """Return the person as the caller of a call."""
        caller = PageCaller(
            {USER_METADATA: self.user, GROUPS_METADATA: ",".join(self.groups), "user-agent": "osmia-page"}
        )
        caller.signed_in = self.signed_in
        return caller

    def cookie(self) -> str:
        """Return the value of the cookie that holds this person."""
        return packed([self.user, list(self.groups)])


def person_of(cookie: str) -> Person:
    """Read a person from a cookie; one that cannot be read stands for nobody in particular."""
    try:
        user, groups = unpacked(cookie, tuple[str, list[str]])
        return named(user, ",".join(groups))
    except ValueError:
        return Person()


def named(user: str, groups: str) -> Person:
    """Make a person from what was typed: a name, and groups separated by commas.

    Raises:
        ValueError: a name is blank, too long or not printable, or there are too many groups. The text is for the person.

    """
    name = user.strip()
    if not name:
        raise ValueError("Expected a user name, but found none.")
    names = tuple(dict.fromkeys(one for part in groups.split(",") if (one := part.strip())))
    if len(names) > GROUPS_MAX:
        raise ValueError(f"Expected at most {GROUPS_MAX} groups, but found {len(names)}.")
    too_long = next((one for one in (name, *names) if len(one) > NAME_CHARACTERS_MAX), None)
    if too_long is not None:
        raise ValueError(f"Expected names of at most {NAME_CHARACTERS_MAX} characters, but found {len(too_long)}.")
    if not all(is_name(one) for one in (name, *names)):
        raise ValueError("Expected names of printable characters, but found others.")
    person = Person(name, names)
    if len(person.cookie()) > COOKIE_CHARACTERS_MAX:
        raise ValueError("Expected a name and groups that a browser can keep, but found too many letters in them.")
    return person


def packed(value: object) -> str:
    """Write a value so that it may stand in a cookie."""
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


class Said(NamedTuple):
    """A message to the person."""

    kind: str = ""  # `alert` or `status`; empty if there is nothing to say
    text: str = ""
    undo: str = ""  # the address to which a button `Undo` posts; empty for none
    request_id: str = ""  # of the request that was refused


def packed_message(said: Said) -> str:
    """Write a message for the next page as `packed` does, and shorten its text until a browser keeps it."""
    text, value = said.text, packed(said)
    while len(value) > COOKIE_CHARACTERS_MAX and text:
        text = text[: len(text) * COOKIE_CHARACTERS_MAX // len(value) - 1]
        value = packed(said._replace(text=f"{text}…"))
    return value


def unpacked(text: str, type_: type[T]) -> T:
    """Read a value that `packed` wrote.

    Raises:
        ValueError: it was not written by `packed`, or is of another type.

    """
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(content, type=type_)
    except (binascii.Error, msgspec.MsgspecError, UnicodeError) as fault:
        raise ValueError(str(fault)) from None
