"""Expressions that a caller evaluates: others go on meanwhile."""

import asyncio
import threading
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidArgument, NotFound, Overloaded
from osmia_broker.calls.processes import evaluation
from osmia_broker.calls.processes.evaluation import Evaluated, Evaluations
from tests.partition.opened import create, deploy, opened
from tests.patience import ANSWER_S


async def test_others_go_on_while_an_expression_is_evaluated(monkeypatch: pytest.MonkeyPatch):
    begun, others_went_on = threading.Event(), threading.Event()
    evaluated = evaluation._evaluated

    def held(*given: Any) -> Evaluated:
        begun.set()
        assert others_went_on.wait(ANSWER_S), "expected others to go on, but the evaluation held the event loop"
        return evaluated(*given)

    monkeypatch.setattr(evaluation, "_evaluated", held)
    async with opened() as real:
        await real.do(deploy("start > ask:job > end"))
        asked = asyncio.ensure_future(Evaluations(real.partition).evaluate("=n + 1", variables='{"n":2}'))
        assert await asyncio.to_thread(begun.wait, ANSWER_S)
        await real.do(create())
        assert not asked.done()
        others_went_on.set()
        assert (await asked).value == "3"


@pytest.mark.parametrize(
    ("expression", "value"),
    [("=a + b", "5"), ("=b", "3"), ("=camunda", '"hidden"'), ("=c", "null"), ("text", '"text"')],
)
async def test_given_variables_hide_those_of_the_scope(expression: str, value: str):
    async with opened() as real:
        await real.do(deploy("start > ask:job > end"))
        given = '{"a":2,"b":3,"camunda":"hidden"}'
        assert (await Evaluations(real.partition).evaluate(expression, variables=given)).value == value


async def test_an_expression_that_cannot_be_evaluated():
    async with opened() as real:
        evaluations = Evaluations(real.partition)
        with pytest.raises(InvalidArgument, match="failed to parse expression '1 \\+'"):
            await evaluations.evaluate("=1 +")
        with pytest.raises(InvalidArgument, match="at most 32768 characters"):
            await evaluations.evaluate("=" + "1" * 32_768)
        with pytest.raises(NotFound, match="scope with key '99'"):
            await evaluations.evaluate("=1", scope_key=99)
        assert await evaluations.evaluate("=1") == Evaluated("1", ())


async def test_a_crowd_of_evaluations_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluation, "WAITING_MAX", 2)
    async with opened() as real:
        evaluations = Evaluations(real.partition)
        answers = await asyncio.gather(*(evaluations.evaluate("=1") for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in answers] == [Evaluated, Evaluated, Overloaded]


async def test_callers_who_leave_do_not_let_two_expressions_be_evaluated_at_a_time(monkeypatch: pytest.MonkeyPatch):
    """A thread cannot be stopped, so its caller's turn ends with it."""
    begun, may_end = threading.Semaphore(0), threading.Event()
    running = most = 0

    def held(*_: Any) -> Evaluated:
        nonlocal running, most
        running += 1
        most = max(most, running)
        begun.release()
        assert may_end.wait(ANSWER_S)
        running -= 1
        return Evaluated("1", ())

    monkeypatch.setattr(evaluation, "_evaluated", held)
    async with opened() as real:
        evaluations = Evaluations(real.partition)
        left = asyncio.ensure_future(evaluations.evaluate("=1"))
        assert await asyncio.to_thread(begun.acquire, timeout=ANSWER_S)
        left.cancel()
        stays = asyncio.ensure_future(evaluations.evaluate("=1"))
        await real.turns()
        assert not begun.acquire(timeout=0.2), "the second began before the first had ended"
        may_end.set()
        assert (await stays).value == "1"
        assert left.cancelled()
        assert most == 1
