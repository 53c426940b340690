"""The process instances in memory: a cache of hot ones, bounded in bytes.

Rows come into memory and leave it as whole process instances. An instance with a change that is not committed is always resident, so an
instance that is not resident can be read from the store as it is. One whose last row has ended is not read before that is committed: it
would live again. This module counts the bytes of each instance and picks those to evict.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping
from itertools import islice

MEMORY_BYTES = 24 * 1024 * 1024  #: the default bound; about 6,000 instances that wait for a person
LARGE_BYTES = 4 * 1024 * 1024  #: of a process instance; reading it again costs tens of milliseconds
LOADS_MAX = 200  #: process instances that one load brings, however small they are; more of them at once are no faster
RECENT = 100  #: of the instances that were used last; more than are served between two slices of a walk
LOAD_PART = 4  #: one load brings about this part of the bound, or LARGE_BYTES if that is more
LOADED_BYTES = 40_000  #: taken for the size of an instance until the first one was loaded
ROW_BYTES = 900  #: of a row besides its large texts: the object, its keys, its places in indexes (measured with bench/waiting.py)


class Residency:
    """Counts the bytes of resident process instances, remembers how recently each was used, and picks the ones to evict."""

    __slots__ = (
        "_bytes_max",
        "_changed",
        "_last_batch",
        "_loaded_bytes",
        "_open",
        "_sizes",
        "_total_bytes",
        "grown",
        "touch",
    )

    def __init__(self, bytes_max: int = MEMORY_BYTES) -> None:
        self._bytes_max = bytes_max
        #: Bytes by which instances have grown since somebody asked for sizes. The tables add to it at every row; always the same object.
        self.grown: defaultdict[int, int] = defaultdict(int)
        self._sizes: dict[int, int] = {}  # bytes by instance, before that; an instance without rows has no entry
        self._total_bytes = 0
        self._loaded_bytes: float = LOADED_BYTES  # of an instance that was loaded lately
        self._open: set[int] = set()  # changed since the last batch was closed; always the same object
        self.touch = self._open.add  #: notes a change to an instance that no commit has taken yet
        self._changed: dict[int, set[int]] = {}  # batch number -> instances that it changed, until it is committed
        self._last_batch: OrderedDict[int, int] = OrderedDict()  # instance -> last batch that changed it; coldest first

    def __contains__(self, process_instance_key: object) -> bool:
        """Whether memory is newer than the store: the instance is resident, or its end is not committed."""
        return process_instance_key in self._last_batch or process_instance_key in self._open

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def sizes(self) -> Mapping[int, int]:
        """The memory that the rows of each resident instance take, in bytes."""
        self._settle()
        return self._sizes

    def _settle(self) -> None:
        sizes = self._sizes
        for process_instance_key, grown in self.grown.items():
            size = sizes.get(process_instance_key, 0) + grown
            if size:
                sizes[process_instance_key] = size
            else:
                sizes.pop(process_instance_key, None)
            self._total_bytes += grown
        self.grown.clear()

    @property
    def total_bytes(self) -> int:
        """The memory that all of them take."""
        self._settle()
        return self._total_bytes

    @property
    def is_full(self) -> bool:
        """Whether the bound is exceeded."""
        return self.total_bytes > self._bytes_max

    def bytes_of(self, process_instance_key: int) -> int:
        """The memory that the rows of an instance take, in bytes; 0 if it is not resident."""
        return self.sizes.get(process_instance_key, 0)

    def grow(self, process_instance_key: int, size: int) -> None:
        """Count *size* more bytes (fewer, if negative) for an instance."""
        self.grown[process_instance_key] += size

    def admitted(self, process_instance_key: int) -> None:
        """Note that an instance was loaded; it can be evicted as soon as no batch changes it."""
        self._last_batch[process_instance_key] = 0

    def loaded(self, process_instance_keys: Collection[int]) -> None:
        """Learn from a load how large instances are. Larger ones count at once, smaller ones little by little."""
        if process_instance_keys:
            mean = sum(map(self.bytes_of, process_instance_keys)) / len(process_instance_keys)
            self._loaded_bytes = max(mean, (self._loaded_bytes + mean) / 2)

    @property
    def loads_max(self) -> int:
        """The number of instances that the next load may bring: at least one, and fewer the larger they are."""
        return min(LOADS_MAX, self.loads_within(max(LARGE_BYTES, self._bytes_max // LOAD_PART)))

    def loads_within(self, bytes_max: int) -> int:
        """Return the number of instances, at least one, that take about so many bytes when they are loaded."""
        return max(1, int(bytes_max / self._loaded_bytes))

    def close_batch(self, batch: int) -> None:
        """Assign all changes since the last call to batch number *batch*."""
        changed = self._open.copy()
        self._open.clear()
        for process_instance_key in changed:
            self._last_batch[process_instance_key] = batch
            self._last_batch.move_to_end(process_instance_key)
        if changed:
            self._changed[batch] = changed

    def committed(self, batch: int) -> None:
        """Forget the instances that ended or were never made, now that *batch* and all before it are durable."""
        sizes = self.sizes
        for process_instance_key in self._changed.pop(batch, ()):
            if process_instance_key not in sizes and self._last_batch.get(process_instance_key) == batch:
                del self._last_batch[process_instance_key]

    def is_large(self, process_instance_key: int) -> bool:
        """Whether an instance in memory is so large that it must not be read again for every slice of its work."""
        return self.bytes_of(process_instance_key) > LARGE_BYTES

    @property
    def large(self) -> int | None:
        """The large instance that stays: the one that was used last, if it is among the RECENT."""
        return next(filter(self.is_large, islice(reversed(self._last_batch), RECENT)), None)

    def pick_cold(self, committed_batch: int, kept: set[int]) -> list[int]:
        """Return the coldest instances without uncommitted changes and not *kept*, as many as bring the rest below the bound.

        One large instance stays while it is among the RECENT that were used last: a loop of 20,000 instances would otherwise be read again
        for every slice, as others are served in between. The caller removes the rows.
        """
        sizes = self.sizes
        large = self.large
        if large is not None:
            kept = kept | {large}
        excess = self._total_bytes - self._bytes_max
        cold: list[int] = []
        for process_instance_key, batch in self._last_batch.items():
            if excess <= 0:
                break
            if batch > committed_batch or process_instance_key in self._open or process_instance_key in kept:
                continue
            size = sizes.get(process_instance_key)
            if size is not None:  # else it has ended, and its end is not committed
                cold.append(process_instance_key)
                excess -= size
        for process_instance_key in cold:
            del self._last_batch[process_instance_key]
        return cold
