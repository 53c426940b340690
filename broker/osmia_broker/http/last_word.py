"""An answer that comes before the rest of the request, on a connection that ends with it: a refusal of a body that is too large, or of a stranger.

A connection that is closed while bytes of its client are on their way is reset, and the reset destroys what the client has not read yet: a proxy
says 502 then, and nobody learns why. So the answer goes at once, and what still comes is read and dropped for a while, before the end.
"""

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from osmia_broker.http.app import Receive, Scope, Send

QUIET_S = 5.0  # a client that sends nothing for so long sends no more
REST_S = 30.0  # for the whole rest


def ends_with_answer(scope: Scope) -> bool:
    """Return whether the client asks for the end of the connection after the answer."""
    return any(name == b"connection" and b"close" in value.lower() for name, value in scope["headers"])


class LastWord:
    """The two ends of a request, as an application is given them: `receive` and `send`."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._is_whole = False

    async def receive(self) -> MutableMapping[str, Any]:
        """Receive the next piece of the request."""
        message = await self._receive()
        self._is_whole = not message.get("more_body", False)
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send a piece of the answer; before its end, take the rest of the request."""
        if message["type"] != "http.response.body" or message.get("more_body", False) or self._is_whole:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_S):
                await self._take_rest()
        await self._send({"type": "http.response.body", "body": b""})

    async def _take_rest(self) -> None:
        while not self._is_whole:
            async with asyncio.timeout(QUIET_S):
                await self.receive()
