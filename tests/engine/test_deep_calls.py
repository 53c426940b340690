"""A process that calls itself makes a chain of 1,000 called instances. Whatever ends the chain ends it whole, in slices."""

from collections.abc import Callable, Iterator

import pytest

from osmia_broker.state.rows import Job
from tests.doors import Door, EngineDoor
from tests.partition.opened import WatchedStore, complete, create, deploy, opened, steps_only

Play = Callable[..., None]
DEEP = 'deploy deep:: start > x:exclusive [ n > 0 -> c:call(process=deep, in.n="=n - 1") > e1:end | else -> w:job > e2:end ]'


@pytest.fixture
def door() -> Iterator[Door]:
    """Only a partition in memory: a chain of 1,000 instances at the other doors takes long and shows nothing more."""
    door = EngineDoor()
    try:
        yield door
    finally:
        door.close()


def chain(around: str) -> str:
    """A process that calls the chain, with *around* beside it."""
    return f"{DEEP}; deploy start > top:call(process=deep) > after:job > end{around}; create n=900"


def test_a_chain_is_cancelled_at_its_top(play: Play):
    play(f"{chain('')}; cancel; completed; instances deep 0")


def test_a_chain_without_end_is_cancelled(play: Play):
    play("deploy start > c:call(process=process) > end; create; cancel; completed; instances 0")


def test_a_call_activity_with_a_chain_is_terminated_by_a_modification(play: Play):
    play(f"{chain('')}; modify -top +after; at after; instances deep 0")


def test_an_error_in_the_last_of_a_chain_is_caught_at_its_top(play: Play):
    play(
        f"{chain(' & b:boundary(on=top, error=E) > late:job > e3:end')}; instance deep; throw w code=E; instances deep 0; instance; at late"
    )


def test_a_timer_interrupts_a_chain(play: Play):
    play(f"{chain(' & b:boundary(on=top, timer=PT5S) > late:job > e3:end')}; advance 5000; at late; instances deep 0")


def test_an_event_subprocess_interrupts_a_chain(play: Play):
    play(
        f"{chain(' & s:eventsub { b:start(timer=PT5S) > late:job > e3:end }')}; advance 5000; at late s; instances deep 0"
    )


def test_a_terminate_end_event_ends_a_chain(play: Play):
    play(f"""
        {DEEP}
        deploy start > f:parallel [ top:call(process=deep) > end | stop:job > e3:end(terminate=yes) ]
        create n=900
        complete stop
        completed
        instances deep 0
    """)


def test_a_chain_returns_to_its_top(play: Play):
    play(f"{chain('')}; instance deep; complete w; instances deep 0; instance; at after")


def test_a_suspended_chain_is_cancelled(play: Play):
    play(f"{chain('')}; suspend; cancel; completed; instances deep 0")


@pytest.mark.parametrize("line", ["suspend; resume; instance deep; complete w; instance; at after"])
def test_a_chain_is_suspended_whole(play: Play, line: str):
    play(f"{chain('')}; {line}")


def test_an_escalation_that_interrupts_a_called_chain_ends_its_thrower(play: Play):
    play("""
        deploy   inner:: start > w:job > up:throw(escalation=U) > v:job > end
        deploy   middle:: start > c:call(process=inner) > end
        deploy   start > top:call(process=middle) > end & b:boundary(on=top, escalation=U) > late:job > e3:end
        create
        instance inner
        complete w
        none     v
        instances inner 0
        instances middle 0
        instance
        at       late
    """)


@pytest.mark.parametrize("steps", range(1, 9))
async def test_a_return_that_waits_for_its_turn_finds_a_caller_that_is_not_in_memory(steps: int):
    store = WatchedStore()
    async with opened(store, memory_bytes=1, budget=steps_only(steps)) as it:
        await it.do(deploy("start > w:job > end", id="grandchild"))
        await it.do(deploy("start > c:call(process=grandchild) > end", id="child"))
        await it.do(deploy("start > c:call(process=child) > after:job > end"))
        await it.do(create())
        await it.settled()
        await it.do(complete(store.living(Job)[0]))
        await it.settled()
        assert [job.element_id for job in store.living(Job)] == ["after"]
