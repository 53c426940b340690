"""Cursors: opaque texts that name a place in a sorted list.

A cursor holds the name of the list, the order, and the sort values and key of one item. It stays valid when items come and go.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.storable import INT64
from osmia_broker.store.read.search.values import shown

CURSOR_CHARACTERS_MAX = 4_000_000  # the largest sort value is one of 2 MiB, which base64 makes larger by a third


def write(list_name: str, order: str, place: Sequence[Any]) -> str:
    """Make the cursor of the item at *place* in the list that is sorted by *order*. It is base64, padded: clients of the contract check that."""
    return base64.b64encode(msgspec.json.encode([list_name, order, *place])).decode()


def read(list_name: str, order: str, kinds: Sequence[type], cursor: Any, place: str) -> tuple[Any, ...]:
    """Return the place in *cursor*: as many values as there are *kinds*, each of its type.

    Raises:
        InvalidArgument: it is no cursor of this list in this order.

    """
    found = _decoded(cursor)
    if found[:2] == [list_name, order] and [type(one) for one in found[2:]] == list(kinds):
        values = found[2:]
        if all(type(one) is str or one in INT64 for one in values):
            return tuple(values)
    raise refusal(cursor, place)


def refusal(cursor: Any, place: str) -> InvalidArgument:
    """Make the refusal of what is no cursor of a list."""
    return InvalidArgument(
        f"Expected {place} to be a cursor that this search gave with the same sort, but found {shown(cursor)}"
    )


def _decoded(cursor: Any) -> list[Any]:
    if not isinstance(cursor, str) or len(cursor) > CURSOR_CHARACTERS_MAX:
        return []
    try:
        return msgspec.json.decode(base64.b64decode(cursor, validate=True), type=list)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        return []
