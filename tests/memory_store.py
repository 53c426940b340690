"""A store in memory: the contract of `Store` in plain Python, without threads, for tests that need no disk.

It keeps values, never rows, so a test cannot see a change that was not committed. `fails` makes the next write fail.
"""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

from osmia_broker.base.errors import StoreFailed
from osmia_broker.state.memory.filter import Filter
from osmia_broker.state.rows import (
    DEFINITION_TYPES,
    DUE_KINDS,
    INSTANCE_KINDS,
    ElementInstance,
    Job,
    Message,
    Resource,
    Variable,
)
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import (
    LANES_MAX,
    MATCHES_MAX,
    Changes,
    Due,
    DueWanted,
    Lane,
    Loaded,
    Start,
    Wanted,
    Written,
)
from osmia_broker.state.tables.windows import rank


class MemoryStore:
    """Rows as values by primary key."""

    def __init__(self) -> None:
        self.values: dict[type, dict[tuple[Any, ...], tuple[Any, ...]]] = {row_type: {} for row_type in KINDS}
        self._living: dict[type, dict[tuple[Any, ...], tuple[Any, ...]]] = {row_type: {} for row_type in KINDS}
        self.next_key = 0
        self.is_open = False
        self.commits = self.loads = 0
        self.fails: Exception | None = None
        self.fails_after = False  # whether the next failure comes after the rows are written
        self.before_write: Callable[[], None] = lambda: None

    async def open(self) -> Start:
        self.is_open = True
        definitions = {row_type: self.rows(row_type) for row_type in DEFINITION_TYPES}
        due = self._due(DueWanted(2**63 - 1, 0))
        kept = Filter()
        kept.add_all((message.name, message.correlation_key) for message in self.living(Message))
        held = Counter(
            (job.type, job.fair_key, job.worker)
            for job in self.living(Job)
            if job.state == "ACTIVATED" and job.deadline_ms > 0
        )
        return Start(
            self.next_key, definitions, due.next_ms, [(*place, number) for place, number in held.items()], kept
        )

    async def write(self, changes: Changes | None, wanted: Wanted | None) -> Written:
        if not self.is_open:
            raise StoreFailed("Expected an open store, but found a closed one")
        self.before_write()
        if changes is not None:
            self._commit(changes)
        if wanted is not None:
            self.loads += 1
        return Written(self._load(wanted) if wanted is not None else None)

    async def close(self) -> None:
        self.is_open = False

    def rows(self, row_type: type) -> list[Any]:
        """Fresh rows of one kind, in the order of their keys."""
        return [row_type(*values) for _, values in sorted(self.values[row_type].items())]

    def living(self, row_type: type) -> list[Any]:
        return [row_type(*values) for _, values in sorted(self._living[row_type].items())]

    def row(self, row_type: type, *key: Any) -> Any:
        """A fresh row, or None."""
        values = self.values[row_type].get(key)
        return row_type(*values) if values is not None else None

    def _commit(self, changes: Changes) -> None:
        failure, self.fails = self.fails, None
        if failure is not None and not self.fails_after:
            self.is_open = False
            raise failure
        for row_type, all_values in changes.written.items():
            kind = KINDS[row_type]
            places = [kind.columns.index(name) for name in kind.primary_key]
            ended = kind.columns.index("ended_ms") if kind.ends else None
            for values in all_values:
                key = tuple(values[place] for place in places)
                self.values[row_type][key] = self._living[row_type][key] = values
                if ended is not None and values[ended]:
                    del self._living[row_type][key]
        for row_type, keys in changes.deleted.items():
            for key in keys:
                self.values[row_type].pop(key, None)
                self._living[row_type].pop(key, None)
        for instance_key in changes.erased:
            self._erase(instance_key)
        self.next_key = changes.next_key
        self.commits += 1
        if failure is not None:
            self.is_open = False
            raise failure

    def _erase(self, instance_key: int) -> None:
        for kind in (one for one in KINDS.values() if one.of_instance or one.is_history):
            place = kind.columns.index("process_instance_key")
            for rows in (self.values[kind.row_type], self._living[kind.row_type]):
                for key in [key for key, values in rows.items() if values[place] == instance_key]:
                    del rows[key]

    def _load(self, wanted: Wanted) -> Loaded:
        loaded = Loaded()
        owners = {key for key in self._owners(wanted, loaded) if key not in wanted.newer}
        for kind in INSTANCE_KINDS if owners else ():
            place = kind.columns.index("process_instance_key")
            for values in [values for values in self._living[kind.row_type].values() if values[place] in owners]:
                row = kind.row_type(*values)
                if kind.row_type is not Variable or (row.scope_key,) in self._living[ElementInstance]:
                    loaded.instances.setdefault(row.process_instance_key, {}).setdefault(kind.row_type, []).append(row)
        for checksum in wanted.resources:
            if (checksum,) in self.values[Resource]:
                loaded.resources[checksum] = self.values[Resource][checksum,][1]
        for lane, after in wanted.windows:
            waiting = (job for job in self.living(Job) if job.type == lane.type and job.state == "ACTIVATABLE")
            ranks = sorted(rank(job) for job in waiting if Lane(job.type, bool(job.lease_token), job.fair_key) == lane)
            loaded.windows[lane] = [one for one in ranks if one > after][: lane.jobs_max]
        for type, after_key in wanted.fair_keys:
            waiting = (job for job in self.living(Job) if job.type == type and job.state == "ACTIVATABLE")
            keys = {job.fair_key for job in waiting if job.fair_key > after_key} | ({""} if not after_key else set())
            loaded.fair_keys[type] = sorted(keys)[:LANES_MAX]
        if wanted.due is not None:
            loaded.due = self._due(wanted.due)
        return loaded

    def _owners(self, wanted: Wanted, loaded: Loaded) -> set[int]:
        """The process instances of all rows that are wanted by key or by value."""
        rows = set(wanted.rows)
        for match in wanted.matches:
            later = (row for row in self.living(match.row_type) if row.key > match.after)
            same = (row.key for row in later if tuple(getattr(row, name) for name in match.columns) == match.values)
            loaded.matches[match] = [*islice(same, MATCHES_MAX)]
            rows.update((match.row_type, key) for key in loaded.matches[match])
        owner_of = {row_type: KINDS[row_type].columns.index("process_instance_key") for row_type, _ in rows}
        values = ((self._living[row_type].get((key,)), owner_of[row_type]) for row_type, key in rows)
        return {row[place] for row, place in values if row is not None}

    def _due(self, wanted: DueWanted) -> Due:
        times = sorted(
            (getattr(row, kind.due), row.key, kind.row_type)
            for kind in DUE_KINDS
            for row in self.living(kind.row_type)
            if getattr(row, kind.due) > 0
        )
        due = [one for one in times if one[0] <= wanted.now_ms][: wanted.rows_max]
        later = times[len(due) :]
        return Due([(ms, row_type, key) for ms, key, row_type in due], later[0][0] if later else None)
