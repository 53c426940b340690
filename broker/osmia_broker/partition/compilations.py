"""Stored models, compiled again when they are needed: neither on the event loop nor in the store's thread.

Commands that need a model wait here until it is compiled; all others go on meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.resources import BadResource, compile_resource
from osmia_broker.partition.batch import Blocked
from osmia_broker.state.tables.definitions import Compiled

Model = Compiled | InvalidState  #: a compiled resource, or the reason why it cannot be had
Compiler = Callable[[str, bytes], Awaitable[Model]]  #: from (name, content)


async def compile_in_thread(name: str, content: bytes) -> Model:
    """Compile a stored resource in a thread. A resource that this version cannot read gives the refusal for those who need it."""
    return await asyncio.to_thread(_compile, name, content)


def _compile(name: str, content: bytes) -> Model:
    try:
        return compile_resource(name, content).compiled
    except BadResource as fault:
        return InvalidState(f"Expected the stored resource '{name}' to be readable, but found: {fault}")
    except Exception as defect:  # noqa: BLE001 - those who need this model are refused, nobody else
        return InvalidState(f"Expected the stored resource '{name}' to be readable, but found a defect: {defect!r}")


async def _not_found(name: str) -> Model:
    return InvalidState(f"Expected the stored resource '{name}', but found none")


class Compilations:
    """The compilations under way, each with the commands that wait for it."""

    def __init__(self, compiler: Compiler, done: Callable[[str, Model, list[Blocked]], None]) -> None:
        self._compiler = compiler
        self._done = done
        self._waiting: dict[str, list[Blocked]] = {}  # by checksum
        self._tasks: set[asyncio.Future[Model]] = set()

    def begin(self, checksum: str, name: str, content: bytes | None) -> None:
        """Compile a resource, unless that is under way. One that the store does not have gives the refusal for those who need it."""
        if checksum in self._waiting:
            return
        self._waiting[checksum] = []
        task = asyncio.ensure_future(self._compiler(name, content) if content is not None else _not_found(name))
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._finish(checksum, ended))

    def _finish(self, checksum: str, task: "asyncio.Future[Model]") -> None:
        self._tasks.discard(task)
        blocked = self._waiting.pop(checksum, None)
        if blocked is not None and not task.cancelled():
            failure = task.exception()
            model = task.result() if failure is None else InvalidState(f"Expected a model, but found {failure!r}")
            self._done(checksum, model, blocked)

    def keep(self, blocked: Blocked) -> bool:
        """Let a command wait if one of the resources that it wants is being compiled; return whether it does."""
        for checksum in blocked.wanted.resources:
            if checksum in self._waiting:
                self._waiting[checksum].append(blocked)
                return True
        return False

    def drop(self) -> list[Blocked]:
        """Forget all compilations; return the commands that waited."""
        lost = [blocked for waiting in self._waiting.values() for blocked in waiting]
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        return lost

    def commands(self) -> Iterable[Blocked]:
        """Yield the commands that wait."""
        for waiting in self._waiting.values():
            yield from waiting

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values())) if self._waiting else 0  # nearly always there is none
