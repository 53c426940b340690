"""Expressions that a caller evaluates: others go on meanwhile."""

import asyncio

import pytest

from osmia_broker.calls import evaluation
from osmia_broker.calls.evaluation import Evaluated, Evaluations
from osmia_broker.errors import InvalidArgument, NotFound, Overloaded
from tests.partition.opened import deploy, opened

SLOW = "=sum(for i in 1..200000 return i * n)"


async def test_others_go_on_while_a_long_expression_is_evaluated():
    async with opened() as real:
        asked = asyncio.ensure_future(Evaluations(real.partition).evaluate(SLOW, variables='{"n":2}'))
        rounds = 0
        while not asked.done():
            await asyncio.sleep(0)
            rounds += 1
        assert (await asked).value == str(200_000 * 200_001)
        assert rounds > 500  # of the event loop: a handful if the evaluation holds it


@pytest.mark.parametrize(
    ("expression", "value"),
    [("=a + b", "5"), ("=b", "3"), ("=camunda", '"hidden"'), ("=c", "null"), ("text", '"text"'), ("", '""')],
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
