"""Refuse a member of a request that is probably a misspelt one.

The reference ignores members that it does not know, and so must a server that newer clients call. But
`{"variabels": …}` would then complete a task without its variables, and nobody would hear of it. So a member is refused if it is unknown
to every operation, if it is one or two letters away from a member of this operation, and if that member is missing.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec

from osmia_broker.base.edits import edits
from osmia_broker.http.problem import bad_request

LETTERS_MIN = 4  # of a member that can be misspelt; shorter ones are too near to each other
LETTERS_PER_EDIT = 4
EDITS_MAX = 2
NAME_CHARACTERS_MAX = 64  # of an unknown member that is compared
# Unknown members of a body that are compared. More are no slip of a person, and each costs a millisecond.
NAMES_MAX = 20

_known: set[str] = set()  #: the members of all operations: a client may send one to an operation that has no use for it
_names_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def members_of(body_type: Any) -> frozenset[str]:
    """Return the names of the members of a body of this type, and remember them as known."""
    if not (isinstance(body_type, type) and issubclass(body_type, msgspec.Struct)):
        return frozenset()
    members = frozenset(field.encode_name for field in msgspec.structs.fields(body_type))
    _known.update(members)
    return members


def refuse_misspelt(content: bytes, members: frozenset[str]) -> None:
    """Refuse a body, which is JSON, with a member that is probably a misspelling of one of *members*.

    Raises:
        HttpRefusal: the text names the member that was probably meant.

    """
    try:
        given = _names_of(content).keys()
    except msgspec.DecodeError:  # no object
        return
    unknown = (name for name in given if name not in members and name not in _known)
    for name in islice(unknown, NAMES_MAX):
        if meant := _nearest(name, members - given):
            raise bad_request(f"Failed to read request: expected '{meant}', but found '{name}'")


def _nearest(name: str, members: Iterable[str]) -> str:
    """Return the member that *name* is a misspelling of; empty if it is near none."""
    if len(name) > NAME_CHARACTERS_MAX:
        return ""
    for member in sorted(members):
        if name == f"{member}s":
            continue  # a newer client may send several of what is one today
        most = min(EDITS_MAX, len(member) // LETTERS_PER_EDIT)
        if len(member) >= LETTERS_MIN and abs(len(member) - len(name)) <= most and edits(name, member) <= most:
            return member
    return ""
