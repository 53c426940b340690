"""The phases of a partition: whether commands are taken, and whether there is a memory to decide them against."""

from enum import Enum, auto


class Phase(Enum):
    """The one answer to both questions; `Partition` asks nothing else before it takes, decides or writes."""

    AWAY = auto()  #: commands are refused: the store is not open yet, has failed, or another broker leads
    SERVING = auto()  #: commands are taken and decided
    REOPENING = auto()  #: memory was dropped, but no command is refused: they wait until the store has been read again
    CLOSING = auto()  #: commands are refused; those that were taken before are decided and answered
    CLOSED = auto()  #: commands are refused, and nothing is decided any more

    @property
    def takes_commands(self) -> bool:
        """Whether the commands of callers are taken."""
        return self in _TAKES_COMMANDS

    @property
    def has_memory(self) -> bool:
        """Whether memory holds what the store has read. Only then may a command be decided, and a batch be closed."""
        return self in _HAS_MEMORY


_TAKES_COMMANDS = {Phase.SERVING, Phase.REOPENING}
_HAS_MEMORY = {Phase.SERVING, Phase.CLOSING}

#: The phases that may follow each one.
NEXT = {
    Phase.AWAY: {Phase.AWAY, Phase.SERVING, Phase.CLOSED},
    Phase.SERVING: {Phase.REOPENING, Phase.AWAY, Phase.CLOSING, Phase.CLOSED},
    Phase.REOPENING: {Phase.SERVING, Phase.AWAY, Phase.CLOSED},
    Phase.CLOSING: {Phase.CLOSED},
    Phase.CLOSED: {Phase.CLOSED},
}
