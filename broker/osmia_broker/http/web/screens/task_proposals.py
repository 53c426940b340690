"""The choices of a person about a proposal for a task: accept, edit, respond, ignore."""

import msgspec
from starlette.responses import Response

from osmia_broker.base.errors import InvalidArgument, InvalidState, OsmiaError
from osmia_broker.http.web.screen import action
from osmia_broker.http.web.screens.task_actions import TASK, back_to, done_with, why_not
from osmia_broker.http.web.task_view import Draft, proposed_values, read_task
from osmia_broker.http.web.visit import Visit
from osmia_broker.state.rows.tasks import ProposalState, TaskProposal
from osmia_broker.store.read.tasks.task_proposals import proposal

PROPOSAL = TASK + "/proposals/{proposal_key:int}"


@action(PROPOSAL + "/accept")
async def accept(visit: Visit, key: int, proposal_key: int) -> Response:
    """Complete the task with the proposed values."""
    doing = visit.undecided.answer(proposal_key, ProposalState.ACCEPTED, caller=visit.caller)
    return await done_with(visit, key, doing, "Proposal accepted. Task completed.")


@action(PROPOSAL + "/edit")
async def edit(visit: Visit, key: int, proposal_key: int) -> Response:
    """Put the proposed values into the fields, as a draft of the person."""
    try:
        found = (await proposal(visit.reader, proposal_key)).row
        if found.user_task_key != key:
            raise InvalidArgument("it is for another task")
        if found.state != ProposalState.OPEN:
            raise InvalidState(f"Expected the proposal to be open, but it is {found.state.lower()}")
        draft = await _draft(visit, key, found)
        # First the draft: it can be saved twice, but a proposal whose values are nowhere cannot be opened again.
        await visit.calls.user_tasks.save_draft(key, msgspec.json.encode(draft).decode(), caller=visit.caller)
        await visit.undecided.answer(proposal_key, ProposalState.EDITED, caller=visit.caller)
    except OsmiaError as error:
        return visit.go(back_to(visit, key), alert=await why_not(visit, key, error))
    return visit.go(
        back_to(visit, key), status="The proposed values are in the fields. Change them, then complete the task."
    )


@action(PROPOSAL + "/respond")
async def respond(visit: Visit, key: int, proposal_key: int) -> Response:
    """Write back to whoever proposed."""
    text = (await visit.field("answer")).strip()
    if not text:
        return visit.go(back_to(visit, key), alert="Nothing was sent, because the answer had no text.")
    doing = visit.undecided.answer(proposal_key, ProposalState.ANSWERED, answer=text, caller=visit.caller)
    return await done_with(visit, key, doing, "Answer sent.")


@action(PROPOSAL + "/ignore")
async def ignore(visit: Visit, key: int, proposal_key: int) -> Response:
    """Put the proposal aside."""
    doing = visit.undecided.answer(proposal_key, ProposalState.IGNORED, caller=visit.caller)
    return await done_with(visit, key, doing, "Proposal ignored.")


async def _draft(visit: Visit, key: int, found: TaskProposal) -> Draft:
    """Make the draft: values of the form where the task has one, else of the variables that are there, else of new ones."""
    view = await read_task(visit, key)
    values = proposed_values(found)
    if view.has_form:
        return Draft(form={name: msgspec.json.decode(text) for name, text in values.items()})
    there = {row.name for row in view.rows}
    return Draft(
        values={name: text for name, text in values.items() if name in there},
        added=[(name, text) for name, text in values.items() if name not in there],
    )
