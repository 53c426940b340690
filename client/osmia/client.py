"""The asyncio client: every call of a gateway as a coroutine.

    async with Client() as client:
        await client.deploy("dinner.bpmn")
        created = await client.create_instance("dinner", {"guests": 4})

`SyncClient` has the same calls for code without an event loop.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from osmia._channel import Channel
from osmia.access import SignIn
from osmia.calls.batches import BatchCalls
from osmia.calls.cluster_variables import ClusterVariableCalls
from osmia.calls.documents import DocumentCalls
from osmia.calls.event_stream import EventStreamCalls
from osmia.calls.events import EventCalls
from osmia.calls.global_task_listeners import GlobalTaskListenerCalls
from osmia.calls.instances import InstanceCalls
from osmia.calls.items import ItemCalls
from osmia.calls.job_flow import JobFlowCalls
from osmia.calls.jobs import JobCalls
from osmia.calls.resources import ResourceCalls
from osmia.calls.searches import SearchCalls
from osmia.calls.user_tasks import UserTaskCalls

CALL_TIMEOUT_MS = 20_000


class Client(
    ResourceCalls, InstanceCalls, JobCalls, JobFlowCalls, EventCalls, EventStreamCalls, SearchCalls, ItemCalls
):
    """Calls a gateway, Osmia's or any other that speaks the Zeebe gateway protocol, over one connection.

    Besides the errors that a call names itself, each may raise `Unavailable`, `Timeout`, `Overloaded`, `NotAllowed`,
    `Unimplemented` and `BrokerFailed`, and `InvalidArgument` for variables of more than 2 MiB. The client never repeats a
    call by itself, but for creations with an idempotency key. It belongs to the event loop of its first call.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        call_timeout_ms: int | None = CALL_TIMEOUT_MS,
        sign_in: SignIn | None = None,
        ca_cert: str | Path | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        options: Sequence[tuple[str, Any]] = (),
        idempotent_creations: bool = False,
    ) -> None:
        """Prepare a client; the connection opens with the first call.

        Args:
            address: `host:port`, or with a scheme (`https://` is TLS). None: OSMIA_ADDRESS, ZEEBE_ADDRESS, 127.0.0.1:26500.
            call_timeout_ms: how long to wait for an answer; None for ever. Calls that wait in the gateway add their own time.
            sign_in: who calls, as `Token`, `Password`, `ClientCredentials` or `RenewableToken`. None: as the environment says
                (`osmia.access`), or nobody.
            ca_cert: a file with the authority of the broker's certificate; TLS is used then. None: OSMIA_CA_CERT, or the system's.
            credentials: for TLS of another kind; they go before *ca_cert*.
            metadata: sent with every call.
            options: gRPC channel options; one with the name of a built-in option overrules it.
            idempotent_creations: give each creation a key of its own and repeat it while the broker is away. Only for
                Osmia's broker: another one passes over the key and would start an instance for each repetition.

        Raises:
            ValueError: *address* has no such form, a file cannot be used, or a secret would leave this machine as plain text.
        """
        channel = Channel(
            address, credentials=credentials, metadata=metadata, options=options, sign_in=sign_in, ca_cert=ca_cert
        )
        self._call_over(channel, call_timeout_ms, idempotent_creations=idempotent_creations)

    def _call_over(
        self, channel: Channel, call_timeout_ms: int | None = CALL_TIMEOUT_MS, *, idempotent_creations: bool = False
    ) -> None:
        """Make all calls over *channel*: for clients with a connection of another kind."""
        super().__init__(channel, call_timeout_ms, idempotent_creations=idempotent_creations)
        self.user_tasks = UserTaskCalls(channel, self._timeout_s)
        self.batches = BatchCalls(channel, call_timeout_ms)
        self.cluster_variables = ClusterVariableCalls(channel, call_timeout_ms)
        self.global_task_listeners = GlobalTaskListenerCalls(channel, call_timeout_ms)
        self.documents = DocumentCalls(channel, call_timeout_ms)

    @property
    def address(self) -> str:
        """The address of the gateway, `host:port`."""
        return self._channel.address

    async def close(self) -> None:
        """Close the connection; open calls end with `Unavailable`. A later call opens it again."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
