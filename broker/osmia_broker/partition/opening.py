"""Opens the store of a partition, again and again until it is open: the disk is full, the database is away, or another broker leads."""

import asyncio
import logging
from collections.abc import Callable

from osmia_broker.base.errors import LeaseHeld, StoreFailed
from osmia_broker.state.store_protocol import Start, Store

REOPEN_S = (0.05, 0.2, 1.0)  # pauses between tries to open a failed store; the last one repeats

log = logging.getLogger(__name__)


def not_leading() -> StoreFailed:
    """Make the refusal of a broker that may not lead any more."""
    return StoreFailed("Expected to lead the partition, but found that another broker may lead it")


def no_commit(cause: BaseException) -> StoreFailed:
    """Make the refusal of everybody who waits for a commit that *cause* has stopped."""
    return StoreFailed(f"Expected a commit to succeed, but found {cause!r}")


class Opening:
    """Tries to open *store*, one try at a time. *opened* gets what was read, *failed* the reason of each try that did not succeed."""

    def __init__(
        self,
        store: Store,
        partition_id: int,
        opened: Callable[[Start], None],
        failed: Callable[[StoreFailed], None],
        guarded: Callable[..., None],
    ) -> None:
        self._store, self._partition_id = store, partition_id
        self._opened, self._failed, self._guarded = opened, failed, guarded
        self._loop = asyncio.get_running_loop()
        self._leader = ""  # what was logged of another broker that leads
        self._is_stopped = False
        self._try: asyncio.Future[Start] | None = None  # the one under way
        self._is_outdated = False  # whether its outcome is of no use: something has happened since it began
        self._pause: asyncio.TimerHandle | None = None  # until the next one

    def begin(self, tries: int = 0) -> None:
        """Try to open the store, for the first time or once more. A try that is under way is ended first, and its outcome ignored."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._is_stopped:
            return
        if self._try is not None:
            self._is_outdated = True
            return
        self._is_outdated = False
        self._try = asyncio.ensure_future(self._store.open())
        self._try.add_done_callback(lambda done: self._guarded(self._tried, tries, done))

    def wait_for(self, held: LeaseHeld) -> None:
        """Try again in a while, because another broker leads."""
        if str(held) != self._leader:
            self._leader = str(held)
            log.info("partition is not led here", extra={"partition": self._partition_id, "error": self._leader})
        self._begin_later(REOPEN_S[-1], len(REOPEN_S))

    def look(self) -> None:
        """Try at once what would be tried in a while."""
        if self._pause is not None:
            self.begin()

    def stop(self) -> None:
        """Try no more, and report nothing."""
        self._is_stopped = True
        if self._pause is not None:
            self._pause.cancel()

    def _begin_later(self, pause_s: float, tries: int) -> None:
        if not self._is_stopped:
            self._pause = self._loop.call_later(pause_s, self.begin, tries)

    def _tried(self, tries: int, done: "asyncio.Future[Start]") -> None:
        self._try = None
        error = done.exception()
        if self._is_stopped:
            return
        if self._is_outdated:
            self.begin()
        elif error is None:
            self._leader = ""
            log.info("partition open again", extra={"partition": self._partition_id, "tries": tries + 1})
            self._opened(done.result())
        elif isinstance(error, LeaseHeld):
            self.wait_for(error)
            self._failed(error)
        else:
            log.warning("store cannot be opened", extra={"partition": self._partition_id, "error": str(error)})
            self._begin_later(REOPEN_S[min(tries, len(REOPEN_S) - 1)], tries + 1)
            self._failed(error if isinstance(error, StoreFailed) else no_commit(error))
