"""The windows of activatable jobs: for each job type the oldest keys in memory, the rest in the store.

A window holds the lowest activatable keys of one type. Order comes from the key alone, so neither an undone command nor a job that
becomes activatable again can disturb it. A key that leaves (its job was pushed to a stream, or ended) stays in the heap, is no longer a
member, and is skipped when it comes up.
"""

from collections import OrderedDict
from heapq import heapify, heappop, heappush

from osmia_broker.state.store_protocol import WINDOW_JOBS

WINDOW_KEYS_MAX = 4 * WINDOW_JOBS  #: beyond it, later keys wait in the store until the window is worked off
WINDOWS_MAX = (
    1_000  #: job types with a window in memory; the least recently used one is dropped and read again when asked for
)


class Window:
    """The activatable keys of one type up to and including `through`; None means that there are no others."""

    __slots__ = ("_heap", "_late", "_members", "refilling", "through")

    def __init__(self, through: int | None) -> None:
        self._heap: list[int] = []
        self._members: set[int] = set()
        self._late: list[int] = []  # keys beyond `through` that arrived during a refill, which may not have seen them
        self.through = through
        self.refilling = False

    def add(self, key: int) -> bool:
        """Add the key of a job that has become activatable; return whether it is new here."""
        if key in self._members:
            return False
        if self.through is not None and key > self.through:
            if self.refilling:
                self._late.append(key)
            return False
        self._push(key)
        if self.through is None and len(self._members) > WINDOW_KEYS_MAX:
            self.through = max(self._members)
        return True

    def pop(self) -> int | None:
        """Remove and return the lowest key; None when the window is empty."""
        while self._heap:
            key = heappop(self._heap)
            if key in self._members:
                self._members.remove(key)
                return key
        return None

    def discard(self, key: int) -> bool:
        """Remove *key* if it is here; return whether it was."""
        if key not in self._members:
            return False
        self._members.remove(key)
        if len(self._heap) > 2 * len(self._members) + 64:
            self._heap = sorted(self._members)
        return True

    def put_back(self, keys: list[int]) -> None:
        """Return keys that were popped or discarded."""
        for key in keys:
            self._push(key)

    def refill(self, keys: list[int]) -> None:
        """Add the next keys from the store, ascending. Fewer than WINDOW_JOBS mean that these are all."""
        self.refilling = False
        self.through = keys[-1] if len(keys) >= WINDOW_JOBS else None
        new = [key for key in keys if key not in self._members]
        self._members.update(new)
        self._heap.extend(new)
        heapify(self._heap)
        late, self._late = self._late, []
        for key in late:
            self.add(key)

    @property
    def needs_refill(self) -> bool:
        """Whether the window is empty while the store has more."""
        return not self._members and self.through is not None

    def __bool__(self) -> bool:
        """Whether a job may be found here or behind the window."""
        return bool(self._members) or self.through is not None

    def _push(self, key: int) -> None:
        if key not in self._members:
            self._members.add(key)
            heappush(self._heap, key)


class Windows:
    """The windows of all job types that somebody asked for lately."""

    __slots__ = ("_by_type",)

    def __init__(self) -> None:
        self._by_type: OrderedDict[str, Window] = OrderedDict()

    def get(self, type: str) -> Window | None:
        """Return the window of *type*; None means that the store must be asked."""
        return self._by_type.get(type)

    def used(self, type: str) -> None:
        """Note that somebody asked for *type*, so that its window stays longer than others."""
        self._by_type.move_to_end(type)

    def refill_begins(self, type: str) -> None:
        """Note that the next window of *type* is being loaded: keys that arrive from now on may not be in it."""
        window = self._by_type.get(type)
        if window is None:
            window = self._by_type[type] = Window(through=0)
        window.refilling = True

    def refill(self, type: str, keys: list[int]) -> None:
        """Take in the next window of *type* and drop the windows that nobody used for longest."""
        window = self._by_type.get(type)
        if window is None:
            window = self._by_type[type] = Window(through=0)
        window.refill(keys)
        self._by_type.move_to_end(type)
        while len(self._by_type) > WINDOWS_MAX:
            oldest = next((name for name, one in self._by_type.items() if not one.refilling), None)
            if oldest is None:
                return
            del self._by_type[oldest]

    def __len__(self) -> int:
        return len(self._by_type)
