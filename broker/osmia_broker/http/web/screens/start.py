"""Start an instance: choose the process, give its variables, or fill in its start form."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.responses import PlainTextResponse, Response

from osmia_broker.base.errors import NotFound, OsmiaError, Rejection
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.processes.new_instance import LATEST, Marks, NewInstance
from osmia_broker.http.web.choices import told_apart
from osmia_broker.http.web.chosen_files import store_chosen
from osmia_broker.http.web.json_texts import Fault, object_fault, object_in
from osmia_broker.http.web.numbers import number_in
from osmia_broker.http.web.person import COOKIE_CHARACTERS_MAX, packed, unpacked
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.visit import Visit, address_of
from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store.read.deployed import files

START = "/start"
CHOICES_MAX = 1_000
VERSIONS_MAX = 200
LAST = "osmia_last"  #: the cookie with the variables that the person used last in this browser
MONTH_S = 30 * 86_400
# The refusals of a start that are about one field; tests hold their texts.
OK = 200
_MISSING = re.compile(r"without required variables - (.+)$")
_UNFIT = re.compile(r"as variables fail type validation - .+\. (Expected .+)$")
_WRONG_START = re.compile(r"with start instructions but (.+?)(?: Supported element types are: .*)?$")


@dataclass(frozen=True, slots=True)
class Typed:
    """The contents of the fields."""

    version: str = ""
    variables: str = "{}"
    before: str = ""
    form: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a start was refused, and where it is said: at the `process`, the `variables`, the element `before` which it begins, or the whole `form`."""

    place: str = ""
    text: str = ""


NOTHING, NOT_REFUSED = Typed(), Refused()


@screen(START)
async def choose_process(visit: Visit) -> Response:
    """Ask for the process to start."""
    chosen = visit.asked("process")
    return visit.go(f"{START}/{quoted(chosen)}") if chosen else await _asked(visit, "")


@screen(START + "/{process_id:path}")
async def show_start_form(visit: Visit, process_id: str) -> Response:
    """Ask for the variables of a new instance.

    Raises:
        NotFound: no process with this id is deployed.

    """
    if not await _is_deployed(visit, process_id):
        raise NotFound(f"Expected a deployed process '{process_id}', but found none.")
    return await _asked(visit, process_id, typed=Typed(visit.asked("version")))


@action(START)
async def start_instance(visit: Visit) -> Response:
    """Start an instance, and show it."""
    process_id, version = await visit.field("process"), await visit.field("version")
    filled_in = await visit.field("form_variables")
    variables = filled_in or await visit.field("variables") or "{}"
    before = (await visit.field("before")).strip()
    typed = Typed(version, await visit.field("variables", "{}"), before, object_in(filled_in))
    number = number_in(version)
    if version and number is None:
        return await _asked(
            visit, process_id, refused=Refused("process", "Choose a version that is a number."), status=400, typed=typed
        )
    if not process_id:
        return await _asked(visit, "", refused=Refused("process", "Choose a process first."), status=400, typed=typed)
    fault = object_fault(variables)
    if fault is not None:
        return await _asked(visit, process_id, fault=fault, status=400, typed=typed)
    try:
        created = await visit.calls.create_instance(
            NewInstance(
                bpmn_process_id=process_id,
                version=LATEST if number is None else number,
                variables=variables,
                start_elements=(before,) if before else (),
                marks=Marks(initiator=visit.person.user),
            )
        )
    except Rejection as refusal:
        return await _asked(visit, process_id, refused=_refused(str(refusal)), status=400, typed=typed)
    except OsmiaError as refusal:
        text = f"{refusal} What you typed is still here; try again in a moment."
        return await _asked(visit, process_id, refused=Refused("form", text), status=503, typed=typed)
    key = created.process_instance_key
    response = visit.go(f"/instances/{key}", status=f"Instance {key} started.")
    last = packed([visit.person.user, variables])
    if len(last) <= COOKIE_CHARACTERS_MAX:
        response.set_cookie(LAST, last, max_age=MONTH_S, httponly=True, samesite="lax", path=START)
    return response


@action(START + "/{process_id:path}/documents")
async def store_file(visit: Visit, process_id: str) -> Response:
    """Store the body of the request as a document of a process that is deployed; answer with its reference, or why not."""
    if not await _is_deployed(visit, process_id):  # before the body: it must not fill the memory
        return PlainTextResponse(f"There is no process '{process_id}' any more.", 404)
    return await store_chosen(visit, process_id)


def forget_last(response: Response) -> None:
    """Let the browser forget what was used last: another person may come."""
    response.delete_cookie(LAST, path=START)


async def _is_deployed(visit: Visit, process_id: str) -> bool:
    return bool((await visit.reader.process_definitions(bpmn_process_id=process_id, limit=1)).items)


async def _asked(
    visit: Visit,
    process_id: str,
    *,
    typed: Typed = NOTHING,
    fault: Fault | None = None,
    refused: Refused = NOT_REFUSED,
    status: int = 200,
) -> Response:
    """Show the form, with everything that was typed already."""
    choices = await visit.reader.process_definitions(latest_only=True, limit=CHOICES_MAX)
    versions: list[ProcessDefinition] = []
    if process_id:
        versions = (await visit.reader.process_definitions(bpmn_process_id=process_id, limit=VERSIONS_MAX)).items
    response = await visit.page(
        "start.html",
        status=status,
        refused=refused,
        choices=told_apart((one.bpmn_process_id, one.name or one.bpmn_process_id) for one in choices.items),
        process_id=process_id,
        versions=versions,
        typed=typed,
        fault=fault,
        form=await _form(visit, versions, typed.version),
        last=_last(visit),
    )
    if versions and status != OK:
        response.headers["hx-push-url"] = address_of(f"{START}/{quoted(process_id)}", version=typed.version)
    return response


async def _form(visit: Visit, versions: list[ProcessDefinition], version: str) -> Any:
    """Return the schema of the start form; None if the process has none."""
    chosen = next((one for one in versions if str(one.version) == version), versions[0] if versions else None)
    found = None if chosen is None else await files.form_of_start(visit.reader, chosen.key)
    if not found:
        return None
    try:
        return msgspec.json.decode(found["schema"]) if isinstance(found["schema"], str) else found["schema"]
    except msgspec.DecodeError:
        return None


def _refused(reason: str) -> Refused:
    """Say a refusal of the broker at the field that it is about."""
    if missing := _MISSING.search(reason):
        return Refused("variables", f"This process needs a value for {missing[1]}. Give it one, and start again.")
    if unfit := _UNFIT.search(reason):
        return Refused("variables", f"{unfit[1]}. Change the value, and start again.")
    if wrong := _WRONG_START.search(reason):
        why = f"{wrong[1][0].upper()}{wrong[1][1:].rstrip('.')}."
        return Refused("before", f"{why} Use the id of another element, or leave this empty.")
    return Refused("form", f"{reason.rstrip('.')}.")


def _last(visit: Visit) -> str:
    """Return the variables that the person used last in this browser; empty if there are none that can be used again."""
    try:
        user, text = unpacked(visit.request.cookies.get(LAST, ""), tuple[str, str])
        parse_variables(text)
    except (ValueError, Rejection):
        return ""
    return "" if text == "{}" or user != visit.person.user else text


def quoted(process_id: str) -> str:
    """Write a process id as a part of an address."""
    return quote(process_id, safe="")
