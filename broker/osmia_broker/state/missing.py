"""The signal that a decision needs rows which are not in memory."""

from osmia_broker.state.store_protocol import Wanted


class Missing(Exception):
    """A command needs rows that are not resident. It is undone, *wanted* is loaded, and the command is decided again."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(wanted)
        self.wanted = wanted
