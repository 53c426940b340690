"""Reads everything that the page of one process instance shows. Every list is bounded and has a cursor of its own in the address."""

import asyncio
from dataclasses import dataclass, field

import msgspec

from osmia_broker.base.untrusted_xml import Unreadable
from osmia_broker.http.web.numbers import number_in
from osmia_broker.http.web.states import WORDS, state_of
from osmia_broker.http.web.visit import Visit, address_of
from osmia_broker.model import USER_TASK_JOB_TYPE
from osmia_broker.model.diagrams import FlowNode, flow_nodes
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities import (
    INCIDENTS,
    JOBS,
    PROCESS_DEFINITIONS,
    PROCESS_INSTANCES,
    USER_TASKS,
    VARIABLES,
)
from osmia_broker.store.read.instances import instance_history, instance_views
from osmia_broker.store.read.instances.instance_history import Scope, Tokens
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import Found, get
from osmia_broker.store.read.search.values import moment

HISTORY_ITEMS = 100
WAITING_ITEMS = 50
VERSIONS_MAX = 100  # that a migration offers
MODELS_MAX = 64  # whose elements are in memory, some 100 kB each at most

TYPE_NAMES = {"AD_HOC_SUB_PROCESS_INNER_INSTANCE": "path", "MULTI_INSTANCE_BODY": "all instances"}


@dataclass(slots=True)
class InstanceView:
    """The contents of the page of an instance."""

    instance: Item
    state: tuple[str, str]
    is_running: bool
    element: str  # the one that the page is narrowed to; empty for all
    model: dict[str, FlowNode]
    tokens: list[Tokens]
    taken: list[str]
    callers: list[Item]
    called: Found
    scope: int
    scopes: list[Scope]
    variables: Found
    history: list[Item]
    history_next: str
    jobs: Found
    tasks: Found
    task_jobs: dict[str, Item]  # the jobs of job-based tasks, by element instance
    incidents: Found
    waiting: list[Item]
    versions: list[Item] = field(default_factory=list)

    @property
    def tokens_json(self) -> str:
        """The numbers of tokens, as a diagram reads them."""
        return tokens_json(self.tokens)

    @property
    def taken_json(self) -> str:
        """The ids of the flows that were taken."""
        return msgspec.json.encode(self.taken).decode()

    @property
    def scope_is_open(self) -> bool:
        """Whether the scope that is shown may get variables."""
        return any(one.key == self.scope and one.is_open for one in self.scopes)

    @staticmethod
    def state_of(instance: Item) -> tuple[str, str]:
        """Return the state of an instance as a word, and the class of its look."""
        return state_of(instance)

    def name(self, element_id: str) -> str:
        """Return the name of an element, or else its id."""
        node = self.model.get(element_id)
        return (node.name if node else "") or element_id

    def scope_name(self, scope: Scope) -> str:
        """Return the text for a scope of variables."""
        if scope.type == "PROCESS":
            return "Process"
        number = f" {scope.loop_counter}" if scope.loop_counter else ""
        return f"{self.name(scope.element_id)}{number} ({scope.key})"


def tokens_json(tokens: list[Tokens]) -> str:
    """Write the numbers of tokens as a diagram reads them."""
    return msgspec.json.encode([one.shown() for one in tokens]).decode()


async def model_of(visit: Visit, definition_key: int, process_id: str) -> dict[str, FlowNode]:
    """Return the elements of a definition by their ids; none if its file is gone or no XML."""
    models = visit.site.models
    if definition_key not in models:
        try:
            found = await files.content_of(visit.reader, "process definition", definition_key)
            nodes = await asyncio.to_thread(flow_nodes, found.content, process_id)
        except Unreadable:
            nodes = []
        models[definition_key] = {node.id: node for node in nodes}
        while len(models) > MODELS_MAX:
            models.popitem(last=False)
    models.move_to_end(definition_key)
    return models[definition_key]


async def view_of(visit: Visit, key: int) -> InstanceView:
    """Read the page of an instance.

    Raises:
        NotFound: there is none with this key.

    """
    instance = await get(visit.reader, PROCESS_INSTANCES, key, "process instance")
    definition_key = int(instance["processDefinitionKey"])
    is_running = instance["state"] in ("ACTIVE", "SUSPENDED")
    element = visit.asked("element")
    at_element = {"elementId": element} if element else {}
    own: Item = {"processInstanceKey": str(key), **at_element}
    model = await model_of(visit, definition_key, instance["processDefinitionId"] or "")
    scopes = await _scopes(visit, key, element)
    scope = _chosen(visit, key, scopes, element)
    tasks = await visit.search(USER_TASKS, own, sort=("-creationDate",), after=visit.asked("tasks"))
    history, history_next = await _history(visit, key, element)
    return InstanceView(
        instance=instance,
        state=state_of(instance),
        is_running=is_running,
        element=element,
        model=model,
        tokens=await instance_history.tokens(visit.reader, key),
        taken=(await instance_views.taken_flows(visit.reader, key)).ids,
        callers=(await instance_views.callers(visit.reader, key))[:-1],
        called=await visit.search(
            PROCESS_INSTANCES, {"parentProcessInstanceKey": str(key)}, after=visit.asked("called")
        ),
        scope=scope,
        scopes=scopes,
        variables=await _variables(visit, scope),
        history=history,
        history_next=history_next,
        jobs=await visit.search(
            JOBS, {**own, "type": {"$neq": USER_TASK_JOB_TYPE}}, sort=("-creationTime",), after=visit.asked("jobs")
        ),
        tasks=tasks,
        task_jobs=await _task_jobs(visit, tasks),
        incidents=await visit.search(
            INCIDENTS, {**own, "state": "ACTIVE"}, sort=("-creationTime",), after=visit.asked("incidents")
        ),
        waiting=await _waiting(visit, key, element, is_running=is_running),
        versions=await _versions(visit, instance) if is_running else [],
    )


async def _scopes(visit: Visit, key: int, element: str) -> list[Scope]:
    found = await instance_history.scopes(visit.reader, key)
    if all(one.key != key for one in found):
        found.insert(0, Scope(key, "", "PROCESS", True, 0))
    if not element:
        return found
    return [one for one in found if one.element_id == element or one.type == "PROCESS"]


def _chosen(visit: Visit, key: int, scopes: list[Scope], element: str) -> int:
    """Return the scope whose variables are shown: the one that is asked for, else that of the chosen element, else the process."""
    asked = number_in(visit.asked("scope"))
    if asked is not None and any(one.key == asked for one in scopes):
        return asked
    return next((one.key for one in scopes if element and one.element_id == element), key)


async def _variables(visit: Visit, scope: int) -> Found:
    return await visit.search(VARIABLES, {"scopeKey": str(scope)}, sort=("name",), after=visit.asked("variables"))


async def _task_jobs(visit: Visit, tasks: Found) -> dict[str, Item]:
    keys = [one["elementInstanceKey"] for one in tasks.items]
    if not keys:
        return {}
    found = await visit.search(JOBS, {"elementInstanceKey": {"$in": keys}, "type": USER_TASK_JOB_TYPE})
    return {one["elementInstanceKey"]: one for one in found.items}


async def _history(visit: Visit, key: int, element: str) -> tuple[list[Item], str]:
    """Read a page of element instances as a tree: each below its scope, if that is on the page too."""
    after = number_in(visit.asked("history")) or 0
    found = await instance_history.visits(visit.reader, key, element_id=element, after=after, limit=HISTORY_ITEMS + 1)
    page = found[:HISTORY_ITEMS]
    here = {one.key for one in page}
    elsewhere = [one.scope_key for one in page if one.scope_key not in here and one.scope_key != key]
    scopes = await instance_history.elements(visit.reader, sorted(set(elsewhere))) if elsewhere else {}
    items: dict[int, Item] = {}
    roots: list[Item] = []
    for one in page:
        item: Item = {
            "visit": one,
            "started": moment(one.started_ms),
            "ended": moment(one.ended_ms) if one.ended_ms else None,
            "children": [],
            "inside": scopes.get(one.scope_key),
            "state": WORDS["INCIDENT" if one.is_stopped else one.state],
            "type": TYPE_NAMES.get(one.type, one.type.replace("_", " ").lower()),
        }
        items[one.key] = item
        (items[one.scope_key]["children"] if one.scope_key in items else roots).append(item)
    return _flat(roots), str(page[-1].key) if len(found) > HISTORY_ITEMS else ""


def _flat(roots: list[Item]) -> list[Item]:
    """Return the tree in the order of its lines, each with its level."""
    flat: list[Item] = []
    open_items = [(item, 1) for item in reversed(roots)]
    while open_items:
        item, level = open_items.pop()
        flat.append(item | {"level": level})
        open_items += [(child, level + 1) for child in reversed(item["children"])]
    return flat


async def _waiting(visit: Visit, key: int, element: str, *, is_running: bool) -> list[Item]:
    """Read the messages, signals, conditions and timers that the instance waits for."""
    if not is_running:
        return []
    timers = await visit.reader.timers(
        process_instance_key=key, element_id=element, states=("WAITING", "SUSPENDED"), limit=WAITING_ITEMS
    )
    events = await visit.reader.subscriptions(
        process_instance_key=key, element_id=element, states=("OPEN",), limit=WAITING_ITEMS
    )
    of_timers = [
        {
            "kind": "Timer",
            "element": one.row.element_id,
            "name": one.row.cycle or "",
            "due": moment(abs(one.row.due_ms)),
            "correlation_key": "",
            "is_suspended": one.state == "SUSPENDED",
        }
        for one in timers.items
    ]
    of_events = [
        {
            "kind": one.row.kind.value.capitalize(),
            "element": one.row.element_id,
            "name": one.row.name,
            "due": None,
            "correlation_key": one.row.correlation_key,
            "is_suspended": False,
        }
        for one in events.items
    ]
    return of_timers + of_events


async def _versions(visit: Visit, instance: Item) -> list[Item]:
    """Read the definitions to which the instance may migrate: other versions of its process."""
    found = await visit.search(
        PROCESS_DEFINITIONS,
        {"processDefinitionId": instance["processDefinitionId"], "state": "ACTIVE"},
        sort=("-version",),
        limit=VERSIONS_MAX,
    )
    return [one for one in found.items if one["processDefinitionKey"] != instance["processDefinitionKey"]]


def page_with(visit: Visit, **changed: object) -> str:
    """Return the address of this page with other parameters; cursors of lists that are not named stay."""
    parameters = {**dict(visit.request.query_params), **changed}
    return address_of(visit.request.url.path, **parameters)
