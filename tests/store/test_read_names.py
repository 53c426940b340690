"""Element names: read from the model once, in a thread, for all who wait for them."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from osmia_broker import model
from osmia_broker.base.errors import Unavailable
from osmia_broker.store.read import Reader
from osmia_broker.store.read.sql.database import CONNECTIONS
from tests.patience import ANSWER_S
from tests.store.conftest import Written
from tests.store.reading import instance


class SlowParser:
    """The parser of models; it waits until it may go on."""

    def __init__(self) -> None:
        self.calls = 0
        self.may_go_on = threading.Event()
        self._parse = model.parse

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        assert self.may_go_on.wait(ANSWER_S), "the test let it go on"
        return self._parse(*arguments)


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowParser]:
    made = SlowParser()
    monkeypatch.setattr(model, "parse", made)
    yield made
    made.may_go_on.set()


async def parsing(parser: SlowParser, reader: Reader) -> None:
    """Return when the parser was called and all connections are free again."""
    while not parser.calls or reader.database.connections.free._value < CONNECTIONS:
        await asyncio.sleep(0)


async def names(reader: Reader) -> list[str]:
    return [job.element_name for job in (await reader.jobs()).items]


async def test_callers_wait_for_one_reading(written: Written, parser: SlowParser):
    reader = await written(*instance(0))
    waiting = [asyncio.create_task(names(reader)) for _ in range(2 * CONNECTIONS)]
    await parsing(parser, reader)
    waiting[0].cancel()  # the one that began it
    assert (await reader.counts()).jobs == 1, "lists without names go on"
    parser.may_go_on.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert (answers[1:], parser.calls) == ([["Ask somebody"]] * (2 * CONNECTIONS - 1), 1)
    assert await names(reader) == ["Ask somebody"]
    assert parser.calls == 1


async def test_closing_does_not_wait_for_a_reading(written: Written, parser: SlowParser):
    reader = await written(*instance(0))
    waiting = asyncio.create_task(names(reader))
    await parsing(parser, reader)
    await reader.close()
    with pytest.raises(Unavailable):
        await waiting


async def test_a_reading_that_failed_is_tried_again(written: Written, monkeypatch: pytest.MonkeyPatch):
    reader = await written(*instance(0))

    def fail(*_arguments: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(model, "parse", fail)
    with pytest.raises(MemoryError):
        await names(reader)
    monkeypatch.undo()
    assert await names(reader) == ["Ask somebody"]
