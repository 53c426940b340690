"""Which jobs of a type can be activated, oldest first, with a bounded part of them in memory.

A window holds the lowest activatable keys of one type in a heap. Order comes from the key alone, so neither an undone command
nor a job that comes back can disturb it: a key may stand in the heap though its job is held or gone (it is skipped when it
comes up), and may stand there twice.
"""

from heapq import heapify, heappop, heappush

from osmia_broker.state.exchange import WINDOW_JOBS

WINDOW_KEYS_MAX = 4 * WINDOW_JOBS  #: beyond it, later keys wait in the store until the window is worked off


class Window:
    """The activatable keys of one type up to and including `through`; None means that there are no others."""

    __slots__ = ("_heap", "_late", "refilling", "through")

    def __init__(self, through: int | None) -> None:
        self._heap: list[int] = []
        self._late: list[
            int
        ] = []  # arrivals beyond `through` while a refill is under way, which may not have seen them
        self.through = through
        self.refilling = False

    def add(self, key: int) -> None:
        """A job has become activatable."""
        if self.through is not None and key > self.through:
            if self.refilling:
                self._late.append(key)
            return
        heappush(self._heap, key)
        if self.through is None and len(self._heap) > WINDOW_KEYS_MAX:
            self.through = max(self._heap)

    def pop(self) -> int | None:
        """Take the lowest key out; None when the window is empty."""
        return heappop(self._heap) if self._heap else None

    def put_back(self, keys: list[int]) -> None:
        """Undo some `pop`s."""
        for key in keys:
            heappush(self._heap, key)

    def refill(self, keys: list[int]) -> None:
        """The next keys from the store, ascending; fewer than WINDOW_JOBS mean that these are all."""
        self.refilling = False
        self.through = keys[-1] if len(keys) >= WINDOW_JOBS else None
        self._heap.extend(keys)
        heapify(self._heap)
        late, self._late = self._late, []
        for key in late:
            self.add(key)

    @property
    def needs_refill(self) -> bool:
        """Whether the window is empty while the store has more."""
        return not self._heap and self.through is not None

    def __bool__(self) -> bool:
        """Whether a job may be found here or behind it (a stale key counts too)."""
        return bool(self._heap) or self.through is not None
