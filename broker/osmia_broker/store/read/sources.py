"""The sources of every list: the database, the deployed processes and the names of their elements.

A list is a module with functions that take the sources and are marked with `question`. `reader.py` gathers them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from osmia_broker.errors import Overloaded, TimedOut
from osmia_broker.store.read.database import Database
from osmia_broker.store.read.definitions import Definitions
from osmia_broker.store.read.element_names import ElementNames

TIME_LIMIT_S = (
    10.0  # a page takes milliseconds; a longer wait means a filter without an index, and people have gone by then
)
QUESTIONS_MAX = 100  # 25 for each connection; more would mostly wait until their time is up

P = ParamSpec("P")
T = TypeVar("T")


class Sources:
    """What the lists of the database *path* read from."""

    def __init__(self, path: Path, *, time_limit_s: float = TIME_LIMIT_S, questions_max: int = QUESTIONS_MAX) -> None:
        self._threads = ThreadPoolExecutor(1, "osmia-read")  # one: its work is Python and competes with the event loop
        self.database = Database(path, self._threads)
        self.definitions = Definitions()
        self.element_names = ElementNames(self.database, self._threads)
        self.time_limit_s = time_limit_s
        self.questions_max = questions_max
        self.questions = 0  # that run or wait for a connection

    async def close(self) -> None:
        """Refuse what is asked from now on, stop what is being answered, and give everything back. Safe to call twice."""
        await self.database.close()
        await self.element_names.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


S = TypeVar("S", bound=Sources)


def question(
    answer: Callable[Concatenate[S, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Bound the decorated function: how many run at a time, and how long each may take.

    The bounded function raises, besides what *answer* raises:
        Overloaded: as many questions as may be are being answered.
        TimedOut: the time limit is over.
        StoreFailed: the database does not answer.
        Unavailable: the broker is stopping.
    """

    @wraps(answer)
    async def bounded(sources: S, /, *arguments: P.args, **named: P.kwargs) -> T:
        if sources.questions >= sources.questions_max:
            raise Overloaded(
                f"Expected at most {sources.questions_max} lists to be read at a time, but found one more; ask again later"
            )
        sources.questions += 1
        limit = asyncio.timeout(sources.time_limit_s)
        try:
            async with limit:
                return await answer(sources, *arguments, **named)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimedOut(
                f"Expected an answer within {sources.time_limit_s:g} s, but found that it takes longer; use filters that match less"
            ) from error
        finally:
            sources.questions -= 1

    return bounded
