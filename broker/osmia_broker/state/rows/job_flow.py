"""The stored row of flow control: what holds the jobs of a type, or of a process definition, back."""

from enum import StrEnum

from osmia_broker.state.rows.kinds import Changing, StoredRow, stored


class FairBy(StrEnum):
    """The key by which the jobs of a type share its workers."""

    NOTHING = "NOTHING"
    PROCESS = "PROCESS"
    BUSINESS_ID = "BUSINESS_ID"
    TENANT = "TENANT"


@stored("job_flow")
class JobFlow(StoredRow):
    """The flow control of one job type, or (with a definition key) of one process definition, of which only the pause counts."""

    key: int
    job_type: str  # empty for a process definition
    process_definition_key: int  # 0 for a job type
    paused_ms: Changing[int] = 0  # since when none of its jobs is handed out; 0 if it is not paused
    held_max: Changing[int] = 0  # jobs that workers hold at a time; 0 for any number, as in the next two
    per_second_max: Changing[int] = 0  # jobs handed out within any second
    held_per_key_max: Changing[int] = 0  # jobs of one key that workers hold at a time
    fair_by: Changing[FairBy] = FairBy.NOTHING
