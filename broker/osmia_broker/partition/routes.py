"""The way of each command in a broker with several partitions.

A command about one thing goes to the partition that has given out its key. What belongs to the whole cluster is decided by partition 1. A new
process instance may begin anywhere. A command in no table here is the partition's own, or its caller knows the partition.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from osmia_broker.engine import commands
from osmia_broker.engine.commands import Command, batches, tasks
from osmia_broker.engine.commands import job_flow as flow

Key = Callable[[Any], int]


def _by(name: str, *kinds: type[Command]) -> dict[type[Command], Key]:
    return dict.fromkeys(kinds, attrgetter(name))


#: The key that names the subject of a command. One that no partition has given out is refused as unknown, by partition 1.
SUBJECT: dict[type[Command], Key] = {
    **_by(
        "process_instance_key",
        commands.CancelProcessInstance,
        commands.ModifyProcessInstance,
        commands.MigrateProcessInstance,
        commands.SuspendProcessInstance,
        commands.ResumeProcessInstance,
        commands.AssignBusinessId,
        batches.DeleteEndedInstance,
    ),
    **_by(
        "job_key",
        commands.CompleteJob,
        commands.FailJob,
        commands.ThrowError,
        commands.UpdateJobRetries,
        commands.UpdateJobPriority,
        commands.UpdateJobTimeout,
        commands.UpdateJob,
    ),
    **_by(
        "user_task_key",
        tasks.AssignUserTask,
        tasks.ClaimUserTask,
        tasks.UpdateUserTask,
        tasks.CompleteUserTask,
        tasks.CommentUserTask,
        tasks.SaveTaskDraft,
        tasks.SnoozeUserTask,
        tasks.HoldUserTask,
        tasks.UndoUserTask,
        tasks.RevertAssignment,
        tasks.ProposeForUserTask,
    ),
    **_by("proposal.user_task_key", tasks.AnswerTaskProposal),
    **_by("element_instance_key", commands.SetVariables),
    **_by("incident_key", commands.ResolveIncident),
    **_by("evaluation_key", batches.DeleteEvaluation),
    **_by("message_key", batches.DeleteMessage),
    **_by("ad_hoc_key", commands.ActivateAdHocElements),
    **_by(
        "batch_key",
        batches.AddBatchItems,
        batches.StartBatch,
        batches.SuspendBatch,
        batches.ResumeBatch,
        batches.CancelBatch,
    ),
}

#: Decided by partition 1. Where that changes rows of the cluster, the other partitions take them over before the caller is answered.
OF_CLUSTER = frozenset(
    {
        commands.DeployResources,
        commands.DeleteResource,
        tasks.CreateGlobalTaskListener,
        tasks.UpdateGlobalTaskListener,
        tasks.DeleteGlobalTaskListener,
        tasks.SaveTaskFilter,
        commands.CreateClusterVariable,
        commands.UpdateClusterVariable,
        commands.DeleteClusterVariable,
        flow.PauseJobs,
        flow.ResumeJobs,
        flow.LimitJobs,
    }
)

#: Carried out by any partition that has taken over all of the cluster's rows.
ANYWHERE = frozenset(
    {
        commands.CreateProcessInstance,
        commands.EvaluateDecision,
        commands.EvaluateConditional,
        commands.BroadcastSignal,
        batches.CreateBatch,
    }
)

#: Carried out where messages with this name and key meet what waits for them.
MESSAGES = frozenset({commands.PublishMessage, commands.CorrelateAtOnce})
