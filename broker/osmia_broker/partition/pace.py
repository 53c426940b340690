"""Close a batch at once for a lone caller, a little later and larger for a busy broker."""

import asyncio
from collections.abc import Callable

LINGER_S = 0.004  # the longest that a batch stays open while every round of the event loop brings more
MANY = 5  # so many callers who were answered together are waited for
ENOUGH = 32  # … until the open batch has so many commands of callers
PAUSE_S = 0.004  # … and at most so long after their answers (docs/decisions/0007)


class Pace:
    """Decides how long the open batch of a partition waits for more commands.

    Callers who were answered together call again soon, and together. So after a large batch the next one waits until as many have called again, or
    enough. It would otherwise close with those alone who called during the write, and the callers would part into two groups, with twice the commits.
    """

    __slots__ = (
        "_before",
        "_called",
        "_close",
        "_close_by_s",
        "_loop",
        "_missing",
        "_pause_by_s",
        "_timer",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._called = 0  # the commands of callers in the open batch
        self._missing = 0  # so many more are waited for
        self._pause_by_s = 0.0
        self._timer: asyncio.TimerHandle | None = None  # runs during a pause, and then calls …
        self._close: Callable[[], None]
        self._before = 0  # commands in the open batch a round of the event loop ago
        self._close_by_s = 0.0

    def begin(self, close: Callable[[], None], *, at_once: bool) -> None:
        """Call *close* after everything that is ready on the event loop; after a large batch not before its callers had time to call again."""
        now_s = self._loop.time()
        self._before = 0
        if self._missing > 0 and now_s < self._pause_by_s and not at_once:
            self._close_by_s = 0.0  # the pause gathers enough
            self._close = close
            self._timer = self._loop.call_at(self._pause_by_s, close)
        else:
            self._close_by_s = now_s + LINGER_S
            self._loop.call_soon(close)

    def called(self) -> None:
        """Take note of a command of a caller. With the last of those that are waited for, the pause ends."""
        self._called += 1
        self._missing -= 1
        if self._missing == 0 and self._timer is not None:
            self._timer.cancel()
            self._loop.call_soon(self._close)

    def goes_on(self, commands: int) -> bool:
        """Return whether the last round of the event loop brought more *commands* and there is time for another round."""
        before, self._before = self._before, commands
        return commands > before and self._loop.time() < self._close_by_s

    def closed(self) -> None:
        """Note that the batch is closed."""
        self._called = self._missing = 0
        self._timer = None

    def answered(self, callers: int, waiting: int) -> None:
        """Note that so many *callers* have their answers now. Those of *waiting* commands have none: theirs are decided with the open batch.

        Whoever waits for rows that are read, or for room in a batch, cannot call again.
        """
        if callers >= MANY:
            self._missing = min(callers, ENOUGH - self._called - waiting)
            self._pause_by_s = self._loop.time() + PAUSE_S
