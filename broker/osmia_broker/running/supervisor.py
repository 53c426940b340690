"""Run several processes as one: start them, pass their logs on, start again those that end, and stop all together.

A process that ends before it was ever ready makes the whole fail, with its last words: its settings or its surroundings are wrong, and trying again
would hide that. One that was ready before is started again, after a pause that grows while it keeps ending.
"""

import asyncio
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from osmia_broker.running.child import NotStarted

START_S = 60.0  # for a loaded machine, and for a database that must be brought up to date
LOOK_S = 0.02
PROBE_S = 1.0  # between two questions whether a process is well
ANSWER_S = 2.0  # for each answer
PROBES_MAX = 4  # without a yes; counted, not timed, so that a machine that has slept does not kill its processes
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
CALM_S = 60.0  # a process that has lived so long has not ended because of how it was started
MARGIN_S = 5.0  # beyond the grace of the processes themselves, before they are killed
LINE_BYTES_MAX = 64 * 1024  # of a log; a longer line is passed on in pieces
LAST_WORDS_S = 1.0  # for the rest of a log; a process that the ended one has started may hold the pipe open
LAST_LINES = 15  # that a failure to start repeats
NO_START = -1  # in place of an exit code

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """One process of several.

    *is_ready* takes its process id, and is asked again and again from its start until it says yes, in a thread: it may block.

    *is_well* is asked from then on. A process that does not say yes `PROBES_MAX` times in a row hangs, and is killed.
    """

    number: int
    command: Sequence[str]
    is_ready: Callable[[int], bool]
    is_well: Callable[[], Awaitable[bool]] | None = None
    # What it reads at its standard input. Other users cannot see it, nor those who can see its environment.
    input: bytes = b""


def bound_to(parent: int, module: str, arguments: Iterable[str]) -> list[str]:
    """Return the command that calls `main` of *module* with *arguments*, in a Python that ends when its parent *parent* dies."""
    code = f"from osmia_broker.running.orphans import end_with; end_with({parent:d}); from {module} import main; main()"
    return [sys.executable, "-c", code, *arguments]


def pause_s(failures: int) -> float:
    """Return how long to wait before a process that has ended *failures* times in a row is started again."""
    return min(FIRST_PAUSE_S * 2.0 ** min(failures, 30), LONGEST_PAUSE_S)


def marked(line: bytes, number: int) -> bytes:
    """Return a line of the log of process *number* with that number: as a field of a JSON object, else in front."""
    if line.startswith(b'{"'):
        return b'{"process":%d,' % number + line[1:]
    return b"%d | " % number + line


class _Running:
    """A process that has been started."""

    def __init__(self, process: asyncio.subprocess.Process, number: int, write: Callable[[bytes], object]) -> None:
        self.process = process
        self.last_lines: deque[bytes] = deque(maxlen=LAST_LINES)
        self.passing_on = asyncio.ensure_future(self._pass_on(number, write))

    async def _pass_on(self, number: int, write: Callable[[bytes], object]) -> None:
        assert self.process.stderr is not None, "it is a pipe"
        rest = b""
        while data := await self.process.stderr.read(LINE_BYTES_MAX):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) >= LINE_BYTES_MAX:
                lines.append(rest)
                rest = b""
            for line in lines:
                self._write(line, number, write)
        if rest:
            self._write(rest, number, write)

    def _write(self, line: bytes, number: int, write: Callable[[bytes], object]) -> None:
        self.last_lines.append(line)
        write(marked(line, number) + b"\n")

    async def ended(self) -> int:
        """Wait for the end of the process and of its log, and return its exit code."""
        code = await self.process.wait()
        await asyncio.wait({self.passing_on}, timeout=LAST_WORDS_S)
        self.passing_on.cancel()
        return code

    def signal(self, how: signal.Signals) -> None:
        """Send a signal, if the process has not ended."""
        with suppress(ProcessLookupError):
            self.process.send_signal(how)

    @property
    def last_words(self) -> str:
        """The end of the log."""
        lines = b"\n".join(self.last_lines).decode("utf-8", "replace")
        return lines or "Expected the process to become ready, but its log is empty"


class Supervisor:
    """Keeps *programs* running until it is stopped. Their logs go to *write*, line by line. Start it in the main thread."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        grace_s: float,
        write: Callable[[bytes], object] | None = None,
        start_s: float = START_S,
        pause_s: Callable[[int], float] = pause_s,
        probe_s: float = PROBE_S,
    ) -> None:
        self._programs = programs
        self._grace_s, self._start_s, self._pause_s = grace_s, start_s, pause_s
        self._probe_s = probe_s
        self._write = write or _to_stderr
        self._running: dict[int, _Running] = {}
        self._ready: set[int] = set()
        self._are_ready = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Start all, keep them running until `stop`, and return when all have ended.

        Raises:
            NotStarted: a process ended before it was ever ready, or was not ready in time; the others have been stopped.
        """
        keeping = [asyncio.ensure_future(self._keep(one)) for one in self._programs]
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([*keeping, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            stopped.cancel()
            self._signal(signal.SIGTERM)
            _, late = await asyncio.wait(keeping, timeout=self._grace_s + MARGIN_S)
            if late:
                self._signal(signal.SIGKILL)
            outcomes = await asyncio.gather(*keeping, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def stop(self) -> None:
        """Stop all: SIGTERM, and SIGKILL for those that have not ended when their grace is over. A second call kills at once."""
        if self._stop.is_set():
            self._signal(signal.SIGKILL)
        self._stop.set()

    def _signal(self, how: signal.Signals) -> None:
        for one in self._running.values():
            one.signal(how)

    async def ready(self) -> None:
        """Wait until all processes have been ready."""
        await self._are_ready.wait()

    def pid(self, number: int) -> int:
        """Return the process id of the process *number*; 0 while it does not run."""
        running = self._running.get(number)
        return running.process.pid if running is not None else 0

    # --- one process

    async def _keep(self, program: Program) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while not self._stop.is_set():
            begun = loop.time()
            code = await self._run_once(program)
            if self._stop.is_set():
                return
            failures = 0 if loop.time() - begun > CALM_S else failures + 1
            pause = self._pause_s(failures - 1 if failures else 0)
            log.warning(
                "a process has ended and is started again",
                extra={"number": program.number, "exit_code": code, "pause": f"{pause:.1f}s"},
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stop.wait()

    async def _run_once(self, program: Program) -> int:
        """Start a process, and return its exit code when it has ended; `NO_START` if the system could not start it again.

        Raises:
            NotStarted: it was never ready, neither now nor before.
            OSError: it could not be started, now and never before.
        """
        try:
            running = await self._start(program)
        except OSError as error:
            if program.number not in self._ready:
                raise
            log.warning("a process cannot be started", extra={"number": program.number, "error": str(error)})
            return NO_START  # no memory or open file is left for now: the other processes go on, and this one is tried again
        return await self._watch(program, running)

    async def _start(self, program: Program) -> _Running:
        process = await asyncio.create_subprocess_exec(
            *program.command,
            stdin=asyncio.subprocess.PIPE if program.input else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            process_group=0,  # Ctrl-C reaches this process alone, which then stops the others in order
        )
        if process.stdin is not None:
            process.stdin.write(program.input)
            process.stdin.close()  # when it is written; whether the process reads it shows in whether it becomes ready
        running = self._running[program.number] = _Running(process, program.number, self._write)
        if self._stop.is_set():  # while it was being started
            running.signal(signal.SIGTERM)
        return running

    async def _watch(self, program: Program, running: _Running) -> int:
        """Return the exit code of a process when it has ended.

        Raises:
            NotStarted: it was never ready, neither now nor before.
        """
        ending = asyncio.ensure_future(running.ended())
        probing: asyncio.Task[None] | None = None
        try:
            is_ready = await self._until_ready(program, running, ending)
            if not is_ready and not ending.done():
                running.signal(signal.SIGKILL)
            if is_ready and program.is_well is not None:
                probing = asyncio.ensure_future(self._probe(program.number, program.is_well, running))
            code = await ending
        finally:
            ending.cancel()
            if probing is not None:
                probing.cancel()
            if self._running.get(program.number) is running and running.process.returncode is not None:
                del self._running[program.number]
        if not is_ready and program.number not in self._ready and not self._stop.is_set():
            raise NotStarted(f"process {program.number} did not start:\n{running.last_words}", code)
        return code

    async def _until_ready(self, program: Program, running: _Running, ending: "asyncio.Future[int]") -> bool:
        """Wait until a process is ready; return False if it ended, or is late."""
        loop = asyncio.get_running_loop()
        late = loop.time() + self._start_s
        while loop.time() < late:
            if await asyncio.to_thread(program.is_ready, running.process.pid):
                self._ready.add(program.number)
                if len(self._ready) == len(self._programs):
                    self._are_ready.set()
                return True
            if (await asyncio.wait({ending}, timeout=LOOK_S))[0]:
                return False
        return False

    async def _probe(self, number: int, is_well: Callable[[], Awaitable[bool]], running: _Running) -> None:
        """Kill a process that hangs: stopped, or caught in something that does not end."""
        failures = 0
        while failures < PROBES_MAX:
            await asyncio.sleep(self._probe_s)
            try:
                async with asyncio.timeout(ANSWER_S):
                    failures = 0 if await is_well() else failures + 1
            except Exception as error:
                log.debug("a probe failed", extra={"number": number}, exc_info=error)
                failures += 1
        if not self._stop.is_set():  # its grace is for what takes long at the end
            log.error("a process hangs and is killed", extra={"number": number, "probes": failures})
            running.signal(signal.SIGKILL)


def _to_stderr(line: bytes) -> None:
    with suppress(OSError):  # nobody reads it any more; the processes go on
        os.write(sys.stderr.fileno(), line)


async def run_until_signalled(supervisor: Supervisor) -> None:
    """Run *supervisor* until SIGTERM or SIGINT. Raises as `Supervisor.run`."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, supervisor.stop)
    try:
        await supervisor.run()
    finally:
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(one)
