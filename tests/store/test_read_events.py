"""The lists of what process instances wait for: timers, subscriptions, buffered messages; and the hierarchy of calls."""

from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.rows import (
    BusinessId,
    CalledInstance,
    InstanceOrigin,
    Message,
    Resource,
    StartSubscription,
    Subscription,
    SubscriptionKind,
    Timer,
)
from osmia_broker.store.read import Reader
from tests.bpmn import bpmn
from tests.store.conftest import Written
from tests.store.reading import DONE, definition, instance, numbers
from tests.store.rows import BASE, PROCESS, TASK

MESSAGE, SIGNAL, CONDITION = SubscriptionKind.MESSAGE, SubscriptionKind.SIGNAL, SubscriptionKind.CONDITION
TIMER, SUBSCRIPTION = BASE + 500, BASE + 600


def timer(number: int, process: int = 1, **rest: Any) -> Timer:
    """A timer that waits at the instance with this number; of a start event, if the element instance is 0."""
    given = {"element_id": "late", "due_ms": 90, "created_ms": 10, "process_instance_key": PROCESS, **rest}
    return Timer(key=TIMER + number, process_definition_key=BASE + process, **{"element_instance_key": TASK, **given})


@pytest.fixture
async def timers(written: Written) -> Reader:
    """1 to 3 wait in instances of p, p and q; 4 is suspended; 5 has fired; 6 is of a start event of q."""
    return await written(
        InstanceOrigin(BASE + 490, PROCESS, PROCESS, "p", suspended_ms=4),
        timer(1),
        timer(2, 2, element_id="soon", process_instance_key=PROCESS + 1_000),
        timer(3, 3, process_instance_key=PROCESS + 2_000, repetitions=-1, cycle="PT1S"),
        timer(4, due_ms=-70),
        timer(5, due_ms=0, ended_ms=50),
        timer(6, 3, element_instance_key=0, process_instance_key=TIMER + 6, element_id="daily"),
    )


async def listed(search: Any, first: int, **asked: Any) -> list[int]:
    """The numbers of all items, read in pages of two."""
    page = await search(limit=2, **asked)
    found = [one.row.key - first for one in page.items]
    while page.next:
        page = await search(limit=2, after=page.next, **asked)
        found += [one.row.key - first for one in page.items]
        assert len(found) <= 10, found
    return found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"states": ["WAITING"]}, [6, 3, 2, 1]),
        ({"states": ["SUSPENDED"]}, [4]),
        ({"states": ["WAITING", "SUSPENDED"]}, [6, 4, 3, 2, 1]),
        ({"states": ["ENDED"]}, [5]),
        ({"states": ["ENDED", "SUSPENDED"]}, [5, 4]),
        ({"process_instance_key": PROCESS}, [5, 4, 1]),
        ({"process_instance_key": PROCESS, "states": ["WAITING"]}, [1]),
        ({"process_instance_key": PROCESS, "states": ["SUSPENDED", "ENDED"]}, [5, 4]),
        ({"element_id": "soon"}, [2]),
        ({"element_id": "late", "states": ["WAITING"]}, [3, 1]),
        ({"bpmn_process_id": "p"}, [5, 4, 2, 1]),
        ({"bpmn_process_id": "q", "states": ["WAITING"]}, [6, 3]),
        ({"bpmn_process_id": "nosuch", "states": ["WAITING"]}, []),
        ({"of_start_event": True}, [6]),
        ({"of_start_event": True, "states": ["WAITING"], "bpmn_process_id": "p"}, []),
        ({"of_start_event": False, "states": ["WAITING"]}, [3, 2, 1]),
        ({"process_instance_key": 99}, []),
    ],
)
async def test_timers_pass_every_filter_that_is_given(timers: Reader, asked: dict[str, Any], found: list[int]):
    assert await listed(timers.timers, TIMER, **asked) == found


async def test_a_timer_shows_its_state_and_its_event(written: Written):
    model = bpmn("start > late:catch(name=Too late, timer=PT1S) > end", id="p")
    named = replace(definition(8, "p", 3), checksum="8" * 64)
    reader = await written(Resource("8" * 64, model), named, timer(1, 8), timer(2, 9, due_ms=-70))
    held, waiting = (await reader.timers()).items
    assert (waiting.state, waiting.element_name, waiting.definition.version) == ("WAITING", "Too late", 3)
    assert (held.state, held.element_name, held.definition.bpmn_process_id) == ("SUSPENDED", "", "")


def subscription(number: int, kind: SubscriptionKind = MESSAGE, **rest: Any) -> Subscription:
    given = {"name": "paid", "correlation_key": "7", "bpmn_process_id": "p", "element_id": "wait", **rest}
    keys = {"process_instance_key": PROCESS, "process_definition_key": BASE + 1, "element_instance_key": TASK}
    return Subscription(key=SUBSCRIPTION + number, kind=kind, **{**keys, **given})


def start(number: int, kind: SubscriptionKind, **rest: Any) -> StartSubscription:
    given = {"process_definition_key": BASE + 3, "bpmn_process_id": "q", "element_id": "go", "name": "paid", **rest}
    return StartSubscription(key=SUBSCRIPTION + number, kind=kind, **given)


@pytest.fixture
async def subscriptions(written: Written) -> Reader:
    """1 to 4 wait in instances, 5 has ended; 6 to 8 are of start events, 8 of an older version."""
    return await written(
        subscription(1),
        subscription(2, correlation_key="8", process_instance_key=PROCESS + 1_000, bpmn_process_id="q"),
        subscription(3, SIGNAL, name="alarm", correlation_key=""),
        subscription(4, CONDITION, name="", correlation_key="", element_id="full"),
        subscription(5, ended_ms=50),
        start(6, MESSAGE),
        start(7, CONDITION, name=""),
        start(8, SIGNAL, name="alarm", ended_ms=60),
        start(9, SubscriptionKind.TIMER, name="", timer_key=TIMER),
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [8, 7, 6, 5, 4, 3, 2, 1]),
        ({"states": ["OPEN"]}, [7, 6, 4, 3, 2, 1]),
        ({"states": ["ENDED"]}, [8, 5]),
        ({"states": ["OPEN", "ENDED"]}, [8, 7, 6, 5, 4, 3, 2, 1]),
        ({"kinds": ["MESSAGE"], "states": ["OPEN"]}, [6, 2, 1]),
        ({"kinds": ["CONDITION"], "states": ["OPEN"]}, [7, 4]),
        ({"kinds": ["CONDITION", "SIGNAL"], "states": ["OPEN"]}, [7, 4, 3]),
        ({"kinds": ["SIGNAL"]}, [8, 3]),
        ({"name": "paid", "states": ["OPEN"]}, [6, 2, 1]),
        ({"name": "paid", "correlation_key": "7", "states": ["OPEN"]}, [1]),
        ({"correlation_key": "8"}, [2]),
        ({"correlation_key": "7", "kinds": ["CONDITION"], "states": ["OPEN"]}, []),
        ({"process_instance_key": PROCESS}, [5, 4, 3, 1]),
        ({"process_instance_key": PROCESS, "states": ["OPEN"], "element_id": "full"}, [4]),
        ({"bpmn_process_id": "q", "states": ["OPEN"]}, [7, 6, 2]),
        ({"of_start_event": True}, [8, 7, 6]),
        ({"of_start_event": True, "states": ["OPEN"], "element_id": "go"}, [7, 6]),
        ({"of_start_event": False, "states": ["OPEN"]}, [4, 3, 2, 1]),
        ({"of_start_event": True, "process_instance_key": PROCESS}, []),
        ({"of_start_event": True, "correlation_key": "7"}, []),
        ({"name": "nosuch", "states": ["OPEN"]}, []),
    ],
)
async def test_subscriptions_pass_every_filter_that_is_given(
    subscriptions: Reader, asked: dict[str, Any], found: list[int]
):
    assert await listed(subscriptions.subscriptions, SUBSCRIPTION, **asked) == found


def message(number: int, **rest: Any) -> Message:
    key = BASE + 700 + number
    given = {"name": "paid", "correlation_key": "7", "message_id": "", "variables": "{}", "business_id": "", **rest}
    return Message(key=key, process_instance_key=key, published_ms=1, **{"expires_ms": 90, **given})


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"name": "paid"}, [3, 2, 1]),
        ({"correlation_key": "8"}, [2]),
        ({"name": "paid", "correlation_key": "7"}, [3, 1]),
        ({"message_id": "one"}, [3]),
        ({"name": "gone"}, []),
    ],
)
async def test_buffered_messages_pass_every_filter_and_expired_ones_are_not_listed(
    written: Written, asked: dict[str, Any], found: list[int]
):
    reader = await written(
        message(1),
        message(2, correlation_key="8"),
        message(3, message_id="one"),
        message(4, name="other", correlation_key=""),
        message(5, name="gone", ended_ms=50),
    )
    page = await reader.messages(limit=1, **asked)
    keys = [row.key for row in page.items]
    while page.next:
        page = await reader.messages(limit=1, after=page.next, **asked)
        keys += [row.key for row in page.items]
    assert [key - BASE - 700 for key in keys] == found


@pytest.fixture
async def family(written: Written) -> Reader:
    """0 calls 1 and 2, which has ended; 1 calls 3; 4 was simply created."""

    def called(number: int, caller: int, **rest: Any) -> list[Any]:
        own, parent = PROCESS + 1_000 * number, PROCESS + 1_000 * caller
        activity = TASK + 1_000 * caller
        origin = InstanceOrigin(
            BASE + 800 + number, own, own, "p", parent, activity, PROCESS, 1, tags='["a","b"]', suspended_ms=4
        )
        return [origin, CalledInstance(BASE + 900 + number, parent, activity, own, **rest)]

    return await written(
        *instance(0, 1),
        *instance(1, 2),
        *instance(2, 3, DONE),
        *instance(3, 3),
        *instance(4, 1),
        *called(2, 0, ended_ms=50),
        *called(1, 0),
        *called(3, 1),
        BusinessId(BASE + 950, PROCESS + 1_000, PROCESS + 1_000, "p", "order-7"),
    )


@pytest.mark.parametrize(
    ("parent", "asked", "found"),
    [
        (0, {}, [2, 1]),
        (1, {}, [3]),
        (3, {}, []),
        (0, {"states": ["SUSPENDED"]}, [1]),
        (0, {"states": ["ACTIVE"]}, []),
        (0, {"states": ["COMPLETED"]}, [2]),
        (0, {"bpmn_process_id": "q"}, [2]),
        (0, {"bpmn_process_id": "p", "version": 1}, []),
        (0, {"has_incident": True}, []),
        (0, {"has_incident": False, "states": ["SUSPENDED"]}, [1]),
    ],
)
async def test_called_instances_are_found_by_their_caller(
    family: Reader, parent: int, asked: dict[str, Any], found: list[int]
):
    parent_key = PROCESS + 1_000 * parent
    page = await family.process_instances(parent_process_instance_key=parent_key, limit=1, **asked)
    listed = numbers(page.items)
    while page.next:
        page = await family.process_instances(parent_process_instance_key=parent_key, limit=1, after=page.next, **asked)
        listed += numbers(page.items)
    assert listed == found


async def test_an_instance_shows_its_caller_its_marks_and_the_instance_that_it_calls(family: Reader):
    inner = await family.process_instance(PROCESS + 3_000)
    assert inner.origin is not None
    assert inner.origin.parent_process_instance_key == PROCESS + 1_000
    assert (inner.origin.root_process_instance_key, inner.origin.suspended_ms) == (PROCESS, 4)
    middle = await family.process_instance(PROCESS + 1_000)
    assert (middle.business_id, middle.elements[0].called_process_instance_key) == ("order-7", PROCESS + 3_000)
    alone = await family.process_instance(PROCESS + 4_000)
    assert (alone.origin, alone.business_id, alone.elements[0].called_process_instance_key) == (None, "", 0)


@pytest.mark.parametrize("name", ["timers", "subscriptions", "messages"])
async def test_a_cursor_or_limit_of_no_such_list_is_refused(timers: Reader, name: str):
    of_jobs = "WyJqb2JzIiw1XQ"  # ["jobs",5]
    for asked in ({"after": of_jobs}, {"limit": -1}, {"limit": 1_001}):
        with pytest.raises(InvalidArgument, match="Expected a"):
            await getattr(timers, name)(**asked)
