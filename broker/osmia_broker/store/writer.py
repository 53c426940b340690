"""The one thread that uses a store's connection, so that the event loop never waits for a disk."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Writer:
    """Makes calls in a thread of its own, one at a time, in the order in which they were given.

    The thread starts with the first call. It ends after a call when no other is waiting and *is_needed*, which is asked in the thread,
    returns False.
    """

    def __init__(self, name: str, is_needed: Callable[[], bool]) -> None:
        self._name = name
        self._is_needed = is_needed
        self._calls: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]]] = SimpleQueue()
        self._ending = threading.Lock()  # held while a call is added, and while the thread decides whether to end
        self._thread: threading.Thread | None = None

    def run(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        """Have *call* made; return its result, or its exception, as a future of the running event loop.

        A future that is cancelled meanwhile stays cancelled; the call is made all the same.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._ending:
            self._calls.put((call, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
        return future

    def _work(self) -> None:
        while self._make_call():
            pass

    def _make_call(self) -> bool:
        """Make the next call; return whether the thread goes on. No reference to a result outlives this, however long the next wait."""
        call, future = self._calls.get()
        result, error = None, None
        try:
            result = call()
        except Exception as failure:  # noqa: BLE001 - the caller judges it
            error = failure
        ended = None
        with self._ending:
            if self._calls.empty() and not self._is_needed():
                ended, self._thread = self._thread, None
        with suppress(RuntimeError):  # the loop is closed; nobody waits for the result any longer
            future.get_loop().call_soon_threadsafe(_deliver, future, result, error, ended)
        return ended is None


def _deliver(
    future: "asyncio.Future[Any]", result: Any, error: Exception | None, ended: threading.Thread | None
) -> None:
    if ended is not None:
        ended.join()  # this was its last act
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
