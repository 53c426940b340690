"""Close a batch at once for a lone caller, a little later and larger for a busy broker."""

import asyncio
from collections.abc import Callable

LINGER_S = 0.004  # the longest that a batch stays open while every round of the event loop brings more
SPACED_COMMANDS = 8  # a batch of at least so many is large: the next one closes SPACING_S after it, or later
SPACING_S = 0.004  # measured: a quarter less processor time per command, since fewer commits serve as many (docs/decisions/0007)


class Pace:
    """Decides how long the open batch of a partition waits for more commands."""

    __slots__ = ("_before", "_close_by_s", "_closed_s", "_loop", "_size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._closed_s = 0.0
        self._size = 0  # of the last batch
        self._before = 0  # commands in the open batch a round of the event loop ago
        self._close_by_s = 0.0

    def begin(self, close: Callable[[], None], *, at_once: bool) -> None:
        """Call *close* after everything that is ready on the event loop; after a large batch not before SPACING_S have passed."""
        now_s = self._loop.time()
        pause_s = self._closed_s + SPACING_S - now_s if self._size >= SPACED_COMMANDS and not at_once else 0.0
        self._before = 0
        self._close_by_s = now_s + LINGER_S
        if pause_s > 0:
            self._close_by_s = 0.0  # the pause has gathered enough
            self._loop.call_later(pause_s, close)
        else:
            self._loop.call_soon(close)

    def goes_on(self, commands: int) -> bool:
        """Return whether the last round of the event loop brought more *commands* and there is time for another round."""
        before, self._before = self._before, commands
        return commands > before and self._loop.time() < self._close_by_s

    def closed(self, commands: int) -> None:
        """Note that a batch with so many *commands* was closed now."""
        self._closed_s, self._size = self._loop.time(), commands
