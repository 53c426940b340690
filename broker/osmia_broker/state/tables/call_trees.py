"""Count the living called instances below each outermost caller.

Only those that were called since the last start are counted, and only below the callers that called lately. The count bounds processes
that call themselves in breadth without end; it may be too low, never too high.
"""

from osmia_broker.state.memory.journal import Journal

# Outermost callers that are known. The one that has not called for the longest time is forgotten first.
TREES_MAX = 1_000


class CallTrees:
    """The numbers of living called instances by the key of their outermost caller."""

    __slots__ = ("_journal", "_sizes")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._sizes: dict[int, int] = {}  # the latest caller is the last

    def size(self, root: int) -> int:
        """Return how many live below *root*."""
        return self._sizes.get(root, 0)

    def begun(self, root: int) -> None:
        """Count one more."""
        size = self._sizes.pop(root, 0)
        self._sizes[root] = size + 1
        self._journal.note(self._take, root)
        while len(self._sizes) > TREES_MAX:
            del self._sizes[next(iter(self._sizes))]

    def ended(self, root: int) -> None:
        """Count one less; it may be one from before the start."""
        if self._take(root):
            self._journal.note(self._put_back, root)

    def _take(self, root: int) -> bool:
        size = self._sizes.get(root, 0)
        if size > 1:
            self._sizes[root] = size - 1
        elif size:
            del self._sizes[root]
        return size > 0

    def _put_back(self, root: int) -> None:
        self._sizes[root] = self._sizes.get(root, 0) + 1
