"""The time for which a statement waits for the server: the seconds in which this process listened.

A process that works on one long command hears nobody meanwhile. The answer may have been there all the time, so such a pause says nothing about
the server: however long it was, it counts as one part of the patience.
"""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import asyncpg

PARTS = 5


class Patience:
    """Around statements of *driver*: it is shut down after *answer_s* without an answer, and nothing is cancelled."""

    def __init__(self, driver: "asyncpg.Connection", answer_s: float) -> None:
        self._driver = driver
        self._answer_s = answer_s
        self._left = PARTS
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._wait()
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Wait no longer.

        Raises:
            ConnectionError: the statement failed because there was no answer.

        """
        self._stop()
        if not self._left and isinstance(error, Exception):
            raise ConnectionError(f"no answer within {self._answer_s:g} s") from error

    def answered(self) -> None:
        """Begin anew: there was an answer, and more are to come."""
        self._stop()
        self._left = PARTS
        self._wait()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._answer_s / PARTS, self._heard_nothing)

    def _heard_nothing(self) -> None:
        self._left -= 1
        if self._left:
            self._wait()
        else:
            self._driver.terminate()
