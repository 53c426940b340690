"""The base of all groups of calls: one way to send a request, and one default for the time to wait."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import uuid4

import msgspec
from google.protobuf.message import Message

from osmia._channel import Channel
from osmia.backoff import Backoff
from osmia.errors import Unavailable

IDEMPOTENCY_METADATA = "osmia-idempotency-key"  # a broker that is not Osmia passes over it
USER_METADATA, GROUPS_METADATA = "osmia-user", "osmia-groups"
ANSWER_SLACK_MS = 5_000  # added to the time for which the gateway itself waits

Metadata = tuple[tuple[str, str], ...]


class Calls:
    """Sends requests over a channel. *call_timeout_ms* None waits for an answer for ever.

    With *idempotent_creations* each creation gets a key by which the broker recognises a repetition, and is repeated.
    """

    def __init__(self, channel: Channel, call_timeout_ms: int | None, *, idempotent_creations: bool = False) -> None:
        self._channel = channel
        self._idempotent_creations = idempotent_creations
        self._timeout_s = None if call_timeout_ms is None else call_timeout_ms / 1000

    async def _call(self, name: str, request: Message, metadata: Metadata = ()) -> Any:
        return await self._channel.unary(name, request, timeout_s=self._timeout_s, extra_metadata=metadata)

    async def _create(self, name: str, request: Message, timeout_s: float | None, idempotency_key: str) -> Any:
        """Send a creation: once, or with a key until the broker answers or the time is over."""
        if not idempotency_key and self._idempotent_creations:
            idempotency_key = uuid4().hex
        if not idempotency_key:
            return await self._channel.unary(name, request, timeout_s=timeout_s)
        loop = asyncio.get_running_loop()
        end_s = None if timeout_s is None else loop.time() + timeout_s
        pauses = Backoff(first_ms=100, max_ms=2_000)
        while True:
            left_s = None if end_s is None else end_s - loop.time()
            try:
                key = ((IDEMPOTENCY_METADATA, idempotency_key),)
                return await self._channel.unary(name, request, timeout_s=left_s, extra_metadata=key)
            except Unavailable:
                pause_s = pauses.next_s()
                if end_s is not None and loop.time() + pause_s >= end_s:
                    raise
                await asyncio.sleep(pause_s)

    def _stream(self, name: str, request: Message, timeout_ms: int | None) -> AsyncIterator[Any]:
        return self._channel.stream(name, request, timeout_s=None if timeout_ms is None else timeout_ms / 1000)


def who(user: str, groups: Iterable[str]) -> Metadata:
    """Return the metadata that name the acting person."""
    named = ((USER_METADATA, user), (GROUPS_METADATA, ",".join(groups)))
    return tuple((key, value) for key, value in named if value)


def json_text(value: object) -> str:
    """Return *value* as JSON; empty for an empty one."""
    return msgspec.json.encode(value).decode() if value else ""
