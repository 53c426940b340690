"""Threads for handlers that are not async."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

Call = tuple[Future[Any], Callable[[], Any]]


class DaemonThreads(Executor):
    """Runs functions in up to *size* threads that do not keep the process alive.

    `ThreadPoolExecutor` waits for its threads when the interpreter exits, so one hung handler would hold up a process that
    has stopped its worker already. Here such a handler is cut off when the process ends.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)  # threads that wait for a call
        self._started = 0
        self._is_shut = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Run *fn* in the next free thread.

        Raises:
            RuntimeError: `shutdown` was called.
        """
        with self._lock:
            if self._is_shut:
                raise RuntimeError("Expected threads that are open, but found them shut down")
            future: Future[R] = Future()
            self._calls.put((future, lambda: fn(*args, **kwargs)))
            if not self._idle.acquire(blocking=False) and self._started < self._size:
                self._started += 1
                name = f"{self._name}_{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
            return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls and end each thread after its call. *wait* has no effect: these threads are not waited for."""
        with self._lock:
            self._is_shut = True
            if cancel_futures:
                self._cancel_waiting()
            for _ in range(self._started):
                self._calls.put(None)

    def _cancel_waiting(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            if call:
                call[0].cancel()

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            if call is None:
                return
            _settle(*call)
            self._idle.release()


def _settle(future: Future[Any], function: Callable[[], Any]) -> None:
    """Run *function* and hand its result or exception to *future*."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # noqa: BLE001 - handed on to the one who waits, SystemExit too
        future.set_exception(error)
