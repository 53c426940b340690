"""The rule by which brokers share partitions out: whatever happens, soon each that lives leads its share, and then nothing moves."""

import random

import pytest

from osmia_broker.store.postgres.balance import Plan, plan


def settle(led: dict[int, set[int]], free: set[int], *, rounds: int = 20) -> int:
    """Let all brokers act on what all see, again and again until nobody acts; return how many rounds that took."""
    for number in range(rounds):
        plans = {one: plan(one, led, sorted(free)) for one in led}
        if all(one == Plan() for one in plans.values()):
            return number
        for one, made in plans.items():
            assert not (made.take and made.give)
            for partition in made.take:
                assert partition in free, "two brokers took one partition"
                free.discard(partition)
                led[one].add(partition)
        for one, made in plans.items():
            for partition in made.give:
                led[one].remove(partition)
                free.add(partition)
    raise AssertionError(f"they do not settle: {led}, free {free}")


def is_fair(led: dict[int, set[int]]) -> bool:
    counts = [len(one) for one in led.values()]
    return max(counts) - min(counts) <= 1


@pytest.mark.parametrize("brokers", [1, 2, 3, 5])
@pytest.mark.parametrize("partitions", [1, 2, 4, 16, 64])
def test_free_partitions_are_shared_out_at_once(brokers: int, partitions: int):
    led: dict[int, set[int]] = {one: set() for one in range(1, brokers + 1)}
    assert settle(led, set(range(1, partitions + 1))) == 1
    assert is_fair(led)
    assert sorted(p for one in led.values() for p in one) == list(range(1, partitions + 1))


def test_every_nth_partition_goes_to_the_same_broker_at_a_first_start():
    led: dict[int, set[int]] = {4: set(), 7: set()}
    settle(led, {1, 2, 3, 4})
    assert led == {4: {1, 3}, 7: {2, 4}}


def test_a_broker_that_joins_gets_its_share_and_the_first_partition_stays():
    led: dict[int, set[int]] = {1: set(range(1, 17)), 2: set()}
    assert settle(led, set()) == 2
    assert led == {1: set(range(1, 17, 2)), 2: set(range(2, 17, 2))}


def test_a_third_broker_gets_one_of_four():
    led: dict[int, set[int]] = {1: {1, 3}, 2: {2, 4}, 3: set()}
    settle(led, set())
    assert sorted(len(one) for one in led.values()) == [1, 1, 2]
    assert 1 in led[1]


def test_what_a_dead_broker_led_is_shared_by_the_others():
    led: dict[int, set[int]] = {2: {2, 5, 8, 11, 14}, 3: {3, 6, 9, 12, 15}}
    settle(led, {1, 4, 7, 10, 13, 16})
    assert {len(one) for one in led.values()} == {8}


def test_more_brokers_than_partitions_leave_some_without():
    led: dict[int, set[int]] = {one: set() for one in range(1, 6)}
    settle(led, {1, 2})
    assert sorted(len(one) for one in led.values()) == [0, 0, 0, 1, 1]


def test_nothing_is_given_up_while_something_is_free():
    assert plan(1, {1: {1, 2, 3, 4}, 2: set()}, [5]) == Plan()
    assert plan(2, {1: {1, 2, 3, 4}, 2: set()}, [5]) == Plan(take=(5,))


def test_whom_a_free_partition_belongs_to_may_be_passed_over_after_a_while():
    """It sees something else, or cannot take it."""
    led: dict[int, set[int]] = {1: {1, 2}, 2: set()}
    assert plan(1, led, [3]) == Plan()
    assert plan(1, led, [3], {3}) == Plan(take=(3,))


def test_who_has_just_given_a_partition_up_does_not_take_it_back():
    led: dict[int, set[int]] = {1: {1, 2, 3, 4}, 2: set()}
    given = plan(1, led, []).give
    assert given == (4, 2)
    led[1] -= {*given}
    assert plan(1, led, sorted(given)) == Plan()


@pytest.mark.parametrize("seed", range(200))
def test_from_any_state_they_settle_with_equal_shares(seed: int):
    chance = random.Random(seed)
    led: dict[int, set[int]] = {one: set() for one in chance.sample(range(1, 50), chance.randint(1, 8))}
    free: set[int] = set()
    for partition in range(1, chance.choice([1, 3, 8, 16, 64]) + 1):
        chance.choice([*led.values(), free]).add(partition)
    settle(led, free, rounds=40)
    assert not free
    assert is_fair(led)
