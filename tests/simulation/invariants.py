"""Rules that hold for the rows at any moment between two commands."""

from typing import Any

import msgspec

from osmia_broker.partition import Partition
from osmia_broker.state.rows import ElementInstance, ElementState, FollowUp, Incident, Job, Variable, WaitingToken
from tests.memory_store import MemoryStore

WAITS_FOR_A_JOB = {"USER_TASK", "SERVICE_TASK"}


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


def check_rows(store: MemoryStore) -> None:
    """No token is lost, no scope is stuck, nothing belongs to something that has ended."""
    elements = {row.key: row for row in store.living(ElementInstance)}
    jobs = store.living(Job)
    stopped = {row.element_instance_key for row in store.living(Incident)}
    walking = {key for row in store.living(FollowUp) for key in msgspec.json.decode(row.content)["element_keys"]}
    busy = {job.element_instance_key for job in jobs}
    scopes = {row.scope_key for row in elements.values()} | {row.scope_key for row in store.living(WaitingToken)}
    for row in elements.values():
        assert not row.scope_key or row.scope_key in elements, f"{row} lives in a scope that has ended"
        assert _waits_for_something(row, busy, scopes, stopped | walking), f"{row} waits for nothing"
    for one in (*jobs, *store.living(Incident)):
        assert one.element_instance_key in elements, f"{one} belongs to an element instance that has ended"
    for token in store.living(WaitingToken):
        assert token.scope_key in elements, f"{token} waits in a scope that has ended"
    for row in store.living(FollowUp):
        assert row.process_instance_key in elements, f"{row} belongs to a process instance that has ended"
    highest = max((key for kind in (ElementInstance, Job, Incident) for (key,) in store.values[kind]), default=0)
    assert store.next_key > highest


def _waits_for_something(row: Any, busy: set[int], scopes: set[int], held: set[int]) -> bool:
    if row.key in held:
        return True
    if row.state is not ElementState.ACTIVATED:
        return False
    return row.key in busy if row.type in WAITS_FOR_A_JOB else row.key in scopes
