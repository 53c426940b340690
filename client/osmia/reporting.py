"""Reports to the broker about jobs: outcomes, and jobs that are given back."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from grpc import StatusCode

from osmia import errors
from osmia.backoff import Backoff
from osmia.client import Client
from osmia.job import Completed, ErrorThrown, Failed, Job, Outcome
from osmia.lease import HeldJob

log = logging.getLogger("osmia.worker")

FIRST_PAUSE_MS = 50
MAX_PAUSE_MS = 2_000
RELEASES_MAX = 64  # in flight: enough to fill a batch of the broker, too few to crowd out other calls


async def report(client: Client, job: Job, outcome: Outcome, *, is_over: Callable[[], bool]) -> None:
    """Report *outcome*, repeatedly while the broker does not answer and the lease of the job has not ended (*is_over*).

    A second report is harmless: the job is not found then. A refusal is logged, and the job is left to the broker. But if
    the broker refuses the variables, the job fails without retries, because it would come back for ever. A sign-in that has
    expired can be renewed in time, so the report is repeated.
    """
    pauses = Backoff(first_ms=FIRST_PAUSE_MS, max_ms=MAX_PAUSE_MS)
    while True:
        try:
            await _send(client, job, outcome)
        except errors.InvalidArgument as error:
            if isinstance(outcome, Failed) and not outcome.variables_json:
                log.error("job %d: its failure could not be reported: %s", job.key, error)  # noqa: TRY400 - no traceback of use
                return
            log.error("job %d (%s): the broker refused its outcome: %s", job.key, job.type, error)  # noqa: TRY400
            outcome = Failed(f"The broker refused the outcome: {error.details}", retries=0)
        except errors.OsmiaError as error:
            if isinstance(error, errors.Refused) and error.code is not StatusCode.UNAUTHENTICATED:
                log.warning("job %d (%s) was no longer ours: %s", job.key, job.type, error)
                return
            if is_over():
                log.warning(
                    "job %d (%s) will be handed out again; its outcome could not be reported: %s",
                    job.key,
                    job.type,
                    error,
                )
                return
            await asyncio.sleep(pauses.next_s())
        else:
            return


async def give_back(client: Client, job: Job) -> None:
    """Let other workers have *job*, whose work was cut off, at once and with its retries unchanged.

    If that fails, they get it when its lease ends.
    """
    try:
        if job.retries > 0:
            await client.fail_job(
                job.key, retries=job.retries, message="Given back by a worker that stops", lease_token=job.lease_token
            )
        else:  # failing it would raise an incident
            await client.update_job_timeout(job.key, 0, lease_token=job.lease_token)
    except errors.OsmiaError as error:
        log.info("job %d (%s) could not be given back: %s", job.key, job.type, error)


async def release(client: Client, jobs: Iterable[HeldJob]) -> None:
    """End the leases of *jobs* that were not started, so that other workers get them at once.

    Nothing else of the job changes: no retry, no error message, no failure in the broker's figures. A lease that is over
    already is left alone, because another worker may hold the job by now.
    """
    free = asyncio.Semaphore(RELEASES_MAX)

    async def one(held: HeldJob) -> None:
        async with free:
            if not held.is_over():
                await _release(client, held.job)

    await asyncio.gather(*(one(held) for held in jobs))


async def _release(client: Client, job: Job) -> None:
    try:
        await client.update_job_timeout(job.key, 0, lease_token=job.lease_token)
    except errors.Unimplemented:  # a gateway before 8.5
        await give_back(client, job)
    except errors.OsmiaError as error:
        log.info("job %d (%s) could not be given back: %s", job.key, job.type, error)


async def _send(client: Client, job: Job, outcome: Outcome) -> None:
    token = job.lease_token
    match outcome:
        case Completed(text, result):
            await client.complete_job(job.key, text, result=result, lease_token=token)
        case Failed(message, retries, back_off_ms, text):
            await client.fail_job(
                job.key,
                retries=retries,
                message=message,
                back_off_ms=back_off_ms,
                variables=text,
                lease_token=token,
            )
        case ErrorThrown(code, message, text):
            await client.throw_error(job.key, code, message=message, variables=text, lease_token=token)
