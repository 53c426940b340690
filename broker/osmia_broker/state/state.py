"""The state of one partition: its tables, and the exchange of whole process instances with the store.

The tables follow from the registry in `rows`. Rows of process instances are in memory only while they are hot (`residency`); the
definitions always are.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from osmia_broker.base.errors import InvalidState
from osmia_broker.state.awaited import Awaited
from osmia_broker.state.memory.deadlines import Deadlines
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.narrow import NarrowTable
from osmia_broker.state.memory.notes import Notes
from osmia_broker.state.memory.residency import MEMORY_BYTES, Residency
from osmia_broker.state.memory.table import Table
from osmia_broker.state.memory.whole_table import WholeTable
from osmia_broker.state.missing import Missing
from osmia_broker.state.rows import (
    INSTANCE_KINDS,
    AdHocCompletion,
    BusinessId,
    CalledInstance,
    Compensation,
    CreatedOnce,
    DecisionEvaluation,
    ElementInstance,
    Incident,
    InstanceOrigin,
    Job,
    Loop,
    LoopResult,
    Received,
    RemoteSubscription,
    Resource,
    StartSubscription,
    Timer,
    Variable,
)
from osmia_broker.state.rows.batches import BatchItem, BatchOperation, ClusterVariable
from osmia_broker.state.rows.event_log import EventRecording, LoggedEvent
from osmia_broker.state.rows.history import AuditEntry, MessageCorrelation
from osmia_broker.state.rows.job_flow import JobFlow
from osmia_broker.state.rows.tasks import (
    GlobalTaskListener,
    SavedTaskFilter,
    TaskCandidate,
    TaskComment,
    TaskDraft,
    TaskEvent,
    TaskProposal,
    TaskSnooze,
    TaskTransition,
    UserTask,
)
from osmia_broker.state.store_protocol import (
    MATCHES_MAX,
    PARTITION_BITS,
    Changes,
    InstanceRows,
    Loaded,
    MatchWanted,
    RowValues,
    Start,
    Wanted,
)
from osmia_broker.state.tables.answered import Answered
from osmia_broker.state.tables.call_trees import CallTrees
from osmia_broker.state.tables.cluster_variables import ClusterVariables
from osmia_broker.state.tables.definitions import Definitions
from osmia_broker.state.tables.elements import ElementTable
from osmia_broker.state.tables.event_log import EventLog
from osmia_broker.state.tables.follow_ups import FollowUpTable
from osmia_broker.state.tables.global_listeners import GlobalTaskListeners
from osmia_broker.state.tables.jobs import JobTable
from osmia_broker.state.tables.messages import MessageTable
from osmia_broker.state.tables.start_subscriptions import StartSubscriptions
from osmia_broker.state.tables.subscriptions import SubscriptionTable
from osmia_broker.state.tables.tokens import TokenTable
from osmia_broker.state.tables.variables import VariableTable

#: The row classes whose rows are about an element of a definition.
_OF_ELEMENTS = tuple(
    kind.row_type for kind in INSTANCE_KINDS if {"process_definition_key", "element_id"} <= {*kind.columns}
)

NOTED_MAX = 100  #: large instances that were evicted, and follow-ups of each, that are remembered

#: The row classes that the engine writes and never reads.
NOTE_TYPES: tuple[type, ...] = (
    TaskCandidate,
    TaskEvent,
    TaskComment,
    TaskDraft,
    TaskSnooze,
    TaskProposal,
    SavedTaskFilter,
    MessageCorrelation,
    AuditEntry,
)


class Source(Protocol):
    """A table that gives its rows to commits. Most have none, so the state looks at `changed` before it asks for them."""

    @property
    def changed(self) -> Mapping[Any, Any]:
        """The rows that the next commit writes; always the same object."""

    def take_changes(self) -> list[RowValues]:
        """Return the values of these rows; the commit has them now."""


class State:
    """The tables of one partition and the journal that undoes their changes."""

    def __init__(self, partition_id: int = 1, memory_bytes: int = MEMORY_BYTES, partitions: int = 1) -> None:
        self.partition_id = partition_id
        self.journal = Journal()
        self.residency = Residency(memory_bytes)
        self._large_left: dict[int, frozenset[int]] = {}  # large instances that were evicted, with their follow-ups
        self.deadlines = Deadlines()
        of_all = (self.journal, self.residency, self.deadlines)
        self.elements = ElementTable(*of_all)
        self.tokens = TokenTable(*of_all)
        self.jobs = JobTable(*of_all)
        self.jobs.flow.divide(partition_id, partitions)
        self.incidents: Table[Incident] = Table(Incident, *of_all)
        self.follow_ups = FollowUpTable(*of_all)
        self.timers: Table[Timer] = Table(Timer, *of_all)
        self.subscriptions = SubscriptionTable(*of_all)
        self.messages = MessageTable(*of_all)
        self.origins: Table[InstanceOrigin] = Table(InstanceOrigin, *of_all)
        self.business_ids: Table[BusinessId] = Table(BusinessId, *of_all)
        self.created_once: Table[CreatedOnce] = Table(CreatedOnce, *of_all)
        self.called: Table[CalledInstance] = Table(CalledInstance, *of_all)
        self.loops: Table[Loop] = Table(Loop, *of_all)
        self.loop_results: Table[LoopResult] = Table(LoopResult, *of_all)
        self.ad_hoc_completions: Table[AdHocCompletion] = Table(AdHocCompletion, *of_all)
        self.decision_evaluations: Table[DecisionEvaluation] = Table(DecisionEvaluation, *of_all)
        self.remote_subscriptions: Table[RemoteSubscription] = Table(RemoteSubscription, *of_all)
        self.compensations: Table[Compensation] = Table(Compensation, *of_all)
        self.user_tasks: NarrowTable[UserTask] = NarrowTable(UserTask, *of_all)
        self.task_transitions: Table[TaskTransition] = Table(TaskTransition, *of_all)
        self.notes = {kind: Notes(kind, self.journal) for kind in NOTE_TYPES}
        self.global_listeners = GlobalTaskListeners(self.journal)
        self.variables = VariableTable(self.journal, self.residency)
        self.definitions = Definitions(self.journal)
        self.start_subscriptions = StartSubscriptions(self.journal)
        self.event_log = EventLog(self.journal)
        self.batches: Table[BatchOperation] = Table(BatchOperation, *of_all)
        self.batch_items: Table[BatchItem] = Table(BatchItem, *of_all)
        self.cluster_variables = ClusterVariables(self.journal)
        self.received: WholeTable[Received] = WholeTable(Received, self.journal, key="sender")
        self.tables = self._tables_of_instances()
        self._sources = [(row_type, one.changed, one.take_changes) for row_type, one in self._tables_of_all().items()]
        self._deletable = [(row_type, table) for row_type, table in self.tables.items() if not table.kind.ends]
        self.awaited = Awaited()
        self.call_trees = CallTrees(self.journal)
        self.walk_steps: dict[int, int] = {}  # by process instance, of walks that are carried on by follow-ups
        self._erased_instances: list[int] = []  # process instances that have ended, of which every row is to be deleted
        self._erased_rows: list[tuple[type, int]] = []  # single rows that have ended
        self._next_key = self._taken_key = (partition_id << PARTITION_BITS) + 1
        self.answered = Answered(self.journal)
        self._absent: set[int] = set()
        self._matched: dict[MatchWanted, list[int]] = {}  # rows that the last load found, by question
        self._unreadable: dict[int, str] = {}  # keys of corrupt rows and of all rows of their instance, with the reason

    def _tables_of_instances(self) -> dict[type, Table[Any]]:
        tables = {table.kind.row_type: table for table in vars(self).values() if isinstance(table, Table)}
        assert {kind.row_type for kind in INSTANCE_KINDS} == {*tables, Variable}, "every kind of row has its table"
        return tables

    def _tables_of_all(self) -> dict[type, Source]:
        return {
            **self.tables,
            **self.notes,
            GlobalTaskListener: self.global_listeners,
            Variable: self.variables,
            JobFlow: self.jobs.flow,
            StartSubscription: self.start_subscriptions,
            ClusterVariable: self.cluster_variables,
            Received: self.received,
            **self.definitions.tables(),
        }

    # --- keys

    def next_key(self) -> int:
        """Return a key that was never given out; undoing the command takes it back."""
        key = self._next_key
        self._next_key = key + 1
        self.journal.append((self._reset_next_key, (key,)))
        return key

    @property
    def last_key(self) -> int:
        """The last key that was given out."""
        return self._next_key - 1

    @property
    def key_counter(self) -> int:
        """The counter of the last key that was given out."""
        return (self._next_key & ((1 << PARTITION_BITS) - 1)) - 1

    def _reset_next_key(self, key: int) -> None:
        self._next_key = key

    def _may_exist(self, key: int) -> bool:
        """Return whether *key* is one of this partition and may name a row that is not resident.

        A key that has not been given out here is no exception: it may come from a broker that has taken the partition over (see `is_of_later`).

        Raises:
            InvalidState: it names a row whose instance cannot be read.

        """
        if key in self._unreadable:
            raise InvalidState(self._unreadable[key])
        return key >> PARTITION_BITS == self.partition_id and key not in self._absent

    # --- rows by key, resident or not

    def find(self, row_type: type, key: int) -> Any:
        """Return the living row of *key*; None when there is none.

        Raises:
            Missing: it may be in the store.
            InvalidState: its instance cannot be read.

        """
        table = self.tables[row_type]
        row = table.get(key)
        if row is None and self._may_exist(key) and not table.has_left(key):
            raise Missing(Wanted(rows=frozenset({(row_type, key)})))
        return row

    def find_element(self, key: int) -> ElementInstance | None:
        """Return the living element instance of *key*; None when there is none. Raises as `find`."""
        found: ElementInstance | None = self.find(ElementInstance, key)
        return found

    def find_job(self, key: int) -> Job | None:
        """Return the living job of *key*; None when there is none. Raises as `find`."""
        found: Job | None = self.find(Job, key)
        return found

    def find_incident(self, key: int) -> Incident | None:
        """Return the open incident of *key*; None when there is none. Raises as `find`."""
        found: Incident | None = self.find(Incident, key)
        return found

    def find_jobs(self, keys: Iterable[int]) -> list[Job]:
        """Return the living jobs among *keys*; corrupt ones are left out. Raises Missing once for all of them."""
        return self.find_all(Job, keys)

    def find_all(self, row_type: type, keys: Iterable[int]) -> list[Any]:
        """Return the living rows among *keys*; corrupt ones are left out. Raises Missing once for all of them."""
        table = self.tables[row_type]
        found = {key: table.get(key) for key in keys}
        cold = frozenset(
            (row_type, key)
            for key, row in found.items()
            if row is None and key not in self._unreadable and self._may_exist(key) and not table.has_left(key)
        )
        if cold:
            raise Missing(Wanted(rows=cold))
        return [row for row in found.values() if row is not None]

    def is_unreadable(self, key: int) -> bool:
        """Return whether *key* names a corrupt row, or a row of an instance that has one."""
        return key in self._unreadable

    # --- rows by their values, resident or not

    def match(
        self, row_type: type, columns: tuple[str, ...], values: tuple[str | int, ...], after: int = 0
    ) -> tuple[list[Any], bool]:
        """Return a page of living rows whose *columns* (one of the kind's `matches`) have these *values*, and whether there may be more.

        The page has the first rows with keys beyond *after*, in order of their keys, at most MATCHES_MAX; if it is empty, there are no
        more. Corrupt rows are left out.

        Raises:
            Missing: the store must be asked first.

        """
        rows: list[Any] = []
        has_more = True
        while has_more and not rows:
            # A page of the store whose rows have all ended since, or are corrupt, is passed over.
            wanted = MatchWanted(row_type, columns, values, after)
            found = self._matched.get(wanted)
            if found is None:
                raise Missing(Wanted(matches=frozenset({wanted})))
            has_more = len(found) >= MATCHES_MAX
            through = found[-1] if has_more else self._next_key
            # What the store has found is resident now, and what is resident is newer than the store.
            rows = self.tables[row_type].matching(columns, values, after, through)
            after = through
        return rows[:MATCHES_MAX], has_more or len(rows) > MATCHES_MAX

    def may_have_message(self, name: str, correlation_key: str) -> bool:
        """Return whether a kept message of this name and key may exist; False is certain."""
        return (name, correlation_key) in self.messages.kept

    # --- what has ended, and is to be forgotten

    def erase_instance(self, process_instance_key: int) -> None:
        """Delete all rows of a process instance that has ended with the next commit."""
        self._erased_instances.append(process_instance_key)
        self.journal.note(self._erased_instances.pop)

    def erase_row(self, row_type: type, key: int) -> None:
        """Delete one row that has ended with the next commit."""
        self._erased_rows.append((row_type, key))
        self.journal.note(self._erased_rows.pop)

    # --- to and from the store

    def open(self, start: Start) -> None:
        """Take in the rows that the store gave at its opening."""
        self._next_key = self._taken_key = max(self._next_key, start.next_key)
        self.answered.begin(self._next_key)
        self.definitions.admit(start)
        self.jobs.flow.admit(start.definitions.get(JobFlow, ()))
        self.jobs.flow.admit_held(start.held)
        self.start_subscriptions.admit(start.definitions.get(StartSubscription, ()))
        self.global_listeners.admit(start.definitions.get(GlobalTaskListener, ()))
        self.event_log.admit(start.definitions.get(EventRecording, ()))
        self.cluster_variables.admit(start.definitions.get(ClusterVariable, ()))
        self.received.admit(start.definitions.get(Received, ()))
        if start.kept_messages is not None:
            self.messages.kept = start.kept_messages
        if start.next_due_ms is not None:
            self.deadlines.add(start.next_due_ms)

    def is_loaded(self, place: tuple[type, int]) -> bool:
        """Return whether the row of this class and key is in memory."""
        row_type, key = place
        return key in self.tables[row_type]

    def not_resident(self, wanted: Wanted) -> Wanted:
        """Return *wanted* without the rows and models that are in memory, and with the windows as they are now."""
        rows = frozenset((row_type, key) for row_type, key in wanted.rows if key not in self.tables[row_type])
        resources = frozenset(one for one in wanted.resources if not self.definitions.has_model(one))
        windows, fair_keys = self.jobs.windows.as_they_are(wanted)
        return Wanted(rows, resources, windows, wanted.due, wanted.matches, fair_keys, self.residency)

    def is_of_later(self, loaded: Loaded) -> bool:
        """Return whether *loaded* has a row whose key was given out after the last commit of this memory: another broker leads by now."""
        return any(
            row.key >= self._taken_key and row.key >> PARTITION_BITS == self.partition_id
            for rows in loaded.instances.values()
            for row_type in self.tables
            for row in rows.get(row_type, ())
        )

    def admit(self, wanted: Wanted, loaded: Loaded) -> None:
        """Take in rows that were *loaded* because they were *wanted*. An instance that memory knows better stays as it is."""
        for process_instance_key, rows in loaded.instances.items():
            if process_instance_key not in self.residency and self._is_defined(process_instance_key, rows):
                self._admit_instance(process_instance_key, rows)
        self.residency.loaded(loaded.instances)
        for lane, _ in wanted.windows:
            self.jobs.windows.refill(lane, loaded.windows.get(lane, []))
        for type, _ in wanted.fair_keys:
            self.jobs.windows.turns(type).loaded(loaded.fair_keys.get(type, []), self.jobs.windows.fewest_turns(type))
        self._unreadable |= loaded.unreadable
        self._absent = {key for row_type, key in wanted.rows if key not in self.tables[row_type]}
        self.jobs.absent = self._absent
        self._matched = loaded.matches

    def forget_absent(self) -> None:
        """Allow what the last load did or did not find to be asked for again."""
        self._absent.clear()
        self._matched = {}

    def _is_defined(self, process_instance_key: int, rows: InstanceRows) -> bool:
        """Return whether the definitions of all rows exist; if not, the rows of the instance are corrupt."""
        keys = {row.process_definition_key for row_type in _OF_ELEMENTS for row in rows.get(row_type, ())}
        unknown = [key for key in keys if self.definitions.processes.get(key) is None]
        if unknown:
            reason = (
                f"Expected the stored rows of process instance '{process_instance_key}' to be readable,"
                f" but found no process definition with key '{unknown[0]}'"
            )
            keyed = (row.key for row_type in self.tables for row in rows.get(row_type, ()))
            self._unreadable |= dict.fromkeys(keyed, reason)
        return not unknown

    def _admit_instance(self, process_instance_key: int, rows: InstanceRows) -> None:
        for row_type, table in self.tables.items():
            table.admit(rows.get(row_type, ()))
        self.variables.admit(rows.get(Variable, ()))
        self.residency.admitted(process_instance_key)
        self._large_left.pop(process_instance_key, None)

    def take_changes(self, batch: int) -> Changes | None:
        """Return all changes since the last call, for batch number *batch* to commit; None when there are none."""
        self.residency.close_batch(batch)
        written = {row_type: take() for row_type, pending, take in self._sources if pending}
        written |= {row_type: rows for row_type, rows in self._taken() if rows}
        deleted = {row_type: table.take_deleted() for row_type, table in self._deletable if table.deleted}
        deleted |= self.event_log.take_deleted()
        changed: dict[type, Mapping[int, frozenset[str]]] = {}
        if names := self.user_tasks.take_changed():
            changed[UserTask] = names
        erased = self._take_erased(deleted)
        if not written and not deleted and not erased and self._next_key == self._taken_key:
            self.residency.committed(batch)
            return None
        self._taken_key = self._next_key
        return Changes(self._next_key, written, deleted, erased, changed)

    def _take_erased(self, deleted: dict[type, list[RowValues]]) -> list[int]:
        """Return the process instances to delete, and add the rows to those that are *deleted*."""
        for row_type, key in self._erased_rows:
            deleted.setdefault(row_type, []).append((key,))
        self._erased_rows.clear()
        if not self._erased_instances:
            return []
        erased = self._erased_instances[:]
        self._erased_instances.clear()
        return erased

    def _taken(self) -> Iterable[tuple[type, list[RowValues]]]:
        yield Resource, self.definitions.take_new_resources()
        yield LoggedEvent, self.event_log.take_events()
        yield EventRecording, self.event_log.take_recording()

    def evict(self, committed_batch: int, question: Callable[[], Wanted]) -> None:
        """Forget ended and cold process instances, now that *committed_batch* and all before it are durable.

        Instances of rows stay that are in the *question* of the blocked commands, so that they need not be loaded again.
        """
        self.residency.committed(committed_batch)
        if not self.residency.is_full:
            return
        kept = {self.tables[row_type][key].process_instance_key for row_type, key in self._resident(question())}
        for process_instance_key in self.residency.pick_cold(committed_batch, kept):
            if self.residency.is_large(process_instance_key):
                self._note_large(process_instance_key)
            for element in self.elements.of_instance(process_instance_key):
                self.variables.evict(element.key)
            for table in self.tables.values():
                table.evict(process_instance_key)
            assert process_instance_key not in self.residency, "an evicted instance leaves no row behind"

    def _note_large(self, process_instance_key: int) -> None:
        if left := self.follow_ups.of_instance(process_instance_key)[:NOTED_MAX]:
            self._large_left[process_instance_key] = frozenset(row.key for row in left)
        if len(self._large_left) > NOTED_MAX:
            del self._large_left[next(iter(self._large_left))]

    def of_large_left(self, follow_up_keys: Iterable[int]) -> set[int]:
        """Return those follow-ups that belong to large instances that were evicted: the whole instance would be read again for each."""
        if not self._large_left:
            return set()
        asked = set(follow_up_keys)
        return set().union(*(asked & keys for keys in self._large_left.values()))

    def next_of_large(self, now_ms: int) -> int | None:
        """Return the first follow-up that is due in the large instance that stays in memory; None if it has none."""
        large = self.residency.large
        rows = () if large is None else self.follow_ups.of_instance(large)
        return next((row.key for row in rows if 0 < row.due_ms <= now_ms), None)

    def _resident(self, wanted: Wanted) -> Iterable[tuple[type, int]]:
        return ((row_type, key) for row_type, key in wanted.rows if key in self.tables[row_type])
