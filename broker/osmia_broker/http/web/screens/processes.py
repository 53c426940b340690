"""The deployed processes: the list, and one of them with its diagram, its versions and what starts it."""

from urllib.parse import quote

from starlette.responses import Response

from osmia_broker.base.errors import NotFound
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.states import state_of
from osmia_broker.http.web.visit import PAGE_ITEMS, Filter, Visit, address_of
from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities import PROCESS_DEFINITIONS, PROCESS_INSTANCES
from osmia_broker.store.read.entities.statistics import INSTANCES_BY_VERSION
from osmia_broker.store.read.instances import instance_views
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import get
from osmia_broker.store.read.search.values import moment

PROCESSES = "/processes"
VERSIONS_MAX = 200  # in the choice of a version; older ones have an address all the same
STARTS_MAX = 50  # of a kind, on the page of a process
INSTANCES_SHOWN = 10
DELETED_SHOWN = 100  # versions, below the list of processes
NUMBERS_MAX = 10_000  # versions with active instances; a broker with more shows the numbers of these


@screen(PROCESSES)
async def show_processes(visit: Visit) -> Response:
    """List the latest version of each process, the newest first."""
    found = await visit.reader.process_definitions(latest_only=True, limit=PAGE_ITEMS, after=visit.asked("after"))
    running = await visit.search(INSTANCES_BY_VERSION, limit=NUMBERS_MAX)
    numbers: dict[str, tuple[int, int]] = {}
    for item in running.items:
        active, stopped = numbers.get(item["processDefinitionId"], (0, 0))
        more_active, more_stopped = _numbers(item)
        numbers[item["processDefinitionId"]] = active + more_active, stopped + more_stopped
    return await visit.page(
        "processes.html",
        items=[_line(row, numbers.get(row.bpmn_process_id, (0, 0))) for row in found.items],
        deleted=[] if visit.asked("after") else await _deleted(visit, running.items),
        next=address_of(PROCESSES, after=found.next) if found.next else "",
        first=PROCESSES if visit.asked("after") else "",
    )


async def _deleted(visit: Visit, running: list[Item]) -> list[Item]:
    """Return the lines of deleted versions that still have active instances."""
    by_key = {item["processDefinitionKey"]: item for item in running}
    if not by_key:
        return []
    wanted: Filter = {"processDefinitionKey": {"$in": sorted(by_key)}, "state": {"$neq": "ACTIVE"}}
    found = await visit.search(PROCESS_DEFINITIONS, wanted, sort=("-processDefinitionKey",), limit=DELETED_SHOWN)
    lines = []
    for one in found.items:
        active, stopped = _numbers(by_key[one["processDefinitionKey"]])
        name = one["name"] or one["processDefinitionId"]
        lines.append(one | {"title": name, "active": active, "incidents": stopped})
    return lines


def _numbers(item: Item) -> tuple[int, int]:
    """Return the number of active instances, and of those with incidents."""
    stopped = item["activeInstancesWithIncidentCount"]
    return item["activeInstancesWithoutIncidentCount"] + stopped, stopped


def _line(row: ProcessDefinition, numbers: tuple[int, int]) -> Item:
    active, stopped = numbers
    return {
        "key": row.key,
        "id": row.bpmn_process_id,
        "name": row.name or row.bpmn_process_id,
        "version": row.version,
        "active": active,
        "incidents": stopped,
        "deployed": moment(row.deployed_ms),
    }


@screen(PROCESSES + "/{key:int}")
async def show_process(visit: Visit, key: int) -> Response:
    """Show one version of a process."""
    definition = await visit.reader.process_definition(key)
    process_id = definition.bpmn_process_id
    versions = await visit.reader.process_definitions(bpmn_process_id=process_id, limit=VERSIONS_MAX)
    of_version: Filter = {"processDefinitionKey": str(key)}
    instances = await visit.search(PROCESS_INSTANCES, of_version, sort=("-startDate",), limit=INSTANCES_SHOWN)
    subscriptions = await visit.reader.subscriptions(
        bpmn_process_id=process_id, of_start_event=True, states=("OPEN",), limit=STARTS_MAX
    )
    timers = await visit.reader.timers(
        bpmn_process_id=process_id, of_start_event=True, states=("WAITING",), limit=STARTS_MAX
    )
    starts = [one for one in subscriptions.items if one.definition.key == key]
    return await visit.page(
        "process.html",
        definition=definition,
        name=definition.name or process_id,
        deployed=moment(definition.deployed_ms),
        versions=[*([definition] if definition.deleted_ms else []), *versions.items],
        is_latest=bool(versions.items) and versions.items[0].key == key,
        deleted=moment(definition.deleted_ms),
        instances=instances,
        state_of=state_of,
        tokens=await tokens_of(visit, key, of_version | {"state": "ACTIVE"}),
        subscriptions=[one for one in starts if one.row.kind != "TIMER"],
        timers=[(one, moment(one.row.due_ms)) for one in timers.items if one.definition.key == key],
    )


async def tokens_of(visit: Visit, key: int, filter: Filter) -> list[Item]:
    """Count the tokens of all instances of a definition that pass *filter*, as the diagram shows them."""
    found = await instance_views.element_numbers_of_definition(visit.reader, key, filter)
    return [
        {
            "elementId": one["elementId"],
            "active": one["active"],
            "incident": one["incidents"],
            "completed": 0,
            "canceled": 0,
        }
        for one in found
        if one["active"] or one["incidents"]
    ]


@screen(PROCESSES + "/{key:int}/download")
async def download_process(visit: Visit, key: int) -> Response:
    """Give the deployed file to the browser, to keep."""
    found = await files.content_of(visit.reader, "process definition", key)
    return attachment(found.name, found.content, "application/xml")


def attachment(name: str, content: bytes, media_type: str) -> Response:
    """Answer with a file that the browser keeps and does not open. The name may have any characters."""
    plain = "".join(one if one.isascii() and (one.isalnum() or one in "-_. ") else "_" for one in name) or "file"
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, media_type=media_type, headers={"content-disposition": disposition})


@action(PROCESSES + "/{key:int}/delete")
async def delete_version(visit: Visit, key: int) -> Response:
    """Delete one version of a process. Its instances go on."""
    definition = await get(visit.reader, PROCESS_DEFINITIONS, key, "process definition")
    try:
        await visit.calls.delete_resource(key)
    except NotFound:
        return visit.go(PROCESSES, alert="This version was deleted already.")
    name = definition["name"] or definition["processDefinitionId"]
    return visit.go(PROCESSES, status=f"Deleted {name} (version {definition['version']}). Its instances go on.")
