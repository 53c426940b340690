"""Calls that belong to another process are sent there as bytes, and their answers passed on as bytes: status, details and trailers are kept."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing

from osmia_broker.links.links import Links
from osmia_broker.links.routes import partition_of
from osmia_broker.rpc import Call, Rpc, Shape

HERE = -1

Where = Callable[[bytes], int]  #: the process that a request belongs to; `HERE` for this one


def forwarding(rpcs: Iterable[Rpc], links: Links, partitions: int, process_of: Callable[[int], int]) -> list[Rpc]:
    """Return *rpcs* for callers from outside: each call with a key goes to the process that leads its partition.

    *process_of* says which process leads a partition (1 to *partitions*); it may raise a `Refusal` if nobody does. The other processes must be given
    *rpcs* themselves, so that no call is forwarded twice.
    """
    own = links.me.process

    def made(rpc: Rpc) -> Rpc:
        read = partition_of(rpc.path, partitions)
        if read is None:
            return rpc

        def where(request: bytes) -> int:
            partition = read(request)
            if not partition:
                return HERE
            process = process_of(partition)
            return HERE if process == own else process

        return forwarded(rpc, links, where)

    return [made(rpc) for rpc in rpcs]


def forwarded(rpc: Rpc, links: Links, where: Where) -> Rpc:
    """Return *rpc* as it is answered where *where* says."""
    if rpc.shape is Shape.UNARY:
        return Rpc(rpc.path, rpc.shape, _once(rpc, links, where))
    assert rpc.shape is Shape.STREAM, "dialogues have no place elsewhere"
    return Rpc(rpc.path, rpc.shape, _stream(rpc, links, where))


def _once(rpc: Rpc, links: Links, where: Where) -> Callable[[bytes, Call], Awaitable[bytes]]:
    path, local = rpc.path, rpc.answer

    async def answer(message: bytes, call: Call) -> bytes:
        process = where(message)
        if process == HERE:
            found: bytes = await local(message, call)
            return found
        return await links.to(process).call(path, message, call.invocation_metadata(), call.time_remaining())

    return answer


def _stream(rpc: Rpc, links: Links, where: Where) -> Callable[[bytes, Call], AsyncIterator[bytes]]:
    path, local = rpc.path, rpc.answer

    async def answer(message: bytes, call: Call) -> AsyncIterator[bytes]:
        process = where(message)
        if process == HERE:
            parts = local(message, call)
        else:
            parts = links.to(process).stream(path, message, call.invocation_metadata(), call.time_remaining())
        async with aclosing(parts) as answers:
            async for part in answers:
                yield part

    return answer
