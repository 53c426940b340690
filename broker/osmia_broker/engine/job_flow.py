"""Flow control of jobs: pause and resume job types and process definitions, limit job types, share them fairly."""

from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.engine.answers import JobFlowAnswer
from osmia_broker.engine.commands.job_flow import LimitJobs, ListJobFlow, PauseJobs, ResumeJobs
from osmia_broker.engine.engine import handles
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows.job_flow import FairBy, JobFlow


@handles(PauseJobs)
def pause_jobs(turn: Turn, command: PauseJobs) -> None:
    """Pause a job type or a process definition. One that is paused already stays so since then."""
    row = _row(turn, command.job_type, command.process_definition_key)
    if not row.paused_ms:
        turn.jobs.set_flow(replace(row, paused_ms=max(turn.now_ms, 1)))


@handles(ResumeJobs)
def resume_jobs(turn: Turn, command: ResumeJobs) -> None:
    """Resume a job type or a process definition. One that is not paused stays as it is."""
    row = _row(turn, command.job_type, command.process_definition_key)
    if row.paused_ms:
        turn.jobs.set_flow(replace(row, paused_ms=0))


@handles(LimitJobs)
def limit_jobs(turn: Turn, command: LimitJobs) -> None:
    """Set the limits of a job type. Jobs that are held beyond them stay with their workers.

    Each partition keeps to a share of its own, so a limit is at least their number.
    """
    limits = {name: getattr(command, name) for name in ("held_max", "per_second_max", "held_per_key_max")}
    for name, limit in limits.items():
        if limit < 0:
            raise InvalidArgument(f"Expected '{name}' of 0 (no limit) or more, but found {limit}")
        if 0 < limit < turn.partitions:
            raise InvalidArgument(
                f"Expected '{name}' of 0 (no limit) or at least {turn.partitions}, one for each partition, but found {limit}"
            )
    if command.fair_by not in FairBy.__members__:
        raise InvalidArgument(f"Expected 'fair_by' of {', '.join(FairBy)}, but found '{command.fair_by}'")
    row = _row(turn, command.job_type, 0)
    turn.jobs.set_flow(replace(row, **limits, fair_by=FairBy(command.fair_by)))


@handles(ListJobFlow)
def list_job_flow(turn: Turn, _command: ListJobFlow) -> JobFlowAnswer:
    """Return the rows in order of their keys, and the held jobs by type, key and worker."""
    held = tuple((*place, number) for place, number in sorted(turn.jobs.flow.held.items()))
    return JobFlowAnswer(tuple(turn.jobs.flow.all()), held)


def _row(turn: Turn, job_type: str, process_definition_key: int) -> JobFlow:
    """Return the row of a job type or a process definition; a new one if it has none."""
    if bool(job_type) == bool(process_definition_key):
        found = "both" if job_type else "neither"
        raise InvalidArgument(f"Expected a job type or the key of a process definition, but found {found}")
    flow = turn.jobs.flow
    if process_definition_key and turn.definitions.processes.get(process_definition_key) is None:
        raise NotFound(f"Expected to find process definition with key '{process_definition_key}', but none found")
    row = flow.types.get(job_type) if job_type else flow.of_definition(process_definition_key)
    return row or JobFlow(turn.next_key(), job_type, process_definition_key)
