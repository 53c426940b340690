"""Checks of a call's values, made before any effect and the same behind every door."""

import re
from collections.abc import Collection, Sized

from osmia_broker.base.business_ids import BUSINESS_ID_CHARACTERS
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.json_text import Digits
from osmia_broker.state.storable import INT64, NUL, half_pair

INT32 = range(-(2**31), 2**31)
DEFAULT_TENANT = "<default>"  #: the only tenant while multi-tenancy is off
NAME_CHARACTERS = 32_768  # of a message name or a key: it is part of an index
LIST_ITEMS_MAX = 2_000  # of one call: instructions, mappings, names; one of them costs up to 50 µs of everybody's time
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_\-:.]*")
IDENTIFIER = "^[a-zA-Z0-9_~@.+-]+$"  #: of the contract: published clients cannot read an answer with another name
QUOTED_CHARACTERS = 200  # of an input that an error repeats


def int32(field: str, value: int) -> int:
    """Return *value*, an integer of 32 bits.

    Raises:
        InvalidArgument: it has more bits.

    """
    if value not in INT32:
        raise InvalidArgument(f"Expected '{field}' to be an integer of 32 bits, but found {_shown(value)}")
    return value


def int64(field: str, value: int) -> int:
    """Return *value*, an integer of 64 bits.

    Raises:
        InvalidArgument: it has more bits.

    """
    if value not in INT64:
        raise InvalidArgument(f"Expected '{field}' to be an integer of 64 bits, but found {_shown(value)}")
    return value


def key(text: str) -> int:
    """Read a key from a text.

    Raises:
        ValueError: *text* is no integer of 64 bits.

    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(INT64.stop)) and int(text) in INT64):
        raise ValueError(f"expected a key, an integer of 64 bits, but found '{quoted(text)}'")
    return int(text)


def _shown(value: int) -> str:
    """Return *value* for an error. Python refuses to write an integer of thousands of digits."""
    return str(value) if value.bit_length() <= QUOTED_CHARACTERS else f"one of {value.bit_length()} bits"


def storable(field: str, text: str) -> str:
    """Return *text* if every store can keep it: SQL text holds no NUL, and UTF-8 holds no half of a surrogate pair.

    Raises:
        InvalidArgument: it cannot be kept.

    """
    if NUL in text:
        raise InvalidArgument(f"Expected '{field}' without NUL characters, but found one")
    place = half_pair(text)
    if place is not None:
        raise InvalidArgument(
            f"Expected '{field}' to be Unicode text, but found half of a surrogate pair at character {place}"
        )
    return text


def name(field: str, text: str) -> str:
    """Return *text*, the name or key of something that waits. Raises as `storable` and `at_most`."""
    return at_most(field, text, NAME_CHARACTERS)


def at_most(field: str, text: str, characters: int) -> str:
    """Return *text* if it can be kept and has at most so many *characters*.

    Raises:
        InvalidArgument: it is longer, or cannot be kept.

    """
    if len(text) > characters:
        raise InvalidArgument(f"Expected '{field}' to have at most {characters} characters, but found {len(text)}")
    return storable(field, text)


def business_id(text: str) -> str:
    """Return *text* if it is a business id: 1 to 256 characters.

    Raises:
        InvalidArgument: it is empty, longer, or cannot be kept.

    """
    if not text:
        raise InvalidArgument("Expected a business id of 1 to 256 characters, but found an empty one")
    return at_most("businessId", text, BUSINESS_ID_CHARACTERS)


def tag(text: str, characters: int) -> str:
    """Return *text* if it is a tag: a letter, then letters, digits and `_-:.`.

    Raises:
        InvalidArgument: it is none.

    """
    if not _TAG.fullmatch(at_most("tags", text, characters)):
        raise InvalidArgument(
            f"Expected a tag to begin with a letter and to have letters, digits, '_', '-', ':' and '.' only, but found '{quoted(text)}'"
        )
    return text


def identifier(field: str, text: str, characters: int) -> str:
    """Return *text* if it is a name that paths and published clients can carry: ASCII letters, digits and `_~@.+-`.

    Raises:
        InvalidArgument: it has other characters, or more than *characters*.

    """
    if not re.fullmatch(IDENTIFIER, at_most(field, text, characters)):
        raise InvalidArgument(
            f"Expected '{field}' to have letters without accents, digits, '_', '~', '@', '.', '+' and '-' only, but found '{quoted(text)}'"
        )
    return text


def few(field: str, items: Sized) -> None:
    """Refuse a list that is longer than anybody needs: a call is carried out as a whole while all others wait.

    Raises:
        InvalidArgument: it has more than LIST_ITEMS_MAX items.

    """
    if len(items) > LIST_ITEMS_MAX:
        raise InvalidArgument(f"Expected '{field}' to have at most {LIST_ITEMS_MAX} items, but found {len(items)}")


def default_tenant(call: str, tenants: Collection[str]) -> None:
    """Refuse tenants other than the default one; an empty name means the default.

    Raises:
        InvalidArgument: another tenant is named.

    """
    few("tenantIds", tenants)
    for tenant in tenants:
        if tenant not in ("", DEFAULT_TENANT):
            raise InvalidArgument(
                f"Expected to handle gRPC request {call} with tenant identifier '{quoted(tenant)}', but multi-tenancy is disabled"
            )


def tenants_of_jobs(call: str, tenant_filter: int, tenants: Collection[str]) -> None:
    """Refuse tenants of which a worker wants jobs other than the default one. The filter ASSIGNED (1) passes over those that are named.

    Raises:
        InvalidArgument: another tenant is named, or the filter is none of the contract's.

    """
    if tenant_filter not in (0, 1):
        raise InvalidArgument("Expected a tenant filter of PROVIDED (0) or ASSIGNED (1), but found another")
    if tenant_filter == 0:
        default_tenant(call, tenants)


def kind_of(value: object) -> str:
    """Name the kind of a JSON value in words."""
    numbers = dict.fromkeys((int, float, Digits), "a number")
    return {dict: "an object", list: "an array", bool: "a boolean", str: "a text", **numbers}.get(type(value), "null")


def quoted(text: str) -> str:
    """Shorten an input for an error's text."""
    return text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "…"
