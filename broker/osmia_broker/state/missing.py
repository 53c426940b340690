"""The signal that a decision needs rows which are not in memory."""

from osmia_broker.state.exchange import Wanted


class Missing(Exception):
    """A command met a row that is not resident. It is undone, *wanted* is loaded, and the command is decided again."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(wanted)
        self.wanted = wanted
