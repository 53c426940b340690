"""The phases of a partition: whether commands are taken, and whether there is a memory to decide them against."""

from enum import Enum


class Phase(Enum):
    """The one answer to both questions; `Partition` asks nothing else before it takes, decides or writes."""

    AWAY = False, False, "commands are refused: the store is not open yet, has failed, or another broker leads"
    SERVING = True, True, "commands are taken and decided"
    REOPENING = (
        True,
        False,
        "memory was dropped, but no command is refused: they wait until the store has been read again",
    )
    LEAVING = (
        False,
        True,
        "commands are refused; those that were taken before are decided and answered; then another broker leads",
    )
    CLOSING = False, True, "commands are refused; those that were taken before are decided and answered"
    CLOSED = False, False, "commands are refused, and nothing is decided any more"

    def __init__(self, takes_commands: bool, has_memory: bool, _meaning: str) -> None:
        #: Whether the commands of callers are taken.
        self.takes_commands = takes_commands
        #: Whether memory holds what the store has read. Only then may a command be decided, and a batch be closed.
        self.has_memory = has_memory

    @property
    def is_ending(self) -> bool:
        """Whether what was taken is finished, and nothing else: commands of the broker itself are still decided."""
        return self in _IS_ENDING


_IS_ENDING = {Phase.LEAVING, Phase.CLOSING}

#: The phases that may follow each one.
NEXT = {
    Phase.AWAY: {Phase.AWAY, Phase.SERVING, Phase.CLOSED},
    Phase.SERVING: {Phase.REOPENING, Phase.AWAY, Phase.LEAVING, Phase.CLOSING, Phase.CLOSED},
    Phase.REOPENING: {Phase.SERVING, Phase.AWAY, Phase.CLOSED},
    Phase.LEAVING: {Phase.AWAY, Phase.REOPENING, Phase.CLOSING, Phase.CLOSED},
    Phase.CLOSING: {Phase.CLOSED},
    Phase.CLOSED: {Phase.CLOSED},
}
