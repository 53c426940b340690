"""The name of each command in the text that refuses it: that of the caller's wish, not that of a relative."""

import pytest

from osmia_broker.base.errors import Rejection, framed
from osmia_broker.engine import commands
from osmia_broker.engine.commands import Command, batches, tasks
from osmia_broker.engine.commands import job_flow as flow
from osmia_broker.engine.engine import HANDLERS
from osmia_broker.state.rows.tasks import ProposalState, TaskProposal
from tests.partition.opened import activate, create, deploy, opened

UNKNOWN = 99
PROPOSAL = TaskProposal(UNKNOWN, UNKNOWN, UNKNOWN, "ada", "{}", "", "", 1)

#: Commands that a broker with nothing in it refuses: the command, its name, and the wish in the words of the refusal.
REFUSED = [
    (create(), "CREATE", "to find process definition"),
    (commands.CancelProcessInstance(UNKNOWN), "CANCEL", "to cancel"),
    (commands.ModifyProcessInstance(UNKNOWN), "MODIFY", "to modify"),
    (commands.MigrateProcessInstance(UNKNOWN, UNKNOWN, ()), "MIGRATE", "to migrate"),
    (commands.AssignBusinessId(UNKNOWN, "b"), "ASSIGN", "to assign"),
    (commands.SuspendProcessInstance(UNKNOWN), "SUSPEND", "to suspend"),
    (commands.ResumeProcessInstance(UNKNOWN), "RESUME", "to resume"),
    (commands.DeleteResource(UNKNOWN), "DELETE", "to delete"),
    (commands.PublishMessage("m", "k", 0, "", {}, must_reach=True), "PUBLISH", "something to wait for message"),
    (commands.CorrelateAtOnce("m", "k", {}), "CORRELATE", "to find subscription"),
    (commands.BroadcastSignal("s", {}, must_start=True), "BROADCAST", "a start event of signal"),
    (commands.EvaluateConditional(UNKNOWN, {}), "EVALUATE", "to evaluate"),
    (commands.ActivateAdHocElements(UNKNOWN, ()), "ACTIVATE", "to activate"),
    (commands.CompleteJob(UNKNOWN, {}), "COMPLETE", "to complete"),
    (commands.FailJob(UNKNOWN, 1, "", 0, {}), "FAIL", "to fail"),
    (commands.ThrowError(UNKNOWN, "e", "", {}), "THROW_ERROR", "to throw"),
    (commands.UpdateJobRetries(UNKNOWN, 1), "UPDATE_RETRIES", "to update"),
    (commands.UpdateJobPriority(UNKNOWN, 1), "UPDATE_PRIORITY", "to update"),
    (commands.UpdateJobTimeout(UNKNOWN, 1), "UPDATE_TIMEOUT", "to update"),
    (commands.UpdateJob(UNKNOWN, retries=1), "UPDATE", "to update"),
    (commands.SetVariables(UNKNOWN, {}, local=False), "UPDATE", "to update"),
    (commands.ResolveIncident(UNKNOWN), "RESOLVE", "to resolve"),
    (commands.EvaluateDecision("d", 0, {}), "EVALUATE", "to evaluate"),
    (commands.ReadScope(UNKNOWN, frozenset()), "EVALUATE", "to evaluate"),
    (commands.UpdateClusterVariable("v", "1"), "UPDATE", "to update"),
    (commands.DeleteClusterVariable("v"), "DELETE", "to delete"),
    (batches.AddBatchItems(UNKNOWN, ()), "CREATE", "to add items"),
    (batches.StartBatch(UNKNOWN), "START", "to start"),
    (batches.SuspendBatch(UNKNOWN), "SUSPEND", "to suspend"),
    (batches.ResumeBatch(UNKNOWN), "RESUME", "to resume"),
    (batches.CancelBatch(UNKNOWN), "CANCEL", "to cancel"),
    (flow.PauseJobs(""), "PAUSE", "a job type"),
    (flow.ResumeJobs(""), "RESUME", "a job type"),
    (tasks.AssignUserTask(UNKNOWN, "ada"), "ASSIGN", "to assign"),
    (tasks.ClaimUserTask(UNKNOWN, "ada"), "CLAIM", "to claim"),
    (tasks.UpdateUserTask(UNKNOWN, {"priority": 1}), "UPDATE", "to update"),
    (tasks.CompleteUserTask(UNKNOWN, {}), "COMPLETE", "to complete"),
    (tasks.CommentUserTask(UNKNOWN, "text"), "COMMENT", "to comment"),
    (tasks.SaveTaskDraft(UNKNOWN, "{}"), "SAVE", "to save"),
    (tasks.SnoozeUserTask(UNKNOWN), "SNOOZE", "to snooze"),
    (tasks.HoldUserTask(UNKNOWN, {}, 1), "COMPLETE", "to complete"),
    (tasks.UndoUserTask(UNKNOWN), "UNDO", "to undo"),
    (tasks.RevertAssignment(UNKNOWN, "ada", "bo"), "UNDO", "to take back"),
    (tasks.ProposeForUserTask(UNKNOWN, "{}"), "PROPOSE", "to propose"),
    (tasks.AnswerTaskProposal(PROPOSAL, 0, ProposalState.ANSWERED, "no", {}), "ANSWER", "to answer"),
    (batches.DeleteMessage(UNKNOWN), "DELETE", "to delete"),
    (tasks.UpdateGlobalTaskListener("l", type="t"), "UPDATE", "to update"),
    (tasks.DeleteGlobalTaskListener("l"), "DELETE", "to delete"),
]

#: Commands that a broker refuses because of something in it: the name, and the wish in the words of the refusal.
REFUSED_THE_SECOND_TIME = [
    (commands.CreateClusterVariable("v", "1"), "CREATE", "to create"),
    (tasks.CreateGlobalTaskListener("l", "t", ("creating",)), "CREATE", "to create"),
]

#: Commands that are carried out by a broker with nothing in it. Files are refused where they are compiled, before there is a command.
NEVER_REFUSED = {
    commands.DeployResources,
    commands.ActivateJobs,
    commands.GiveBackJobs,
    batches.CreateBatch,
    batches.DeleteEndedInstance,
    batches.DeleteEvaluation,
    flow.LimitJobs,
    flow.ListJobFlow,
    tasks.ClaimNextUserTask,
    tasks.SaveTaskFilter,
}


async def refusal(command: Command, *before: Command) -> Rejection:
    """The refusal of *command* by a broker that has carried out *before*."""
    async with opened() as it:
        for one in before:
            await it.do(one)
        with pytest.raises(Rejection) as caught:
            await it.do(command)
        return caught.value


@pytest.mark.parametrize(("command", "name", "wish"), REFUSED)
async def test_a_refusal_names_the_command_of_the_caller(command: Command, name: str, wish: str):
    refused = await refusal(command)
    assert framed(refused).startswith(f"Command '{name}' rejected with code '{refused.code}': Expected {wish}")


@pytest.mark.parametrize(("command", "name", "wish"), REFUSED_THE_SECOND_TIME)
async def test_what_exists_already_is_refused_by_the_name_of_its_command(command: Command, name: str, wish: str):
    refused = await refusal(command, command)
    assert framed(refused).startswith(f"Command '{name}' rejected with code 'ALREADY_EXISTS': Expected {wish}")


async def test_a_running_instance_is_not_deleted_by_the_name_of_deletion():
    async with opened() as it:
        await it.do(deploy("start > a:job > end"))
        created = await it.do(create())
        with pytest.raises(Rejection) as caught:
            await it.do(batches.DeleteEndedInstance(created.process_instance_key))
        wish = "Expected to delete process instance"
        assert framed(caught.value).startswith(f"Command 'DELETE' rejected with code 'INVALID_STATE': {wish}")
        assert len(await it.do(activate("a"))) == 1


def test_every_command_with_a_name_is_in_one_of_these_tables():
    refused = {type(command) for command, _, _ in REFUSED + REFUSED_THE_SECOND_TIME}
    modules = {one.__name__ for one in (commands, batches, flow, tasks)}
    assert refused | NEVER_REFUSED == {kind for kind in HANDLERS if kind.intent and kind.__module__ in modules}
