"""The limits that are settings, at a running broker: each is met, and beyond it there is a clear answer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.partition.opened import create
from tests.rest.conftest import Rest
from tests.running_broker import RunningBroker, running_broker

SLOW = "count(for i in 1..3000 return count(for j in 1..3000 return j))"  # nine million steps
LOOP = 'start > again:exclusive > turn:script(expression="=1", result=r) > choice:exclusive [n > 0 -> again | else -> ask:job > end]'


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    folder: Path = tmp_path_factory.mktemp("limited")
    with running_broker(folder, step_limit=60, batch_limit=2, expression_timeout="20ms") as broker:
        yield broker


@pytest.fixture
def rest(limited: RunningBroker) -> Iterator[Rest]:
    found = Rest(limited)
    yield found
    found.http.close()


def only_incident(rest: Rest, instance: str) -> str:
    (found,) = rest.post("/incidents/search", {"filter": {"processInstanceKey": instance}})["items"]
    return str(found["errorMessage"])


def test_a_path_without_a_wait_state_ends_at_the_step_limit(rest: Rest):
    rest.deploy(LOOP, id="loop")
    instance = rest.create("loop", n=1)
    rest.broker.look_at_clock()
    assert "within 60 steps" in only_incident(rest, instance)


def test_a_path_below_the_step_limit_is_not_stopped(rest: Rest):
    rest.deploy(LOOP, id="loop")
    instance = rest.create("loop", n=0)
    assert rest.post("/incidents/search", {"filter": {"processInstanceKey": instance}})["items"] == []


def test_an_expression_of_a_model_fails_when_its_time_is_over(rest: Rest):
    rest.deploy(f'start > think:script(expression="={SLOW}", result=r) > end', id="slow")
    assert "within 0.02 s" in only_incident(rest, rest.create("slow"))


def test_an_expression_that_is_evaluated_by_itself_has_the_same_time(rest: Rest):
    problem = rest.refusal("POST", "/expression/evaluation", {"expression": f"={SLOW}"})
    assert problem["status"] == 400
    assert "within 0.02 s" in problem["detail"]
    assert rest.post("/expression/evaluation", {"expression": "=1 + 1"})["result"] == 2


def test_commits_of_a_broker_have_no_more_commands_than_the_batch_limit(rest: Rest):
    rest.deploy("start > ask:job > end", id="many")
    batches = rest.broker.broker.metrics.partitions[0].commit_batch_commands
    before = list(batches.counts)

    async def all_at_once() -> None:
        await asyncio.gather(*(rest.broker.broker.partitions.submit(create("many")) for _ in range(20)))

    rest.broker.run(all_at_once())
    grown = [now - was for now, was in zip(batches.counts, before, strict=True)]
    assert sum(grown[2:]) == 0, "no commit had more than two"
    assert grown[1] == 10
