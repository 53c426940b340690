"""A budget of a peer's frames that bring no work forward: PING, SETTINGS, RST_STREAM, empty DATA, unknown ones.

Each is allowed and some are needed, but each costs CPU. The budget refills with time and with answers, because honest peers send such frames in
proportion: grpc-go pings once an answer, and every client widens two windows for what it has read. Answers also save up for later, because
behind a proxy many clients share a connection, and may all cancel their calls when one of their machines is stopped.
"""

from collections.abc import Callable

from osmia_broker.h2.frames import ENHANCE_YOUR_CALM, ConnectionFault

SAVED = 4  # times as many frames as at first may be saved up by answers


class FrameBudget:
    """The budget of one peer: *most* frames at first, and *per_s* more each second until it is *most* again; `SAVED` times as many by answers."""

    __slots__ = ("_most", "_now_s", "_per_s", "_since_s", "left")

    def __init__(self, most: int, per_s: int, now_s: Callable[[], float]) -> None:
        self.left: float = most
        self._most, self._per_s, self._now_s = most, per_s, now_s
        self._since_s = now_s()

    def spend(self, cost: float = 1) -> None:
        """Count a frame.

        Raises:
            ConnectionFault: the budget is empty.
        """
        self.left -= cost
        if self.left < 0:  # the clock is asked only now: that is cheap for honest peers, and changes nothing for others
            now_s = self._now_s()
            self.left = min(self.left + (now_s - self._since_s) * self._per_s, self._most)
            self._since_s = now_s
            if self.left < 0:
                raise ConnectionFault(
                    ENHANCE_YOUR_CALM, "Expected frames that bring work forward, but found too many others"
                )

    def earn(self, amount: float) -> None:
        """Refill the budget for work that was done."""
        if self.left < self._most * SAVED:
            self.left += amount
