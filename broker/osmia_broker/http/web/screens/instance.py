"""One process instance: its summary, diagram, tokens, variables, history, work, waits and incidents."""

import msgspec
from starlette.responses import PlainTextResponse, Response

from osmia_broker.base.errors import NotFound
from osmia_broker.http.web.instance_view import page_with, view_of
from osmia_broker.http.web.numbers import number_in
from osmia_broker.http.web.screen import screen
from osmia_broker.http.web.states import state_of
from osmia_broker.http.web.visit import Visit, address_of
from osmia_broker.store.read.entities import PROCESS_INSTANCES, VARIABLES
from osmia_broker.store.read.entities.variables import WHOLE_VARIABLES
from osmia_broker.store.read.instances import instance_history
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import get
from osmia_broker.store.read.search.values import moment

OTHER_SCOPES_MAX = 50  # whose values of the same name a history shows


@screen("/instances/{key:int}")
async def show_instance(visit: Visit, key: int) -> Response:
    """Show a process instance."""
    return await instance_page(visit, key)


async def instance_page(
    visit: Visit, key: int, *, status: int = 200, alert: str = "", typed: Item | None = None
) -> Response:
    """Answer with the page of an instance. *typed* is what a refused form held: it is shown again, with its problem."""
    view = await view_of(visit, key)
    return await visit.page(
        "instance.html", status=status, alert=alert, view=view, key=key, typed=typed or {}, page_with=page_with
    )


@screen("/instances/{key:int}/variables/value")
async def show_whole_value(visit: Visit, key: int) -> Response:
    """Answer with the whole value of a variable, as JSON text."""
    found = await visit.search(WHOLE_VARIABLES, _named(visit, key), limit=1)
    if not found.items:
        raise NotFound(f"Expected to find the variable '{visit.asked('name')[:100]}', but it is not there any more")
    return PlainTextResponse(found.items[0]["value"], headers={"cache-control": "no-store"})


@screen("/instances/{key:int}/variables/history")
async def show_values(visit: Visit, key: int) -> Response:
    """Show the values that a variable had, as far as they are known, and those of the same name in other scopes."""
    instance = await get(visit.reader, PROCESS_INSTANCES, key, "process instance")
    name = visit.asked("name")
    now = await visit.search(VARIABLES, _named(visit, key), limit=1)
    others = await visit.search(
        VARIABLES, {"processInstanceKey": str(key), "name": name}, sort=("-scopeKey",), limit=OTHER_SCOPES_MAX
    )
    past = await instance_history.past_values(visit.reader, key, _scope_in(visit, key), name)
    scopes = await instance_history.elements(visit.reader, [int(one["scopeKey"]) for one in others.items])
    return await visit.page(
        "variable_history.html",
        key=key,
        name=name,
        state=state_of(instance),
        now=now.items[0] if now.items else None,
        past=[{"at": moment(one.at_ms), "intent": one.intent, "value": _value_in(one.details)} for one in past],
        others=[one for one in others.items if one["scopeKey"] != (now.items[0]["scopeKey"] if now.items else "")],
        scopes=scopes,
        back=address_of(f"/instances/{key}", scope=visit.asked("scope")),
    )


class _Details(msgspec.Struct, frozen=True):
    """The details of a logged change of a variable."""

    value: msgspec.Raw = msgspec.Raw(b"")


def _value_in(details: str) -> str:
    """Return the value in the details of an event; a long one is not in the log."""
    value = msgspec.json.decode(details, type=_Details).value
    return bytes(value).decode() or "(too long for the event log)"


def _named(visit: Visit, key: int) -> Item:
    """Return the filter of the variable that the address names."""
    return {
        "processInstanceKey": str(key),
        "scopeKey": str(_scope_in(visit, key)),
        "name": visit.request.query_params.get("name", ""),
    }


def _scope_in(visit: Visit, key: int) -> int:
    """Return the scope that the address names; the instance's own if it names none."""
    scope = number_in(visit.asked("scope"))
    return key if scope is None else scope
