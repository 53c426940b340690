"""Rules that hold for the rows at any moment between two commands."""

from collections import Counter
from collections.abc import Container
from itertools import chain

from osmia_broker.partition import Partition
from osmia_broker.state.rows import (
    DUE_KINDS,
    INSTANCE_KINDS,
    CalledInstance,
    Compensation,
    CreatedOnce,
    ElementInstance,
    ElementState,
    FollowUp,
    Incident,
    InstanceOrigin,
    Job,
    Loop,
    LoopResult,
    Message,
    ProcessDefinition,
    StartSubscription,
    Subscription,
    SubscriptionKind,
    Timer,
    Variable,
    WaitingToken,
)
from osmia_broker.state.rows.tasks import UserTask
from tests.memory_store import MemoryStore


def check(partition: Partition, store: MemoryStore, bound: int) -> None:
    """Check the rows, and the memory of the partition against them."""
    check_rows(store)
    check_memory(partition, store)
    assert partition.state.residency.total_bytes <= bound, "more in memory than the bound allows"


def check_memory(partition: Partition, store: MemoryStore) -> None:
    """Everything in memory is as it is stored, and nothing that memory knows of all rows is missing."""
    state = partition.state
    for row_type, table in state.tables.items():
        stored = {row.key: row for row in store.living(row_type)}
        assert not table.changed, f"changes of {row_type.__name__} were never committed"
        for key, row in table._rows.items():
            assert stored.get(key) == row, f"in memory {row}, but stored {stored.get(key)}"
        resident = {row.key for row in stored.values() if row.process_instance_key in state.residency}
        assert resident == set(table._rows), f"{row_type.__name__}: an instance is only partly in memory"
    values = {(row.scope_key, row.name): row.value for row in store.living(Variable)}
    for scope, rows in state.variables.scopes.items():
        for name, row in rows.items():
            assert values[scope, name] == row.value
    characters = Counter[int]()
    for row in chain.from_iterable(rows.values() for rows in state.variables.scopes.values()):
        characters[row.process_instance_key] += len(row.name) + len(row.value)
    assert state.variables.text == characters, "the size of an instance's variables is counted as they come and go"
    assert partition.state.residency.total_bytes == sum(state.residency.sizes.values())
    assert not state.residency._open
    assert set(state.residency._last_batch) == set(state.residency.sizes)
    assert not state._matched, "an answer of the store is used after others have changed what it says"
    starts = {row.key: row for _, rows in state.start_subscriptions._by_definition.items() for row in rows}
    assert starts == {row.key: row for row in store.rows(StartSubscription) if not row.ended_ms}
    for row_type, definitions in state.definitions.tables().items():
        assert definitions._rows == {row.key: row for row in store.rows(row_type)}
    for message in store.living(Message):
        assert state.may_have_message(message.name, message.correlation_key), f"{message} will not be found"
    due = [getattr(row, kind.due) for kind in DUE_KINDS for row in store.living(kind.row_type)]
    earliest = min((ms for ms in due if ms > 0), default=None)
    if earliest is not None and not state.deadlines.looking:
        assert state.deadlines.next_ms is not None
        assert state.deadlines.next_ms <= earliest, "the partition sleeps too long"


SCOPES = {
    "PROCESS",
    "SUB_PROCESS",
    "EVENT_SUB_PROCESS",
    "TRANSACTION",
    "MULTI_INSTANCE_BODY",
    "AD_HOC_SUB_PROCESS",
    "AD_HOC_SUB_PROCESS_INNER_INSTANCE",
}


def check_rows(store: MemoryStore, idle: Container[str] = ()) -> None:
    """Check all rules about rows. Elements with the ids *idle* may wait for somebody to activate something in them."""
    check_tokens(store, idle)
    check_owners(store)
    check_times(store)
    check_starts(store)
    check_loops(store)
    check_origins(store)
    highest = max((key for kind in (ElementInstance, Job, Incident) for (key,) in store.values[kind]), default=0)
    assert store.next_key > highest


def check_tokens(store: MemoryStore, idle: Container[str] = ()) -> None:
    """No token is lost, and no scope is stuck."""
    elements = {row.key: row for row in store.living(ElementInstance)}
    held = {row.element_instance_key for row in store.living(Incident)}
    moving = {row.process_instance_key for row in store.living(FollowUp)}
    inside = {row.scope_key for row in elements.values()} | {row.scope_key for row in store.living(WaitingToken)}
    waiting = {
        row.element_instance_key
        for kind in (Job, Timer, Subscription, CalledInstance, UserTask)
        for row in store.living(kind)
    }
    waiting |= {row.thrower_key for row in store.living(Compensation)}
    working = {job.element_instance_key for job in store.living(Job)}  # listeners of a scope, too
    for row in elements.values():
        assert not row.scope_key or row.scope_key in elements, f"{row} lives in a scope that has ended"
        scope = elements.get(row.scope_key)
        if scope is not None and scope.type == "AD_HOC_SUB_PROCESS_INNER_INSTANCE":
            scope = elements.get(scope.scope_key)  # that is opened with what was put into it
        is_prepared = scope is not None and scope.state is ElementState.ACTIVATING  # it goes on when its scope begins
        if row.process_instance_key not in moving and row.key not in held and not is_prepared:
            waits = waiting if row.type not in SCOPES else working
            if row.type in SCOPES and row.state is not ElementState.ACTIVATING:
                waits = inside | working
            assert row.key in waits or row.element_id in idle, f"{row} waits for nothing"


def check_owners(store: MemoryStore) -> None:
    """Nothing belongs to something that has ended."""
    elements = {row.key for row in store.living(ElementInstance)}
    moving = {row.process_instance_key for row in store.living(FollowUp)}
    for kind in INSTANCE_KINDS:
        for one in store.living(kind.row_type) if "element_instance_key" in kind.columns else ():
            is_of_start_event = kind.row_type is Timer and not one.element_instance_key
            assert is_of_start_event or one.element_instance_key in elements, (
                f"{one} belongs to an element instance that has ended"
            )
    jobs = {row.key for row in store.living(Job)}
    for incident in store.living(Incident):
        assert not incident.job_key or incident.job_key in jobs, f"{incident} is of a job that has ended"
    for kind in (WaitingToken, Compensation):
        for one in store.living(kind):
            assert one.scope_key in elements, f"{one} belongs to a scope that has ended"
    for follow_up in store.living(FollowUp):
        of = follow_up.process_instance_key
        assert of in elements or of == follow_up.key, f"{follow_up} belongs to a process instance that has ended"
    for called in store.living(CalledInstance):
        assert called.called_process_instance_key in elements or called.process_instance_key in moving, (
            f"{called} has ended without its caller"
        )


def check_times(store: MemoryStore) -> None:
    """Every timer fires some time, unless its process instance is suspended; rows that stand alone are their own instance."""
    suspended = {row.process_instance_key for row in store.living(InstanceOrigin) if row.suspended_ms}
    for timer in store.living(Timer):
        is_held = timer.process_instance_key in suspended
        assert timer.due_ms < 0 if is_held else timer.due_ms > 0, f"{timer} never fires, or too early"
        assert timer.repetitions, f"{timer} has fired for the last time and is still there"
    for kind in (Message, CreatedOnce):
        for row in store.living(kind):
            assert row.process_instance_key == row.key
            assert row.expires_ms > 0, f"{row} never expires"


def check_starts(store: MemoryStore) -> None:
    """Start events wait for the latest version of a process alone, and each of their timers has its subscription."""
    versions: dict[str, list[ProcessDefinition]] = {}
    for definition in store.rows(ProcessDefinition):
        if not definition.deleted_ms:
            versions.setdefault(definition.bpmn_process_id, []).append(definition)
    latest = {max(some, key=lambda one: one.version).key for some in versions.values()}
    waiting = [row for row in store.rows(StartSubscription) if not row.ended_ms]
    for row in waiting:
        assert row.process_definition_key in latest, f"{row} is of no latest version"
        assert bool(row.timer_key) == (row.kind is SubscriptionKind.TIMER)
    known = {row.timer_key for row in waiting}
    for timer in store.living(Timer):
        if not timer.element_instance_key:
            assert timer.key in known, f"{timer} starts instances, but nothing knows of it"
            assert timer.process_instance_key == timer.key


def check_loops(store: MemoryStore) -> None:
    """The counts of a loop agree with its instances."""
    inside: dict[int, int] = {}
    for element in store.living(ElementInstance):
        inside[element.scope_key] = inside.get(element.scope_key, 0) + 1
    for loop in store.living(Loop):
        living = inside.get(loop.element_instance_key, 0)
        assert 0 <= loop.completed + loop.terminated <= loop.started, loop
        assert loop.started <= loop.size or loop.size < 0, loop
        assert living <= loop.started - loop.completed, f"{living} instances live in {loop}"
    chunks = [(row.element_instance_key, row.chunk) for row in store.living(LoopResult)]
    assert len(chunks) == len(set(chunks)), "two rows for the same results"


def check_origins(store: MemoryStore) -> None:
    """Callers and called instances name each other, and a message key has one living instance per process."""
    called = {row.called_process_instance_key: row for row in store.living(CalledInstance)}
    moving = {row.process_instance_key for row in store.living(FollowUp)}
    started: set[tuple[str, str]] = set()
    for origin in store.living(InstanceOrigin):
        if origin.parent_process_instance_key:
            caller = called.get(origin.process_instance_key)
            is_named = caller is not None and caller.process_instance_key == origin.parent_process_instance_key
            assert is_named or {origin.process_instance_key, origin.parent_process_instance_key} & moving, (
                f"{origin} was called by nobody"
            )
        if origin.correlation_key:
            place = (origin.bpmn_process_id, origin.correlation_key)
            assert place not in started, f"two living instances were started by messages with the key {place}"
            started.add(place)
