"""Proposals for user tasks: to make, to list and to answer one."""

from msgspec import Raw, field

from osmia_broker.calls.tasks.proposals import Undecided
from osmia_broker.http.described import FreeObject, GivenVariables
from osmia_broker.http.operation import OWN, Call, operation
from osmia_broker.http.types import Body, Item, Key, Text, variables_text
from osmia_broker.state.rows.tasks import TaskProposal
from osmia_broker.store.read.search.values import moment

TAG = "Proposal"
PROPOSALS = "/user-tasks/{userTaskKey}/proposals"


class NewProposal(Body):
    """Values for a task, a word for the decision, and the reason."""

    variables: GivenVariables = field(default_factory=Raw)
    outcome: Text | None = None
    text: Text | None = None


class MadeProposal(Item):
    """The key of a proposal."""

    proposal_key: str


class Proposal(Item):
    """A proposal, and what became of it."""

    proposal_key: str
    user_task_key: str
    user: str | None
    variables: FreeObject
    outcome: str | None
    text: str | None
    creation_date: str | None
    state: str
    answered_by: str | None
    answer_date: str | None
    answer: str | None


class Proposals(Item):
    """The proposals for a task, oldest first."""

    items: list[Proposal]


class Answer(Body):
    """ACCEPTED completes the task with the values, EDITED takes them over by hand, ANSWERED writes *text* back, IGNORED puts them aside."""

    state: Text
    text: Text | None = None


@operation("POST", PROPOSALS, tag=TAG, status=201, base=OWN)
async def propose_for_user_task(call: Call, user_task_key: Key, body: NewProposal) -> MadeProposal:
    """Propose values for an open user task; they are no variables before somebody accepts them."""
    key = await _undecided(call).propose(
        user_task_key,
        variables_text(body.variables),
        outcome=body.outcome or "",
        text=body.text or "",
        caller=call.caller,
    )
    return MadeProposal(proposal_key=str(key))


@operation("GET", PROPOSALS, tag=TAG, base=OWN)
async def get_user_task_proposals(call: Call, user_task_key: Key) -> Proposals:
    """List the proposals for a user task, oldest first."""
    return Proposals(items=[_shown(one) for one in await _undecided(call).proposals(user_task_key, caller=call.caller)])


@operation("POST", "/user-task-proposals/{proposalKey}/answer", tag=TAG, status=204, waits=True, base=OWN)
async def answer_user_task_proposal(call: Call, proposal_key: Key, body: Answer) -> None:
    """Answer a proposal that is open: accept, edit, respond or ignore it."""
    await _undecided(call).answer(proposal_key, body.state, answer=body.text or "", caller=call.caller)


def _undecided(call: Call) -> Undecided:
    return Undecided(call.calls.user_tasks, call.reader)


def _shown(one: TaskProposal) -> Proposal:
    return Proposal(
        proposal_key=str(one.key),
        user_task_key=str(one.user_task_key),
        user=one.user or None,
        variables=Raw(one.variables.encode()),  # type: ignore[arg-type]  # sent as it is, so that numbers keep their digits
        outcome=one.outcome or None,
        text=one.text or None,
        creation_date=moment(one.at_ms),
        state=one.state,
        answered_by=one.answered_by or None,
        answer_date=moment(one.answered_ms),
        answer=one.answer or None,
    )
