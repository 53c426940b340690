"""Tests of the dinner process, with the fixture `broker` that Osmia gives to pytest (`pip install '.[broker]' pytest`).

pytest examples/test_dinner.py --osmia-coverage
"""

from pathlib import Path

DINNER = Path(__file__).with_name("dinner.bpmn")


async def test_dinner_is_decided_and_eaten(broker):
    await broker.deploy(DINNER)
    instance = await broker.start("dinner", {"guests": 4})
    instance.waits_only_at("Decide what's for dinner").has_variables(guests=4)

    await instance.complete_task("decide", {"dinner": "Pasta"})
    instance.waits_only_at("eat").passed("hungry", "decide")

    await broker.advance(days=2)  # a user task waits as long as it takes
    await instance.complete_task("eat")
    instance.is_completed().took("to_decide", "to_eat", "to_full").has_variables(dinner="Pasta")


def test_dinner_in_a_test_that_is_not_async(sync_broker):
    sync_broker.deploy(DINNER)
    worker = sync_broker.worker()

    @worker.user_task("decide")
    def decide(guests: int) -> dict[str, str]:
        return {"dinner": "Pasta" if guests > 2 else "Soup"}

    instance = sync_broker.start("dinner", {"guests": 1})
    instance.waits_only_at("eat").has_variables(dinner="Soup")


async def test_nobody_eats_before_dinner_is_decided(broker):
    await broker.deploy(DINNER)
    instance = await broker.start("dinner")
    instance.did_not_pass("decide").does_not_wait_at("eat")
    await instance.cancel()
    instance.is_canceled()
