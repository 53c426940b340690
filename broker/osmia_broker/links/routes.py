"""Which partition a call belongs to, read from the bytes of its request without parsing the message.

`ROUTES` names every call of the contract once; tests/links/test_routes.py compares it with the .proto files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

PARTITION_SHIFT = 51  # of a key: the partition stands above a counter
GATEWAY = "/gateway_protocol.Gateway/"
QUERIES, EVENTS = "/osmia.v1.Queries/", "/osmia.v1.Events/"
USER_TASKS, JOB_FLOW = "/osmia.v1.UserTasks/", "/osmia.v1.JobFlow/"
VARINT_BYTES_MAX = 10


class To(Enum):
    """Where the calls go that have no key of what they act on."""

    ANY = "any process: it creates something, or reads what all have"
    ALL = "every process has a part of the answer, or of the work"
    FIRST = "the process of partition 1, which owns all definitions"
    BY_NAME = "the partition that the hash of a text in it chooses"


@dataclass(frozen=True, slots=True)
class Key:
    """The field with the key of what a call acts on: its number on the wire, and its name for people."""

    number: int
    name: str


_JOB, _INSTANCE, _TASK = Key(1, "jobKey"), Key(1, "processInstanceKey"), Key(1, "key")

ROUTES: dict[str, Key | To] = {
    **{
        GATEWAY + name: _JOB
        for name in (
            *("CompleteJob", "FailJob", "ThrowError"),
            *("UpdateJobRetries", "UpdateJobTimeout", "UpdateJobPriority"),
        )
    },
    **{
        GATEWAY + name: _INSTANCE
        for name in (
            *("CancelProcessInstance", "ModifyProcessInstance", "MigrateProcessInstance"),
            "AssignProcessInstanceBusinessId",
        )
    },
    GATEWAY + "ResolveIncident": Key(1, "incidentKey"),
    GATEWAY + "SetVariables": Key(1, "elementInstanceKey"),
    GATEWAY + "ActivateJobs": To.ALL,
    GATEWAY + "StreamActivatedJobs": To.ALL,
    GATEWAY + "BroadcastSignal": To.ALL,
    GATEWAY + "EvaluateConditional": To.FIRST,
    GATEWAY + "PublishMessage": To.BY_NAME,
    **{GATEWAY + name: To.FIRST for name in ("DeployProcess", "DeployResource", "DeleteResource")},
    **{
        GATEWAY + name: To.ANY
        for name in ("CreateProcessInstance", "CreateProcessInstanceWithResult", "EvaluateDecision", "Topology")
    },
    **{
        QUERIES + name: To.ALL
        for name in (
            *("SearchProcessInstances", "SearchJobs", "SearchIncidents", "SearchVariables", "SearchTimers"),
            *("SearchSubscriptions", "SearchMessages", "SearchDecisionEvaluations", "Status"),
        )
    },
    QUERIES + "SearchProcessDefinitions": To.FIRST,
    QUERIES + "GetProcessXml": To.FIRST,
    QUERIES + "GetProcessInstance": _TASK,
    QUERIES + "ListTakenSequenceFlows": Key(1, "process_instance_key"),
    EVENTS + "FollowEvents": To.ALL,
    EVENTS + "GetEventLog": To.ALL,
    **{
        USER_TASKS + name: _TASK
        for name in (
            *("GetUserTask", "ClaimUserTask", "UnclaimUserTask", "AssignUserTask", "UpdateUserTask"),
            *("CompleteUserTask", "UndoUserTask", "SnoozeUserTask", "GetUserTaskForm", "GetUserTaskVariables"),
            *("ProposeForUserTask", "ListUserTaskProposals", "SaveUserTaskDraft", "GetUserTaskDraft"),
            *("CommentUserTask", "ListUserTaskComments", "GetUserTaskHistory"),
        )
    },
    USER_TASKS + "AnswerUserTaskProposal": Key(1, "proposal_key"),
    **{
        USER_TASKS + name: To.ALL
        for name in (
            *("SearchUserTasks", "ClaimNextUserTask", "ListUserTaskFilters", "SaveUserTaskFilter"),
            *("ListUserTaskSnoozes", "FollowUserTasks"),
        )
    },
    **{JOB_FLOW + name: To.ALL for name in ("PauseJobs", "ResumeJobs", "LimitJobs", "ListJobFlow", "ListWorkers")},
}


def partition_of(path: str, partitions: int) -> Callable[[bytes], int] | None:
    """Return the function that reads the partition of a request of the call *path*; None if the call has no key.

    It returns 0 for a request without a key of a partition from 1 to *partitions*. Such a key exists nowhere, so any process can refuse it.
    """
    route = ROUTES.get(path)
    if not isinstance(route, Key):
        return None
    number = route.number

    def read(request: bytes) -> int:
        partition = int64(request, number) >> PARTITION_SHIFT
        return partition if 0 < partition <= partitions else 0

    return read


def int64(message: bytes, number: int) -> int:
    """Return the field *number*, an int64, of a protobuf message; 0 if it is absent or *message* is none.

    As in any reader of protobuf, the last of several counts, and a field of the right number in another wire type is passed over
    (Protocol Buffers, "Encoding").
    """
    found, at, end = 0, 0, len(message)
    try:
        while at < end:
            tag = message[at]
            at += 1
            if tag >= 0x80:
                tag, at = _varint(message, at - 1)
            kind = tag & 7
            if kind == 2:
                size = message[at]
                at += 1
                if size >= 0x80:
                    size, at = _varint(message, at - 1)
                at += size
            elif kind == 0:
                value, at = _varint(message, at)
                if tag >> 3 == number:
                    found = value
            else:
                at = _skip(message, at, tag)
    except (IndexError, ValueError):
        return 0
    if at > end:
        return 0
    return found if found < 1 << 63 else found - (1 << 64)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number at *at*, cut to 64 bits, and where it ends.

    Raises:
        ValueError: it is too long.
        IndexError: it does not end.
    """
    value = shift = 0
    for at in range(at, at + VARINT_BYTES_MAX):  # noqa: B020, PLR1704 - it goes on from there
        octet = message[at]
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + 1
        shift += 7
    raise ValueError("Expected a number of at most ten bytes, but found a longer one")


def _skip(message: bytes, at: int, tag: int) -> int:
    """Return where the field ends whose value begins at *at*. Its wire type is none of the two usual ones.

    Raises:
        ValueError: it has none.
        IndexError: it does not end.
    """
    groups: list[int] = []  # that are open, by number
    while True:
        kind = tag & 7
        if kind == 0:
            _, at = _varint(message, at)
        elif kind == 1:
            at += 8
        elif kind == 2:
            size, at = _varint(message, at)
            at += size
        elif kind == 3:
            groups.append(tag >> 3)
        elif kind == 4:
            if not groups or groups.pop() != tag >> 3:
                raise ValueError("Expected a group that ends after it has begun, but found another end")
        elif kind == 5:
            at += 4
        else:
            raise ValueError("Expected a wire type that there is, but found another")
        if not groups:
            return at
        tag, at = _varint(message, at)
