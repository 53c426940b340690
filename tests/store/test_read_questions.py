"""Questions to the read side: one moment each, bounded in number and time, and left at any time without harm to others."""

import asyncio
import gc
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from osmia_broker.base.errors import OsmiaError, Overloaded, StoreFailed, TimedOut, Unavailable
from osmia_broker.store.read import Reader
from osmia_broker.store.read.lists import process_instances
from osmia_broker.store.read.sources import of_cluster, question
from osmia_broker.store.read.sql.database import CONNECTIONS
from tests.store.conftest import Written
from tests.store.reading import DONE, ENDLESS, LISTS, instance, numbers
from tests.store.rows import JOB, PROCESS

COUNT = text("SELECT count(*) FROM jobs")


@question(of_cluster)
async def count_endlessly(reader: Reader, running: asyncio.Event) -> None:
    """Run a statement that ends by an interruption only."""
    loop = asyncio.get_running_loop()
    async with reader.database.snapshot() as snapshot:
        await snapshot._driver.set_trace_callback(lambda _text: loop.call_soon_threadsafe(running.set))
        await snapshot.values(ENDLESS, {})


async def start_endless(reader: Reader) -> asyncio.Task[None]:
    """Return when the statement is running."""
    running = asyncio.Event()
    task = asyncio.create_task(count_endlessly(reader, running))
    await asyncio.wait({task, asyncio.create_task(running.wait())}, return_when=asyncio.FIRST_COMPLETED)
    return task


async def leave(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def idle(reader: Reader) -> None:
    """Return when every connection was given back. This takes for ever if a statement goes on."""
    while reader.database.connections.ending:
        await asyncio.wait(reader.database.connections.ending)
    assert (reader.database.connections.snapshots, reader.database.connections.free._value) == (set(), CONNECTIONS)


def connections(reader: Reader) -> int:
    """Those that are open and wait for a question."""
    assert reader.database.connections.engine is not None
    pool: Any = reader.database.connections.engine.sync_engine.pool
    return int(pool.checkedin())


# --- one moment


async def test_an_answered_commit_is_seen(written: Written):
    reader = await written(*instance(0))
    for number in range(1, 20):
        await written.commit(*instance(number))
        assert numbers((await reader.jobs(limit=1)).items, JOB) == [number]
        assert (await reader.counts()).process_instances == number + 1


async def test_an_answer_is_of_one_moment(written: Written, monkeypatch: pytest.MonkeyPatch):
    """A commit between two statements of one answer is not seen: an active instance shows its element instances."""
    reader = await written(*instance(0))
    find = process_instances._find

    async def ends_meanwhile(*arguments: Any) -> Any:
        await written.commit(*instance(0, state=DONE))
        return await find(*arguments)

    monkeypatch.setattr(process_instances, "_find", ends_meanwhile)
    (seen,) = (await reader.process_instances()).items
    assert (seen.state, [place.row.element_id for place in seen.elements]) == ("ACTIVE", ["ask"])
    monkeypatch.undo()
    assert (await reader.process_instance(PROCESS)).state == "COMPLETED"


async def test_questions_beside_commits_see_whole_commits(written: Written):
    """Each commit ends an instance and begins another, so one is active at any moment."""
    reader = await written(*instance(0))

    async def look() -> list[int]:
        return [len(one.elements) for one in (await reader.process_instances(states=["ACTIVE"])).items]

    for number in range(20):
        looks = [asyncio.create_task(look()) for _ in range(6)]
        await asyncio.sleep(0)
        await written.commit(*instance(number, state=DONE), *instance(number + 1))
        assert await asyncio.gather(*looks) == [[1]] * 6


async def test_a_reader_cannot_write(written: Written):
    reader = await written(*instance(0))
    with pytest.raises(StoreFailed, match="readonly"):
        async with reader.database.snapshot() as snapshot:
            await snapshot.values(text("DELETE FROM jobs"), {})
    assert (await reader.counts()).jobs == 1


# --- leaving


async def test_a_statement_stops_with_its_caller(written: Written):
    reader = await written(*instance(0))
    for _ in range(CONNECTIONS + 1):
        task = await start_endless(reader)
        await leave(task)
        assert task.cancelled()
        await idle(reader)
    assert connections(reader) == 1
    assert (await reader.counts()).jobs == 1


async def test_a_statement_stops_when_its_time_is_up(written: Written):
    reader = written.reader(time_limit_s=0.05)
    for _ in range(CONNECTIONS + 1):
        with pytest.raises(TimedOut, match=r"Expected an answer within 0\.05 s, but found"):
            await count_endlessly(reader, asyncio.Event())
        await idle(reader)


@pytest.mark.timeout(30, method="thread")  # a failure blocks the interpreter
async def test_the_remains_of_a_stopped_statement_do_not_block_the_event_loop(written: Written):
    """Its cursor is freed by the garbage collector, and SQLite would make that wait for a statement on the same connection."""
    reader = await written(*instance(0))
    gc.disable()
    try:
        await leave(await start_endless(reader))
        await idle(reader)
        task = await start_endless(reader)
        gc.collect()
        await leave(task)
        await idle(reader)
    finally:
        gc.enable()


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_caller_may_leave_before_a_statement_begins(written: Written, turns: int):
    """The statement begins in a thread of its own, so an interruption may come too early for it."""
    reader = await written(*instance(0))
    await reader.counts()
    for _ in range(10):
        task = asyncio.create_task(count_endlessly(reader, asyncio.Event()))
        for _ in range(turns):
            await asyncio.sleep(0)
        await leave(task)
        await idle(reader)


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_caller_may_leave_at_any_time(written: Written, turns: int):
    reader = await written(*instance(0))
    for _ in range(3):
        tasks = [asyncio.create_task(ask(reader)) for ask in LISTS.values()]  # type: ignore[arg-type]
        for _ in range(turns):
            await asyncio.sleep(0)
        await leave(*tasks)
        await idle(reader)
    assert reader.questions == 0
    assert (await reader.counts()).jobs == 1


async def test_a_connection_that_cannot_be_given_back_is_replaced(written: Written, monkeypatch: pytest.MonkeyPatch):
    reader = await written(*instance(0))

    async def fail() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with reader.database.snapshot() as snapshot:
        await snapshot.values(COUNT, {})
        driver = snapshot._driver
        monkeypatch.setattr(driver, "rollback", fail)
    assert (connections(reader), driver._running) == (1, False)
    assert (await reader.counts()).jobs == 1
    await idle(reader)


# --- bounds


async def test_slow_questions_leave_room_for_quick_ones(written: Written):
    reader = await written(*instance(0))
    slow = [await start_endless(reader) for _ in range(CONNECTIONS - 1)]
    for ask in LISTS.values():
        await ask(reader)
    assert not any(task.done() for task in slow)
    await leave(*slow)
    await idle(reader)
    assert connections(reader) == CONNECTIONS


async def test_a_question_waits_for_a_connection(written: Written):
    reader = await written(*instance(0))
    slow = [await start_endless(reader) for _ in range(CONNECTIONS)]
    quick = asyncio.create_task(reader.counts())
    left = asyncio.create_task(reader.counts())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not quick.done()
    await leave(left, slow[0])
    assert (await quick).jobs == 1
    await leave(*slow)
    await idle(reader)


async def test_time_counts_while_a_question_waits(written: Written):
    reader = written.reader(time_limit_s=0.05)
    asked = [count_endlessly(reader, asyncio.Event()) for _ in range(3 * CONNECTIONS)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {TimedOut}
    await idle(reader)


async def test_too_many_questions_are_refused(written: Written):
    await written.commit(*instance(0))
    reader = written.reader(questions_max=2)
    slow = [await start_endless(reader) for _ in range(2)]
    with pytest.raises(Overloaded, match="Expected at most 2 lists"):
        await reader.counts()
    await leave(*slow)
    assert (await reader.counts()).jobs == 1


async def test_many_questions_share_few_connections(written: Written):
    reader = await written(*instance(0), *instance(1))
    answers = await asyncio.gather(*(reader.jobs(limit=1) for _ in range(100)))
    assert {tuple(numbers(page.items, JOB)) for page in answers} == {(1,)}
    assert connections(reader) <= CONNECTIONS


async def test_questions_leave_the_default_threads_to_others(written: Written):
    out_of_use = ThreadPoolExecutor(1)
    out_of_use.shutdown()
    asyncio.get_running_loop().set_default_executor(out_of_use)
    reader = await written(*instance(0))
    for ask in LISTS.values():
        await ask(reader)


async def test_questions_are_not_logged(written: Written, caplog: pytest.LogCaptureFixture):
    """Statements hold the names and keys that people ask for."""
    reader = await written(*instance(0))
    with caplog.at_level(logging.DEBUG):
        await reader.jobs(type="secret")
    assert [record for record in caplog.records if record.name != "asyncio"] == []


def test_a_start_does_not_pay_for_questions():
    program = "import sys, osmia_broker.running.broker; print({'aiosqlite', 'sqlalchemy.ext.asyncio'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


# --- failures


async def recovers(reader: Reader, mend: Callable[[], Awaitable[None]]) -> None:
    for _ in range(2):
        with pytest.raises(StoreFailed, match=r"Expected the database x\.db to answer, but found: \w"):
            await reader.jobs()
    await mend()
    assert (await reader.jobs()).items == []
    await reader.close()


async def test_a_reader_answers_once_the_database_is_there(tmp_path: Path):
    made = Written(tmp_path / "later" / "x.db")
    await recovers(Reader(made.path), made.open)
    await made.close()


@pytest.mark.parametrize("content", [b"", b"not a database" * 1_000])
async def test_a_reader_answers_once_the_database_is_whole(tmp_path: Path, content: bytes):
    made = Written(tmp_path / "x.db")
    made.path.write_bytes(content)

    async def mend() -> None:
        made.path.unlink()
        await made.open()

    await recovers(Reader(made.path), mend)
    await made.close()


# --- closing


async def test_closing_stops_what_is_being_answered(written: Written):
    reader = await written(*instance(0))
    slow = [await start_endless(reader) for _ in range(CONNECTIONS)]
    waits = asyncio.create_task(reader.counts())
    await asyncio.sleep(0)
    await reader.close()
    answers = await asyncio.gather(*slow, waits, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    assert connections(reader) == 0
    with pytest.raises(OsmiaError, match="Expected the broker to be open, but it is stopping"):
        await reader.counts()
    await reader.close()


async def test_a_reader_that_was_never_asked_closes(written: Written):
    reader = written.reader()
    await reader.close()
    with pytest.raises(Unavailable):
        await reader.jobs()
