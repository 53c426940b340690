"""The jobs of one type on their way through a worker: taken while slots are free, worked on, reported.

A lane has `max_jobs` slots. A poll asks for as many jobs as slots are free and stays open while there are none; when it
comes back, or slots become free, the next one goes out at once. Streamed jobs take slots of the same number; while all are
taken the stream is not read, and HTTP/2 flow control makes the broker keep its jobs. Lanes share nothing, so a broker that
slows one job type down does not slow another.

A job leaves its slot when its handler is done; up to `max_jobs` more may then wait for the broker's answer, so that a broker
that takes long to store things does not leave the slots empty.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from osmia import errors, reporting
from osmia.backoff import Backoff
from osmia.client import Client
from osmia.job import Job, Outcome
from osmia.settings import JobSettings
from osmia_proto import gateway

log = logging.getLogger("osmia.worker")

PAUSE_FIRST_MS = 100
PAUSE_MAX_MS = 10_000
STEADY_S = 10.0  # what worked for so long is trusted again after a fault
HASTY_S = 0.5  # a poll that ends empty before this did not wait
UNWANTED_PAUSE_S = 0.25  # after a poll that brought only user tasks of others
FAREWELL_S = 5.0  # for giving jobs back to a broker that may be away


class HeldJob:
    """A job this worker holds: where its work is, and until when it is ours by this machine's clock."""

    __slots__ = ("job", "over_at", "task")

    def __init__(self, job: Job, over_at: float) -> None:
        self.job = job
        self.over_at = over_at
        self.task: asyncio.Task[None] | None = None


class Lane:
    """Takes jobs of one type and runs *handle* on those that are *wanted*."""

    def __init__(
        self,
        client: Client,
        type: str,
        settings: JobSettings,
        *,
        handle: Callable[[Job], Awaitable[Outcome]],
        wanted: Callable[[Job], bool],
        fetch_variables: Sequence[str],
        worker: str,
        wait_ms: int,
    ) -> None:
        self.type = type
        self._client = client
        self._settings = settings
        self._handle = handle
        self._wanted = wanted
        self._worker = worker
        self._request = gateway.ActivateJobsRequest(
            type=type,
            worker=worker,
            timeout=settings.timeout_ms,
            fetchVariable=fetch_variables,
            requestTimeout=wait_ms,
            tenantIds=settings.tenant_ids,
        )
        self._held: dict[int, HeldJob] = {}
        self._waiting: deque[HeldJob] = deque()  # taken, but all slots are in use: bounded by one poll and one push
        self._running = 0
        self._reporting = 0  # worked on, and the broker has not said that it knows
        self._freed = asyncio.Event()
        self._taking: list[asyncio.Task[None]] = []
        self._beating: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Jobs in work now."""
        return self._running

    def start(self) -> None:
        """Begin to take jobs."""
        self._taking = [asyncio.create_task(self._forever(self._poll))]
        if self._settings.stream:
            self._taking.append(asyncio.create_task(self._forever(self._read_stream)))
        if self._settings.heartbeat:
            self._beating = asyncio.create_task(self._forever(self._beat))

    async def stop(self, grace_s: float) -> None:
        """Take no more jobs, wait up to *grace_s* for those in work, give back the rest."""
        await _cancel(self._taking)
        unstarted = [held.job for held in self._waiting]
        self._waiting.clear()
        await self._give_back(unstarted)
        tasks = [held.task for held in self._held.values() if held.task]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        unfinished = [held for held in self._held.values() if held.task and not held.task.done()]
        await _cancel([held.task for held in unfinished if held.task])
        await self._give_back([held.job for held in unfinished])
        if self._beating:
            await _cancel([self._beating])

    async def _forever(self, once: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do *once* over and over. What goes wrong costs a growing pause and a line in the log, never the loop."""
        pauses = Backoff(first_ms=PAUSE_FIRST_MS, max_ms=PAUSE_MAX_MS)
        clock = asyncio.get_running_loop()
        failing = False
        while True:
            started = clock.time()
            try:
                await once()
            except errors.Unimplemented as error:
                if once == self._poll:
                    log.error("job type '%s' cannot be polled: %s", self.type, error)  # noqa: TRY400
                else:
                    log.warning("job type '%s' goes on without %s: %s", self.type, once.__name__.strip("_"), error)
                    return
            except errors.Overloaded:
                log.debug("job type '%s' slows down: the broker is busy", self.type)
            except errors.OsmiaError as error:
                log.log(
                    logging.DEBUG if failing else logging.WARNING, "job type '%s' will try again: %s", self.type, error
                )
                failing = True
            except Exception:
                log.exception("job type '%s' will try again after a fault of the client", self.type)
            else:
                failing = False
                pauses.reset()
                continue
            if clock.time() - started > STEADY_S:
                pauses.reset()
            await asyncio.sleep(pauses.next_s())

    async def _poll(self) -> None:
        """One poll, for as many jobs as there are slots; half of them if a stream fills them, too."""
        free = await self._free_slots()
        self._request.maxJobsToActivate = max(free // 2, 1) if self._settings.stream else free
        started = asyncio.get_running_loop().time()
        taken: list[bool] = []
        async with contextlib.aclosing(self._client.job_batches(self._request)) as batches:
            async for batch in batches:
                taken += map(self._accept, batch)
        if taken and not any(taken):
            await asyncio.sleep(UNWANTED_PAUSE_S)
        elif not taken and asyncio.get_running_loop().time() - started < min(
            HASTY_S, self._request.requestTimeout / 2000
        ):
            await asyncio.sleep(HASTY_S)  # a gateway that does not let polls wait must not be asked in a circle

    async def _free_slots(self) -> int:
        """Wait for a free slot. Waiting a moment for further ones costs more than it saves: jobs end in bunches by themselves."""
        while not self._free:
            await self._some_freed()
        return self._free

    @property
    def _free(self) -> int:
        return max(self._room - len(self._waiting), 0)

    @property
    def _room(self) -> int:
        """Slots without a job. A job leaves its slot when its work is done; only too many unanswered reports keep slots."""
        return self._settings.max_jobs - self._running - max(self._reporting - self._settings.max_jobs, 0)

    async def _some_freed(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    async def _read_stream(self) -> None:
        """Take what is pushed, one job further only when none waits for a slot."""
        stream = self._client.stream_jobs(
            self.type,
            timeout_ms=self._settings.timeout_ms,
            worker=self._worker,
            fetch_variables=self._request.fetchVariable,
            tenant_ids=self._settings.tenant_ids,
        )
        async with contextlib.aclosing(stream) as jobs:
            async for job in jobs:
                self._accept(job)
                while self._waiting:
                    await self._some_freed()
        await asyncio.sleep(HASTY_S)  # the broker ended it

    def _accept(self, job: Job) -> bool:
        """Take charge of a job that was handed to us; tells whether it is one for us."""
        if not self._wanted(job):
            return False  # its time ends by itself; given back at once it would only be the oldest of the next poll
        over_at = asyncio.get_running_loop().time() + self._settings.timeout_ms / 1000
        held = self._held.get(job.key)
        if held is not None:
            held.over_at = over_at
            log.warning(
                "job %d (%s) took longer than its %d ms and came back; its work goes on",
                job.key,
                job.type,
                self._settings.timeout_ms,
            )
            return True
        held = self._held[job.key] = HeldJob(job, over_at)
        if self._room > 0:
            self._begin(held)
        else:
            self._waiting.append(held)
        return True

    def _begin(self, held: HeldJob) -> None:
        self._running += 1
        held.task = asyncio.create_task(self._work(held))

    async def _work(self, held: HeldJob) -> None:
        clock = asyncio.get_running_loop()
        try:
            outcome = await self._handle(held.job)
        except BaseException:  # cancelled, as nothing else leaves a handler
            self._running -= 1
            self._leave(held)
            raise
        self._running -= 1
        self._reporting += 1
        self._fill_slots()
        try:
            await reporting.report(self._client, held.job, outcome, is_over=lambda: clock.time() > held.over_at)
        finally:
            self._reporting -= 1
            self._leave(held)

    def _leave(self, held: HeldJob) -> None:
        self._held.pop(held.job.key, None)
        self._fill_slots()

    def _fill_slots(self) -> None:
        """Give free slots to waiting jobs that are still ours, and what is left to the next poll."""
        now = asyncio.get_running_loop().time()
        while self._waiting and self._room > 0:
            held = self._waiting.popleft()
            if held.over_at > now:
                self._begin(held)
            else:
                del self._held[held.job.key]  # it waited too long: by now it is somebody else's
        self._freed.set()

    async def _beat(self) -> None:
        """Lengthen the time of every job in work, each third of it."""
        await asyncio.sleep(self._settings.timeout_ms / 3000)
        await asyncio.gather(*(self._lengthen(held) for held in list(self._held.values())))

    async def _lengthen(self, held: HeldJob) -> None:
        try:
            await self._client.update_job_timeout(held.job.key, self._settings.timeout_ms)
        except (errors.NotFound, errors.InvalidState):
            log.info("job %d (%s) is no longer ours", held.job.key, held.job.type)
        else:
            held.over_at = asyncio.get_running_loop().time() + self._settings.timeout_ms / 1000

    async def _give_back(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._held.pop(job.key, None)
        if jobs:
            tasks = [asyncio.create_task(reporting.give_back(self._client, job)) for job in jobs]
            _, late = await asyncio.wait(tasks, timeout=FAREWELL_S)
            await _cancel(list(late))


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel *tasks* and wait until they are over, but not for ever: a handler may not let itself be cancelled."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=FAREWELL_S)
