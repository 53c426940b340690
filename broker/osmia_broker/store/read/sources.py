"""The sources of every list: the database, the deployed processes and the names of their elements.

Each list is a module. Its functions take the sources as their first parameter and are decorated with `question`, which says where a broker with
several partitions asks; `reader.py` makes them the methods of `Reader`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from osmia_broker.base.errors import NotFound, Overloaded, TimedOut
from osmia_broker.state.partitioning import partition_of_key
from osmia_broker.store.read.deployed.definitions import Definitions
from osmia_broker.store.read.deployed.element_names import ElementNames
from osmia_broker.store.read.sql.database import CONNECTIONS, Database, Source
from osmia_broker.store.read.sql.on_sqlite import SqliteSource

TIME_LIMIT_S = 10.0  # a page takes milliseconds; beyond this a filter has no index, and people have given up
QUESTIONS_MAX = 100  # 25 for each connection; more would mostly wait until their time is up
SHARED_CONNECTIONS = 2  # to each of several databases: a list of all of them takes one of each

P = ParamSpec("P")
T = TypeVar("T")


class Sources:
    """Gives the lists everything that they read: the database, definitions and element names. A path is that of a file of SQLite.

    With several *places*, one for each partition in order, `parts` has the sources of each. `database` is that of the first, which has all
    definitions; a list of more than definitions asks the parts.
    """

    def __init__(
        self, *places: Path | Source, time_limit_s: float = TIME_LIMIT_S, questions_max: int = QUESTIONS_MAX
    ) -> None:
        self._threads = ThreadPoolExecutor(1, "osmia-read")  # one is enough: parsing holds the interpreter lock
        databases = self._databases([*map(_source, places)])
        self.database = self.leases = databases[0]
        self.number = 1  #: of the partition
        self.definitions = Definitions()
        self.element_names = ElementNames(self.database, self._threads)
        self.time_limit_s = time_limit_s
        self.questions_max = questions_max
        self.questions = 0  # being answered or waiting for a connection
        self.parts: tuple[Any, ...] = (self,)
        if len(databases) > 1:
            self.parts = tuple(self._part(one, number) for number, one in enumerate(databases, 1))
            if not databases[0].source.shares_connections:
                for part in self.parts:
                    part.leases = part.database

    def _databases(self, sources: Sequence[Source]) -> list[Database]:
        """Return the database of each source, over connections of its own, or over the same ones where the sources share them."""
        first, *others = sources
        if not others or first.shares_connections:
            database = Database(first, self._threads, CONNECTIONS)
            return [database, *map(database.beside, others)]
        return [Database(one, self._threads, SHARED_CONNECTIONS) for one in sources]

    def _part(self, database: Database, number: int) -> "Sources":
        """Return the sources of one partition. It shares what is the same in all."""
        part = copy(self)
        part.database, part.number, part.parts = database, number, (part,)
        return part

    def part_of(self, key: object) -> "Sources":
        """Return the sources of the partition that has given out *key*; the first ones for what is no key of a partition."""
        number = partition_of_key(key) if isinstance(key, int) and len(self.parts) > 1 else 1
        part: Sources = self.parts[number - 1] if 1 <= number <= len(self.parts) else self.parts[0]
        return part

    async def close(self) -> None:
        """Refuse new questions, stop the running ones, and close the connections. Safe to call twice."""
        for part in self.parts:
            await part.database.close()
        await self.element_names.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _source(place: Path | Source) -> Source:
    return SqliteSource(place) if isinstance(place, Path) else place


S = TypeVar("S", bound=Sources)
Ask = Callable[[Any], Awaitable[Any]]  #: asks the sources of one partition
Across = Callable[[Any, Ask, dict[str, Any]], Awaitable[Any]]  #: given all sources, `Ask` and the arguments by name


async def of_cluster(sources: Sources, ask: Ask, _given: dict[str, Any]) -> Any:
    """Ask the first partition: it has all definitions and whatever else belongs to the whole cluster."""
    return await ask(sources.parts[0])


def of_key(name: str) -> Across:
    """Ask the partition that has given out the key that is the argument *name*."""

    async def asked(sources: Sources, ask: Ask, given: dict[str, Any]) -> Any:
        return await ask(sources.part_of(given[name]))

    return asked


def of_all(merge: Callable[[list[Any], dict[str, Any]], Any]) -> Across:
    """Ask all partitions; *merge* makes one answer of theirs, and is given the arguments by name too."""

    async def asked(sources: Sources, ask: Ask, given: dict[str, Any]) -> Any:
        return merge(await _all_of(map(ask, sources.parts)), given)

    return asked


async def _all_of(questions: Iterable[Awaitable[Any]]) -> list[Any]:
    """Return all answers. If one question fails, end the others too: they would run on outside the time and the bound of the whole."""
    asked = [asyncio.ensure_future(one) for one in questions]
    try:
        return await asyncio.gather(*asked)
    except BaseException:
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        raise


async def by_itself(sources: Sources, ask: Ask, _given: dict[str, Any]) -> Any:
    """Let the question ask the parts itself."""
    return await ask(sources)


def question(
    across: Across,
) -> Callable[[Callable[Concatenate[S, P], Awaitable[T]]], Callable[Concatenate[S, P], Coroutine[Any, Any, T]]]:
    """Bound the number of questions at a time, and the time that each may take. Decorates the functions of lists.

    *across* says which partitions a broker with several ones asks.

    The decorated function also raises:
        Overloaded: too many questions are being answered.
        TimedOut: the time limit is over.
        StoreFailed: the database cannot be opened, or a statement failed.
        Unavailable: the broker is stopping.
    """

    def decorated(
        answer: Callable[Concatenate[S, P], Awaitable[T]],
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
        parameters = signature(answer)

        async def everywhere(sources: S, arguments: tuple[Any, ...], named: dict[str, Any]) -> T:
            given = parameters.bind(sources, *arguments, **named)
            given.apply_defaults()
            found: T = await across(sources, lambda part: answer(part, *arguments, **named), given.arguments)
            return found

        @wraps(answer)
        async def bounded(sources: S, /, *arguments: P.args, **named: P.kwargs) -> T:
            if sources.questions >= sources.questions_max:
                raise Overloaded(
                    f"Expected at most {sources.questions_max} lists to be read at a time, but found one more; ask again later"
                )
            sources.questions += 1
            try:
                async with asyncio.timeout(sources.time_limit_s):
                    if len(sources.parts) == 1:
                        return await answer(sources, *arguments, **named)
                    return await everywhere(sources, arguments, named)
            except TimeoutError as error:
                raise TimedOut(
                    f"Expected an answer within {sources.time_limit_s:g} s, but found that it takes longer; use narrower filters"
                ) from error
            finally:
                sources.questions -= 1

        return bounded

    return decorated


def no_such(noun: str, key: object) -> NotFound:
    """Make the refusal of a key, or of a name (a text), that names nothing."""
    named = f"'{key}'" if isinstance(key, str) else f"with key '{key}'"
    return NotFound(f"Expected to find {noun} {named}, but no such {noun} was found")
