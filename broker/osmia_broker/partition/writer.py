"""The one thread that touches a partition's store, so that the event loop never waits for a disk.

Work is done in the order it was given. Results come back through the event loop in that order too, one wake-up each.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Done = Callable[[Any, Exception | None], None]


class Writer:
    """Runs calls in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], Done] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Callable[[], Any], done: Done) -> None:
        """Have *call* made; then `done(result, None)`, or `done(None, error)`, on the event loop."""
        self._work.put((call, done))

    async def run(self, call: Callable[[], T]) -> T:
        """Have *call* made and wait for its result."""
        future: asyncio.Future[T] = self._loop.create_future()

        def done(result: Any, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.submit(call, done)
        return await future

    async def stop(self) -> None:
        """End the thread after all work that was given to it."""
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            call, done = work
            result, error = None, None
            try:
                result = call()
            except Exception as failure:  # noqa: BLE001 - it is the caller's to judge
                error = failure
            try:
                self._loop.call_soon_threadsafe(done, result, error)
            except RuntimeError:  # the loop is closed: nobody waits for results any longer
                return
