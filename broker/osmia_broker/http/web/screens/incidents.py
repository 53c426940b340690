"""Open incidents in groups of equal messages, one incident with everything that helps to mend it, and resolving."""

import re

from starlette.responses import Response

from osmia_broker.base.counted import counted
from osmia_broker.base.errors import NotFound, OsmiaError
from osmia_broker.http.web.instance_view import model_of
from osmia_broker.http.web.numbers import number_in, numbers_in
from osmia_broker.http.web.resolving import failed_again, newest_at, resolve, retries_in
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.visit import PAGE_ITEMS, Visit, address_of
from osmia_broker.store.read.entities import INCIDENTS, JOBS, PROCESS_DEFINITIONS
from osmia_broker.store.read.entities.variables import EFFECTIVE_VARIABLES, SCOPES
from osmia_broker.store.read.instances import incident_groups, instance_views
from osmia_broker.store.read.instances.incident_groups import GROUPS
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import Found, Search, get, search
from osmia_broker.store.read.sql import dialect

CHOSEN_MAX = 10_000  # incidents that one action takes
AT_ONCE = 500
VARIABLES_SHOWN = 20  # of those that the message names
REASONS_SHOWN = 3
SKIPPED_MAX = 100_000
_EXPRESSION = re.compile(r"expression '(?P<text>.{1,2000}?)'(?=[ .,:]|$)", re.DOTALL)
_NAME = re.compile(r"[^\W\d]\w*")


@screen("/incidents")
async def list_incidents(visit: Visit) -> Response:
    """Show the open incidents: in groups, or those of one group, process or instance."""
    wanted = _filter_of(visit)
    if wanted:
        found = await _found(visit, wanted, PAGE_ITEMS, visit.asked("after"))
        groups: list[Item] = [{"message": "", "count": found.total, "hash": 0, "items": found.items}]
        next_page = _address(visit, after=found.next) if found.next else ""
        first = _address(visit) if visit.asked("after") else ""
    else:
        skipped = min(number_in(visit.asked("skip")) or 0, SKIPPED_MAX)
        groups, has_more = await _groups(visit, skipped)
        next_page = address_of("/incidents", skip=skipped + GROUPS) if has_more else ""
        first = "/incidents" if skipped else ""
    return await visit.page(
        "incidents.html",
        groups=groups,
        is_narrowed=bool(wanted),
        places=await _places(visit, [one for group in groups for one in group["items"]]),
        next=next_page,
        first=first,
    )


async def _found(visit: Visit, wanted: Item, limit: int, after: str) -> Found:
    """Find incidents, newest first. The hash of a message is no filter of the API, so the filter is our own one."""
    page = {"limit": limit} | ({"after": after} if after else {})
    order = [{"field": "creationTime", "order": "DESC"}]
    return await search(visit.reader, INCIDENTS, Search(None, order, page), scope=wanted)


def _filter_of(visit: Visit) -> Item:
    """Return the filter of the address; empty for all incidents in groups."""
    wanted: Item = {}
    group, process, instance = visit.asked("group"), visit.asked("process"), visit.asked("instance")
    if _is_number(group):
        wanted["errorHashCode"] = int(group)
    if process:
        wanted["processDefinitionKey" if number_in(process) is not None else "processDefinitionId"] = process
    if number_in(instance) is not None:
        wanted["processInstanceKey"] = instance
    return wanted | {"state": "ACTIVE"} if wanted else {}


def _address(visit: Visit, **more: object) -> str:
    names = ("group", "process", "instance")
    return address_of("/incidents", **{name: visit.asked(name) for name in names}, **more)


async def _groups(visit: Visit, skipped: int) -> tuple[list[Item], bool]:
    found, has_more = await incident_groups.incident_groups(visit.reader, skipped=skipped)
    keys = [str(key) for group in found for key in group.keys]
    items: dict[str, Item] = {}
    if keys:
        page = await visit.search(INCIDENTS, {"incidentKey": {"$in": keys}}, limit=len(keys))
        items = {one["incidentKey"]: one for one in page.items}
    groups = [
        {
            "message": group.message,
            "count": group.count,
            "hash": group.hash,
            "items": [items[str(key)] for key in group.keys if str(key) in items],
        }
        for group in found
    ]
    return groups, has_more


async def _places(visit: Visit, incidents: list[Item]) -> dict[str, tuple[str, str]]:
    """Return the names of the process and the element of each incident."""
    keys = sorted({one["processDefinitionKey"] for one in incidents})
    if not keys:
        return {}
    found = await visit.search(PROCESS_DEFINITIONS, {"processDefinitionKey": {"$in": keys}}, limit=len(keys))
    names = {one["processDefinitionKey"]: one["name"] or one["processDefinitionId"] for one in found.items}
    places: dict[str, tuple[str, str]] = {}
    for one in incidents:
        key = one["processDefinitionKey"]
        model = await model_of(visit, int(key), one["processDefinitionId"] or "") if key in names else {}
        node = model.get(one["elementId"])
        process = names.get(key) or one["processDefinitionId"] or ""
        places[one["incidentKey"]] = (process, (node.name if node else "") or one["elementId"])
    return places


# --- one incident


@screen("/incidents/{key:int}")
async def show_incident(visit: Visit, key: int) -> Response:
    """Show an incident."""
    return await _page(visit, key)


async def _page(visit: Visit, key: int, *, status: int = 200, alert: str = "", typed: str = "") -> Response:
    incident = await get(visit.reader, INCIDENTS, key, "incident")
    jobs = await visit.search(JOBS, {"jobKey": incident["jobKey"]}, limit=1) if incident["jobKey"] else None
    message = incident["errorMessage"] or ""
    found = _EXPRESSION.search(message)
    again = None
    if incident["state"] != "ACTIVE":
        again = await newest_at(visit, [incident["elementInstanceKey"]], after=key)
    return await visit.page(
        "incident.html",
        status=status,
        alert=alert or (failed_again(again) if again else ""),
        key=key,
        incident=incident,
        place=(await _places(visit, [incident])).get(incident["incidentKey"], ("", "")),
        job=jobs.items[0] if jobs and jobs.items else None,
        expression=found["text"] if found else "",
        variables=await _variables_in(visit, incident, message),
        again=again,
        typed=typed,
    )


async def _variables_in(visit: Visit, incident: Item, message: str) -> list[Item]:
    """Return the variables that the element sees and the message names."""
    names = list(dict.fromkeys(_NAME.findall(message[:5_000])))[:500]
    if not names or incident["jobKey"]:
        return []
    scopes = await instance_views.scopes_of(visit.reader, int(incident["elementInstanceKey"]))
    asked = Search({"name": {"$in": names}}, [{"field": "name"}], {"limit": VARIABLES_SHOWN})
    found: Found = await search(visit.reader, EFFECTIVE_VARIABLES, asked, given={SCOPES: dialect.array(scopes)})
    return found.items


@action("/incidents/{key:int}/resolve")
async def resolve_one(visit: Visit, key: int) -> Response:
    """Resolve an incident; its job gets the retries that were typed."""
    text = (await visit.field("retries")).strip()
    try:
        again = await resolve(visit, [key], retries=retries_in(text) if text else 0)
    except NotFound as error:
        return visit.go(f"/incidents/{key}", alert=f"{str(error).rstrip('.')}.")
    except OsmiaError as error:
        alert = f"The incident was not resolved: {str(error).rstrip('.')}."
        return await _page(visit, key, status=409, alert=alert, typed=text)
    if again:  # the page of the resolved incident shows the new one
        return visit.go(f"/incidents/{key}")
    return visit.go(f"/incidents/{key}", status="Incident resolved.")


@action("/incidents/resolve")
async def resolve_chosen(visit: Visit) -> Response:
    """Resolve the chosen incidents and all incidents of the chosen groups; say how many did and did not."""
    keys = {*numbers_in(await visit.fields("key"))}
    for group in await visit.fields("group"):
        if _is_number(group):
            keys |= await _keys_of_group(visit, int(group))
    if not keys:
        return visit.go("/incidents", alert="No incident was chosen. Choose at least one row first.")
    refused: list[str] = []
    for key in sorted(keys)[:CHOSEN_MAX]:
        try:
            again = await resolve(visit, [key])
            if again:
                refused.append(failed_again(again))
        except OsmiaError as error:
            refused.append(f"{key}: {str(error).rstrip('.')}")
    asked = min(len(keys), CHOSEN_MAX)
    text = f"{asked - len(refused):,} of {counted(asked, 'incident')} resolved."
    if not refused:
        return visit.go("/incidents", status=text)
    more = f" And {len(refused) - REASONS_SHOWN} more." if len(refused) > REASONS_SHOWN else ""
    return visit.go("/incidents", alert=f"{text} {' '.join(refused[:REASONS_SHOWN])}{more}")


def _is_number(text: str) -> bool:
    return number_in(text.removeprefix("-")) is not None and len(text) < 12


async def _keys_of_group(visit: Visit, group: int) -> set[int]:
    keys: set[int] = set()
    after = ""
    while len(keys) < CHOSEN_MAX:
        wanted = {"errorHashCode": group, "state": "ACTIVE"}
        found = await _found(visit, wanted, AT_ONCE, after)
        keys |= {int(one["incidentKey"]) for one in found.items}
        after = found.next
        if not after:
            break
    return keys
