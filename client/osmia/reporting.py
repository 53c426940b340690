"""Telling the broker what became of a job, in spite of a broker that is busy or away for a while."""

import asyncio
import logging
from collections.abc import Callable

from osmia import errors
from osmia.backoff import Backoff
from osmia.client import Client
from osmia.job import Completed, ErrorThrown, Failed, Job, Outcome

log = logging.getLogger("osmia.worker")

FIRST_PAUSE_MS = 50
MAX_PAUSE_MS = 2_000


async def report(client: Client, job: Job, outcome: Outcome, *, is_over: Callable[[], bool]) -> None:
    """Tell the broker *outcome*, again and again while it does not answer and the job is still ours (*is_over* says no).

    Telling twice is safe: a job that is done is not found the second time. A refusal is logged; the broker knows better
    then, except about variables it cannot take: that is an incident, for else the job would come back for ever.
    """
    pauses = Backoff(first_ms=FIRST_PAUSE_MS, max_ms=MAX_PAUSE_MS)
    while True:
        try:
            await _tell(client, job, outcome)
        except errors.InvalidArgument as error:
            if isinstance(outcome, Failed) and not outcome.variables_json:
                log.error("job %d: cannot tell its failure: %s", job.key, error)  # noqa: TRY400 - no traceback of use
                return
            outcome = Failed(f"The broker refused the outcome: {error.details}", retries=0)
        except errors.Refused as error:
            log.warning("job %d (%s) was no longer ours: %s", job.key, job.type, error)
            return
        except errors.OsmiaError as error:
            if is_over():
                log.warning(
                    "job %d (%s) will be handed out again, its outcome could not be told: %s", job.key, job.type, error
                )
                return
            await asyncio.sleep(pauses.next_s())
        else:
            return


async def give_back(client: Client, job: Job) -> None:
    """Let other workers have *job* now, with its retries unchanged. If that fails, they get it when its time ends."""
    try:
        if job.retries > 0:
            await client.fail_job(job.key, retries=job.retries, message="Given back by a worker that stops")
        else:  # failing it would raise an incident
            await client.update_job_timeout(job.key, 0)
    except errors.OsmiaError as error:
        log.info("job %d (%s) could not be given back: %s", job.key, job.type, error)


async def _tell(client: Client, job: Job, outcome: Outcome) -> None:
    match outcome:
        case Completed(text):
            await client.complete_job(job.key, text)
        case Failed(message, retries, back_off_ms, text):
            log.info("job %d (%s) failed, %d retries left: %s", job.key, job.type, retries, message)
            await client.fail_job(job.key, retries=retries, message=message, back_off_ms=back_off_ms, variables=text)
        case ErrorThrown(code, message, text):
            await client.throw_error(job.key, code, message=message, variables=text)
