"""Commands about rows that have become due. The partition itself sends them when their time has come; no caller does."""

from typing import ClassVar

from osmia_broker.engine.commands import Command


class DueCommand(Command, frozen=True, gc=False):
    """The root of the commands about rows that have become due; the first field is the key of the row."""

    @property
    def row_keys(self) -> tuple[int, ...]:
        """The keys of these rows."""
        return (getattr(self, self.__struct_fields__[0]),)


class CarryOut(DueCommand, frozen=True, gc=False):
    """Carry a follow-up out that has become due."""

    intent: ClassVar[str] = "CARRY_OUT"
    follow_up_key: int


class ParkFollowUp(DueCommand, frozen=True, gc=False):
    """Let a follow-up that cannot be carried out wait behind an incident with this *reason*."""

    intent: ClassVar[str] = "PARK"
    follow_up_key: int
    reason: str


class TriggerTimer(DueCommand, frozen=True, gc=False):
    """Fire a timer that has become due."""

    intent: ClassVar[str] = "TRIGGER"
    timer_key: int


class ParkTimer(DueCommand, frozen=True, gc=False):
    """Let a timer that cannot be fired wait behind an incident."""

    intent: ClassVar[str] = "PARK"
    timer_key: int
    reason: str


class ReachDeadlines(DueCommand, frozen=True, gc=False):
    """End the leases and back-offs of these jobs whose deadlines have passed."""

    intent: ClassVar[str] = "TIME_OUT"
    job_keys: tuple[int, ...]

    @property
    def row_keys(self) -> tuple[int, ...]:
        """The keys of the jobs."""
        return self.job_keys


class ExpireMessage(DueCommand, frozen=True, gc=False):
    """Forget a kept message whose time to live is over."""

    intent: ClassVar[str] = "EXPIRE"
    message_key: int


class ExpireCreation(DueCommand, frozen=True, gc=False):
    """Forget a creation with an idempotency key."""

    intent: ClassVar[str] = "EXPIRE"
    created_once_key: int
