"""Pauses that grow with each failure, with a random part so that many clients do not return at the same moment."""

import random
from collections import OrderedDict


class Backoff:
    """The pauses of one loop. They double from *first_ms* to *max_ms*; each is shortened at random, to half at most."""

    def __init__(self, *, first_ms: int, max_ms: int) -> None:
        self._first_ms = first_ms
        self._max_ms = max_ms
        self._next_ms = first_ms

    def next_s(self) -> float:
        """Return the next pause, in seconds."""
        pause_ms, self._next_ms = self._next_ms, min(self._next_ms * 2, self._max_ms)
        return _jittered(pause_ms) / 1000

    def reset(self) -> None:
        """Start again with the first pause, after a success."""
        self._next_ms = self._first_ms


class RetryPauses:
    """The pauses before the next try of jobs that failed here. A pause doubles with each failure of the same job.

    A job does not say how often it has failed, so failures are counted here, for the JOBS_MAX jobs that failed last.
    """

    JOBS_MAX = 10_000  # some 1 MB; a job beyond it starts over with the first pause

    def __init__(self, *, first_ms: int = 1_000, max_ms: int = 60_000) -> None:
        self._first_ms = first_ms
        self._max_ms = max_ms
        self._failures: OrderedDict[int, int] = OrderedDict()

    def next_ms(self, job_key: int) -> int:
        """Count one more failure of the job and return the pause before its next try."""
        failures = self._failures.pop(job_key, 0) + 1
        self._failures[job_key] = failures
        if len(self._failures) > self.JOBS_MAX:
            self._failures.popitem(last=False)
        return int(_jittered(min(self._first_ms * 2 ** min(failures - 1, 30), self._max_ms)))

    def forget(self, job_key: int) -> None:
        """Remove the count of a job that is done."""
        self._failures.pop(job_key, None)


def _jittered(pause_ms: int) -> float:
    return random.uniform(pause_ms / 2, pause_ms)  # noqa: S311 - spreads load, keeps no secret
