"""Rows that are found by their values: the store knows the committed ones, memory knows what has changed since."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.state.missing import Missing
from osmia_broker.state.rows import ElementInstance, Message, Subscription
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import MATCHES_MAX, Loaded, Wanted
from tests.memory_store import MemoryStore
from tests.store import rows
from tests.store.rows import BASE, PROCESS

COLUMNS = ("kind", "name", "correlation_key")
PAID = ("MESSAGE", "paid", "7")


class World:
    """A state and its store. A commit, a load and an eviction come in the order in which a partition makes them."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.state = State()
        self.batch = 0
        self.answered: list[list[int]] = []  # the keys of each answer of the store

    async def open(self) -> "World":
        await self.store.open()
        await self.store.write(rows.changes(rows.definition, next_key=BASE + 1_000_000), None)
        self.state.open(await self.store.open())
        return self

    def insert(self, *some: Any) -> None:
        for row in some:
            self.state.tables[type(row)].insert(row)

    def end(self, *some: Any) -> None:
        for row in some:
            table = self.state.tables[type(row)]
            table.end(table[row.key], 99)

    async def commit(self) -> None:
        self.state.journal.clear()
        self.batch += 1
        changes = self.state.take_changes(self.batch)
        if changes is not None:
            await self.store.write(changes, None)
        self.state.evict(self.batch, Wanted)

    async def forget_all(self) -> None:
        """Commit, and leave nothing resident."""
        await self.commit()
        self.state.residency._bytes_max = 0
        self.state.evict(self.batch, Wanted)
        self.state.residency._bytes_max = 10**9
        assert not len(self.state.residency)

    async def load(self, wanted: Wanted, meanwhile: Callable[[], None] = lambda: None) -> None:
        wanted = self.state.not_resident(wanted)
        loaded = (await self.store.write(None, wanted)).loaded
        assert loaded is not None
        self.answered += loaded.matches.values()
        meanwhile()
        self.state.admit(wanted, loaded)

    async def match(
        self,
        row_type: type = Subscription,
        columns: tuple[str, ...] = COLUMNS,
        values: tuple[str, ...] = PAID,
        after: int = 0,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> tuple[list[int], bool]:
        """Ask as a blocked command does: again after each load, with all that it wanted before."""
        wanted = Wanted()
        while True:
            try:
                found, has_more = self.state.match(row_type, columns, values, after)
            except Missing as missing:
                wanted |= missing.wanted
                await self.load(wanted, meanwhile)
            else:
                self.state.forget_absent()
                return [row.key for row in found], has_more


def subscriptions(number: int, **fields: Any) -> list[Any]:
    """One waiting instance with so many subscriptions."""
    one = replace(rows.subscription, name="paid", correlation_key="7", **fields)
    return [rows.process, rows.task, *(replace(one, key=BASE + 100 + n) for n in range(number))]


def fresh(some: Iterable[Any]) -> list[Any]:
    return [replace(row) for row in some]


def keys_of(some: Iterable[Any]) -> list[int]:
    return [row.key for row in some if type(row) is Subscription]


@pytest.fixture
async def world() -> World:
    return await World().open()


async def test_the_store_is_asked_first(world: World):
    with pytest.raises(Missing) as missing:
        world.state.match(Subscription, COLUMNS, PAID)
    assert missing.value.wanted.matches


async def test_an_answer_counts_until_the_load_is_forgotten(world: World):
    assert await world.match() == ([], False)
    with pytest.raises(Missing):
        world.state.match(Subscription, COLUMNS, PAID)


async def test_rows_out_of_memory_are_found_with_their_instance(world: World):
    some = subscriptions(3)
    world.insert(*fresh(some))
    await world.forget_all()
    assert await world.match() == (keys_of(some), False)
    assert PROCESS in world.state.elements


async def test_an_insert_that_is_not_committed_is_found(world: World):
    some = subscriptions(3)
    world.insert(*fresh(some[:-1]))
    await world.commit()
    world.insert(some[-1])
    assert await world.match() == (keys_of(some), False)


async def test_an_end_that_is_not_committed_hides_a_stored_row(world: World):
    some = subscriptions(3)
    world.insert(*fresh(some))
    await world.commit()
    world.end(some[-2])
    assert await world.match() == ([some[-3].key, some[-1].key], False)


async def test_what_is_undone_counts_no_more(world: World):
    some = subscriptions(3)
    world.insert(*fresh(some[:-1]))
    await world.commit()
    world.insert(some[-1])
    world.end(some[2])
    world.state.journal.roll_back()
    assert await world.match() == (keys_of(some[:-1]), False)


async def test_other_values_match_nothing(world: World):
    world.insert(*subscriptions(3))
    await world.commit()
    for values in (("SIGNAL", "paid", "7"), ("MESSAGE", "paid", ""), ("MESSAGE", "Paid", "7"), ("MESSAGE", "", "")):
        assert await world.match(values=values) == ([], False)


async def test_a_row_that_stands_alone_is_found(world: World):
    world.insert(replace(rows.message))
    await world.forget_all()
    found = await world.match(Message, ("name", "correlation_key", "message_id"), ("paid", "7", "one"))
    assert found == ([rows.message.key], False)


# --- races


async def test_an_instance_that_ends_during_the_load_does_not_come_back(world: World):
    some = subscriptions(1)
    world.insert(*fresh(some))
    await world.commit()
    assert await world.match(meanwhile=lambda: world.end(*reversed(some))) == ([], False)
    assert not len(world.state.elements), "rows that were ended are living again"
    await world.commit()
    assert not world.store.living(ElementInstance)


async def test_an_instance_that_ended_in_an_earlier_batch_does_not_come_back(world: World):
    """The batch with the end is being written while the load of the one before it is taken in."""
    some = subscriptions(1)
    world.insert(*fresh(some))
    await world.commit()
    world.end(*reversed(some))
    assert await world.match() == ([], False)
    assert not len(world.state.elements)


async def test_a_resident_instance_is_not_read_again(world: World):
    some = subscriptions(2)
    world.insert(*fresh(some))
    await world.commit()
    wanted = Wanted()
    with pytest.raises(Missing) as missing:
        world.state.match(Subscription, COLUMNS, PAID)
    wanted = world.state.not_resident(missing.value.wanted)
    loaded = (await world.store.write(None, wanted)).loaded
    assert loaded is not None
    assert [*loaded.matches.values()] == [keys_of(some)]
    assert not loaded.instances


async def test_an_instance_that_was_evicted_is_read(world: World):
    some = subscriptions(2)
    world.insert(*fresh(some))
    await world.forget_all()
    await world.match()
    assert world.state.elements.of_instance(PROCESS)


# --- pages


@pytest.mark.parametrize("number", [0, 1, MATCHES_MAX - 1, MATCHES_MAX, MATCHES_MAX + 1, 3 * MATCHES_MAX])
@pytest.mark.parametrize("where", ["stored", "resident", "uncommitted"])
async def test_pages_lead_through_all_rows_once(world: World, number: int, where: str):
    some = subscriptions(number)
    world.insert(*fresh(some))
    if where == "stored":
        await world.forget_all()
    elif where == "resident":
        await world.commit()
    found, after, has_more, pages = [], 0, True, 0
    while has_more:
        page, has_more = await world.match(after=after)
        assert len(page) <= MATCHES_MAX
        assert page or not has_more, "an empty page is the last one"
        found += page
        after, pages = page[-1] if page else 0, pages + 1
    assert found == keys_of(some)
    assert pages <= number // MATCHES_MAX + 1


async def test_no_page_is_empty_while_more_rows_follow(world: World):
    """All rows of two pages of the store have ended in a batch that is not committed."""
    some = subscriptions(2 * MATCHES_MAX + 5)
    world.insert(*fresh(some))
    await world.commit()
    world.end(*some[2 : 2 + 2 * MATCHES_MAX])
    assert await world.match() == (keys_of(some)[-5:], False)


async def test_corrupt_instances_are_left_out_of_a_page(world: World):
    some = [rows.process, rows.task, *(replace(row, key=BASE + 8_000) for row in subscriptions(1)[2:])]
    others = [
        replace(
            rows.subscription, name="paid", correlation_key="7", key=BASE + n, process_instance_key=BASE + 9_000 + n
        )
        for n in range(MATCHES_MAX + 50)
    ]
    for row in (*some, *others):  # the others belong to instances without a process
        await world.store.write(rows.changes(row, next_key=BASE + 1_000_000), None)

    async def unreadable(wanted: Wanted) -> Loaded:
        loaded = (await MemoryStore.write(world.store, None, wanted)).loaded
        assert loaded is not None
        for row in others:
            loaded.instances.pop(row.process_instance_key, None)
            loaded.unreadable[row.key] = "Expected a process, but found none"
        return loaded

    wanted = Wanted()
    for _ in range(3):
        try:
            found, has_more = world.state.match(Subscription, COLUMNS, PAID)
        except Missing as missing:
            wanted |= missing.wanted
            world.state.admit(wanted, await unreadable(wanted))
        else:
            break
    assert ([row.key for row in found], has_more) == (keys_of(some), False)
