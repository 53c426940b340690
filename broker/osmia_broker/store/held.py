"""A reader that holds an old state of the store: since when, and what the log says of it.

While somebody does that, nothing can be removed that commits have replaced: SQLite's log cannot be emptied, and PostgreSQL keeps all versions of its
rows. Whoever reads here does so for seconds; a program of somebody else may do it for hours.
"""

import logging
from collections.abc import Callable, Hashable
from time import monotonic

LONG_S = 60.0  # after which the log says so

log = logging.getLogger(__name__)


class HeldSnapshot:
    """The oldest state that somebody holds, as far as it is known. *clock* is a monotonic clock in seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._holder: Hashable = None
        self._since = 0.0
        self._is_reported = False

    def see(self, holder: Hashable, **details: object) -> None:
        """Take note who holds it now; None: nobody. The log has the *details* of one who holds it for long."""
        seconds = self.seconds
        if holder != self._holder:
            if self._is_reported:
                log.info("a snapshot is held no longer", extra={"seconds": round(seconds)})
            self._holder, self._since, self._is_reported = holder, self._clock(), False
        elif seconds >= LONG_S and not self._is_reported:
            log.warning("a snapshot is held for long", extra={"seconds": round(seconds), **details})
            self._is_reported = True

    @property
    def seconds(self) -> float:
        """For how long it has been held, as far as was seen; 0 if nobody holds any."""
        return 0.0 if self._holder is None else self._clock() - self._since
