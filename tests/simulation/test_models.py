"""Random models in both dialects, random acts, failing commits and restarts: no token is lost, and every instance comes to its end.

A failing seed prints its model and what was done.
"""

import asyncio
from collections.abc import Iterator

import pytest

from osmia_broker.engine.lifecycle import PROCESSORS
from osmia_broker.model.event_reader import ALLOWED, Place
from osmia_broker.model.events import Trigger
from osmia_broker.model.graph import ACTIVITIES, Element, ElementType, MultiInstance
from tests.simulation.model_files import compiled
from tests.simulation.parts import random_model
from tests.simulation.played_models import play

DIALECTS = ["zeebe", "activiti"]
#: What a dialect has no notation for.
ONLY_ZEEBE = {ElementType.AD_HOC_SUB_PROCESS, ElementType.SCRIPT_TASK, ElementType.BUSINESS_RULE_TASK}
#: Element instances without an element of their own: a loop and an ad-hoc subprocess make them.
IMPLIED = {ElementType.MULTI_INSTANCE_BODY, ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE}
MODELS = 3_000  # the last parts are rare


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("seed", [*range(80), 227])  # the last one was red once
def test_every_instance_of_a_random_model_comes_to_its_end(seed: int, dialect: str):
    asyncio.run(play(seed, dialect))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("seed", [*range(10)])
def test_every_instance_comes_to_its_end_in_several_partitions(seed: int, dialect: str):
    asyncio.run(play(seed, dialect, partitions=3))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("seed", [*range(3)])
@pytest.mark.parametrize(("store", "partitions"), [("sqlite", 1), ("postgres", 1), ("postgres", 3)])
def test_every_instance_comes_to_its_end_in_a_real_database(store: str, partitions: int, seed: int, dialect: str):
    asyncio.run(play(seed, dialect, partitions=partitions, store=store))


# --- what models hold


def known(dialect: str) -> Iterator[str]:
    """All elements, places, triggers and loops that the engine knows."""
    types = {ElementType(one) for one in PROCESSORS} - IMPLIED - (ONLY_ZEEBE if dialect == "activiti" else set())
    for type in types:
        yield str(type)
        if type in ACTIVITIES:
            yield from (
                f"{type} {more}"
                for more in ("with a boundary event", "with a handler", "in parallel", "in a row", "repeated")
            )
        if dialect == "zeebe":
            yield from (f"{type} {more}" for more in LISTENED.get(type, ()))
    for place, triggers in ALLOWED.items():
        for trigger in triggers:
            yield f"{trigger} at {place}"
            if place in (Place.BOUNDARY, Place.EVENT_SUBPROCESS_START) and trigger not in INTERRUPTING:
                yield f"{trigger} at {place} without an interruption"


INTERRUPTING = {Trigger.ERROR, Trigger.COMPENSATION, Trigger.CANCEL}
LISTENED = dict.fromkeys(ACTIVITIES, ("with a listener of its start", "with a listener of its end"))


def held(element: Element) -> Iterator[str]:
    """What of that is in one element."""
    yield str(element.type)
    if element.event is not None and (place := _place(element)):
        yield f"{element.event.trigger} at {place}"
        if not element.is_interrupting:
            yield f"{element.event.trigger} at {place} without an interruption"
    if any(one.compensation_handler is None for one in element.boundaries):
        yield f"{element.type} with a boundary event"
    if any(one.compensation_handler is not None for one in element.boundaries):
        yield f"{element.type} with a handler"
    if isinstance(element.loop, MultiInstance):
        yield f"{element.type} {'in a row' if element.loop.is_sequential else 'in parallel'}"
    elif element.loop is not None:
        yield f"{element.type} repeated"
    if element.start_listeners:
        yield f"{element.type} with a listener of its start"
    if element.end_listeners:
        yield f"{element.type} with a listener of its end"


def _place(event: Element) -> Place | None:
    if event.type is ElementType.START_EVENT:
        assert event.scope is not None
        return Place.START if event.scope.type is ElementType.PROCESS else Place.EVENT_SUBPROCESS_START
    return {
        ElementType.INTERMEDIATE_CATCH_EVENT: Place.CATCH,
        ElementType.INTERMEDIATE_THROW_EVENT: Place.THROW,
        ElementType.BOUNDARY_EVENT: Place.BOUNDARY,
        ElementType.END_EVENT: Place.END,
    }.get(event.type)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_random_models_hold_everything_that_the_engine_knows(dialect: str):
    missing = {*known(dialect)}
    for seed in range(MODELS):
        for element in compiled(random_model(seed, dialect)).elements.values():
            missing.difference_update(held(element))
        if not missing:
            return
    pytest.fail(f"no part of a random model makes {sorted(missing)}")
