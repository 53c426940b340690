"""The details of batch operations, as callers give them: a plan that is returned has passed the rules of its type."""

from collections.abc import Iterable

from osmia_broker.calls import checks
from osmia_broker.calls.faults import Faults
from osmia_broker.engine.commands.batches import BatchPlan

Pair = tuple[str, str]  #: the id of an element, and that of the one which takes its place


def migration_plan(target_definition_key: int, mappings: Iterable[Pair], *, maps_same_ids: bool = False) -> BatchPlan:
    """Return the plan to let process instances go on in another definition; with *maps_same_ids*, where the same id is unless it says otherwise.

    Raises:
        InvalidArgument: the definition or a mapping is missing, or there are too many mappings.

    """
    pairs = tuple(mappings)
    faults = Faults()
    faults.require("targetProcessDefinitionKey", target_definition_key or None)
    if not (pairs or maps_same_ids):
        faults.require("mappingInstructions", None)
    elif not all(source and target for source, target in pairs):
        faults.add("[sourceElementId, targetElementId] are required.")
    faults.refuse()
    checks.few("mappingInstructions", pairs)
    return BatchPlan(
        target_definition_key=checks.int64("targetProcessDefinitionKey", target_definition_key),
        mappings=pairs,
        maps_same_ids=maps_same_ids,
    )


def modification_plan(moves: Iterable[Pair]) -> BatchPlan:
    """Return the plan to move tokens from one element to another.

    Raises:
        InvalidArgument: there is no move, one of them has not both elements, or there are too many.

    """
    pairs = tuple(moves)
    faults = Faults()
    if not pairs:
        faults.require("moveInstructions", None)
    for source, target in pairs[: checks.LIST_ITEMS_MAX]:
        faults.require("sourceElementId", source)
        faults.require("targetElementId", target)
    faults.refuse()
    checks.few("moveInstructions", pairs)
    return BatchPlan(moves=pairs)


def job_changes(*, retries: int | None, timeout_ms: int | None, priority: int | None) -> BatchPlan:
    """Return the plan to change values of jobs, of one or of many.

    Raises:
        InvalidArgument: nothing is given, no tries are left, or a number has too many bits.

    """
    faults = Faults()
    faults.require_any(retries=retries, timeout=timeout_ms, priority=priority)
    faults.demand_above("retries", retries)
    faults.refuse()
    if retries is not None:
        checks.int32("retries", retries)
    if timeout_ms is not None:
        checks.int64("timeout", timeout_ms)
    if priority is not None:
        checks.int32("priority", priority)
    return BatchPlan(retries=retries, timeout_ms=timeout_ms, priority=priority)
