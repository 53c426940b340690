"""Opens the store of a partition, again and again until it is open: the disk is full, the database is away, or another broker leads."""

import asyncio
import logging
from collections.abc import Callable

from osmia_broker.errors import LeaseHeld, StoreFailed
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
    """Tries to open *store*. *opened* gets what was read; *abandoned* is called instead if the partition has been closed meanwhile."""

    def __init__(
        self,
        store: Store,
        partition_id: int,
        opened: Callable[[Start], None],
        abandoned: Callable[[], None],
        guarded: Callable[..., None],
    ) -> None:
        self.is_closed = False  #: set by the partition when it closes
        self._store, self._partition_id = store, partition_id
        self._opened, self._abandoned, self._guarded = opened, abandoned, guarded
        self._loop = asyncio.get_running_loop()
        self._leader = ""  # what was logged of another broker that leads

    def begin(self, tries: int = 0) -> None:
        """Try to open the store, for the first time or once more."""
        if self.is_closed:
            self._abandoned()
            return
        opening = asyncio.ensure_future(self._store.open())
        opening.add_done_callback(lambda done: self._guarded(self._tried, tries, done))

    def wait_for(self, held: LeaseHeld) -> None:
        """Try again in a while, because another broker leads."""
        if str(held) != self._leader:
            self._leader = str(held)
            log.info("another broker leads", extra={"partition": self._partition_id, "error": self._leader})
        self._loop.call_later(REOPEN_S[-1], self.begin, len(REOPEN_S))

    def _tried(self, tries: int, done: "asyncio.Future[Start]") -> None:
        error = done.exception()
        if self.is_closed:
            self._abandoned()
        elif error is None:
            self._leader = ""
            log.info("partition open again", extra={"partition": self._partition_id, "tries": tries + 1})
            self._opened(done.result())
        elif isinstance(error, LeaseHeld):
            self.wait_for(error)
        else:
            log.warning("store cannot be opened", extra={"partition": self._partition_id, "error": str(error)})
            self._loop.call_later(REOPEN_S[min(tries, len(REOPEN_S) - 1)], self.begin, tries + 1)
