"""Time that stands until a test moves it."""

START_MS = 1_800_000_000_000


class Clock:
    """Seconds that stand until a test moves them."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


class FakeClock:
    """The clock of a partition, in milliseconds."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms
