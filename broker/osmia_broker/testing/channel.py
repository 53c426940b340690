"""The SDK's connection to a broker in the same process: the same messages and the same answers, without a port.

A call goes through the door of the broker as if it had come over gRPC, so it meets the same checks, and a refusal has the same status and
the same text.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from google.protobuf.message import Message

from osmia import errors
from osmia._channel import Channel, Metadata
from osmia.client import Client
from osmia.sync import LoopThread, SyncClient
from osmia_broker.gateway.door import Door
from osmia_broker.gateway.services import Service
from osmia_broker.rpc import Refusal, Rpc
from osmia_broker.testing.loop import BrokerLoop
from osmia_proto.methods import Method

ADDRESS = "in this process"
END = object()


class Aborted(grpc.RpcError):  # type: ignore[misc]  # gRPC ships no types
    """The broker refused a call."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        """Return the status."""
        return self._code

    def details(self) -> str:
        """Return the text."""
        return self._details


class InProcessCall:
    """A call without a connection."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> Metadata:
        """Return the metadata of the call."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Return None: the caller's own wait has the deadline."""
        return None


class InProcessChannel(Channel):
    """Calls the *services* of a broker that runs in *loop*."""

    def __init__(self, loop: BrokerLoop, door: Door, services: Sequence[Service]) -> None:
        super().__init__("127.0.0.1")
        self.address = ADDRESS
        self._broker_loop = loop
        self._rpcs: dict[str, tuple[Method, Rpc]] = {}
        for methods, servicer in services:
            rpcs = door.rpcs(methods, servicer)
            self._rpcs.update({one.name: (one, rpc) for one, rpc in zip(methods.values(), rpcs, strict=True)})

    async def unary(
        self,
        name: str,
        request: Message,
        *,
        timeout_s: float | None,
        extra_metadata: Metadata = (),
    ) -> Any:
        """Return the response of a call that has one response."""
        method, rpc = self._rpc(name)
        call = InProcessCall(self._with(extra_metadata) or ())
        answer = await self._within(timeout_s, rpc.answer(request.SerializeToString(), call))
        return method.response.FromString(answer)

    async def stream(
        self,
        name: str,
        request: Message,
        *,
        timeout_s: float | None,
        extra_metadata: Metadata = (),
    ) -> AsyncIterator[Any]:
        """Iterate over the responses of a call that has many."""
        method, rpc = self._rpc(name)
        call = InProcessCall(self._with(extra_metadata) or ())
        responses = rpc.answer(request.SerializeToString(), call)
        loop = asyncio.get_running_loop()
        end_s = None if timeout_s is None else loop.time() + timeout_s
        try:
            while True:
                left_s = None if end_s is None else max(end_s - loop.time(), 0)
                response = await self._within(left_s, _next(responses))
                if response is END:
                    return
                yield method.response.FromString(response)
        finally:
            await self._broker_loop.call(responses.aclose())

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _rpc(self, name: str) -> tuple[Method, Rpc]:
        if name not in self._rpcs:
            raise errors.Unimplemented(
                grpc.StatusCode.UNIMPLEMENTED, f"Expected a call that this broker has, but found {name}"
            )
        return self._rpcs[name]

    async def _within(self, timeout_s: float | None, work: Any) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._broker_loop.call(work)
        except Refusal as refusal:
            raise errors.from_rpc(Aborted(grpc.StatusCode[refusal.status], refusal.details)) from None
        except TimeoutError:
            text = f"Expected an answer within {timeout_s} s, but found none"
            raise errors.Timeout(grpc.StatusCode.DEADLINE_EXCEEDED, text) from None


async def _next(responses: Any) -> Any:
    return await anext(responses, END)


class InProcessClient(Client):
    """The SDK's client over a connection of this process."""

    def __init__(self, channel: InProcessChannel) -> None:
        self._call_over(channel)


class InProcessSyncClient(SyncClient):
    """The same for code without an event loop."""

    def __init__(self, client: Client, loop: LoopThread) -> None:
        self._call_with(client, loop)
