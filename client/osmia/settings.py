"""How a worker works, and how it works on one job type: every option with its default, its unit and its bounds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict


class JobOptions(TypedDict, total=False):
    """Options of one job type; what is left out is as the worker has it."""

    timeout_ms: int
    max_jobs: int
    fetch_variables: bool | Sequence[str]
    stream: bool
    heartbeat: bool
    tenant_ids: Sequence[str]


class WorkerOptions(JobOptions, total=False):
    """Options of a worker."""

    name: str
    wait_ms: int
    threads: int
    grace_ms: int
    retry_first_ms: int
    retry_max_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """How jobs of one type are taken."""

    timeout_ms: int = 60_000  # for how long a job is this worker's; at least 1
    max_jobs: int = 32  # jobs of the type in work at a time, polled and streamed together; at least 1
    fetch_variables: bool | Sequence[str] = (
        True  # True: those the signature names, all if it names none; False: all; or these
    )
    stream: bool = False  # have new jobs pushed, besides polling for the ones that wait
    heartbeat: bool = False  # lengthen the time of a job while its handler runs
    tenant_ids: Sequence[str] = ()  # whose jobs

    def __post_init__(self) -> None:
        for name in ("timeout_ms", "max_jobs"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} of at least 1, but found {getattr(self, name)}")
        if isinstance(self.fetch_variables, str):
            raise TypeError(f"Expected fetch_variables to be a list of names, but found '{self.fetch_variables}'")

    def overruled_by(self, options: JobOptions) -> "JobSettings":
        """These settings, but what *options* says."""
        return replace(self, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings(JobSettings):
    """How a worker works; the settings of jobs are those of each type that says nothing else."""

    name: str = ""  # shown in the jobs it holds; empty: host and process
    wait_ms: int = 10_000  # how long one poll stays open; at least 1
    threads: int = 32  # for handlers that are not async, of all types together; at least 1
    grace_ms: int = 10_000  # how long stopping waits for jobs in work
    retry_first_ms: int = 1_000  # the pause after a job's first failure; it doubles
    retry_max_ms: int = 60_000

    def __post_init__(self) -> None:
        JobSettings.__post_init__(self)  # a slotted dataclass has no zero-argument super() on Python 3.11
        for name in ("wait_ms", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} of at least 1, but found {getattr(self, name)}")

    def for_jobs(self, options: JobOptions) -> JobSettings:
        """The settings of one job type: the worker's, but what *options* says."""
        own = {name: getattr(self, name) for name in JobSettings.__dataclass_fields__}
        return JobSettings(**own).overruled_by(options)
