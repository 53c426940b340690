"""The commands of flow control: what is handed out of which job type, and how fast."""

from typing import ClassVar

from osmia_broker.engine.commands import Command


class PauseJobs(Command, frozen=True, gc=False):
    """Hand out no more jobs of a type, or of a process definition (exactly one is given), until they are resumed. Held ones go on."""

    intent: ClassVar[str] = "PAUSE"
    job_type: str = ""
    process_definition_key: int = 0


class ResumeJobs(Command, frozen=True, gc=False):
    """Hand out the jobs of a type or a process definition again."""

    intent: ClassVar[str] = "RESUME"
    job_type: str = ""
    process_definition_key: int = 0


class LimitJobs(Command, frozen=True, gc=False):
    """Set all limits of a job type: jobs held at a time, handed out within any second, held of each key; 0 for none. *fair_by* is a FairBy.

    The key of a job is that of its creation.
    """

    intent: ClassVar[str] = "LIMIT"
    job_type: str
    held_max: int = 0
    per_second_max: int = 0
    held_per_key_max: int = 0
    fair_by: str = "NOTHING"


class ListJobFlow(Command, frozen=True, gc=False):
    """Return all rows of flow control, and the numbers of jobs that workers hold."""

    intent: ClassVar[str] = "LIST"
