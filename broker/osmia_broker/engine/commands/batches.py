"""The commands about batch operations, and those that delete what has ended, or is to be forgotten."""

from typing import ClassVar

import msgspec

from osmia_broker.engine.commands import Command
from osmia_broker.state.rows.batches import BatchType


class BatchPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The details of a batch operation; each type of it reads its own."""

    target_definition_key: int = 0  # of a migration
    mappings: tuple[tuple[str, str], ...] = ()  # (source element id, target element id) of a migration
    maps_same_ids: bool = False  # of a migration: active elements without a mapping go on where the same id is
    moves: tuple[tuple[str, str], ...] = ()  # the same, of a modification
    retries: int | None = None  # of an update of jobs
    timeout_ms: int | None = None
    priority: int | None = None


class CreateBatch(Command, frozen=True, gc=False):
    """Create a batch operation without items; the answer is its key."""

    intent: ClassVar[str] = "CREATE"
    type: BatchType
    plan: BatchPlan = BatchPlan()
    user: str = ""


class AddBatchItems(Command, frozen=True, gc=False):
    """Add items to a batch operation that has not started: (key, key of the process instance that it belongs to) of each."""

    intent: ClassVar[str] = "CREATE"
    batch_key: int
    items: tuple[tuple[int, int], ...]


class StartBatch(Command, frozen=True, gc=False):
    """Start to work off a batch operation that has its items."""

    intent: ClassVar[str] = "START"
    batch_key: int


class SuspendBatch(Command, frozen=True, gc=False):
    """Pause a batch operation until it is resumed."""

    intent: ClassVar[str] = "SUSPEND"
    batch_key: int


class ResumeBatch(Command, frozen=True, gc=False):
    """Let a suspended batch operation go on."""

    intent: ClassVar[str] = "RESUME"
    batch_key: int


class CancelBatch(Command, frozen=True, gc=False):
    """End a batch operation. Items that were worked off stay as they are, the others are canceled."""

    intent: ClassVar[str] = "CANCEL"
    batch_key: int


class WorkOffBatch(Command, frozen=True, gc=False):
    """Work off the next *items_max* items of a batch operation; only ever a follow-up."""

    batch_key: int
    items_max: int


class GiveUpBatch(Command, frozen=True, gc=False):
    """End a batch operation that got no items beyond so many *items* and was not started: whoever creates it is gone. Only ever a follow-up."""

    batch_key: int
    items: int


class CancelBatchItems(Command, frozen=True, gc=False):
    """Cancel the next items of a batch operation that was canceled; only ever a follow-up."""

    batch_key: int


class DeleteEndedInstance(Command, frozen=True, gc=False):
    """Delete a process instance that has ended, with its history."""

    intent: ClassVar[str] = "DELETE"
    process_instance_key: int


class DeleteMessage(Command, frozen=True, gc=False):
    """Forget a kept message before its time."""

    intent: ClassVar[str] = "DELETE"
    message_key: int


class DeleteEvaluation(Command, frozen=True, gc=False):
    """Delete an evaluation of a decision."""

    intent: ClassVar[str] = "DELETE"
    evaluation_key: int
