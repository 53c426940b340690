"""The data dictionary: one class per stored table, one field per column, in column order.

A row class is declared once, in the file of its subject. `kinds` says what follows from its declaration.

Rows are written only through their table in `State`, so that undo, the look-ups and the commit see every change. A row that has
ended keeps its place in the store with `ended_ms` set; that is the history. While a row lives, its `ended_ms` is 0.

All keys are 64-bit and come from the partition's one counter. All times are epoch milliseconds. JSON columns hold compact text.
"""

from typing import Any

from osmia_broker.state.rows.batches import ClusterVariable
from osmia_broker.state.rows.definitions import (
    Decision,
    DecisionRequirements,
    Form,
    ProcessDefinition,
    Resource,
    StartSubscription,
    SubscriptionKind,
)
from osmia_broker.state.rows.event_log import EventRecording
from osmia_broker.state.rows.instances import (
    RUNNING,
    AdHocCompletion,
    BusinessId,
    CalledInstance,
    Compensation,
    CreatedOnce,
    DecisionEvaluation,
    ElementInstance,
    ElementState,
    InstanceOrigin,
    Loop,
    LoopResult,
    Variable,
    WaitingToken,
)
from osmia_broker.state.rows.job_flow import JobFlow
from osmia_broker.state.rows.jobs import ErrorType, Incident, Job, JobKind, JobState
from osmia_broker.state.rows.kinds import KINDS, Kind
from osmia_broker.state.rows.tasks import GlobalTaskListener
from osmia_broker.state.rows.waiting import FollowUp, Message, Received, RemoteSubscription, Subscription, Timer

__all__ = [
    "DEFINITION_TYPES",
    "DUE_KINDS",
    "INSTANCE_KINDS",
    "KINDS",
    "RUNNING",
    "AdHocCompletion",
    "BusinessId",
    "CalledInstance",
    "ClusterVariable",
    "Compensation",
    "CreatedOnce",
    "Decision",
    "DecisionEvaluation",
    "DecisionRequirements",
    "ElementInstance",
    "ElementState",
    "ErrorType",
    "EventRecording",
    "FollowUp",
    "Form",
    "GlobalTaskListener",
    "Incident",
    "InstanceOrigin",
    "Job",
    "JobFlow",
    "JobKind",
    "JobState",
    "Loop",
    "LoopResult",
    "Message",
    "ProcessDefinition",
    "Received",
    "RemoteSubscription",
    "Resource",
    "Row",
    "StartSubscription",
    "Subscription",
    "SubscriptionKind",
    "Timer",
    "Variable",
    "WaitingToken",
]

Row = Any  #: a row of any kind in KINDS

INSTANCE_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS.values() if kind.of_instance)
DUE_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS.values() if kind.due)
#: Resident as a whole.
DEFINITION_TYPES: tuple[type, ...] = (
    ProcessDefinition,
    DecisionRequirements,
    Decision,
    Form,
    StartSubscription,
    GlobalTaskListener,
    EventRecording,
    ClusterVariable,
    JobFlow,
    Received,
)
