"""Proposals for user tasks: values that a worker, an agent or a person suggests, and what a person makes of them.

A proposal is a note: the engine writes it and never reads it. So a command that answers one brings it along, and the partition remembers
what was answered meanwhile: of two people who answer at once, one does.
"""

from msgspec.structs import replace

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.commands.tasks import AnswerTaskProposal, ProposeForUserTask
from osmia_broker.engine.engine import handles
from osmia_broker.engine.tasks.listeners import completion
from osmia_broker.engine.tasks.people import change_or_refuse, changeable_task, open_task
from osmia_broker.engine.tasks.policy import Right
from osmia_broker.engine.tasks.rows import note_event, write_answer
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows.tasks import ProposalState, TaskOperation, TaskProposal


@handles(ProposeForUserTask)
def propose(turn: Turn, command: ProposeForUserTask) -> int:
    """Write a proposal beside a task. Whoever may read the task may propose."""
    task = open_task(turn, command.user_task_key, command.actor, Right.READ, "propose for")
    key = turn.next_key()
    turn.notes[TaskProposal].write(
        TaskProposal(
            key,
            task.process_instance_key,
            task.key,
            command.actor.user,
            command.variables,
            command.outcome,
            command.text,
            turn.now_ms,
        )
    )
    note_event(turn, task, TaskOperation.UPDATE, action="propose", actor=command.actor, diff={})
    return key


@handles(AnswerTaskProposal)
def answer_proposal(turn: Turn, command: AnswerTaskProposal) -> bool:
    """Write the answer. Values are accepted with the completion of the task: when it takes effect, and not if a task listener denies it."""
    made, actor = command.proposal, command.actor
    task = changeable_task(turn, made.user_task_key, actor, Right.COMPLETE, "answer a proposal for")
    if made.state != ProposalState.OPEN or turn.state.answered.has(made.key):
        raise InvalidState(f"Expected the proposal with key '{made.key}' to be open, but somebody has answered it")
    if not turn.state.answered.knows_all_since(command.read_key):
        raise InvalidState(
            f"Expected the answer to the proposal with key '{made.key}' to know what was answered before, but it was read too long ago;"
            " read it again"
        )
    answered = replace(
        made, state=command.state, answered_by=actor.user, answered_ms=turn.now_ms, answer=command.answer
    )
    if command.state is not ProposalState.ACCEPTED:
        write_answer(turn, task, answered, actor)
        return True
    change = completion(actor, command.variables, made.outcome, command.ticket)
    change.proposal = answered
    return change_or_refuse(turn, task, change)
