"""Brokers of two versions on one database: the newer one brings the tables up to date while the older one leads."""

from typing import Any

import pytest

from osmia_broker.base.errors import LeaseHeld, StoreFailed
from osmia_broker.store.postgres import creation
from tests import postgres
from tests.store import rows
from tests.store.rows import changes

NEWER = "9999"
#: What a newer version may have done, by whether the statements of the older one still fit.
FITS = (
    "CREATE TABLE later (id BIGINT PRIMARY KEY)",
    "ALTER TABLE jobs ADD COLUMN later BIGINT NOT NULL DEFAULT 0",
    "CREATE INDEX jobs_later ON jobs (later, key)",
)
DOES_NOT_FIT = (*FITS, "ALTER TABLE jobs ALTER COLUMN later DROP DEFAULT")


@pytest.fixture(params=postgres.VERSIONS)
def new(request: pytest.FixtureRequest) -> tuple[postgres.Server, str]:
    """A server, and the name of a new database of it."""
    server = postgres.server(request.param)
    return server, server.new_database().rpartition("/")[2]


def grow(new: Any, statements: tuple[str, ...]) -> None:
    """Bring the tables up to a newer version."""
    server, database = new
    server.sql("; ".join([*statements, f"UPDATE alembic_version SET version_num = '{NEWER}'"]), database)


def count(new: Any) -> str:
    server, database = new
    return str(server.sql("SELECT count(*) FROM jobs", database))


async def test_a_leader_goes_on_writing_tables_that_have_grown(new: Any):
    server, database = new
    older = postgres.store(server.url(database), "older", **postgres.STILL)
    await older.open()
    await older.write(changes(*rows.instance(1)), None)
    grow(new, FITS)
    await older.write(changes(*rows.instance(2)), None)
    loaded = (await older.write(None, rows.wanted(rows.JOB + 2_000, of=type(rows.job)))).loaded
    assert loaded is not None
    assert len(loaded.instances) == 1
    assert count(new) == "2"
    await older.close()
    with pytest.raises(StoreFailed, match=f"but found version {NEWER}.*start the Osmia that made it"):
        await postgres.store(server.url(database), "older").open()


async def test_a_leader_that_cannot_write_the_newer_tables_leaves_them_to_the_newer_broker(
    new: Any, monkeypatch: pytest.MonkeyPatch
):
    """Nothing that was acknowledged is lost, and nobody has to stop the older one before the newer one may lead."""
    server, database = new
    older = postgres.store(server.url(database), "older", **postgres.STILL)
    newer = postgres.store(server.url(database), "newer", **postgres.STILL)
    await older.open()
    await older.write(changes(*rows.instance(1)), None)
    grow(new, DOES_NOT_FIT)
    with pytest.raises(StoreFailed, match="null value in column"):
        await older.write(changes(*rows.instance(2)), None)
    with monkeypatch.context() as patch:
        patch.setattr(creation, "HEAD", NEWER)
        with pytest.raises(LeaseHeld):
            await newer.open()
    with pytest.raises(StoreFailed, match=f"but found version {NEWER}"):
        await older.open()
    assert not older.lease.leads()
    with monkeypatch.context() as patch:
        patch.setattr(creation, "HEAD", NEWER)
        start = await newer.open()
    assert start.next_key == rows.BASE + 100
    assert newer.lease.leads()
    assert count(new) == "1"
    await older.close()
    await newer.close()
