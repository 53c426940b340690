"""The two ways in which a lane takes jobs: polls, and a stream that is open while the worker keeps up.

**Polls** bring jobs that wait. A poll asks for as many jobs as slots are free, and stays open while there are none.

**A stream** brings jobs that become activatable. The gateway pushes them as fast as they come, and does not ask how many the
worker can hold. They lie in HTTP/2 windows and in buffers of the gateway, leased to this worker, while other workers are
idle. A slow reader does not prevent this, and neither does a small window: 64 kB hold some 200 jobs, and Zeebe's gateway
buffers 32 kB more. Therefore the stream is always read at once, and it is closed when the slots are full:

1. Polls that do not wait bring the backlog. When such a poll finds nothing, the stream is opened. One poll for a single job
   stays open beside it, for jobs that streams do not bring (a job that another stream did not read, for example).
2. When a job finds no free slot, the stream is closed: first jobs are read until none has come during two commits of the
   broker, then the call is cancelled, then the surplus jobs are given back. If they were given back before, they would be
   pushed to this stream again.
3. As soon as a slot is free, step 1 begins again.

Under load the jobs thus come by polls, which bring several at a time; otherwise each job is pushed at once. Measured with two
workers of one slot, a handler of 0.5 s and 20 jobs that are created while only one worker runs: 10 and 10 in 5.1 s (all 20
to the first worker and 10 s before). At 60 jobs a second for two workers that can do 80, a job starts 4 ms after its
creation at the median, by polls alone 36 ms. The rest of the risk: a job that is pushed in the moment of the cancel is lost
to all workers until its lease ends. That happened to 1 of 3,600 jobs at a load of 400 a second, and the protocol has no call
that ends a stream without this risk.

**User tasks** of all processes have one job type. So a poll also brings tasks that other workers, or people, are to
complete. The poller gives them back at once. But the oldest task always comes first, so before that it polls on until it has
seen the tasks behind them. Then it rests, the longer the more tasks of others it found, and everybody sees them meanwhile. A
stream cannot rest: a task that one worker gives back is pushed to the next worker, and back again. So user tasks are polled
only.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from osmia import errors
from osmia.backoff import Backoff
from osmia.client import Client
from osmia.job import Job
from osmia.lease import HeldJob, LeaseClock
from osmia.settings import JobSettings
from osmia_proto import gateway

log = logging.getLogger("osmia.worker")

PAUSE_FIRST_MS = 100
PAUSE_MAX_MS = 10_000
REMIND_S = 60.0  # so often a worker says that it still cannot work
REASON_CHARS_MAX = 200  # of gRPC's own words, which name every address that it has tried
STEADY_S = 10.0  # a loop that worked for so long starts over with the first pause
HASTY_S = 0.5  # a poll that ends empty before this did not wait
NO_WAIT_MS = -1  # on the wire 0 is the gateway's own time
REST_PER_JOB_S = 0.1  # per task of others that was found: up to 100 tasks, looking costs 20 writes a second
REST_MIN_S, REST_MAX_S = 0.1, 10.0
# The rest lasts at least so many times as long as the look, so that tasks are visible nine tenths of the time.
REST_SHARE = 10
SILENCE_MAX_S = 1.5  # for one answer of a broker that hangs
DRAIN_MAX_S = 8.0  # for a broker that is slow, but answers: jobs that are on their way would be lost
COMMITS_MAX = 10  # some 50 ms of holding jobs that others could work on
# A broker stores many commands at a time, and pushes their jobs together. After one such pause more may come.
QUIET_COMMITS = 2


class Slots(Protocol):
    """The lane that jobs are taken for; see `Lane`."""

    type: str
    client: Client
    settings: JobSettings
    request: gateway.ActivateJobsRequest
    leases: LeaseClock
    arrived: int

    @property
    def has_room(self) -> bool:
        """Whether a slot is free that no job waits for."""

    @property
    def some_held_job(self) -> Job | None:
        """A job that is held here; None if there is none."""

    async def free_slots(self) -> int:
        """Wait for a free slot and return how many are free now."""

    def accept(self, job: Job, *, asked_s: float) -> bool:
        """Take charge of a job. Return False if no handler is there for it."""

    async def return_surplus(self) -> None:
        """Give back the jobs that found no free slot."""

    async def release(self, jobs: list[HeldJob]) -> None:
        """Give back *jobs* that were not started."""


class Poller:
    """Takes jobs by polls. While *stream* is open it leaves new jobs to the stream."""

    def __init__(self, lane: Slots, stream: "PushedJobs | None") -> None:
        self._lane = lane
        self._stream = stream
        # User tasks that no handler here is for, held until the poller has looked past them.
        self._foreign: list[HeldJob] = []
        self._answered = asyncio.Event()  # no poll is under way that will be answered at once
        self._answered.set()

    async def poll(self) -> None:
        """Take jobs once, as many as there are slots; wait while there are none."""
        free = await self._lane.free_slots()
        if self._stream and self._stream.is_ready:
            if await self._ask(free, NO_WAIT_MS):
                await self._lane.return_surplus()
                return
            self._stream.open()
        started = asyncio.get_running_loop().time()
        wait_ms = self._lane.request.requestTimeout
        streaming = self._stream is not None and self._stream.is_open
        taken = await self._ask(1 if streaming else free, wait_ms)
        if self._foreign:
            await self._look_past(is_full=taken >= free)
        elif not taken and asyncio.get_running_loop().time() - started < min(HASTY_S, wait_ms / 2000):
            await asyncio.sleep(HASTY_S)  # a gateway that does not let polls wait must not be asked in a circle
        if not (self._stream and self._stream.is_open):
            await self._lane.return_surplus()

    async def answered(self) -> None:
        """Wait for the answer to a poll that does not wait for jobs: its jobs would be lost if it were cancelled."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), SILENCE_MAX_S)

    async def release_foreign(self) -> None:
        """Give back the tasks of others."""
        foreign, self._foreign = self._foreign, []
        await self._lane.release(foreign)

    async def _look_past(self, *, is_full: bool) -> None:
        """Poll on while tasks of others may stand before ours, give them back, then rest.

        *is_full* says whether the last poll brought as many jobs as it asked for, so that more may wait.
        """
        clock = asyncio.get_running_loop()
        started = clock.time()
        while is_full and self._lane.has_room:
            free = await self._lane.free_slots()
            is_full = await self._ask(free, NO_WAIT_MS) >= free
        rest_s = REST_MIN_S  # if jobs of ours may still wait behind those that were taken
        if not is_full:
            rest_s = min(max(REST_MIN_S, REST_PER_JOB_S * len(self._foreign)), REST_MAX_S)
        await self.release_foreign()
        await asyncio.sleep(max(rest_s, REST_SHARE * (clock.time() - started)))

    async def _ask(self, jobs_max: int, wait_ms: int) -> int:
        """Take up to *jobs_max* jobs and return how many came, those of others included."""
        request = gateway.ActivateJobsRequest()
        request.CopyFrom(self._lane.request)
        request.maxJobsToActivate, request.requestTimeout = jobs_max, wait_ms
        asked_s = self._lane.leases.now_s()
        if wait_ms == NO_WAIT_MS:
            self._answered.clear()
        try:
            return await self._accept(request, asked_s)
        finally:
            self._answered.set()

    async def _accept(self, request: gateway.ActivateJobsRequest, asked_s: float) -> int:
        taken = 0
        async with contextlib.aclosing(self._lane.client.job_batches(request)) as batches:
            async for batch in batches:
                taken += len(batch)
                for job in batch:
                    self._take(job, asked_s)
        return taken

    def _take(self, job: Job, asked_s: float) -> None:
        if not self._lane.accept(job, asked_s=asked_s):
            self._foreign.append(HeldJob(job, self._lane.leases.over_at(job, asked_s=asked_s)))


class PushedJobs:
    """Takes jobs by a stream, from `open` until a job finds no free slot."""

    def __init__(self, lane: Slots) -> None:
        self._lane = lane
        self._opened = asyncio.Event()
        self._ending = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self.is_ready = True  # closed, and may be opened
        self.is_open = False
        self._is_closed = False

    def open(self) -> None:
        """Open the stream: `read` begins to read."""
        self.is_ready, self.is_open = False, True
        self._ending.clear()
        self._opened.set()

    def end_soon(self) -> None:
        """End the stream in good order if it is open; `read` does it."""
        if self.is_open:
            self._ending.set()

    async def close(self) -> None:
        """End the stream for good and wait until all jobs are in that were pushed to it."""
        self._is_closed = True
        self._ending.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), 2 * DRAIN_MAX_S)

    async def read(self) -> None:
        """Wait until the stream is opened, read it until it ends, and give back the jobs that found no slot.

        Raises:
            OsmiaError: the stream failed.
        """
        self.is_ready = not (self.is_open or self._is_closed)
        await self._opened.wait()
        if not self._is_closed:
            self._ended.clear()
        self._opened.clear()
        try:
            failure = None if self._is_closed else await self._read_until_ended()
        finally:
            self.is_open = False
            self._ended.set()
        if not self._is_closed:  # else the lane gives them back, together with others
            await self._lane.return_surplus()
        if failure:
            raise failure
        if not self._ending.is_set():
            await asyncio.sleep(HASTY_S)  # the gateway ended it

    async def _read_until_ended(self) -> BaseException | None:
        """Read until `end_soon` or the end of the stream, and return the error that ended it."""
        reader = asyncio.create_task(self._read_jobs())
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait([reader, ending], return_when=asyncio.FIRST_COMPLETED)
            if not reader.done():
                await until_quiet(self._lane, ended=reader.done)
        finally:
            reader.cancel()
            ending.cancel()
            await asyncio.wait([reader, ending])
        if reader.cancelled():
            await until_quiet(self._lane)  # the gateway shall know of the end before it gets the jobs back
            return None
        return reader.exception()

    async def _read_jobs(self) -> None:
        """Accept each job as it comes."""
        asked_s = self._lane.leases.now_s()
        request = self._lane.request
        stream = self._lane.client.stream_jobs(
            request.type,
            timeout_ms=request.timeout,
            worker=request.worker,
            fetch_variables=request.fetchVariable,
            tenant_ids=request.tenantIds,
            with_lease=request.withLease,
        )
        async with contextlib.aclosing(stream) as jobs:
            async for job in jobs:
                self._lane.accept(job, asked_s=asked_s)


async def until_quiet(lane: Slots, ended: Callable[[], bool] = lambda: False) -> None:
    """Wait until no job has arrived during QUIET_COMMITS commits of the broker, or until it has *ended*.

    The jobs of open calls are in then. A call that is cancelled loses the jobs that are on their way to it. If jobs come all
    the time, return after COMMITS_MAX, just after a commit: the jobs of the next one are some milliseconds away.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_MAX_S):
            await _see_commits(lane, ended)


async def _see_commits(lane: Slots, ended: Callable[[], bool]) -> None:
    quiet = 0
    for _ in range(COMMITS_MAX):
        arrived = lane.arrived
        if ended() or not await _is_answered(_some_command(lane)):
            return
        quiet = quiet + 1 if lane.arrived == arrived else 0
        if quiet == QUIET_COMMITS:
            return
    await _is_answered(lane.client.topology())


def _some_command(lane: Slots) -> Coroutine[Any, Any, object]:
    """Return a call that is answered when the broker has stored what it is storing now, and so has sent those jobs."""
    job = lane.some_held_job
    if job is not None:
        return lane.client.update_job_timeout(job.key, lane.settings.timeout_ms, lease_token=job.lease_token)
    return lane.client.topology()  # it stores nothing; but this worker holds no job, so that few can be on their way


async def _is_answered(call: Coroutine[Any, Any, object]) -> bool:
    """Wait for the answer to *call*, which may be a refusal. Return False if the broker is away or hangs."""
    try:
        await asyncio.wait_for(call, SILENCE_MAX_S)
    except errors.Refused:  # the job has ended meanwhile, or the gateway lacks the call
        return True
    except (errors.OsmiaError, TimeoutError):
        return False
    return True


async def repeat(once: Callable[[], Coroutine[Any, Any, None]], type: str, *, optional: str = "") -> None:
    """Do *once* again and again until cancelled. A failure costs a growing pause and a line in the log, never the loop.

    The line is a warning at first and once a minute; and another says when it works again.

    Only if the gateway does not have the call, the loop of something *optional* ends.
    """
    pauses = Backoff(first_ms=PAUSE_FIRST_MS, max_ms=PAUSE_MAX_MS)
    clock = asyncio.get_running_loop()
    outage = Outage(type)
    while True:
        started = clock.time()
        try:
            await once()
        except errors.Unimplemented as error:
            if optional:
                log.warning("job type '%s' goes on without a %s: %s", type, optional, error)
                return
            log.error("job type '%s' cannot be polled: %s", type, error)  # noqa: TRY400
        except errors.Overloaded:
            log.debug("job type '%s' slows down: the broker is busy", type)
        except errors.OsmiaError as error:
            outage.report(error, clock.time())
        except Exception:
            log.exception("job type '%s' will try again after a fault of the client", type)
        else:
            outage.end(clock.time())
            pauses.reset()
            continue
        if clock.time() - started > STEADY_S:
            pauses.reset()
        await asyncio.sleep(pauses.next_s())


class Outage:
    """Reports that jobs of a type cannot be taken: at once, then once a minute, and when it is over."""

    def __init__(self, type: str) -> None:
        self._type = type
        self._since_s: float | None = None
        self._reported_s = 0.0

    def report(self, error: errors.OsmiaError, now_s: float) -> None:
        """Note a failed attempt."""
        is_due = self._since_s is None or now_s - self._reported_s >= REMIND_S
        if self._since_s is None:
            self._since_s = now_s
        if is_due:
            self._reported_s = now_s
        level = logging.WARNING if is_due else logging.DEBUG
        log.log(level, "job type '%s' will try again: %s", self._type, _in_one_line(error))

    def end(self, now_s: float) -> None:
        """Note an attempt that succeeded. The line is as loud as the warning that it takes back."""
        if self._since_s is not None:
            log.warning("job type '%s' works again after %.0f s", self._type, now_s - self._since_s)
        self._since_s = None


def _in_one_line(error: errors.OsmiaError) -> str:
    """Return a failure as text. The usual reason of a broker that cannot be reached is that it does not run."""
    text = " ".join(str(error).split())[:REASON_CHARS_MAX]
    return f"is the broker running? {text}" if isinstance(error, errors.Unavailable) else text
