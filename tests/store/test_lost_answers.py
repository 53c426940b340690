"""Commits whose answer is lost on PostgreSQL: their outcome is found out, never guessed, and no commit is ever cancelled."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from osmia_broker.base.addresses import without_password
from osmia_broker.base.errors import StoreFailed, StoreFull, ValueRefused
from osmia_broker.store.postgres.connection import Connection, Outcome, Server, outcome_of
from osmia_broker.store.postgres.store import PostgresStore
from tests import postgres
from tests.line import Line
from tests.patience import ANSWER_S, until
from tests.store import rows
from tests.store.rows import BASE, PROCESS, changes, wanted


class Scene:
    """A store behind a line that loses messages, and the same database without the line."""

    def __init__(self, line: Line, url: str) -> None:
        self.line, self.url = line, url
        self.database = url.rpartition("/")[2]
        self.store = self.made()

    def made(self, **options: Any) -> PostgresStore:
        url = f"postgresql://osmia@127.0.0.1:{self.line.port}/{self.database}"
        return postgres.store(url, **{**postgres.STILL, "resolve_s": ANSWER_S, **options})

    def sql(self, text: str) -> str:
        return postgres.server().sql(text, self.database)

    async def resolves(self) -> None:
        """Let the line work again as soon as the store has noticed what it has lost."""
        async with asyncio.timeout(ANSWER_S):
            while self.line._writers:
                await asyncio.sleep(0)
        self.line.loses_answers = self.line.loses_questions = False


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with postgres.database() as url:
        async with Line(postgres.server().port) as line:
            made = Scene(line, url)
            await made.store.open()
            yield made
            await made.store.close()


async def test_a_commit_whose_answer_was_lost_is_answered_all_the_same(scene: Scene):
    scene.line.loses_answers = True
    writing = scene.store.write(changes(*rows.INSTANCE), wanted(PROCESS))
    await scene.resolves()
    written = await writing
    assert list(written.loaded.instances) == [PROCESS]
    assert scene.sql("SELECT count(*), max(epoch), max(batch) FROM partition, jobs") == "1|2|1"
    await scene.store.write(changes(*rows.instance(1)), None)


async def test_a_commit_that_never_arrived_is_sent_again(scene: Scene):
    scene.line.loses_questions = True
    writing = scene.store.write(changes(*rows.INSTANCE, next_key=BASE + 77), None)
    await scene.resolves()
    await writing
    assert (
        scene.sql("SELECT count(*), max(epoch), max(batch), max(next_key) FROM partition, jobs") == f"1|2|1|{BASE + 77}"
    )


async def test_a_commit_that_was_lost_to_another_broker_is_refused(scene: Scene):
    scene.line.loses_questions = True
    writing = scene.store.write(changes(*rows.INSTANCE), None)
    scene.sql("UPDATE partition SET epoch = epoch + 1, owner = 'two', incarnation = 1")
    await scene.resolves()
    with pytest.raises(StoreFailed, match="another broker has taken it over"):
        await writing
    assert scene.sql("SELECT count(*) FROM jobs") == "0"


async def test_a_database_that_has_lost_commits_is_not_written(scene: Scene, caplog: pytest.LogCaptureFixture):
    """The standby of a pair that is not synchronous took over."""
    await scene.store.write(changes(*rows.INSTANCE), None)
    scene.line.loses_questions = True
    writing = scene.store.write(changes(*rows.instance(1)), None)
    scene.sql("UPDATE partition SET batch = 0")
    await scene.resolves()
    with pytest.raises(StoreFailed, match="the database lost some"):
        await writing
    assert [one.levelno for one in caplog.records if one.levelno >= logging.CRITICAL] == [logging.CRITICAL]


async def test_a_connection_that_gives_no_answer_is_shut_down_and_nothing_is_cancelled(scene: Scene):
    await scene.store.close()
    scene.store = scene.made(answer_s=1.0)
    await scene.store.open()
    scene.line.may_answer.clear()
    writing = scene.store.write(changes(*rows.INSTANCE), None)
    async with asyncio.timeout(ANSWER_S):
        while scene.line.broken == 0:
            await asyncio.sleep(0)
        scene.line.may_answer.set()
        await writing
    assert scene.sql("SELECT count(*), max(batch) FROM partition, jobs") == "1|1"
    assert scene.line.cancels == 0


async def test_a_new_epoch_waits_for_a_commit_that_is_still_under_way(scene: Scene):
    """The commit holds the row of the partition, so its outcome is known when the row can be had."""
    await scene.store.close()
    scene.store = scene.made(answer_s=0.3)
    await scene.store.open()
    blocking = await Server(scene.url).connect()
    async with blocking.transaction():
        await blocking.run("LOCK TABLE jobs IN EXCLUSIVE MODE")
        writing = scene.store.write(changes(*rows.INSTANCE), None)
        async with asyncio.timeout(ANSWER_S):
            while (
                scene.sql(
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'UPDATE %partition SET epoch%'"
                    " AND state = 'active'"
                )
                == "0"  # two, where the first one was given up
            ):
                await asyncio.sleep(0)  # fmt: skip
    await writing
    await blocking.close()
    assert scene.sql("SELECT count(*), max(batch) FROM partition, jobs") == "1|1"
    assert scene.line.cancels == 0


async def test_a_caller_who_leaves_cancels_no_commit(scene: Scene):
    writing = scene.store.write(changes(*rows.INSTANCE), None)
    await asyncio.sleep(0)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    assert list((await scene.store.write(None, wanted(PROCESS))).loaded.instances) == [PROCESS]
    assert scene.line.cancels == 0


async def test_a_database_that_stays_away_refuses_the_callers_and_can_be_used_again(scene: Scene):
    await scene.store.close()
    scene.store = scene.made(resolve_s=0.1)
    await scene.store.open()
    await scene.line.cut()
    with pytest.raises(StoreFailed, match=r"Expected the outcome of a commit within 0\.1 s"):
        await scene.store.write(changes(*rows.INSTANCE), None)
    with pytest.raises(StoreFailed, match="Expected to reach the database"):
        await scene.store.open()
    await scene.line.mend()
    await scene.store.open()
    await scene.store.write(changes(*rows.INSTANCE), None)


async def test_a_load_whose_answer_is_lost_fails_cleanly(scene: Scene):
    scene.line.loses_answers = True
    with pytest.raises(StoreFailed):
        await scene.store.write(None, wanted(PROCESS))
    scene.line.loses_answers = False
    await scene.store.open()
    assert (await scene.store.write(None, wanted(PROCESS))).loaded is not None


async def test_a_commit_is_one_turn_and_a_load_is_one_turn(scene: Scene):
    for _ in range(2):  # the first time, statements are prepared
        before = scene.line.turns
        await scene.store.write(changes(*rows.INSTANCE), wanted(PROCESS))
    assert scene.line.turns - before == 2


async def test_a_commit_that_stopped_waiting_for_its_standby_counts_as_unknown(scene: Scene):
    """The server answers it with success and a warning; after a failover it would be gone."""

    def resolves() -> bool:
        """Whether the new epoch is written, or waits for the standby as the commit did."""
        waits_again = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        return scene.sql("SELECT max(epoch) FROM partition") == "2" or scene.sql(waits_again) != "0"

    server = postgres.server()
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    server.sql("SELECT pg_reload_conf()")
    try:
        writing = scene.store.write(changes(*rows.INSTANCE), None)
        waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'WITH fence%'"
        await asyncio.to_thread(until, lambda: scene.sql(f"SELECT count(*) {waits}") != "0")
        scene.sql(f"SELECT pg_cancel_backend(pid) {waits}")  # an operator does what the broker never does
        await asyncio.to_thread(until, lambda: writing.done() or resolves())
    finally:
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        server.sql("SELECT pg_reload_conf()")
    await writing
    assert scene.sql("SELECT max(epoch) > 1, max(batch), count(*) FROM partition, jobs") == "t|1|1"


# --- which servers are used


async def test_a_database_that_is_read_only_is_refused(scene: Scene):
    await scene.store.close()
    server = postgres.server()
    server.sql(f"ALTER DATABASE {scene.database} SET default_transaction_read_only = on")
    try:
        with pytest.raises(StoreFailed, match="Expected"):
            await scene.store.open()
    finally:
        server.sql(f"ALTER DATABASE {scene.database} RESET default_transaction_read_only")
    await scene.store.open()


async def test_a_primary_of_the_past_is_refused(scene: Scene):
    server = Server(scene.url)
    await (await server.connect()).close()
    server._timeline = 99
    with pytest.raises(StoreFailed, match="Expected timeline 99 or later, but found 1: an old primary has come back"):
        await server.connect()


async def test_commits_wait_for_the_disk_even_if_the_database_would_not(scene: Scene):
    scene.sql(f"ALTER DATABASE {scene.database} SET synchronous_commit = off")
    try:
        connection = await Server(scene.url).connect()
        assert (await connection.row("SHOW synchronous_commit"))[0] == "on"
        await connection.close()
    finally:
        scene.sql(f"ALTER DATABASE {scene.database} RESET synchronous_commit")


async def test_no_statement_is_compiled_though_the_server_would(scene: Scene):
    """What the tables of a new database cost is guessed too high: a server with a compiler would work on it at each opening."""
    scene.sql(f"ALTER DATABASE {scene.database} SET jit = on")
    try:
        connection = await Server(scene.url).connect()
        assert (await connection.row("SHOW jit"))[0] == "off"
        await connection.close()
    finally:
        scene.sql(f"ALTER DATABASE {scene.database} RESET jit")


class _Failed(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (_Failed("08006"), Outcome.UNKNOWN),
        (_Failed("57P01"), Outcome.UNKNOWN),
        (_Failed("40003"), Outcome.UNKNOWN),
        (ConnectionResetError(), Outcome.UNKNOWN),
        (TimeoutError(), Outcome.UNKNOWN),
        (_Failed("40001"), Outcome.AGAIN),
        (_Failed("40P01"), Outcome.AGAIN),
        (_Failed("25006"), Outcome.READ_ONLY),
        (_Failed("53100"), Outcome.FULL),
        (_Failed("22003"), Outcome.VALUE),
        (_Failed("54000"), Outcome.VALUE),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, ""), Outcome.VALUE),
        (_Failed("55P03"), Outcome.FAILED),
        (_Failed("42P01"), Outcome.FAILED),
    ],
)
def test_what_an_error_means_for_a_commit(error: Exception, outcome: Outcome):
    assert outcome_of(error) is outcome


async def test_a_full_disk_has_an_error_of_its_own(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    async def full(self: Connection, text: str, *values: Any) -> Any:
        raise _Failed("53100")

    monkeypatch.setattr(Connection, "row", full)
    with pytest.raises(StoreFull):
        await scene.store.write(changes(*rows.INSTANCE), None)
    monkeypatch.undo()
    await scene.store.open()


async def test_a_deadlock_is_tried_again_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    real, errors = Connection.row, ["40P01", "40001"]

    async def sometimes(self: Connection, text: str, *values: Any) -> Any:
        if errors:
            raise _Failed(errors.pop())
        return await real(self, text, *values)

    monkeypatch.setattr(Connection, "row", sometimes)
    await scene.store.write(changes(*rows.INSTANCE), None)
    assert scene.sql("SELECT max(epoch), max(batch) FROM partition") == "1|1"


@pytest.mark.parametrize("row", [rows.variable, rows.job], ids=["a name", "a worker"])
async def test_a_text_with_nul_is_refused_by_name(scene: Scene, row: Any):
    column = "name" if row is rows.variable else "worker"
    with pytest.raises(ValueRefused, match=rf"a text with NUL in \w+\.{column}"):
        await scene.store.write(changes(type(row)(**{**_fields(row), column: "a\0b"})), None)
    await scene.store.open()


async def test_a_name_that_is_too_long_for_an_index_is_refused(scene: Scene):
    import random

    chance = random.Random(1)
    name = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=9_000))
    with pytest.raises(ValueRefused, match=r"a value of 9000 characters or bytes in variables\.name"):
        await scene.store.write(changes(type(rows.variable)(**{**_fields(rows.variable), "name": name})), None)
    await scene.store.open()


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in type(row).__struct_fields__}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:secret@db:5432/osmia?sslmode=require", "postgresql://ada@db:5432/osmia"),
        ("postgresql://ada@db/osmia", "postgresql://ada@db/osmia"),
        ("postgresql://db/osmia?password=secret", "postgresql://db/osmia"),
        ("postgresql://ada:se@cret@one,two/osmia", "postgresql://ada@one,two/osmia"),
    ],
)
def test_a_message_never_has_the_password(url: str, shown: str):
    assert without_password(url) == shown
