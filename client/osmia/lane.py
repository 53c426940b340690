"""The jobs of one type on their way through a worker: taken while slots are free, worked on, reported.

A lane has `max_jobs` slots. `taking` fills them by polls and by a stream. A job leaves its slot when its handler is done;
up to `max_jobs` more may then wait for the broker's answer, so that a broker that takes long to store things does not leave
the slots empty. A job that finds no free slot is surplus: it is given back, so that a worker with free slots can have it.
Lanes share nothing, so a broker that slows one job type down does not slow another.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from osmia import errors, reporting
from osmia.client import Client
from osmia.handler import TooLate
from osmia.job import Job, Outcome
from osmia.lease import HeldJob, LeaseClock
from osmia.settings import JobSettings
from osmia.taking import Poller, PushedJobs, repeat, until_quiet
from osmia_proto import gateway

log = logging.getLogger("osmia.worker")

PATIENCE_S = 0.1  # of one job for a slot; giving it back and taking it again takes as long, where a broker ends leases by the second
FAREWELL_S = 5.0  # for giving jobs back to a broker that may be away

Handle = Callable[[Job, Callable[[], bool]], Awaitable[Outcome]]


class Lane:
    """Takes jobs of one type and runs *handle* on those that are *wanted*; with *wanted* None on all.

    *handle* gets a job and a function that says whether its lease has ended.
    """

    def __init__(
        self,
        client: Client,
        type: str,
        settings: JobSettings,
        *,
        handle: Handle,
        wanted: Callable[[Job], bool] | None,
        fetch_variables: Sequence[str],
        worker: str,
        wait_ms: int,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.type = type
        self.client = client
        self.settings = settings
        self.request = gateway.ActivateJobsRequest(
            type=type,
            worker=worker,
            timeout=settings.timeout_ms,
            fetchVariable=fetch_variables,
            requestTimeout=wait_ms,
            tenantIds=settings.tenant_ids,
            withLease=settings.with_lease,
        )
        self.leases = LeaseClock(settings.timeout_ms, now_s=now_s)
        self._handle = handle
        self._wanted = wanted
        self._held: dict[int, HeldJob] = {}
        self._surplus: deque[HeldJob] = deque()  # taken, but no slot was free
        self.arrived = 0  # jobs, since the start
        self._running = 0
        self._reporting = 0  # worked on, and not yet acknowledged by the broker
        self._is_stopping = False
        self._freed = asyncio.Event()
        # A stream of user tasks would be pushed the tasks of other workers again and again; see `taking`.
        self._stream = PushedJobs(self) if settings.stream and wanted is None else None
        self._poller = Poller(self, self._stream)
        self._tasks: list[asyncio.Task[None]] = []
        self._releases: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """The number of jobs in work now."""
        return self._running

    # --- start and stop

    def start(self) -> None:
        """Begin to take jobs."""
        self._tasks = [asyncio.create_task(repeat(self._poller.poll, self.type))]
        if self._stream:
            self._tasks.append(asyncio.create_task(repeat(self._stream.read, self.type, optional="stream")))
        if self.settings.heartbeat:
            self._tasks.append(asyncio.create_task(repeat(self._beat, self.type, optional="heartbeat")))

    async def stop(self, grace_s: float) -> None:
        """Take no more jobs, wait up to *grace_s* for those in work, give back the rest."""
        self._is_stopping = True
        polling, *others = self._tasks
        if self._stream:
            await self._stream.close()
        await self._poller.answered()
        await until_quiet(self)
        await _cancel([polling])
        await self._within_farewell(
            asyncio.gather(self.return_surplus(), self._poller.release_foreign(), *self._releases)
        )
        tasks = [held.task for held in self._held.values() if held.task]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        unfinished = [held for held in self._held.values() if held.task and not held.task.done()]
        await self._cut_off(unfinished, grace_s)
        await _cancel(others)

    async def _cut_off(self, unfinished: list[HeldJob], grace_s: float) -> None:
        """End the work on jobs that took longer than the grace time, and give them back."""
        for held in unfinished:
            log.warning(
                "job %d (%s) is not done after the grace time of %.1f s; it is cut off and given back",
                held.job.key,
                self.type,
                grace_s,
            )
        await _cancel([held.task for held in unfinished if held.task])
        for held in unfinished:
            self._held.pop(held.job.key, None)
        await self._within_farewell(
            asyncio.gather(*(reporting.give_back(self.client, held.job) for held in unfinished))
        )

    async def _within_farewell(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        await asyncio.wait([task], timeout=FAREWELL_S)
        task.cancel()

    # --- slots

    async def free_slots(self) -> int:
        """Wait for a free slot and return how many are free now.

        Waiting a moment for further ones costs more than it saves: jobs end in bunches by themselves.
        """
        while not self.has_room:
            self._freed.clear()
            await self._freed.wait()
        return self._room - len(self._surplus)

    @property
    def has_room(self) -> bool:
        """Whether a slot is free that no job waits for."""
        return self._room > len(self._surplus)

    @property
    def some_held_job(self) -> Job | None:
        """A job that is held here, surplus first; None if there is none."""
        held = next(iter(self._surplus or self._held.values()), None)
        return held.job if held else None

    @property
    def _room(self) -> int:
        """Slots without a job. A job leaves its slot when its work is done; only too many unanswered reports keep slots."""
        if self._is_stopping:
            return 0
        return self.settings.max_jobs - self._running - max(self._reporting - self.settings.max_jobs, 0)

    # --- jobs

    def accept(self, job: Job, *, asked_s: float) -> bool:
        """Take charge of a job and start it if a slot is free. Return False if no handler is there for it.

        A job whose lease has ended is not started: another worker may have it. *asked_s* is when it was asked for.
        """
        self.arrived += 1
        if self._wanted and not self._wanted(job):
            return False
        over_at = self.leases.over_at(job, asked_s=asked_s)
        held = self._held.get(job.key)
        if held is not None:
            held.over_at = over_at
            log.warning(
                "job %d (%s) took longer than its %d ms and came back; its work goes on",
                job.key,
                job.type,
                self.settings.timeout_ms,
            )
            return True
        held = HeldJob(job, over_at)
        if held.is_over():
            log.info("job %d (%s) arrived after the end of its lease; it is not started", job.key, job.type)
            if self._stream:
                self._stream.end_soon()  # the next jobs shall be judged by a fresh request; see LeaseClock
            return True
        self._held[job.key] = held
        if self._room > 0:
            self._begin(held)
        else:
            self._surplus.append(held)
            if self._stream:
                self._stream.end_soon()
        return True

    async def return_surplus(self) -> None:
        """Give back the jobs that found no free slot. The oldest one waits for a slot for a moment first."""
        await self._release(keep=0 if self._is_stopping else 1)
        if self._surplus:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._surplus_started(), PATIENCE_S)
            await self._release(keep=0)

    async def _release(self, *, keep: int) -> None:
        """Give back the surplus jobs but the oldest *keep*."""
        released = [self._surplus.pop() for _ in range(len(self._surplus) - keep)]
        for held in released:
            del self._held[held.job.key]
        await self.release(released[::-1])

    async def release(self, jobs: list[HeldJob]) -> None:
        """Give back *jobs* that were not started. If this is cancelled, the calls go on, and `stop` waits for them."""
        if jobs:
            task = asyncio.create_task(reporting.release(self.client, jobs))
            self._releases.add(task)
            task.add_done_callback(self._releases.discard)
            await asyncio.shield(task)

    async def _surplus_started(self) -> None:
        while self._surplus:
            self._freed.clear()
            await self._freed.wait()

    def _begin(self, held: HeldJob) -> None:
        self._running += 1
        held.task = asyncio.create_task(self._work(held))

    async def _work(self, held: HeldJob) -> None:
        try:
            outcome = await self._handle(held.job, held.is_over)
        except TooLate:
            log.info(
                "job %d (%s) waited for a thread until its lease ended; it is not started", held.job.key, self.type
            )
            self._running -= 1
            self._leave(held)
            return
        except BaseException:  # cancelled, as nothing else leaves a handler
            self._running -= 1
            self._leave(held)
            raise
        self._running -= 1
        self._reporting += 1
        self._fill_slots()
        try:
            await reporting.report(self.client, held.job, outcome, is_over=held.is_over)
        finally:
            self._reporting -= 1
            self._leave(held)

    def _leave(self, held: HeldJob) -> None:
        self._held.pop(held.job.key, None)
        self._fill_slots()

    def _fill_slots(self) -> None:
        """Start surplus jobs whose lease still runs in free slots, and wake the poller for the slots that are left."""
        while self._surplus and self._room > 0:
            held = self._surplus.popleft()
            if held.is_over():
                del self._held[held.job.key]
            else:
                self._begin(held)
        self._freed.set()

    # --- heartbeat

    async def _beat(self) -> None:
        """Extend the lease of each job in work, three times per lease."""
        await asyncio.sleep(self.settings.timeout_ms / 3000)
        await asyncio.gather(*(self._extend(held) for held in list(self._held.values()) if held.task))

    async def _extend(self, held: HeldJob) -> None:
        try:
            await self.client.update_job_timeout(
                held.job.key, self.settings.timeout_ms, lease_token=held.job.lease_token
            )
        except (errors.NotFound, errors.InvalidState):
            log.info("job %d (%s) is no longer ours", held.job.key, held.job.type)
        else:
            held.over_at = asyncio.get_running_loop().time() + self.settings.timeout_ms / 1000


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel *tasks* and wait until they are over, but not for ever: a handler may refuse to be cancelled."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=FAREWELL_S)
