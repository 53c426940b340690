"""A worker decides that an ad-hoc subprocess completes: with the last that lives in it, and nobody is asked again."""

from typing import Any

import pytest

from osmia_broker.engine.commands import (
    ActivateAdHocElements,
    AdHocResult,
    CancelProcessInstance,
    CompleteJob,
    ElementToActivate,
    FailJob,
    ThrowError,
)
from osmia_broker.model.graph import ElementType
from osmia_broker.state.rows import AdHocCompletion, ElementInstance, Incident, Job
from tests.partition.opened import Opened, complete, create, deploy, opened

DONE = AdHocResult(is_completion_condition_fulfilled=True)
DONE_AND_CANCEL = AdHocResult(is_completion_condition_fulfilled=True, cancels_remaining_instances=True)


def activating(*element_ids: str) -> AdHocResult:
    return AdHocResult(tuple(ElementToActivate(id, {}) for id in element_ids))


async def jobs_at(it: Opened) -> dict[str, Job]:
    """The open jobs, by element."""
    await it.settled()
    return {job.element_id: job for job in it.store.living(Job)}


async def finish(it: Opened, element_id: str) -> None:
    await it.do(complete((await jobs_at(it))[element_id]))


async def decide(it: Opened, result: AdHocResult) -> None:
    await it.do(CompleteJob((await jobs_at(it))["h"].key, {}, result=result))


async def begin(it: Opened, inside: str) -> None:
    await it.do(deploy(f"start > h:adhoc(type=decide) {{ {inside} }} > z:job > end"))
    await it.do(create())


async def begin_and_decide(it: Opened) -> None:
    """Two elements were activated; `b` has completed, and `a` still lives when the worker decides."""
    await begin(it, "a:job > c:job & b:job")
    await decide(it, activating("a", "b"))
    await finish(it, "b")
    await decide(it, DONE)


async def test_the_subprocess_completes_with_the_last_that_lives_in_it():
    async with opened() as it:
        await begin_and_decide(it)
        assert {*await jobs_at(it)} == {"a"}
        await finish(it, "a")
        assert {*await jobs_at(it)} == {"c"}
        await finish(it, "c")
        assert {*await jobs_at(it)} == {"z"}
        assert not it.store.living(AdHocCompletion)


@pytest.mark.parametrize("failure", [lambda key: ThrowError(key, "E", "", {}), lambda key: FailJob(key, 0, "", 0, {})])
async def test_a_job_that_failed_goes_with_its_incident_when_the_worker_is_asked_again(failure: Any):
    async with opened() as it:
        await begin(it, "a:job")
        await it.do(failure((await jobs_at(it))["h"].key))
        assert len(it.store.living(Incident)) == 1
        (scope,) = [row for row in it.store.living(ElementInstance) if row.element_id == "h"]
        await it.do(ActivateAdHocElements(scope.key, (ElementToActivate("a", {}),)))
        await finish(it, "a")
        await it.settled()
        assert not it.store.living(Incident)
        await decide(it, DONE)
        assert {*await jobs_at(it)} == {"z"}


async def test_the_decision_outlasts_a_restart():
    async with opened() as it:
        await begin_and_decide(it)
    async with opened(it.store) as it:
        await finish(it, "a")
        await finish(it, "c")
        assert {*await jobs_at(it)} == {"z"}


@pytest.mark.parametrize("listener", ["", ", canceling=l"])  # what ends is held by a listener, or too much for one step
async def test_the_rest_that_is_cancelled_may_end_later(listener: str):
    async with opened() as it:
        await begin(it, f'a:user(native=yes{listener}) & b:job & c:user(native=yes, items="=[1,2,3]", item=i)')
        await decide(it, activating("a", "b", "c"))
        await finish(it, "b")
        await decide(it, DONE_AND_CANCEL)
        if listener:
            await finish(it, "a")
        assert {*await jobs_at(it)} == {"z"}


async def test_what_is_activated_after_the_decision_is_waited_for_too():
    async with opened() as it:
        await begin_and_decide(it)
        [scope] = [row.key for row in it.store.living(ElementInstance) if row.type == ElementType.AD_HOC_SUB_PROCESS]
        await it.do(ActivateAdHocElements(scope, (ElementToActivate("b", {}),)))
        await finish(it, "a")
        await finish(it, "c")
        assert {*await jobs_at(it)} == {"b"}
        await finish(it, "b")
        assert {*await jobs_at(it)} == {"z"}


@pytest.mark.parametrize("result", [None, AdHocResult(), AdHocResult((ElementToActivate("b", {}),))])
async def test_without_the_decision_the_worker_is_asked_again(result: AdHocResult | None):
    async with opened() as it:
        await begin(it, "a:job & b:job")
        await decide(it, activating("a"))
        await finish(it, "a")
        await it.do(CompleteJob((await jobs_at(it))["h"].key, {}, result=activating("a", "b")))
        await finish(it, "a")
        await it.do(CompleteJob((await jobs_at(it))["h"].key, {}, result=result))
        await finish(it, "b")
        assert "h" in await jobs_at(it)


async def test_a_decision_ends_with_its_subprocess():
    async with opened() as it:
        await begin_and_decide(it)
        assert it.store.living(AdHocCompletion)
        await it.do(CancelProcessInstance((await jobs_at(it))["a"].process_instance_key))
        await it.settled()
        assert not it.store.living(AdHocCompletion)
