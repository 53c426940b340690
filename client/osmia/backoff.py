"""Pauses that grow while something keeps failing, and differ between clients so that they do not come back all at once."""

import random
from collections import OrderedDict


class Backoff:
    """The pauses of one loop: doubling from *first_ms* to *max_ms*, each between half of that and the whole."""

    def __init__(self, *, first_ms: int, max_ms: int) -> None:
        self._first_ms = first_ms
        self._max_ms = max_ms
        self._next_ms = first_ms

    def next_s(self) -> float:
        """The pause to make now, in seconds."""
        pause_ms, self._next_ms = self._next_ms, min(self._next_ms * 2, self._max_ms)
        return _jittered(pause_ms) / 1000

    def reset(self) -> None:
        """It worked: the next pause is the first again."""
        self._next_ms = self._first_ms


class RetryPauses:
    """The pause before the next try of each job that fails here: doubling with every failure of the same job.

    The broker does not tell how often a job has failed, so that is counted here, for the JOBS_MAX that failed last.
    """

    JOBS_MAX = 10_000  # some 1 MB; a job beyond it starts over with the first pause

    def __init__(self, *, first_ms: int = 1_000, max_ms: int = 60_000) -> None:
        self._first_ms = first_ms
        self._max_ms = max_ms
        self._failures: OrderedDict[int, int] = OrderedDict()

    def next_ms(self, job_key: int) -> int:
        """Count one more failure of the job and tell the pause it deserves."""
        failures = self._failures.pop(job_key, 0) + 1
        self._failures[job_key] = failures
        if len(self._failures) > self.JOBS_MAX:
            self._failures.popitem(last=False)
        return int(_jittered(min(self._first_ms * 2 ** min(failures - 1, 30), self._max_ms)))

    def forget(self, job_key: int) -> None:
        """The job is done."""
        self._failures.pop(job_key, None)


def _jittered(pause_ms: int) -> float:
    return random.uniform(pause_ms / 2, pause_ms)  # noqa: S311 - spreads load, keeps no secret
