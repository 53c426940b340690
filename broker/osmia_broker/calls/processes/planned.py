"""Plan a deployment: say from committed rows what it would do. Nothing is deployed."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from osmia_broker.calls import checks
from osmia_broker.engine.commands import NewResource
from osmia_broker.engine.deployments import is_same
from osmia_broker.engine.resources import compile_resources, ids_of, warnings_of
from osmia_broker.store.read import Reader
from osmia_broker.store.read.deployed.latest_definitions import Latest, latest

NOTHING = Latest(None, 0)
Known = Mapping[tuple[str, str], Latest]


class Planned(msgspec.Struct, frozen=True):
    """A definition of the files. *kind* is process, decision or form; *version* is the one that it has or would get."""

    kind: str
    id: str
    version: int
    is_new: bool
    resource_name: str


class Plan(msgspec.Struct, frozen=True):
    """The definitions of the files, in their order, and what can be deployed and probably does not do what its author meant."""

    definitions: list[Planned]
    warnings: list[str]


async def plan(reader: Reader, files: Sequence[tuple[str, bytes]]) -> Plan:
    """Return what a deployment of these files, given as (name, content), would do.

    Raises:
        InvalidArgument: it would be refused.
    """
    for name, _ in files:
        checks.storable("name", name)
    resources, warnings = await asyncio.to_thread(_compiled, list(files))
    known = await latest(reader, [one for resource in resources for one in ids_of(resource)])
    return Plan(planned(resources, known), warnings)


def _compiled(files: list[tuple[str, bytes]]) -> tuple[tuple[NewResource, ...], list[str]]:
    resources = compile_resources(files)
    return resources, warnings_of(resources)


def planned(resources: Sequence[NewResource], known: Known) -> list[Planned]:
    """Return what a deployment of *resources* would do with each definition. *known* is what is there of them."""
    changed = [resource for resource in resources if _is_changed(resource, known)]
    outdated = _outdated(resources, known, has_changes=bool(changed))
    found = []
    for resource in resources:
        for kind, id in ids_of(resource):
            there = known.get((kind, id), NOTHING)
            is_new = resource in changed
            if kind == "process":
                is_new = _differs(there.row, resource) or id in outdated
            if kind != "decision requirements":
                version = there.version + 1 if is_new or there.row is None else there.row.version
                found.append(Planned(kind, id, version, is_new, resource.name))
    return found


def _is_changed(resource: NewResource, known: Known) -> bool:
    """Whether a definition of the file would get a new version because of the file itself. Decisions have the versions of their graph."""
    return any(_differs(known.get(one, NOTHING).row, resource) for one in ids_of(resource) if one[0] != "decision")


def _differs(row: Any, resource: NewResource) -> bool:
    return row is None or not is_same(row, resource)


def _outdated(resources: Sequence[NewResource], known: Known, *, has_changes: bool) -> frozenset[str]:
    """Return the processes that need a new version because they are bound to what is deployed with them, and that changes or has changed."""
    rows: dict[str, Any] = {
        id: known.get(("process", id), NOTHING).row
        for resource in resources
        for id, process in resource.compiled.processes.items()
        if process.bound_to_deployment
    }
    bound = {id: row.deployment_key for id, row in rows.items() if row is not None}
    beside: list[Any] = [known.get(one, NOTHING).row for resource in resources for one in ids_of(resource)]
    has_changed = any(row.deployment_key > key for row in beside if row is not None for key in bound.values())
    return frozenset(bound) if has_changes or has_changed else frozenset()
