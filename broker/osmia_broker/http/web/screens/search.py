"""Search everything: keys, tasks, processes and variables, from one field."""

import asyncio

from starlette.responses import Response

from osmia_broker.base.errors import NotFound
from osmia_broker.http.web.json_texts import json_of
from osmia_broker.http.web.screen import screen
from osmia_broker.http.web.states import state_of
from osmia_broker.http.web.visit import Filter, Visit
from osmia_broker.store.read.entities import (
    DECISION_DEFINITIONS,
    INCIDENTS,
    PROCESS_DEFINITIONS,
    PROCESS_INSTANCES,
    USER_TASKS,
)
from osmia_broker.store.read.search.entity import Entity, Item

SHOWN = 20  # of a kind
TEXT_CHARACTERS_MAX = 1_000
KEY_DIGITS_MAX = 19
KINDS = ("tasks", "instances", "incidents", "processes", "decisions")


@screen("/search")
async def search_everything(visit: Visit) -> Response:
    """Find what a person has typed."""
    text = visit.asked("q")[:TEXT_CHARACTERS_MAX]
    found = await _found(visit, text) if text else {}
    return await visit.page("search.html", text=text, found=dict.fromkeys(KINDS, ()) | found, state_of=state_of)


async def _found(visit: Visit, text: str) -> dict[str, list[Item]]:
    if text.isascii() and text.isdigit() and len(text) <= KEY_DIGITS_MAX:
        return await _by_key(visit, text)
    name, equals, value = text.partition("=")
    if equals and name.strip():
        variable = [{"name": name.strip(), "value": json_of(value)}]
        tasks, instances = await asyncio.gather(
            _open_tasks(visit, {"processInstanceVariables": variable}),
            _some(visit, PROCESS_INSTANCES, {"variables": variable}, "-startDate"),
        )
        return {"tasks": tasks, "instances": instances}
    like = {"$like": f"*{escaped(text)}*"}
    tasks, processes, decisions = await asyncio.gather(
        _open_tasks(visit, {"name": like}),
        _some(
            visit,
            PROCESS_DEFINITIONS,
            {"isLatestVersion": True, "$or": [{"name": like}, {"processDefinitionId": like}]},
        ),
        _some(
            visit,
            DECISION_DEFINITIONS,
            {"isLatestVersion": True, "$or": [{"name": like}, {"decisionDefinitionId": like}]},
        ),
    )
    return {"tasks": tasks, "processes": processes, "decisions": decisions}


async def _by_key(visit: Visit, key: str) -> dict[str, list[Item]]:
    tasks, instances, incidents, processes, decisions = await asyncio.gather(
        _some(visit, USER_TASKS, {"userTaskKey": key}),
        _some(visit, PROCESS_INSTANCES, {"processInstanceKey": key}),
        _some(visit, INCIDENTS, {"incidentKey": key}),
        _some(visit, PROCESS_DEFINITIONS, {"processDefinitionKey": key}),
        _some(visit, DECISION_DEFINITIONS, {"decisionDefinitionKey": key}),
    )
    return {
        "tasks": tasks,
        "instances": instances,
        "incidents": incidents,
        "processes": processes,
        "decisions": decisions,
    }


async def _open_tasks(visit: Visit, filter: Filter) -> list[Item]:
    return await _some(visit, USER_TASKS, {"state": "CREATED"} | filter, "-creationDate")


async def _some(visit: Visit, entity: Entity, filter: Filter, *sort: str) -> list[Item]:
    try:
        return (await visit.search(entity, filter, sort=sort, limit=SHOWN)).items
    except NotFound:
        return []


def escaped(text: str) -> str:
    """Write a text for `$like` so that each of its characters stands for itself."""
    return "".join(f"\\{one}" if one in "\\*?" else one for one in text)
