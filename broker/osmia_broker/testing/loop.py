"""The event loop of a broker under test, in a thread of its own.

The test may have an event loop of any kind, or none: a test that blocks does not hold up the broker, and the broker is closed in good
order when the loop of the test is gone already.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

WAIT_S = 30.0  # for one piece of work; a test in which the broker hangs shall end, and say where


class BrokerLoop:
    """Runs coroutines for other threads."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="osmia broker under test", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* and wait for it in this thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* and wait for it in the caller's event loop; a caller who leaves cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()
