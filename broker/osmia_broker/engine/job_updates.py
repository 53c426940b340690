"""Change several values of a job in one command: all, or none."""

from osmia_broker.engine.commands import UpdateJob, UpdateJobPriority, UpdateJobRetries, UpdateJobTimeout
from osmia_broker.engine.engine import handles
from osmia_broker.engine.jobs import update_job_priority, update_job_retries, update_job_timeout
from osmia_broker.engine.turn import Turn


@handles(UpdateJob)
def update_job(turn: Turn, command: UpdateJob) -> None:
    """Change the values that are given."""
    key, token = command.job_key, command.lease_token
    if command.retries is not None:
        update_job_retries(turn, UpdateJobRetries(key, command.retries, token))
    if command.timeout_ms is not None:
        update_job_timeout(turn, UpdateJobTimeout(key, command.timeout_ms, token))
    if command.priority is not None:
        update_job_priority(turn, UpdateJobPriority(key, command.priority, token))
