"""The base of all groups of calls: one way to send a request, and one default for the time to wait."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message

from osmia._channel import Channel
from osmia.backoff import Backoff
from osmia.errors import Unavailable

IDEMPOTENCY_METADATA = "osmia-idempotency-key"  # a broker that is not Osmia passes over it
ANSWER_SLACK_MS = 5_000  # added to the time for which the gateway itself waits


class Calls:
    """Sends requests over a channel. *call_timeout_ms* None waits for an answer for ever."""

    def __init__(self, channel: Channel, call_timeout_ms: int | None) -> None:
        self._channel = channel
        self._timeout_s = None if call_timeout_ms is None else call_timeout_ms / 1000

    async def _call(self, name: str, request: Message) -> Any:
        return await self._channel.unary(name, request, timeout_s=self._timeout_s)

    async def _call_once(self, name: str, request: Message, idempotency_key: str) -> Any:
        """Send a creation that the broker recognises by its key, again and again until it answers or the time is over."""
        loop = asyncio.get_running_loop()
        end_s = None if self._timeout_s is None else loop.time() + self._timeout_s
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

    async def _call_waiting(self, name: str, request: Message, wait_ms: int) -> Any:
        return await self._channel.unary(name, request, timeout_s=(wait_ms + ANSWER_SLACK_MS) / 1000)

    def _stream(self, name: str, request: Message, timeout_ms: int | None) -> AsyncIterator[Any]:
        return self._channel.stream(name, request, timeout_s=None if timeout_ms is None else timeout_ms / 1000)
