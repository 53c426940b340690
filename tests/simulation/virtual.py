"""An event loop whose time is imagined, and the machines that stand on it: each can be killed, or stopped and continued, between any two steps.

Whatever a machine has begun carries its name in its context, and so does all that comes of it. So code needs to know nothing of machines: those
steps of a stopped one wait until it goes on, and those of a dead one are never made. When nothing is ready, time jumps to the next timer.
"""

import asyncio
import contextvars
import zlib
from collections.abc import Callable, Coroutine
from heapq import heappush
from typing import Any

ROUNDS_MAX = 200_000  # of the loop without time passing; more are a circle
ENDINGS_MAX = 50  # seconds in which everything has to end that is cancelled

_machine: "contextvars.ContextVar[Machine | None]" = contextvars.ContextVar("machine", default=None)
WORLD = contextvars.Context()  #: what stands around the machines


async def passing(seconds: float) -> None:
    """Wait until so much of the imagined time has passed."""
    loop = asyncio.get_running_loop()
    passed: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(seconds, lambda: passed.done() or passed.set_result(None))
    try:
        await passed
    finally:
        timer.cancel()


class Machine:
    """A process on a machine of its own."""

    def __init__(self, loop: "VirtualLoop", name: str) -> None:
        self.name = name
        self.is_dead = self.is_stopped = False
        self._loop = loop
        self._waiting: list[asyncio.Handle] = []  # steps for when it goes on
        self.context = contextvars.copy_context()
        self.context.run(_machine.set, self)

    def do(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begin *work* on this machine."""
        return self._loop.create_task(work, context=self.context)

    def stop(self) -> None:
        """Let it make no step until it goes on."""
        self.is_stopped = True

    def go_on(self) -> None:
        """Let it make the steps that have waited."""
        self.is_stopped = False
        waiting, self._waiting = self._waiting, []
        self._loop.add_ready(waiting)

    def kill(self) -> None:
        """Let it never make a step again."""
        self.is_dead = True

    def keeps(self, step: asyncio.Handle) -> bool:
        """Keep a *step* back, if the machine cannot make it now. Those of a dead one are kept for the end of the whole loop."""
        if not (self.is_stopped or self.is_dead):
            return False
        self._waiting.append(step)
        return True


def machine_here() -> Machine | None:
    """Return the machine whose step this is; None for the world around them."""
    return _machine.get()


def _is_kept(step: Any) -> bool:
    """Whether a step is kept back by its machine. One that is made is noted in the log of all steps."""
    machine = step._context.get(_machine)
    if machine is not None and machine.keeps(step):
        return True
    step._loop.made(step, "" if machine is None else machine.name)
    return False


class _Step(asyncio.Handle):
    def _run(self) -> None:
        if not _is_kept(self):
            super()._run()


class _Timer(asyncio.TimerHandle):
    def _run(self) -> None:
        if not _is_kept(self):
            super()._run()


def _name_of(callback: Any) -> str:
    """Name what a step does, without an address: a step of a task by the coroutine that goes on."""
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return task.get_coro().__qualname__  # type: ignore[union-attr]
    return getattr(callback, "__qualname__", None) or type(callback).__name__


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop without threads and sockets. *connect* and *listen* stand for its network."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1_000.0
        self._rounds = 0
        self._selector = self  # type: ignore[assignment]
        self.connect: Callable[..., Any] | None = None
        self.listen: Callable[..., Any] | None = None
        self.faults: list[str] = []  # that nobody has caught
        self.steps: dict[int, tuple[int, int]] = {}  # by second: how many were made, and a checksum over all up to then
        self._checksum = 0
        self.set_exception_handler(self._note)
        # With those of dead machines: nothing may end by itself.
        self._tasks: dict[asyncio.Task[Any], Machine | None] = {}
        self.set_task_factory(self._made)  # type: ignore[arg-type]

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(f"{context['message']}: {context.get('exception')!r}")

    def _made(self, loop: asyncio.AbstractEventLoop, work: Any, context: Any = None) -> "asyncio.Task[Any]":
        task = asyncio.Task(work, loop=loop, context=context)
        self._tasks[task] = (context or contextvars.copy_context()).get(_machine)
        task.add_done_callback(self._tasks.pop, context=WORLD)
        return task

    # --- time

    def time(self) -> float:
        return self._now_s

    def select(self, timeout: float | None) -> list[Any]:
        """Take the part of the selector: nothing comes from outside, so time passes."""
        self._rounds += 1
        if timeout is None:
            raise AssertionError("nothing is left that could happen")
        if timeout > 0:
            self._now_s = max(self._now_s, self._scheduled[0].when())  # type: ignore[attr-defined]
            self._rounds = 0
        assert self._rounds < ROUNDS_MAX, "the loop goes round and round, and time does not pass"
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing came."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    # --- steps

    def made(self, step: Any, machine: str) -> None:
        """Note a step: two runs of one seed make the same ones at the same times."""
        text = f"{self._now_s:.9f} {machine} {_name_of(step._callback)}"
        self._checksum = zlib.crc32(text.encode(), self._checksum)
        count, _ = self.steps.get(second := int(self._now_s), (0, 0))
        self.steps[second] = count + 1, self._checksum

    def _call_soon(self, callback: Any, args: Any, context: Any) -> asyncio.Handle:
        step = _Step(callback, args, self, context)
        self.add_ready([step])
        return step

    def add_ready(self, steps: list[asyncio.Handle]) -> None:
        """Make *steps* in this order, after those that are ready."""
        self._ready.extend(steps)  # type: ignore[attr-defined]

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Do at once what a thread would do."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - for whoever waits
            done.set_exception(error)
        return done

    # --- the network

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:  # type: ignore[override]
        assert self.connect is not None, "there is a network"
        return await self.connect(protocol_factory, host, port)

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:  # type: ignore[override]
        assert self.listen is not None, "there is a network"
        return self.listen(protocol_factory, host, port)

    # --- the end

    def end(self) -> None:
        """Cancel whatever is left, on all machines, and close."""
        try:
            for _ in range(ENDINGS_MAX):
                if not self._tasks:
                    return
                for machine in dict.fromkeys(one for one in self._tasks.values() if one is not None):
                    machine.is_dead = False
                    machine.go_on()
                for task in [*self._tasks]:
                    task.cancel()
                self.run_until_complete(passing(1))
            raise AssertionError(f"tasks do not end: {[*self._tasks][:3]}")
        finally:
            self.close()
