"""The sources of every list: the database, the deployed processes and the names of their elements.

Each list is a module. Its functions take the sources as their first parameter and are decorated with `question`; `reader.py` makes
them the methods of `Reader`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from osmia_broker.errors import NotFound, Overloaded, TimedOut
from osmia_broker.store.read.database import Database, Source
from osmia_broker.store.read.definitions import Definitions
from osmia_broker.store.read.element_names import ElementNames
from osmia_broker.store.read.on_sqlite import SqliteSource

TIME_LIMIT_S = 10.0  # a page takes milliseconds; beyond this a filter has no index, and people have given up
QUESTIONS_MAX = 100  # 25 for each connection; more would mostly wait until their time is up

P = ParamSpec("P")
T = TypeVar("T")


class Sources:
    """Gives the lists everything that they read: the database, definitions and element names. A path is that of a file of SQLite."""

    def __init__(
        self, place: Path | Source, *, time_limit_s: float = TIME_LIMIT_S, questions_max: int = QUESTIONS_MAX
    ) -> None:
        source = SqliteSource(place) if isinstance(place, Path) else place
        self._threads = ThreadPoolExecutor(1, "osmia-read")  # one is enough: parsing holds the interpreter lock
        self.database = Database(source, self._threads)
        self.definitions = Definitions()
        self.element_names = ElementNames(self.database, self._threads)
        self.time_limit_s = time_limit_s
        self.questions_max = questions_max
        self.questions = 0  # being answered or waiting for a connection

    async def close(self) -> None:
        """Refuse new questions, stop the running ones, and close the connections. Safe to call twice."""
        await self.database.close()
        await self.element_names.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


S = TypeVar("S", bound=Sources)


def question(
    answer: Callable[Concatenate[S, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Bound the number of questions at a time, and the time that each may take. Decorates the functions of lists.

    The decorated function also raises:
        Overloaded: too many questions are being answered.
        TimedOut: the time limit is over.
        StoreFailed: the database cannot be opened, or a statement failed.
        Unavailable: the broker is stopping.
    """

    @wraps(answer)
    async def bounded(sources: S, /, *arguments: P.args, **named: P.kwargs) -> T:
        if sources.questions >= sources.questions_max:
            raise Overloaded(
                f"Expected at most {sources.questions_max} lists to be read at a time, but found one more; ask again later"
            )
        sources.questions += 1
        try:
            async with asyncio.timeout(sources.time_limit_s):
                return await answer(sources, *arguments, **named)
        except TimeoutError as error:
            raise TimedOut(
                f"Expected an answer within {sources.time_limit_s:g} s, but found that it takes longer; use narrower filters"
            ) from error
        finally:
            sources.questions -= 1

    return bounded


def no_such(noun: str, key: object) -> NotFound:
    """Make the refusal of a key that names nothing."""
    return NotFound(f"Expected to find {noun} with key '{key}', but no such {noun} was found")
