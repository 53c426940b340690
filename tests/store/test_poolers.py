"""A pooler between broker and server: one that keeps sessions is as good as none, and any other is refused before anything is written."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from osmia_broker.base.errors import StoreFailed
from osmia_broker.store.postgres import connection
from osmia_broker.store.read.sql.on_postgres import PostgresSource
from tests import postgres
from tests.patience import ANSWER_S, until
from tests.pooler import Pooler
from tests.store import rows
from tests.store.rows import changes

REFUSED = "Expected each connection to keep its session, but found a pooler in transaction or statement mode"

Behind = Callable[..., Pooler]


@pytest.fixture(params=[1, 2], ids=["one partition", "two partitions"])
def partitions(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def database(partitions: int) -> Iterator[str]:
    """The name of a database with all tables."""
    with postgres.database(partitions=partitions) as url:
        yield url.rpartition("/")[2]


@pytest.fixture
def pooler() -> Iterator[Behind]:
    """Makes poolers before the server."""
    made: list[Pooler] = []

    def make(mode: str, *options: str) -> Pooler:
        made.append(Pooler(postgres.server().port, mode, *options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def count(database: str, schema: str = "public") -> str:
    return postgres.server().sql(f"SELECT count(*) || ' of ' || count(DISTINCT key) FROM {schema}.jobs", database)


# --- session mode


async def test_a_pooler_in_session_mode_is_as_good_as_none(pooler: Behind, database: str, partitions: int):
    """The rows of each partition are in its own tables, so each connection has kept its path to them."""
    stores = postgres.stores(pooler("session").url(database), partitions=partitions)
    for store in stores:
        await store.open()
    for store in stores:
        for number in range(5):
            await store.write(changes(*rows.instance(number)), None)
    assert [count(database, schema) for schema in ("public", "public_partition_2")[:partitions]] == [
        "5 of 5"
    ] * partitions
    for store in reversed(stores):
        await store.close()


async def test_the_settings_of_a_connection_are_those_of_its_session(pooler: Behind, database: str):
    reached = postgres.reached(pooler("session").url(database))
    made = await reached.connect()
    for name, value in connection.SETTINGS.items():
        assert (await made.row(f"SHOW {name}"))[0] == value
    await made.close()


@pytest.mark.parametrize("partitions", [1], indirect=True)
async def test_a_pooler_that_dies_under_load_loses_nothing(pooler: Behind, database: str):
    between = pooler("session")
    store = postgres.store(between.url(database), resolve_s=40.0)
    await store.open()
    written: list[int] = []

    async def write() -> None:
        for number in range(100):
            await store.write(changes(*rows.instance(number)), None)
            written.append(number)

    writing = asyncio.ensure_future(write())
    async with asyncio.timeout(ANSWER_S):
        while len(written) < 30:
            await asyncio.sleep(0)
        between.kill()
        between.start()
        await writing
    assert count(database) == "100 of 100"
    assert postgres.server().sql("SELECT batch FROM partition", database) == "100"
    await store.close()


@pytest.mark.parametrize("partitions", [1], indirect=True)
async def test_a_list_behind_a_pooler_can_be_interrupted(pooler: Behind, database: str):
    """The pooler gives its clients other numbers of processes than the server has."""
    source = PostgresSource(postgres.reached(pooler("session").url(database)))
    engine = source.open_engine(1)
    async with engine.connect() as one:
        driver = await source.begin(one)
        before = (await one.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        slow = asyncio.ensure_future(one.execute(text("SELECT pg_sleep(3600)")))
        asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(3600)'"
        async with asyncio.timeout(ANSWER_S):
            await asyncio.to_thread(until, lambda: postgres.server().sql(asked) == "1")
            await source.interrupt(driver)
            with pytest.raises(source.errors, match="canceling statement due to user request"):
                await slow
        await one.rollback()
        assert (await one.execute(text("SELECT pg_backend_pid()"))).scalar_one() == before, "it was not shut down"
    await engine.dispose()


@pytest.mark.parametrize("partitions", [1], indirect=True)
async def test_a_pool_without_room_for_a_second_connection_is_refused(
    pooler: Behind, database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connection, "CONNECT_S", 0.5)
    store = postgres.store(pooler("session", "default_pool_size=1").url(database))
    with pytest.raises(StoreFailed, match=r"found none within 0\.5 s: is its pool large enough"):
        await store.open()


# --- the other modes


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("transaction", ()),
        ("transaction", ("server_round_robin=1",)),
        ("transaction", ("default_pool_size=1",)),
        ("statement", ()),
    ],
)
async def test_a_pooler_that_mixes_sessions_is_refused(
    pooler: Behind, database: str, partitions: int, mode: str, options: tuple[str, ...]
):
    between = pooler(mode, *options)
    store = postgres.stores(between.url(database), partitions=partitions)[0]
    with pytest.raises(StoreFailed, match=REFUSED) as refused:
        await store.open()
    assert f"at postgresql://osmia@127.0.0.1:{between.port}/{database}: name the server itself" in str(refused.value)
    assert postgres.server().sql("SELECT owner FROM partition WHERE id = 1", database) == "", "no lease was taken"


@pytest.mark.parametrize("partitions", [1], indirect=True)
async def test_a_pooler_that_mixes_sessions_is_refused_although_others_are_busy_in_its_pool(
    pooler: Behind, database: str
):
    import asyncpg

    url = pooler("transaction", "default_pool_size=4").url(database)
    others = [await asyncpg.connect(url) for _ in range(6)]

    async def work(one: Any) -> None:
        while True:
            await one.execute("SELECT count(*) FROM pg_class")

    busy = [asyncio.ensure_future(work(one)) for one in others]
    for _ in range(10):
        with pytest.raises(StoreFailed, match=REFUSED):
            await postgres.store(url).open()
    for one in busy:
        one.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    for other in others:
        other.terminate()
