"""The tables whose rows belong to the whole cluster: partition 1 changes them, and every partition has all of their rows.

A broker with several partitions decides each change in partition 1. The others take over its rows as they are, with their keys, so a process
instance finds the same definitions wherever it runs (`partition/following.py`).
"""

from typing import Any

from msgspec.structs import replace

from osmia_broker.state.memory.whole_table import WholeTable
from osmia_broker.state.rows import (
    Decision,
    DecisionRequirements,
    Form,
    ProcessDefinition,
    Row,
    StartSubscription,
)
from osmia_broker.state.rows.batches import ClusterVariable
from osmia_broker.state.rows.job_flow import JobFlow
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import GlobalTaskListener
from osmia_broker.state.state import State

#: Definitions first, because the others refer to them.
CLUSTER_TYPES: tuple[type, ...] = (
    ProcessDefinition,
    DecisionRequirements,
    Decision,
    Form,
    StartSubscription,
    GlobalTaskListener,
    ClusterVariable,
    JobFlow,
)

_OVER: dict[type, str] = {
    StartSubscription: "ended_ms",
    GlobalTaskListener: "deleted_ms",
    ClusterVariable: "deleted_ms",
}


def cluster_tables(state: State) -> dict[type, WholeTable[Any]]:
    """Return the tables of CLUSTER_TYPES by row class."""
    return {
        **state.definitions.tables(),
        StartSubscription: state.start_subscriptions,
        GlobalTaskListener: state.global_listeners,
        ClusterVariable: state.cluster_variables,
        JobFlow: state.jobs.flow,
    }


def identity_of(row: Row) -> tuple[type, Any]:
    """Return the row class and the primary key of a row."""
    kind = type(row)
    return kind, getattr(row, KINDS[kind].primary_key[0])


def ended(row: Row, now_ms: int) -> Row | None:
    """Return *row* as one that does not live any more; None if the rows of its class stay for ever."""
    column = _OVER.get(type(row))
    return None if column is None else replace(row, **{column: max(now_ms, 1)})


def has_ended(row: Row) -> bool:
    """Whether *row* does not live any more, so that its table does not keep it."""
    column = _OVER.get(type(row))
    return column is not None and getattr(row, column) != 0
