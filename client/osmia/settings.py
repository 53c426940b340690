"""The options of a worker and of a job type: defaults, units and bounds."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict

INT32_MAX = 2**31 - 1  # of `maxJobsToActivate` on the wire
DAY_MS = 86_400_000
# 100 years: far below the wire's 64 bits, so that a broker can add it to the present time.
TIMES_MAX_MS = 36_500 * DAY_MS


class JobOptions(TypedDict, total=False):
    """Options of one job type. The worker's own value holds for an option that is left out. See `JobSettings`."""

    timeout_ms: int
    max_jobs: int
    fetch_variables: bool | Sequence[str]
    stream: bool
    heartbeat: bool
    handler_timeout_ms: int | None
    tenant_ids: Sequence[str]
    with_lease: bool


class WorkerOptions(JobOptions, total=False):
    """Options of a worker. See `WorkerSettings`."""

    name: str
    wait_ms: int
    threads: int
    grace_ms: int
    retry_first_ms: int
    retry_max_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """The way in which jobs of one type are taken.

    Attributes:
        timeout_ms: how long the lease of a job lasts, at least 1. Then another worker may get the job. Default 60,000.
        max_jobs: how many jobs of the type are in work at a time, polled and streamed together; at least 1. Default 32.
        fetch_variables: True: the variables that the handler's signature names, or all if it takes the job or names none;
            False: all; or a list of names. Default True.
        stream: have new jobs pushed, besides polling for those that wait. Default False. User tasks are always polled.
        heartbeat: extend the lease of a job while its handler runs. Default False.
        handler_timeout_ms: how long an async handler may work on a job, at least 1; then it is cancelled, and the job has
            failed. None: for ever. A handler that is not async cannot be stopped. Default None.
        tenant_ids: the tenants to take jobs of; empty for the default tenant. Default empty.
        with_lease: take jobs with a lease token, so that a worker that is late cannot report on a job that another one has by then.
            From then on all workers of the type must do so. Default False.
    """

    timeout_ms: int = 60_000
    max_jobs: int = 32
    fetch_variables: bool | Sequence[str] = True
    stream: bool = False
    heartbeat: bool = False
    handler_timeout_ms: int | None = None
    tenant_ids: Sequence[str] = ()
    with_lease: bool = False

    def __post_init__(self) -> None:
        _expect_within("timeout_ms", self.timeout_ms, 1, TIMES_MAX_MS)
        _expect_within("max_jobs", self.max_jobs, 1, INT32_MAX)
        if self.handler_timeout_ms is not None:
            _expect_within("handler_timeout_ms", self.handler_timeout_ms, 1, TIMES_MAX_MS)
        for name in ("fetch_variables", "tenant_ids"):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"Expected {name} to be a list of names, but found '{getattr(self, name)}'")

    def overruled_by(self, options: Mapping[str, Any]) -> "JobSettings":
        """Return these settings with the values of *options*.

        Raises:
            TypeError: an option has no such name or type.
            ValueError: an option is out of its range.
        """
        _expect_known(JobSettings, options)
        return replace(self, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings(JobSettings):
    """The way in which a worker works. The attributes of `JobSettings` are the defaults for its job types.

    Attributes:
        name: shown as the worker of the jobs it holds. Default: host name and process id.
        wait_ms: how long one poll stays open while no job is there, at least 1. Default 10,000.
        threads: how many handlers that are not async run at a time, of all job types together; at least 1. Default 32.
        grace_ms: how long `stop` waits for jobs in work. Default 10,000.
        retry_first_ms: the pause after the first failure of a job; it doubles with each further failure. Default 1,000.
        retry_max_ms: the longest such pause. Default 60,000.
    """

    name: str = ""
    wait_ms: int = 10_000
    threads: int = 32
    grace_ms: int = 10_000
    retry_first_ms: int = 1_000
    retry_max_ms: int = 60_000

    def __post_init__(self) -> None:
        JobSettings.__post_init__(self)  # a slotted dataclass has no zero-argument super() on Python 3.11
        for name in ("wait_ms", "threads"):
            _expect_within(name, getattr(self, name), 1, INT32_MAX)
        for name in ("grace_ms", "retry_first_ms", "retry_max_ms"):
            _expect_within(name, getattr(self, name), 0, TIMES_MAX_MS)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "WorkerSettings":
        """Return the settings for the options of a worker.

        Raises:
            TypeError: an option has no such name or type.
            ValueError: an option is out of its range.
        """
        _expect_known(cls, options)
        return cls(**options)

    def for_jobs(self, options: Mapping[str, Any]) -> JobSettings:
        """Return the settings of one job type: the worker's, overruled by *options*.

        Raises:
            TypeError: an option has no such name or type.
            ValueError: an option is out of its range.
        """
        own = {field.name: getattr(self, field.name) for field in fields(JobSettings)}
        return JobSettings(**own).overruled_by(options)


def _expect_within(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"Expected {name} to be an integer, but found {value!r}")
    if value < least:
        raise ValueError(f"Expected {name} of at least {least}, but found {value}")
    if value > most:
        raise ValueError(f"Expected {name} of at most {most}, but found {value}")


def _expect_known(settings: type[JobSettings], options: Mapping[str, Any]) -> None:
    known = [field.name for field in fields(settings)]
    for name in options:
        if name not in known:
            similar = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            advice = f"; did you mean '{similar[0]}'?" if similar else ""
            raise TypeError(f"Expected an option out of {', '.join(known)}, but found '{name}'{advice}")
