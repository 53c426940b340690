"""The base of all groups of calls: one way to send a request, and one default for the time to wait."""

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message

from osmia._channel import Channel

ANSWER_SLACK_MS = 5_000  # added to the time for which the gateway itself waits


class Calls:
    """Sends requests over a channel. *call_timeout_ms* None waits for an answer for ever."""

    def __init__(self, channel: Channel, call_timeout_ms: int | None) -> None:
        self._channel = channel
        self._timeout_s = None if call_timeout_ms is None else call_timeout_ms / 1000

    async def _call(self, name: str, request: Message) -> Any:
        return await self._channel.unary(name, request, timeout_s=self._timeout_s)

    async def _call_waiting(self, name: str, request: Message, wait_ms: int) -> Any:
        return await self._channel.unary(name, request, timeout_s=(wait_ms + ANSWER_SLACK_MS) / 1000)

    def _stream(self, name: str, request: Message, timeout_ms: int | None) -> AsyncIterator[Any]:
        return self._channel.stream(name, request, timeout_s=None if timeout_ms is None else timeout_ms / 1000)
