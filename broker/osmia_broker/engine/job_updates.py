"""Change several values of a job in one command: all, or none."""

from osmia_broker.engine.commands import UpdateJob, UpdateJobRetries, UpdateJobTimeout
from osmia_broker.engine.engine import handles
from osmia_broker.engine.jobs import update_job_retries, update_job_timeout
from osmia_broker.engine.turn import Turn


@handles(UpdateJob)
def update_job(turn: Turn, command: UpdateJob) -> None:
    """Change the values that are given."""
    if command.retries is not None:
        update_job_retries(turn, UpdateJobRetries(command.job_key, command.retries))
    if command.timeout_ms is not None:
        update_job_timeout(turn, UpdateJobTimeout(command.job_key, command.timeout_ms))
