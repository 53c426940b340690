"""`osmia task propose|proposals|accept|respond|ignore|undo`: what somebody proposes for a task, and what is taken back."""

from typing import Annotated

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import Groups, Key, User, Var, Vars, acting
from osmia_broker.cli.output import Column, moment
from osmia_broker.cli.session import Session, with_session

COLUMNS = (
    Column("proposalKey", "KEY"),
    Column("state", "STATE"),
    Column("user", "WHO", is_long=True),
    Column("timestamp", "WHEN", is_moment=True),
    Column("outcome", "OUTCOME"),
    Column("variables", "VARIABLES", is_long=True),
    Column("text", "WHY", is_long=True),
    Column("answer", "ANSWER", is_long=True),
)
ProposalKey = Annotated[int, typer.Argument(metavar="PROPOSAL", min=1, help="The key of the proposal.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of `osmia task`."""
    for command in (propose, proposals, accept, respond, ignore, undo):
        app.command()(command)


@with_session
def propose(
    session: Session,
    key: Key,
    var: Var = None,
    vars: Vars = None,
    outcome: Annotated[str, typer.Option(metavar="WORD", help="A word for the decision, such as approve.")] = "",
    text: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    user: User = "",
    groups: Groups = "",
) -> None:
    """Propose values for a user task; a person accepts, edits or ignores them.

    Example: osmia task propose 2251799813685256 --var approved=true --outcome approve --text "Within the budget"
    """
    variables = typed.read(var, vars)
    with session.client(found_by="osmia tasks") as client:
        made = client.user_tasks.propose(key, variables, outcome=outcome, text=text, **acting(user, groups))
    session.one({"proposalKey": str(made)}, key="proposalKey", text=f"Proposed {made} for {key}")


@with_session
def proposals(session: Session, key: Key, user: User = "", groups: Groups = "") -> None:
    """List what was proposed for a user task.

    Example: osmia task proposals 2251799813685256
    """
    with session.client(found_by="osmia tasks") as client:
        found = client.user_tasks.proposals(key, **acting(user, groups))
    rows = [
        {
            "proposalKey": str(one.key),
            "state": one.state,
            "user": one.user or None,
            "timestamp": moment(one.at_ms),
            "outcome": one.outcome or None,
            "variables": dict(one.variables),
            "text": one.text or None,
            "answer": one.answer or None,
            "answeredBy": one.answered_by or None,
        }
        for one in found
    ]
    session.list(rows, COLUMNS, empty="Nothing was proposed for this task.")


@with_session
def accept(session: Session, proposal: ProposalKey, user: User = "", groups: Groups = "") -> None:
    """Accept a proposal: complete its task with its values.

    Example: osmia task accept 2251799813685290 --user anna
    """
    _answer(session, proposal, "ACCEPTED", "Accepted", "", user, groups)


@with_session
def respond(
    session: Session,
    proposal: ProposalKey,
    answer: Annotated[str, typer.Argument(metavar="TEXT", help="What you answer.")],
    user: User = "",
    groups: Groups = "",
) -> None:
    """Answer a proposal with a text, so that its author can make a better one.

    Example: osmia task respond 2251799813685290 "Not above 500" --user anna
    """
    _answer(session, proposal, "ANSWERED", "Answered", answer, user, groups)


@with_session
def ignore(session: Session, proposal: ProposalKey, user: User = "", groups: Groups = "") -> None:
    """Ignore a proposal.

    Example: osmia task ignore 2251799813685290 --user anna
    """
    _answer(session, proposal, "IGNORED", "Ignored", "", user, groups)


@with_session
def undo(session: Session, key: Key, user: User = "", groups: Groups = "") -> None:
    """Take back what you did last with a user task: a completion that is held, or an assignment of the last ten seconds.

    Example: osmia task undo 2251799813685256 --user anna
    """
    with session.client(found_by="osmia tasks") as client:
        client.user_tasks.undo(key, **acting(user, groups))
    session.one({"userTaskKey": str(key)}, key="userTaskKey", text=f"Took it back: {key} is as before")


def _answer(session: Session, proposal: int, state: str, done: str, answer: str, user: str, groups: str) -> None:
    with session.client(found_by="osmia task proposals KEY   (it lists those of a task)") as client:
        client.user_tasks.answer_proposal(proposal, state, answer=answer, **acting(user, groups))
    session.one({"proposalKey": str(proposal)}, key="proposalKey", text=f"{done} {proposal}")
