"""Leases: until when a job belongs to this worker, judged by the clock of this machine."""

import asyncio
import logging
import time
from collections.abc import Callable

from osmia.job import Job

log = logging.getLogger("osmia.worker")

TOLERANCE_S = 1.0  # by which clocks may differ and still count as equal
DOUBTS_MAX = 2  # requests whose jobs contradict the clocks; one may be a job that was held up for long


class HeldJob:
    """A job that this worker holds, with the end of its lease and the task that works on it."""

    __slots__ = ("_clock", "job", "over_at", "task")

    def __init__(self, job: Job, over_at: float) -> None:
        self.job = job
        self.over_at = over_at  # by the event loop's clock
        self.task: asyncio.Task[None] | None = None
        self._clock = asyncio.get_running_loop().time

    def is_over(self) -> bool:
        """Return whether the lease has ended, so that another worker may hold the job now."""
        return self._clock() >= self.over_at


class LeaseClock:
    """Computes the end of leases of *timeout_ms* by the event loop's clock.

    A job says when its lease ends (`deadline_ms`), by the broker's clock. That is what counts, for a job may lie in a buffer
    or in a process that was stopped before it is read. But it counts only while the two machines' clocks agree: a worker
    whose clock is ahead would find each job too late. The clocks disagree if jobs of two requests were granted before the
    request was sent, or after the job was read. From then on a lease is counted from the moment at which the job is read.
    """

    def __init__(self, timeout_ms: int, *, now_s: Callable[[], float] = time.time) -> None:
        self.now_s = now_s
        self._lease_s = timeout_ms / 1000
        self._doubted: set[float] = set()

    def over_at(self, job: Job, *, asked_s: float) -> float:
        """Return the end of the lease of *job*, which is just read; *asked_s* is when it was asked for, by `now_s`."""
        now_s, now = self.now_s(), asyncio.get_running_loop().time()
        if not job.deadline_ms:
            return now + self._lease_s
        deadline_s = job.deadline_ms / 1000
        granted_s = deadline_s - self._lease_s
        if not asked_s - TOLERANCE_S <= granted_s <= now_s + TOLERANCE_S:
            self._doubt(asked_s, granted_s - now_s)
        if self.is_trusted:
            return now + min(deadline_s - now_s, self._lease_s)
        return now + self._lease_s

    @property
    def is_trusted(self) -> bool:
        """Whether the clocks of this machine and the broker count as equal."""
        return len(self._doubted) < DOUBTS_MAX

    def _doubt(self, asked_s: float, difference_s: float) -> None:
        if not self.is_trusted or asked_s in self._doubted:
            return
        self._doubted.add(asked_s)
        if len(self._doubted) == DOUBTS_MAX:
            log.warning(
                "the clocks of the broker and of this machine differ by about %.1f s; leases are counted from now on "
                "from the arrival of a job",
                difference_s,
            )
