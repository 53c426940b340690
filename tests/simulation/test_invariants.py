"""The rules of the simulation can fail: each is broken once."""

from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.state.rows import ElementInstance, SubscriptionKind
from tests.memory_store import MemoryStore
from tests.simulation.invariants import check_rows
from tests.store import rows
from tests.store.rows import BASE, PROCESS, TASK

BODY, INNER = BASE + 40, BASE + 41

timer = replace(rows.timer, due_ms=50)
start_timer = replace(rows.start_timer, due_ms=50)
start = replace(rows.start_subscription, kind=SubscriptionKind.TIMER, name="", timer_key=start_timer.key)
message = replace(rows.message, expires_ms=60)
created_once = replace(rows.created_once, expires_ms=60)
body = replace(rows.task, key=BODY, type="MULTI_INSTANCE_BODY")
inner = replace(rows.task, key=INNER, scope_key=BODY, loop_counter=1)
inner_job = replace(rows.job, key=BASE + 42, element_instance_key=INNER)
loop = replace(rows.loop, element_instance_key=BODY, started=1, completed=0)
origin = replace(rows.origin, correlation_key="7")
second = replace(rows.process, key=BASE + 50, process_instance_key=BASE + 50)
second_job = replace(rows.job, key=BASE + 51, process_instance_key=BASE + 50, element_instance_key=BASE + 50)
second_origin = replace(origin, key=BASE + 52, process_instance_key=BASE + 50, element_instance_key=BASE + 50)

SOUND = (
    *(rows.definition, rows.process, rows.task, rows.job, rows.business_id, timer, origin),
    *(start, start_timer, message, created_once, body, inner, inner_job, loop, second, second_job),
)

BROKEN = {
    "a subscription of an element that has ended": (
        replace(rows.subscription, element_instance_key=99),
        "belongs to an element instance that has ended",
    ),
    "a timer of an element that has ended": (
        replace(timer, element_instance_key=99),
        "belongs to an element instance that has ended",
    ),
    "a business id of an instance that has ended": (
        replace(rows.business_id, element_instance_key=99),
        "belongs to an element instance that has ended",
    ),
    "a loop of an element that has ended": (
        replace(loop, element_instance_key=99),
        "belongs to an element instance that has ended",
    ),
    "a compensation of a scope that has ended": (
        replace(rows.compensation, scope_key=99),
        "belongs to a scope that has ended",
    ),
    "an element that waits for nothing": (replace(inner_job, ended_ms=9), "waits for nothing"),
    "a scope that is stuck": (replace(second_job, ended_ms=9), "waits for nothing"),
    "a timer without a time": (replace(timer, due_ms=0), "never fires"),
    "a timer that is held without a reason": (replace(timer, due_ms=-50), "never fires"),
    "a timer that goes on in a suspended instance": (replace(origin, suspended_ms=9), "too early"),
    "a timer that has fired for the last time": (replace(timer, repetitions=0), "fired for the last time"),
    "a message that is kept for ever": (replace(message, expires_ms=0), "never expires"),
    "a creation that is kept for ever": (replace(created_once, expires_ms=0), "never expires"),
    "a start event of an older version": (
        replace(rows.definition, key=BASE + 90, version=2),
        "is of no latest version",
    ),
    "a start event of a deleted version": (replace(rows.definition, deleted_ms=9), "is of no latest version"),
    "a timer that nobody can end": (replace(start, ended_ms=9), "nothing knows of it"),
    "more instances of a loop than were started": (
        replace(inner, key=BASE + 43, loop_counter=2),
        "instances live in",
    ),
    "more instances than the loop has": (replace(loop, started=3), "Loop"),
    "more ends than beginnings": (replace(loop, completed=2), "Loop"),
    "a called instance that nobody called": (replace(origin, parent_process_instance_key=99), "called by nobody"),
    "a call of an instance that has ended": (rows.called, "ended without its caller"),
    "a second instance for one message key": (second_origin, "two living instances"),
    "a follow-up of an instance that has ended": (
        replace(rows.follow_up, process_instance_key=99),
        "belongs to a process instance that has ended",
    ),
}


async def stored(*some: Any) -> MemoryStore:
    store = MemoryStore()
    await store.open()
    await store.write(rows.changes(*some), None)
    return store


async def test_sound_rows_keep_all_rules():
    store = await stored(*SOUND)
    check_rows(store)
    assert {row.key for row in store.living(ElementInstance)} == {PROCESS, TASK, BODY, INNER, BASE + 50}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_rule_is_noticed(name: str):
    broken, reason = BROKEN[name]
    extra = [replace(inner_job, key=BASE + 44, element_instance_key=BASE + 43)] if broken.key == BASE + 43 else []
    store = await stored(*SOUND, broken, *extra)
    with pytest.raises(AssertionError, match=reason):
        check_rows(store)
