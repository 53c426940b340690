"""The proposals for user tasks that were answered lately, so that each is answered once.

A proposal is a note, which the engine cannot read. So whoever answers it brings along the row that they have read, and the key up to which
they have read: all keys below it were in commits that they saw. The partition knows the answers that they may not have seen.
"""

from collections import deque

from osmia_broker.state.memory.journal import Journal

ANSWERS_MAX = 10_000  # that are remembered; who has read a proposal before so many others were answered reads it again


class Answered:
    """The proposals that were answered since the partition was opened, the last `ANSWERS_MAX` of them."""

    __slots__ = ("_journal", "_keys", "_order", "_through")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._keys: set[int] = set()
        self._order: deque[tuple[int, int]] = deque()  # keys of proposals, each with the first key after its answer
        self._through = 0  # who has read up to here knows of all answers that are not remembered

    def begin(self, next_key: int) -> None:
        """Remember the answers from now on: what was answered before is in commits with lower keys."""
        self._keys.clear()
        self._order.clear()
        self._through = next_key

    def add(self, key: int, next_key: int) -> None:
        """Remember that the proposal *key* is answered; *next_key* comes after all keys of the answer."""
        self._keys.add(key)
        self._order.append((key, next_key))
        self._journal.note(self._forget_last)

    def has(self, key: int) -> bool:
        """Whether the proposal *key* was answered, as far as is remembered."""
        return key in self._keys

    def knows_all_since(self, read_key: int) -> bool:
        """Whether every answer is remembered that somebody has not seen who has read up to *read_key*; forget what is too much."""
        while len(self._order) > ANSWERS_MAX:
            key, self._through = self._order.popleft()
            self._keys.discard(key)
        return read_key >= self._through

    def _forget_last(self) -> None:
        key, _ = self._order.pop()
        self._keys.discard(key)
