"""Everything one partition knows, as tables; and what moves between them, the store and the engine.

Rows in memory are a cache of hot process instances. They come and go as whole instances: `admit` takes loaded ones in,
`evict_cold` drops those that no command touched for longest and whose changes are all committed. A process instance with a
change that is not committed is always resident, so what is not resident can be read from the store as it is.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from osmia_broker.errors import InvalidState
from osmia_broker.state.definitions import Definitions
from osmia_broker.state.exchange import PARTITION_BITS, Changes, InstanceRows, Loaded, RowValues, Start, Wanted
from osmia_broker.state.jobs import JobTable
from osmia_broker.state.journal import Journal
from osmia_broker.state.missing import Missing
from osmia_broker.state.rows import (
    Decision,
    DecisionRequirements,
    ElementInstance,
    Form,
    Incident,
    Job,
    ProcessDefinition,
    Resource,
    Row,
    Variable,
    WaitingToken,
)
from osmia_broker.state.table import ChildTable, Table
from osmia_broker.state.variables import VariableTable

RESIDENT_INSTANCES = 10_000  #: about 4 kB each; beyond it the coldest are evicted

Step = tuple[Callable[["State", ElementInstance], None], ElementInstance]


class State:
    """The tables of one partition, the journal that undoes their changes, and the agenda of the command being decided."""

    def __init__(self, partition_id: int = 1, resident_instances: int = RESIDENT_INSTANCES) -> None:
        self.partition_id = partition_id
        self.now_ms = 0  # epoch; set by the engine before each command
        self.journal = Journal()
        self.agenda: deque[Step] = deque()
        self.children: dict[int, int] = {}  # how many element instances and waiting tokens live in a scope
        self.elements: ChildTable[ElementInstance] = ChildTable(ElementInstance, self.journal, self.children)
        self.tokens: ChildTable[WaitingToken] = ChildTable(WaitingToken, self.journal, self.children)
        self.jobs = JobTable(self.journal)
        self.incidents: Table[Incident] = Table(Incident, self.journal)
        self.variables = VariableTable(self.journal)
        self.definitions = Definitions(self.journal)
        self.awaited: dict[int, Any] = {}  # who waits for the result of a process instance, by its key
        self.results: list[tuple[Any, str]] = []  # (who waited, variables as JSON), since the partition last looked
        self.events: list[tuple[str, str, str]] = []  # (kind, name, event) to count, since the partition last looked
        self._next_key = self._taken_key = (partition_id << PARTITION_BITS) + 1
        self._resident_max = resident_instances
        self._resident: OrderedDict[int, int] = OrderedDict()  # instance -> last batch that changed it; coldest first
        self._touched: dict[int, set[int]] = {}  # instances changed by each batch that is not committed yet
        self._absent: set[int] = set()
        self._unreadable: dict[int, str] = {}  # keys of instances with a row that no broker wrote, and why

    @property
    def now(self) -> datetime:
        """The time of the command being decided, as the expression languages take it."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    # --- keys

    def next_key(self) -> int:
        """A key that was never given out; the command's undo takes it back."""
        key = self._next_key
        self._next_key = key + 1
        self.journal.note(self._reset_next_key, key)
        return key

    @property
    def key_counter(self) -> int:
        """The counter of the last key that was given out."""
        return (self._next_key & ((1 << PARTITION_BITS) - 1)) - 1

    def _reset_next_key(self, key: int) -> None:
        self._next_key = key

    def _may_exist(self, key: int) -> bool:
        """Whether *key* was given out here and may name a row that is not resident.

        Raises:
            InvalidState: it names one whose instance cannot be read.

        """
        if key in self._unreadable:
            raise InvalidState(self._unreadable[key])
        return key >> PARTITION_BITS == self.partition_id and key < self._next_key and key not in self._absent

    # --- what metrics count

    def note_event(self, kind: str, name: str, event: str) -> None:
        """Something happened that is counted: *kind* `instance`, `job` or `incident`, under the *name* of its definition."""
        self.events.append((kind, name, event))
        self.journal.note(self.events.pop)

    # --- rows by key, resident or not

    def find_element(self, key: int) -> ElementInstance | None:
        """The living element instance of *key*; None when there is none.

        Raises:
            Missing: only the store can tell.

        """
        row = self.elements.get(key)
        if row is None and self._may_exist(key):
            raise Missing(Wanted(elements=frozenset({key})))
        return row

    def find_job(self, key: int) -> Job | None:
        """The living job of *key*; None when there is none. Raises Missing as `find_element`."""
        row = self.jobs.get(key)
        if row is None and self._may_exist(key):
            raise Missing(Wanted(jobs=frozenset({key})))
        return row

    def find_jobs(self, keys: Iterable[int]) -> list[Job]:
        """The living jobs among *keys*. Raises Missing as `find_element`, once for all of them."""
        found = {key: self.jobs.get(key) for key in keys}
        cold = frozenset(
            key for key, job in found.items() if job is None and key not in self._unreadable and self._may_exist(key)
        )
        if cold:
            raise Missing(Wanted(jobs=cold))
        return [job for job in found.values() if job is not None]

    def find_incident(self, key: int) -> Incident | None:
        """The open incident of *key*; None when there is none. Raises Missing as `find_element`."""
        row = self.incidents.get(key)
        if row is None and self._may_exist(key):
            raise Missing(Wanted(incidents=frozenset({key})))
        return row

    # --- to and from the store

    def open(self, start: Start) -> None:
        """Begin with what the store gave at its opening."""
        self._next_key = self._taken_key = max(self._next_key, start.next_key)
        self.definitions.admit(start)

    def admit(self, wanted: Wanted, loaded: Loaded) -> None:
        """Take in what was *loaded* because it was *wanted*. A resident instance is newer than anything loaded and stays."""
        for process_instance_key, rows in loaded.instances.items():
            if process_instance_key not in self._resident:
                self._admit_instance(process_instance_key, rows)
        for type, _ in wanted.job_types:
            self.jobs.refill(type, loaded.windows.get(type, []))
        self.jobs.add_due(loaded.due_jobs)
        self._unreadable |= loaded.unreadable
        self._absent = {
            *(key for key in wanted.jobs if key not in self.jobs),
            *(key for key in wanted.elements | wanted.instances if key not in self.elements),
            *(key for key in wanted.incidents if key not in self.incidents),
        }
        self.jobs.absent = self._absent

    def forget_absent(self) -> None:
        """The commands that waited for a load have been decided: what it did not find may be asked for again."""
        self._absent.clear()

    def _admit_instance(self, process_instance_key: int, rows: InstanceRows) -> None:
        self._resident[process_instance_key] = 0
        self.elements.admit(rows.elements)
        self.tokens.admit(rows.tokens)
        self.jobs.admit(rows.jobs)
        self.incidents.admit(rows.incidents)
        self.variables.admit(rows.variables)

    def take_changes(self, batch: int) -> Changes | None:
        """All changes since the last call, which batch number *batch* is to commit; None when there are none."""
        touched = self.variables.changed_instances()
        for table in self._instance_tables():
            touched |= table.changed_instances()
        for process_instance_key in touched:
            self._resident[process_instance_key] = batch
            self._resident.move_to_end(process_instance_key)
        self._touched[batch] = touched
        written = {row_type: rows for row_type, rows in self._taken() if rows}
        if not written and self._next_key == self._taken_key:
            return None
        self._taken_key = self._next_key
        return Changes(next_key=self._next_key, written=written)

    def _taken(self) -> Iterable[tuple[type[Row], list[RowValues]]]:
        yield ElementInstance, self.elements.take_changes()
        yield WaitingToken, self.tokens.take_changes()
        yield Job, self.jobs.take_changes()
        yield Variable, self.variables.take_changes()
        yield Incident, self.incidents.take_changes()
        yield Resource, self.definitions.take_new_resources()
        yield ProcessDefinition, self.definitions.processes.take_changes()
        yield DecisionRequirements, self.definitions.requirements.take_changes()
        yield Decision, self.definitions.decisions.take_changes()
        yield Form, self.definitions.forms.take_changes()

    def _instance_tables(self) -> tuple[Table[Any], ...]:
        return (self.elements, self.tokens, self.jobs, self.incidents)

    # --- residency

    @property
    def resident_instances(self) -> int:
        """How many process instances are in memory."""
        return len(self._resident)

    def evict(self, committed_batch: int) -> None:
        """Forget process instances that are over or cold, as far as all their changes are committed."""
        resident = self._resident
        for process_instance_key in self._touched.pop(committed_batch, ()):
            if process_instance_key not in self.elements and resident.get(process_instance_key) == committed_batch:
                self._evict_instance(process_instance_key)
        while len(resident) > self._resident_max:
            process_instance_key, batch = next(iter(resident.items()))
            if batch > committed_batch or process_instance_key in self.awaited:
                break
            self._evict_instance(process_instance_key)

    def _evict_instance(self, process_instance_key: int) -> None:
        del self._resident[process_instance_key]
        for element in self.elements.of_instance(process_instance_key):
            self.variables.evict(element.key)
        for table in self._instance_tables():
            table.evict(process_instance_key)
