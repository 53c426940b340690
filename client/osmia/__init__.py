"""The Python SDK of Osmia: call the gateway and work on jobs.

`Client` and `Worker` are for asyncio, `SyncClient` and `SyncWorker` for code without it. All work with any gateway of the
Zeebe protocol. Errors are in `osmia.errors`, results in `osmia.results`, tests without a broker in `osmia.testing`.
"""

from osmia.access import ClientCredentials, Password, RenewableToken, Token
from osmia.calls.events import Correlation, StartedInstance
from osmia.calls.instances import Activate, Move
from osmia.calls.user_tasks import UserTask
from osmia.client import Client
from osmia.errors import (
    AlreadyExists,
    BrokerFailed,
    InvalidArgument,
    InvalidState,
    NotAllowed,
    NotFound,
    OsmiaError,
    OutOfRange,
    Overloaded,
    Refused,
    Timeout,
    Unavailable,
    Unimplemented,
)
from osmia.job import USER_TASK_TYPE, AdHocResult, BpmnError, Job, JobFailure, TaskListenerResult
from osmia.signature import AllVariables
from osmia.sync import SyncClient, SyncWorker
from osmia.worker import Worker

__version__ = "0.1.0"

__all__ = [
    "USER_TASK_TYPE",
    "Activate",
    "AdHocResult",
    "AllVariables",
    "AlreadyExists",
    "BpmnError",
    "BrokerFailed",
    "Client",
    "ClientCredentials",
    "Correlation",
    "InvalidArgument",
    "InvalidState",
    "Job",
    "JobFailure",
    "Move",
    "NotAllowed",
    "NotFound",
    "OsmiaError",
    "OutOfRange",
    "Overloaded",
    "Password",
    "Refused",
    "RenewableToken",
    "StartedInstance",
    "SyncClient",
    "SyncWorker",
    "TaskListenerResult",
    "Timeout",
    "Token",
    "Unavailable",
    "Unimplemented",
    "UserTask",
    "Worker",
]
