"""What happens behind the page in tests of instances and incidents: workers, other people, time."""

from typing import Any

from tests.web.conftest import Work


def complete_task(work: Work, key: int, **variables: Any) -> None:
    """Somebody else completes the one open task of an instance."""
    tasks = work.broker.client.user_tasks
    (task,) = tasks.search({"processInstanceKey": str(key), "state": "CREATED"}).items
    tasks.complete(task.key, variables)


def take(work: Work, type: str) -> int:
    """A worker takes a job, and the job's key is returned."""
    (job,) = work.broker.client.activate_jobs(type, max_jobs=1, timeout_ms=60_000, worker="robot")
    return int(job.key)


def fail(work: Work, type: str, message: str = "it broke", retries: int = 0) -> int:
    """A worker fails a job; without retries that is an incident."""
    key = take(work, type)
    work.broker.client.fail_job(key, retries=retries, message=message)
    return key


def cancel(work: Work, key: int) -> None:
    """Somebody else cancels an instance."""
    work.broker.client.cancel_instance(key)


def set_variables(work: Work, key: int, **variables: Any) -> None:
    work.broker.client.set_variables(key, variables)


def incident_of(work: Work, key: int) -> int:
    """The one open incident of an instance."""
    (incident,) = work.broker.client.search_incidents(process_instance_key=key, states=["OPEN"]).items
    return int(incident.key)
