"""A clock that stands until a test moves it."""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TestClock:
    """Begins at the present second of the machine, and stands."""

    __test__ = False  # no test, whatever pytest makes of its name

    def __init__(self) -> None:
        self.ms = int(time.time()) * 1000

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self.ms

    @property
    def now(self) -> datetime:
        """The present moment, in UTC."""
        return moment(self.ms)


def moment(ms: int) -> datetime:
    """Return epoch milliseconds as a moment in UTC."""
    return EPOCH + timedelta(milliseconds=ms)
