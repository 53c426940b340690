"""Several partitions in one database of PostgreSQL: a schema and a lease each, made once, and led by one broker together."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from osmia_broker.base.errors import LeaseHeld, StoreFailed
from osmia_broker.state.rows import Job
from osmia_broker.state.store_protocol import PARTITION_BITS, Changes, Wanted
from osmia_broker.store.creation import HEAD
from osmia_broker.store.migrations import upgrade
from osmia_broker.store.postgres.life import TTL_S
from osmia_broker.store.postgres.schemas import schema_of
from osmia_broker.store.postgres.store import PostgresStore
from tests import postgres
from tests.clock import Clock
from tests.store import rows
from tests.store.rows import BASE, JOB, changes

STILL = {**postgres.STILL, "patience_s": 0.0}  # and it waits for nothing


class Brokers:
    """Brokers at one database of three partitions, by their names, each with a clock of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clocks: dict[str, Clock] = {}
        self._stores: list[PostgresStore] = []

    def __call__(self, name: str, partitions: int = 3, **options: Any) -> list[PostgresStore]:
        clock = self.clocks[name] = Clock()
        stores = postgres.stores(self.url, name, partitions=partitions, clock=clock, **{**STILL, **options})
        self._stores += reversed(stores)
        return stores

    async def close(self) -> None:
        for store in self._stores:
            await store.close()

    def sql(self, text: str) -> str:
        return postgres.server().sql(text, self.url.rpartition("/")[2])

    @property
    def owners(self) -> str:
        """The leaders of all partitions, as the database knows them."""
        return self.sql("SELECT string_agg(owner, ' ' ORDER BY id) FROM partition")


@pytest.fixture
async def brokers() -> AsyncIterator[Brokers]:
    with postgres.database(partitions=3) as url:
        made = Brokers(url)
        yield made
        await made.close()


@pytest.fixture
async def new() -> AsyncIterator[Brokers]:
    """Brokers at a database without tables."""
    made = Brokers(postgres.empty_database())
    yield made
    await made.close()


async def open_all(stores: list[PostgresStore]) -> None:
    for store in stores:
        await store.open()


async def opened(stores: list[PostgresStore]) -> list[PostgresStore]:
    await open_all(stores)
    return stores


async def close_all(stores: list[PostgresStore]) -> None:
    for store in reversed(stores):
        await store.close()


# --- making


async def test_each_partition_of_a_new_database_gets_a_schema_of_its_own(new: Brokers):
    await open_all(new("one"))
    assert new.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'public%' ORDER BY 1").split() == [
        "public",
        "public_partition_2",
        "public_partition_3",
    ]
    for schema in ("public", "public_partition_2", "public_partition_3"):
        assert new.sql(f"SELECT version_num FROM {schema}.alembic_version") == HEAD
    assert new.owners == "one one one"


async def test_the_keys_of_each_partition_name_it(new: Brokers):
    starts = [await store.open() for store in new("one")]
    assert [start.next_key for start in starts] == [(number << PARTITION_BITS) + 1 for number in (1, 2, 3)]


async def test_a_database_of_one_partition_is_as_it_was(new: Brokers):
    await open_all(new("one", 1))
    assert new.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'public%'") == "1"
    assert new.sql("SELECT id FROM partition") == "1"


@pytest.mark.parametrize(("before", "now"), [(1, 3), (3, 1), (3, 2), (2, 3)])
async def test_the_number_of_partitions_is_fixed(new: Brokers, before: int, now: int):
    await open_all(new("one", before))
    words = "1 partition" if now == 1 else f"{now} partitions"
    with pytest.raises(StoreFailed, match=rf"to have {words}, but found {before}: .* Set partitions to {before}"):
        await open_all(new("two", now))
    assert new.owners == " ".join(["one"] * before)
    assert new.sql("SELECT count(*) FROM brokers WHERE id = 'two'") == "0"


async def test_brokers_that_make_a_database_at_once_make_it_once(new: Brokers):
    several = [new(f"broker {number}") for number in range(4)]
    outcomes = await asyncio.gather(*(open_all(stores) for stores in several), return_exceptions=True)
    assert [type(one) for one in outcomes if one is not None] == [LeaseHeld] * 3
    assert new.sql("SELECT count(DISTINCT owner) FROM partition") == "1"


async def test_brokers_that_make_a_database_at_once_are_one_cluster(new: Brokers):
    several = [new(f"broker {number}") for number in range(4)]
    await asyncio.gather(*(stores[0].open() for stores in several), return_exceptions=True)
    ids = {stores[0]._server.cluster_id for stores in several}
    assert len(ids) == 1
    assert new.sql("SELECT id FROM cluster") == str(UUID(ids.pop()))


async def test_the_cluster_keeps_its_id_whichever_brokers_come_and_go(new: Brokers):
    first = new("one")
    await open_all(first)
    await close_all(first)
    new.sql("DELETE FROM brokers")
    second = new("two")
    await open_all(second)
    assert first[0]._server.cluster_id == second[0]._server.cluster_id


async def test_two_databases_of_one_name_are_two_clusters_and_a_copy_is_the_same_until_it_is_told_otherwise(
    new: Brokers,
):
    """The rule of `docs/postgresql.md`: the id goes with the rows."""
    await close_all(await opened(new("one")))
    id = new.sql("SELECT id FROM cluster")
    name = new.url.rpartition("/")[2]
    copy = Brokers(postgres.server().new_database(name))
    assert (await opened(copy("one")))[0]._server.cluster_id == id
    await copy.close()
    copy.sql("DELETE FROM cluster")
    told = (await opened(copy("two")))[0]._server.cluster_id
    assert UUID(told) != UUID(id)
    assert copy.sql("SELECT id FROM cluster") == told
    await copy.close()
    postgres.server().sql(f"DROP DATABASE {copy.url.rpartition('/')[2]}")
    again = Brokers(copy.url)
    postgres.server().sql(f"CREATE DATABASE {copy.url.rpartition('/')[2]}")
    assert (await opened(again("one")))[0]._server.cluster_id not in (told, id)
    await again.close()


async def test_a_first_start_that_was_interrupted_goes_on(new: Brokers):
    await new("one")[0].open()
    await open_all(new("one"))
    assert new.owners == "one one one"


async def test_tables_that_are_gone_are_missed(new: Brokers):
    await open_all(new("one"))
    new.sql("DROP SCHEMA public_partition_2 CASCADE")
    with pytest.raises(
        StoreFailed, match=r"tables of partition 2 in the schema public_partition_2 of .*, but found none"
    ):
        await open_all(new("one"))


async def test_a_schema_that_somebody_else_has_made_is_used(new: Brokers):
    new.sql("CREATE SCHEMA public_partition_2")
    await open_all(new("one"))
    assert new.sql("SELECT count(*) FROM public_partition_2.alembic_version") == "1"


async def test_a_role_that_may_make_no_schema_is_told_so(new: Brokers):
    name = new.url.rpartition("/")[2]
    new.sql(f"CREATE ROLE guest_{name} LOGIN; GRANT ALL ON SCHEMA public TO guest_{name}")
    new.url = new.url.replace("osmia@", f"guest_{name}@")
    new.sql(f"GRANT EXECUTE ON FUNCTION pg_control_checkpoint() TO guest_{name}")
    first, second, _ = new("one")
    await first.open()
    with pytest.raises(StoreFailed, match="permission denied for database"):
        await second.open()


async def test_a_database_of_a_newer_version_is_refused_in_any_partition(brokers: Brokers):
    first, _, third = brokers("one")
    await first.open()
    brokers.sql("UPDATE public_partition_3.alembic_version SET version_num = 'future'")
    with pytest.raises(StoreFailed, match="version future"):
        await third.open()
    brokers.sql(f"UPDATE public_partition_3.alembic_version SET version_num = '{HEAD}'")
    await third.open()


async def test_two_clusters_share_a_database_in_schemas_of_their_own(new: Brokers):
    """The name of each partition's schema begins with that of the first one."""
    new.sql("CREATE SCHEMA a; CREATE SCHEMA b")
    for name in "ab":
        other = Brokers(f"{new.url}?options=-csearch_path%3D{name}")
        stores = other(name, 2)
        await open_all(stores)
        await stores[1].write(changes(*rows.INSTANCE, next_key=(2 << PARTITION_BITS) + 100), None)
        await other.close()
        assert new.sql(f"SELECT count(*) FROM {name}_partition_2.jobs") == "1"
        assert new.sql(f"SELECT batch FROM {name}.partition ORDER BY id").split() == ["0", "1"]


def test_a_schema_whose_name_leaves_no_room_is_refused():
    assert schema_of("x" * 51, 2) == "x" * 51 + "_partition_2"
    assert schema_of("x" * 63, 1) == "x" * 63
    with pytest.raises(StoreFailed, match="leaves room for '_partition_10'"):
        schema_of("x" * 51, 10)
    with pytest.raises(StoreFailed, match="leaves room for '_partition_2'"):
        schema_of("ö" * 26, 2)


async def test_a_search_path_without_a_schema_is_refused(new: Brokers):
    new.url = f"{new.url}?options=-csearch_path%3Dnowhere"
    with pytest.raises(StoreFailed, match="a schema of the search_path"):
        await new("one")[0].open()


# --- rows


async def test_the_rows_of_partitions_are_apart(brokers: Brokers):
    first, second, third = brokers("one")
    await open_all([first, second, third])
    for number, store in enumerate((first, second), 1):
        await store.write(changes(*rows.DEPLOYED, *rows.INSTANCE, next_key=(number << PARTITION_BITS) + 100), None)
    asked = Wanted(rows={(Job, JOB)})
    assert [len((await one.write(None, asked)).loaded.instances) for one in (first, second, third)] == [1, 1, 0]
    await second.write(Changes(next_key=(2 << PARTITION_BITS) + 200, erased=[rows.process.key]), None)
    assert [len((await one.write(None, asked)).loaded.instances) for one in (first, second, third)] == [1, 0, 0]
    assert brokers.sql("SELECT string_agg(batch::text, ' ' ORDER BY id) FROM partition") == "1 2 0"


async def test_a_partition_that_is_opened_again_has_its_rows(brokers: Brokers):
    stores = brokers("one")
    await open_all(stores)
    await stores[1].write(changes(*rows.DEPLOYED, next_key=(2 << PARTITION_BITS) + 100), None)
    await stores[1].close()
    start = await stores[1].open()
    assert start.next_key == (2 << PARTITION_BITS) + 100
    assert any(start.definitions.values())


# --- leading


async def test_of_brokers_that_start_at_once_one_leads_all(brokers: Brokers):
    several = [brokers(f"broker-{number}") for number in range(6)]
    outcomes = await asyncio.gather(*(one.open() for stores in several for one in stores), return_exceptions=True)
    assert all(isinstance(one, LeaseHeld) for one in outcomes if isinstance(one, BaseException))
    leader = brokers.sql("SELECT owner FROM partition WHERE id = 1")
    await open_all(several[int(leader.rpartition("-")[2])])
    assert {*brokers.owners.split()} == {leader}


async def test_the_other_partitions_are_led_only_beside_the_first(brokers: Brokers):
    first, second, _ = brokers("one")
    with pytest.raises(LeaseHeld, match=r"partition 2 beside partition 1, .* this one does not lead partition 1"):
        await second.open()
    await first.open()
    await second.open()


async def test_who_leads_the_first_is_named_by_the_others(brokers: Brokers):
    await open_all(brokers("one"))
    first, second, _ = brokers("two")
    with pytest.raises(LeaseHeld):
        await first.open()
    for _ in range(2):
        with pytest.raises(LeaseHeld, match="found that broker 'one' leads partition 1"):
            await second.open()


async def test_a_partition_waits_until_the_first_one_is_read(brokers: Brokers):
    first, second, _ = brokers("one", patience_s=3_600.0)
    with pytest.raises(LeaseHeld):
        await second.open()
    opening = asyncio.ensure_future(second.open())
    await asyncio.sleep(0)
    await first.open()
    assert (await opening).next_key


async def test_a_partition_that_is_closed_waits_no_longer(brokers: Brokers):
    _, second, _ = brokers("one", patience_s=3_600.0)
    with pytest.raises(LeaseHeld):
        await second.open()
    opening = asyncio.ensure_future(second.open())
    await second.close()
    with pytest.raises(StoreFailed, match="closed meanwhile"):
        await opening


async def test_who_takes_the_first_partition_takes_the_others_without_watching(brokers: Brokers):
    one, two = brokers("one"), brokers("two")
    await open_all(one)
    with pytest.raises(LeaseHeld):
        await two[0].open()
    brokers.clocks["two"].s += TTL_S + 0.1
    await open_all(two)
    assert brokers.owners == "two two two"
    for number, store in enumerate(one, 1):
        with pytest.raises(StoreFailed, match=f"partition {number}, but found"):
            await store.write(changes(*rows.INSTANCE, next_key=(number << PARTITION_BITS) + 9), None)
    assert [brokers.sql(f"SELECT count(*) FROM {schema_of('public', number)}.jobs") for number in (1, 2, 3)] == [
        "0"
    ] * 3


async def test_who_loses_the_first_partition_gives_up_the_others(brokers: Brokers):
    one, two = brokers("one"), brokers("two", ttl_s=0.0)
    await open_all(one)
    lost: list[str] = []
    for store in one:
        store.lease.when_lost = lambda failure: lost.append(str(failure))
    with pytest.raises(LeaseHeld):
        await two[0].open()
    await two[0].open()
    with pytest.raises(StoreFailed):
        await one[0].write(changes(*rows.INSTANCE, next_key=BASE + 9), None)
    assert [store.lease.leads() for store in one] == [False] * 3
    assert [text.partition(",")[0] for text in lost] == [f"Expected to lead partition {number}" for number in (2, 3)]
    assert "does not lead partition 1 any more" in lost[0]
    with pytest.raises(LeaseHeld):
        await one[1].open()


async def test_a_beat_tells_which_partitions_are_led(brokers: Brokers):
    one = brokers("one")
    await open_all(one)
    brokers.clocks["one"].s += TTL_S - 0.1
    await one[0].lease.life.beat()
    brokers.clocks["one"].s += TTL_S - 0.1
    assert all(store.lease.leads() for store in one)
    brokers.sql("UPDATE partition SET owner = 'two', epoch = epoch + 1 WHERE id = 3")
    await one[0].lease.life.beat()
    assert [store.lease.leads() for store in one] == [True, True, False]
    await one[2].open()
    assert brokers.owners == "one one one"


async def test_a_beat_that_was_sent_before_a_partition_was_taken_says_nothing_about_it(brokers: Brokers):
    one = brokers("one")
    await open_all(one[:2])
    life = one[0].lease.life
    sent = life.clock()
    brokers.clocks["one"].s += 1
    await one[2].open()
    life.learn({"beats": 1, "led": [1, 2]}, sent)
    assert one[2].lease.leads()


async def test_one_beat_is_for_all_partitions(brokers: Brokers):
    one = brokers("one")
    await open_all(one)
    await one[0].lease.life.beat()
    assert brokers.sql("SELECT count(*) || ' ' || max(beat) FROM brokers") == "1 1"
    assert brokers.sql("SELECT count(*) FROM public_partition_2.brokers") == "0"


async def test_a_broker_that_was_declared_dead_leads_nothing(brokers: Brokers):
    one = brokers("one")
    await open_all(one)
    brokers.sql("DELETE FROM brokers")
    await one[0].lease.life.beat()
    assert [store.lease.leads() for store in one] == [False] * 3
    with pytest.raises(LeaseHeld):
        await one[1].open()
    await open_all(one)


async def test_the_first_partition_is_released_last(brokers: Brokers):
    one, two = brokers("one"), brokers("two")
    await open_all(one)
    with pytest.raises(LeaseHeld):
        await two[0].open()
    for store in reversed(one):
        assert brokers.sql("SELECT owner FROM partition WHERE id = 1") == "one"
        await store.close()
    await open_all(two)
    assert brokers.owners == "two two two"


async def test_a_lost_answer_is_resolved_only_while_the_first_partition_is_led(brokers: Brokers):
    one = brokers("one")
    await open_all(one)
    one[0].lease.lose()
    connection = await postgres.reached(brokers.url).connect(2)
    assert await one[1].lease.renew(connection) is None
    await connection.close()
    assert not one[1].lease.leads()


async def test_a_partition_of_an_older_version_is_migrated_alone(new: Brokers):
    """Also by a broker that only waits: its lists read all partitions."""
    await open_all(new("one")[:2])
    new.sql("CREATE SCHEMA public_partition_3")
    await upgrade.run_postgres(new.url, "SET LOCAL search_path TO public_partition_3", to="0019")
    _, _, waiting = new("two")
    with pytest.raises(LeaseHeld):
        await waiting.open()
    for schema in ("public", "public_partition_2", "public_partition_3"):
        assert new.sql(f"SELECT version_num FROM {schema}.alembic_version") == HEAD
        assert new.sql(f"SELECT count(*) FROM {schema}.received") == "0"
