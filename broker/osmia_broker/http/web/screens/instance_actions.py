"""The actions on one process instance: cancel, suspend, resume, modify, migrate; its variables, jobs and incidents."""

import json
from typing import Any

from starlette.responses import Response

from osmia_broker.base.addresses import local_path
from osmia_broker.base.errors import InvalidArgument, NotFound, OsmiaError
from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine.commands import ActivateInstruction, MoveInstruction, TerminateInstruction
from osmia_broker.http.web.json_texts import json_fault, object_fault
from osmia_broker.http.web.numbers import number_in
from osmia_broker.http.web.resolving import failed_again, resolve, set_retries
from osmia_broker.http.web.screen import action
from osmia_broker.http.web.screens.instance import instance_page
from osmia_broker.http.web.visit import Visit
from osmia_broker.store.read.entities import INCIDENTS, JOBS
from osmia_broker.store.read.instances.instance_views import element_numbers
from osmia_broker.store.read.search.search import get

NAME_CHARACTERS_SHOWN = 60


def _page_of(visit: Visit, key: int) -> str:
    """Return the address of the instance's page from which an action came."""
    referrer = visit.request.headers.get("referer", "")
    query = referrer.partition("?")[2].partition("#")[0]
    return f"/instances/{key}?{query}" if query and f"/instances/{key}?" in referrer else f"/instances/{key}"


@action("/instances/{key:int}/cancel")
async def cancel(visit: Visit, key: int) -> Response:
    """Cancel the instance."""
    try:
        await visit.calls.cancel_instance(key)
    except NotFound:
        return visit.go(_page_of(visit, key), alert=f"Instance {key} has ended already. Its history below says how.")
    return visit.go(_page_of(visit, key), status=f"Instance {key} canceled.")


@action("/instances/{key:int}/suspend")
async def suspend(visit: Visit, key: int) -> Response:
    """Suspend the instance."""
    await visit.calls.suspend_instance(key)
    return visit.go(_page_of(visit, key), status=f"Instance {key} suspended.")


@action("/instances/{key:int}/resume")
async def resume(visit: Visit, key: int) -> Response:
    """Let the suspended instance go on."""
    await visit.calls.resume_instance(key)
    return visit.go(_page_of(visit, key), status=f"Instance {key} goes on.")


@action("/instances/{key:int}/modify")
async def modify(visit: Visit, key: int) -> Response:
    """Activate, terminate and move elements."""
    activate, terminate = (await visit.field("activate")).strip(), (await visit.field("terminate")).strip()
    source, target = (await visit.field("move-from")).strip(), (await visit.field("move-to")).strip()
    if not (activate or terminate or source or target):
        raise InvalidArgument("Expected an element to activate, terminate or move, but found none")
    if bool(source) != bool(target):
        raise InvalidArgument("Expected an element to move from and one to move to, but found only one of them")
    if terminate and not await _has_token(visit, key, terminate):
        raise InvalidArgument(f"No token is at '{terminate[:NAME_CHARACTERS_SHOWN]}', so there is nothing to terminate")
    typed = await visit.field("variables") or "{}"
    if fault := object_fault(typed):
        raise InvalidArgument(str(fault))
    variables = parse_variables(typed)
    given = (("", variables),) if variables else ()
    await visit.calls.modify_instance(
        key,
        activate=[ActivateInstruction(activate, variables=given)] if activate else (),
        terminate=[TerminateInstruction(element_id=terminate)] if terminate else (),
        move=[
            MoveInstruction(target, source_element_id=source, variables=() if activate else given, infers_ancestor=True)
        ]
        if source
        else (),
    )
    return visit.go(_page_of(visit, key), status=f"Instance {key} modified.")


async def _has_token(visit: Visit, key: int, element: str) -> bool:
    """Whether an element of the instance is active. Else the call would change nothing, and not say so."""
    numbers = {one["elementId"]: one for one in await element_numbers(visit.reader, key)}
    return element in numbers and numbers[element]["active"] + numbers[element]["incidents"] > 0


@action("/instances/{key:int}/migrate")
async def migrate(visit: Visit, key: int) -> Response:
    """Let the instance go on in another version."""
    target = number_in(await visit.field("target"))
    if target is None:
        raise InvalidArgument("Expected the key of a target version, but found none")
    pairs = zip(await visit.fields("from"), await visit.fields("to"), strict=False)
    mappings = [(source, goal.strip()) for source, goal in pairs if goal.strip()]
    await visit.calls.migrate_instance(key, target, mappings)
    return visit.go(f"/instances/{key}", status=f"Instance {key} migrated.")


# --- variables


@action("/instances/{key:int}/variables")
async def set_variable(visit: Visit, key: int) -> Response:
    """Set a variable in a scope. What is no JSON is shown again, with the reason under it."""
    name, text = await visit.field("name"), await visit.field("value")
    scope, does = await visit.field("scope"), await visit.field("action")
    typed = {"action": does, "name": name, "value": text}
    if not name.strip():
        return await instance_page(visit, key, status=422, typed=typed | {"problem": "A variable needs a name."})
    wrong = json_fault(text)
    if wrong is not None:
        return await instance_page(visit, key, status=422, typed=typed | {"problem": str(wrong)})
    scope_key = number_in(scope)
    scope_key = key if scope_key is None else scope_key
    try:
        document = f"{{{json.dumps(name, ensure_ascii=False)}:{text}}}"
        await visit.calls.set_variables(scope_key, document, local=True)
    except OsmiaError as fault:
        alert = f"The variable was not set: {str(fault).rstrip('.')}. What you typed is still here."
        return await instance_page(visit, key, status=409, alert=alert, typed=typed | {"problem": ""})
    back = await visit.field("back", f"/instances/{key}")
    return visit.go(local_path(back), status=f"Variable {name[:NAME_CHARACTERS_SHOWN]} saved.")


# --- jobs and incidents


@action("/instances/{key:int}/jobs/{job:int}/retry")
async def retry_job(visit: Visit, key: int, job: int) -> Response:
    """Give a job a try, and resolve the incident that it has stopped at."""
    again = await resolve(visit, await _incidents_of_job(visit, key, job), job_key=job)
    if again:
        return visit.go(_page_of(visit, key), alert=failed_again(again))
    return visit.go(_page_of(visit, key), status="The job can be worked on again.")


@action("/instances/{key:int}/jobs/{job:int}/retries")
async def change_retries(visit: Visit, key: int, job: int) -> Response:
    """Give a job new retries; its incident stays."""
    retries = await set_retries(visit, job, await visit.field("retries"))
    text = f"Retries set to {retries}. Resolve the incident, and the job can be worked on again."
    return visit.go(_page_of(visit, key), status=text)


@action("/instances/{key:int}/jobs/{job:int}/fail")
async def fail_job(visit: Visit, key: int, job: int) -> Response:
    """Fail a job instead of its worker."""
    retries = number_in(await visit.field("retries"))
    if retries is None:
        raise InvalidArgument("Expected retries to be a number from 0, but found something else")
    message = await visit.field("message")
    await visit.calls.fail_job(job, retries=retries, error_message=message, back_off_ms=0, variables="")
    return visit.go(_page_of(visit, key), status="The job has failed, as you said.")


@action("/instances/{key:int}/incidents/{incident:int}/resolve")
async def resolve_incident(visit: Visit, key: int, incident: int) -> Response:
    """Resolve an incident of the instance."""
    again = await resolve(visit, [incident])
    if again:
        return visit.go(_page_of(visit, key), alert=failed_again(again))
    return visit.go(_page_of(visit, key), status="Incident resolved.")


async def _incidents_of_job(visit: Visit, key: int, job: int) -> list[int]:
    await get(visit.reader, JOBS, job, "job")
    wanted: dict[str, Any] = {"processInstanceKey": str(key), "jobKey": str(job), "state": "ACTIVE"}
    return [int(one["incidentKey"]) for one in (await visit.search(INCIDENTS, wanted)).items]
