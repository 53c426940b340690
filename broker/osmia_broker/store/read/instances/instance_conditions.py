"""Conditions on process instances, and the definitions that have some, by an index that has definition and state."""

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, select

from osmia_broker.state.rows import RUNNING
from osmia_broker.store import schema

_element = schema.element_instances
is_process = _element.c.type == schema.PROCESS


def running_of(definition_key: ColumnElement[int]) -> ScalarSelect[int]:
    """Count the running instances of a definition: a look into an index for each state that is not an end, so ended ones cost nothing."""
    return (
        select(func.count())
        .where(is_process, _element.c.process_definition_key == definition_key, _element.c.state.in_(RUNNING))
        .correlate_except(_element)
        .scalar_subquery()
    )


def definitions_with_instances() -> Select[Any]:
    """Select the keys of all definitions that have process instances, also of deleted ones, with one index look-up for each key."""
    first = select(func.min(_element.c.process_definition_key).label("key")).where(is_process)
    found = first.cte("definitions_with_instances", recursive=True)
    following = first.where(_element.c.process_definition_key > found.c.key).correlate(found).scalar_subquery()
    keys = found.union_all(select(following).where(found.c.key.is_not(None)))
    return select(keys.c.key).where(keys.c.key.is_not(None))
