"""Rules that hold for the rows at any moment between two commands."""

from osmia_broker.partition import Partition
from osmia_broker.state.rows import (
    CalledInstance,
    Compensation,
    ElementInstance,
    FollowUp,
    Incident,
    InstanceOrigin,
    Job,
    Loop,
    LoopResult,
    Subscription,
    Timer,
    Variable,
    WaitingToken,
)
from tests.memory_store import MemoryStore


def check(partition: Partition, store: MemoryStore, bound: int) -> None:
    """Check the rows, and the memory of the partition against them."""
    check_rows(store)
    state = partition._state
    for row_type, table in state.tables.items():
        stored = {row.key: row for row in store.living(row_type)}
        assert not table._changed, f"changes of {row_type.__name__} were never committed"
        for key, row in table._rows.items():
            assert stored.get(key) == row, f"in memory {row}, but stored {stored.get(key)}"
        resident = {row.key for row in stored.values() if row.process_instance_key in state.residency}
        assert resident == set(table._rows), f"{row_type.__name__}: an instance is only partly in memory"
    values = {(row.scope_key, row.name): row.value for row in store.living(Variable)}
    for scope, rows in state.variables._scopes.items():
        for name, row in rows.items():
            assert values[scope, name] == row.value
    assert partition.resident_bytes <= bound, "more in memory than the bound allows"
    assert partition.resident_bytes == sum(state.residency._sizes.values())
    assert not state.residency._open
    assert set(state.residency._last_batch) == set(state.residency._sizes)


SCOPES = {"PROCESS", "SUB_PROCESS", "EVENT_SUB_PROCESS", "TRANSACTION", "MULTI_INSTANCE_BODY", "AD_HOC_SUB_PROCESS"}


def check_rows(store: MemoryStore) -> None:
    """No token is lost, no scope is stuck, nothing belongs to something that has ended."""
    elements = {row.key: row for row in store.living(ElementInstance)}
    held = {row.element_instance_key for row in store.living(Incident)}
    moving = {row.process_instance_key for row in store.living(FollowUp)}
    inside = {row.scope_key for row in elements.values()} | {row.scope_key for row in store.living(WaitingToken)}
    waiting = {
        row.element_instance_key for kind in (Job, Timer, Subscription, CalledInstance) for row in store.living(kind)
    }
    waiting |= {row.thrower_key for row in store.living(Compensation)}
    working = {job.element_instance_key for job in store.living(Job)}  # listeners of a scope, too
    for row in elements.values():
        assert not row.scope_key or row.scope_key in elements, f"{row} lives in a scope that has ended"
        if row.process_instance_key not in moving and row.key not in held:
            waits = inside | working if row.type in SCOPES else waiting
            assert row.key in waits, f"{row} waits for nothing"
    for kind in (Job, Incident, Timer, Subscription, CalledInstance, Loop, LoopResult, InstanceOrigin):
        for one in store.living(kind):
            is_of_start_event = kind is Timer and not one.element_instance_key
            assert is_of_start_event or one.element_instance_key in elements, (
                f"{one} belongs to an element instance that has ended"
            )
    for kind in (WaitingToken, Compensation):
        for one in store.living(kind):
            assert one.scope_key in elements, f"{one} belongs to a scope that has ended"
    for follow_up in store.living(FollowUp):
        of = follow_up.process_instance_key
        assert of in elements or of == follow_up.key, f"{follow_up} belongs to a process instance that has ended"
    for called in store.living(CalledInstance):
        inner = elements.get(called.called_process_instance_key)
        assert inner is not None or called.process_instance_key in moving, f"{called} has ended without its caller"
    highest = max((key for kind in (ElementInstance, Job, Incident) for (key,) in store.values[kind]), default=0)
    assert store.next_key > highest
