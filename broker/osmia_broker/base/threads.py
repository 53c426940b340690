"""Work in a thread whose caller waits for its end, even if the caller itself is cancelled."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def to_the_end(work: Callable[..., T], *arguments: Any) -> T:
    """Do *work* in a thread.

    A thread cannot be stopped. So a caller who is cancelled holds its turn until the thread has ended; otherwise callers who leave at once,
    again and again, would fill all threads of the process.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait({thread})
        if not thread.cancelled():
            thread.exception()  # nobody else asks for it
        raise
