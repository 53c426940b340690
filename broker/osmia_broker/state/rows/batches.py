"""The rows of batch operations and of cluster variables: they serve operators."""

from enum import StrEnum

from osmia_broker.state.rows.kinds import Changing, StoredRow, stored


class BatchType(StrEnum):
    """The kinds of batch operations, by what is done to each item."""

    CANCEL_PROCESS_INSTANCE = "CANCEL_PROCESS_INSTANCE"
    DELETE_DECISION_INSTANCE = "DELETE_DECISION_INSTANCE"
    DELETE_PROCESS_INSTANCE = "DELETE_PROCESS_INSTANCE"
    MIGRATE_PROCESS_INSTANCE = "MIGRATE_PROCESS_INSTANCE"
    MODIFY_PROCESS_INSTANCE = "MODIFY_PROCESS_INSTANCE"
    RESOLVE_INCIDENT = "RESOLVE_INCIDENT"
    RESUME_PROCESS_INSTANCE = "RESUME_PROCESS_INSTANCE"
    SUSPEND_PROCESS_INSTANCE = "SUSPEND_PROCESS_INSTANCE"
    UPDATE_JOB = "UPDATE_JOB"


class BatchState(StrEnum):
    """The states of a batch operation."""

    CREATED = "CREATED"  # its items are still being written
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"  # every item was tried; some may have failed
    CANCELED = "CANCELED"


class BatchItemState(StrEnum):
    """The states of an item of a batch operation."""

    ACTIVE = "ACTIVE"  # to be worked off
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"  # with its batch operation


@stored("batch_operations", of_instance=True, sized=("plan",), matches=(("whole_key",),))
class BatchOperation(StoredRow):
    """One command for many items, which is worked off in slices; or the share that another partition has in it."""

    key: int
    process_instance_key: int  # its own key: it comes into memory alone
    type: BatchType
    plan: str  # JSON object: the details of the command
    user: str  # who asked for it; empty if unknown
    started_ms: int
    state: Changing[BatchState] = BatchState.CREATED
    items: Changing[int] = 0  # all of them
    completed: Changing[int] = 0
    failed: Changing[int] = 0
    ended_ms: Changing[int] = 0
    # Of a share: the batch operation that it belongs to, in the partition that has given out this key; else 0.
    whole_key: int = 0


@stored("batch_items", of_instance=True, sized=("error_message",), matches=(("batch_key",),))
class BatchItem(StoredRow):
    """One item of a batch operation."""

    key: int
    process_instance_key: int  # its own key: it comes into memory alone
    batch_key: int  # of the whole batch operation, whose partition may be another one
    item_key: int  # of the process instance, incident, job or decision evaluation that the command is for
    target_instance_key: int  # the process instance that the item belongs to; 0 for none
    state: Changing[BatchItemState] = BatchItemState.ACTIVE
    error_message: Changing[str] = ""
    ended_ms: Changing[int] = 0  # when it was worked off


@stored("cluster_variables", primary_key=("name",))
class ClusterVariable(StoredRow):
    """A variable that every expression can read as `camunda.vars.cluster.name`."""

    name: str
    value: Changing[str]  # JSON
    metadata: Changing[str] = "{}"  # JSON object
    deleted_ms: Changing[int] = 0
